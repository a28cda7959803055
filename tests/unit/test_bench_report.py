"""The report of `make bench`: rows that fit a terminal, ratios that know their direction, and its options."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.bench import budgets, options
from tests.bench.budgets import Budget
from tests.bench.report import Report, Row

ALL = [budget for budget in vars(budgets).values() if isinstance(budget, Budget)]
LARGE = {"/s": 9_999_999, "ms": 99_999, "B": 99_999}


def _report() -> Report:
    return Report(Console(file=io.StringIO()), "Yongzhi 永志: 1,000,000 events stored, rounds: 5")


def _printed(report: Report, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as printed:
        console.print(report.table())
    return printed.get().splitlines()


@pytest.mark.parametrize("divisor", [10_000, 3, 1 / 9], ids=["large ratio", "middling", "small ratio"])
def test_every_row_is_one_whole_line_of_80_columns(divisor: float) -> None:
    report = _report()
    for budget in ALL:
        report.add(budget, LARGE[budget.unit] / 10, LARGE[budget.unit] / 10 / divisor)
    report.add(budgets.SHA256, LARGE["/s"], 99_999)
    lines = _printed(report, 80)
    assert max(map(cell_len, lines)) <= 80
    assert not [line for line in lines if "…" in line]
    for row in report.rows:
        cells = [cell for cell in row.cells()[:5] if cell]
        assert [line for line in lines if all(cell in line for cell in cells)], cells


def test_names_tell_rows_apart() -> None:
    assert len({budget.name for budget in ALL}) == len(ALL)


@pytest.mark.parametrize(
    ("unit", "target", "value", "met"),
    [
        ("/s", 1.5, 150, True),
        ("/s", 1.5, 149, False),
        ("/s", 1.5, 400, True),
        ("ms", 3, 300, True),
        ("ms", 3, 301, False),
        ("B", 2, 100, True),
        ("B", 2, 201, False),
        ("/s", None, 1, None),
        ("ms", None, 1, None),
    ],
)
def test_rates_are_to_be_large_and_durations_and_sizes_small(
    unit: budgets.Unit, target: float | None, value: float, met: bool | None
) -> None:
    assert Row(Budget("work", "floor", target, unit), value, 100).is_met is met


def test_the_target_tells_its_direction() -> None:
    assert Budget("work", "floor", 0.35).target_text == "≥ 0.35"
    assert Budget("work", "floor", 3, "ms").target_text == "≤ 3"
    assert Budget("work", "floor").target_text == ""


def test_the_json_names_the_baseline_beside_the_ratio(tmp_path: Path) -> None:
    report = _report()
    report.add(Budget("totals p99", "SELECT", 4, "ms"), 58.2, 9.7)
    report.add(Budget("bulk ingest", "binary COPY"), 3_412.34, 56_000)
    report.save(tmp_path / "var" / "bench.json")
    assert json.loads((tmp_path / "var" / "bench.json").read_text(encoding="utf-8")) == [
        {
            "name": "totals p99 × SELECT",
            "value": 58.2,
            "unit": "ms",
            "of": "SELECT",
            "baseline": 9.7,
            "ratio": 6.0,
            "target": 4,
        },
        {
            "name": "bulk ingest × binary COPY",
            "value": 3412.0,
            "unit": "/s",
            "of": "binary COPY",
            "baseline": 56_000.0,
            "ratio": 0.06093,
            "target": None,
        },
    ]


@pytest.mark.parametrize(
    ("arguments", "subjects"),
    [
        ([], set(options.SUBJECTS)),
        (["--only", "audit"], {"audit"}),
        (["--only", "ingest,audit"], {"ingest", "audit"}),
        (["--only", "ingest", "--only", "audit,singles"], {"ingest", "audit", "singles"}),
    ],
)
def test_subjects_are_given_with_commas_or_repeated(arguments: list[str], subjects: set[str]) -> None:
    assert options.parse(arguments).subjects == subjects


@pytest.mark.parametrize("text", ["audits", "audit,audits", "audit,", ""])
def test_an_unknown_subject_is_refused_with_those_there_are(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.parse(["--only", text])
    assert "choose from ingest, singles," in " ".join(capsys.readouterr().err.split())


def test_numbers_on_the_command_line_replace_those_of_the_scale() -> None:
    scale = options.parse(["--quick", "--stored", "7000", "--growth", "90000"]).scale
    assert (scale.stored, scale.growth, scale.rounds) == (7_000, 90_000, options.QUICK.rounds)
