"""The docs hold against the code, both ways: what they name exists, and what exists they name.

`python -m tests.unit.test_docs` writes the generated parts of docs/format.md anew.
"""

from __future__ import annotations

import ast
import base64
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import click
from fastapi import FastAPI
from fastapi.routing import APIRoute

from api.app import API
from api.cli import common as cli_common
from api.cli import main as command_line
from api.cli import verify
from api.client.sign_in import answer_challenge, challenge_text
from api.deployment.data_folder import Deployment, opened
from api.http import problems
from api.http.routes import submissions
from api.service.metrics import Metrics
from ledger import codes, ids, limits
from ledger.crypto.keys import SigningKey
from ledger.domain import catalogue, rules
from ledger.domain.authority import MAY_ISSUE
from ledger.domain.state import Moment, State
from ledger.errors import Invalid
from ledger.events import private_details, submission
from ledger.events.body import CATALOGUE
from ledger.events.fields import Event, type_name
from ledger.store import log
from ledger.store.postgres.database import Cursor
from ledger.tlog import merkle, notes
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.entries import commitment_to, make_entry
from ledger.tlog.receipt import PROOF_HEADER, check_receipt
from projections.totals import STATES
from tests.support.builders import canonical, identity

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CODE = ("ledger", "projections", "api")
README = ROOT / "README.md"
OURS = ("format.md", "proofs.md", "trust-model.md", "operations.md", "api.md")
"""Pages that this module holds against the code; others have tests of their own."""

EXAMPLE_BEGIN = "<!-- begin: worked example -->"
EXAMPLE_END = "<!-- end: worked example -->"
_REGENERATE = "write it anew with: python -m tests.unit.test_docs"


# -- reading the pages --------------------------------------------------------------------------------


@cache
def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(name: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    found = re.search(
        rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,6}} |\Z)", _unfenced(page(name)), re.MULTILINE | re.DOTALL
    )
    assert found, f"docs/{name} has no heading {heading!r}"
    level, rest = len(found[1]), _unfenced(page(name))[found.start(2) :]
    end = re.search(rf"^#{{1,{level}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def _unfenced(text: str) -> str:
    """The text with code blocks emptied: a `#` there is no heading."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def table(name: str, heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, code marks off, without its head."""
    lines = [line for line in section(name, heading).splitlines() if line.startswith("|")]
    end = next((at for at, line in enumerate(lines[2:], 2) if set(line) <= set("|-: ")), len(lines) + 1)
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[2 : end - 1]]
    return [[cell.strip().replace("`", "").replace("\\|", "|") for cell in row] for row in rows]


def column(name: str, heading: str, number: int = 0) -> list[str]:
    found = [row[number] for row in table(name, heading)]
    assert len(found) == len(set(found)), f"docs/{name}, {heading!r}: a row stands twice"
    return found


def block(name: str, begin: str, end: str) -> str:
    """What stands between two marks."""
    return page(name).split(begin + "\n", 1)[1].split(end, 1)[0]


def all_pages() -> list[Path]:
    return sorted(DOCS.rglob("*.md"))


def sources() -> Iterator[tuple[Path, str]]:
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, path.read_text(encoding="utf-8")


# -- the worked example of docs/format.md -------------------------------------------------------------

REGION, ORIGIN = "441300", "ledger.example/441300"
AUTHORITY, STATION = f"region:{REGION}", "org:51441300MJM000001P"
PERSON = "volunteer:0199a1c2-7000-7000-8000-000000000001"
ACTIVITY = "0199a1c2-7000-7000-8000-000000000002"
LOG_KEY = SigningKey(ORIGIN, b"\1" * 32)
REGION_KEY = SigningKey(AUTHORITY, b"\2" * 32)
STATION_KEY = SigningKey(STATION, b"\3" * 32)
CLOCK = [ids.parse_time(f"2026-11-0{day}T12:00:05+08:00") for day in (1, 1, 2)]
"""When the ledger recorded each submission."""


def _salt(number: int) -> str:
    return base64.urlsafe_b64encode(bytes([number]) * 16).decode().rstrip("=")


DETAILS = canonical(
    {"name": "测试员甲", "id_type": "passport", "id_number": "E12345678", "born": "1990-01-31", "salt": _salt(0xD0)}
)


def _bodies() -> list[list[bytes]]:
    """The bodies of three submissions: the region is established, a station admitted, hours are recorded."""
    made = 0

    def body(name: str, issuer: str, subject: str, time: str, /, **own: object) -> bytes:
        nonlocal made
        made += 1
        common = {"id": f"0199b7d4-0000-7000-8000-{made:012x}", "type": name, "issuer": issuer, "ledger": REGION}
        return canonical({**common, "subject": subject, "time": time, "salt": _salt(made), **own})

    first, second = "2026-11-01T12:00:00+08:00", "2026-11-02T12:00:00+08:00"
    place = {"name": "江南街道社区服务中心", "region": "441302"}
    what = {"category": "empty-nest-elders", "content": "陪诊、代购", "place": place, "responsible": "陈站长"}
    established = body(
        "region.established/1",
        AUTHORITY,
        AUTHORITY,
        first,
        name={"zh": "惠州市", "en": "Huizhou"},
        origin=ORIGIN,
        log_key=str(LOG_KEY),
        key=str(REGION_KEY),
    )
    registered = body("organisation.registered/1", AUTHORITY, STATION, first, name="江南街道志愿服务站", kind="station")
    keyed = body("organisation.key_added/1", AUTHORITY, STATION, first, key=str(STATION_KEY))
    enrolled = body(
        "volunteer.registered/1",
        STATION,
        PERSON,
        second,
        consent={"method": "form", "given": "2026-11-01T08:30:00+08:00", "reference": "档案 2026-18"},
        identity=identity(DETAILS),
    )
    published = body(
        "activity.published/1",
        STATION,
        f"activity:{ACTIVITY}",
        second,
        name="江南街道助老服务",
        start="2026-11-01T08:00:00+08:00",
        end="2026-11-30T18:00:00+08:00",
        **what,
    )
    recorded = body(
        "hours.recorded/1",
        STATION,
        PERSON,
        second,
        activity=ACTIVITY,
        activity_name="江南街道助老服务",
        start="2026-11-01T09:00:00+08:00",
        end="2026-11-01T11:30:00+08:00",
        minutes=150,
        evidence="check-in",
        recorder="林老师",
        **what,
    )
    return [[established], [registered, keyed], [enrolled, published, recorded]]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _fenced(text: str, language: str = "text") -> str:
    return f"```{language}\n{text.rstrip(chr(10))}\n```"


def worked_example() -> str:
    """The example as docs/format.md prints it. Every byte follows from the seeds, ids, salts and times above."""
    parts = ["", "The keys. The seed of each is one byte, 32 times; the private text form must never be published.", ""]
    parts += ["| role | seed | key, private | key, public (vkey) |", "|---|---|---|---|"]
    for role, key in (("log", LOG_KEY), ("region", REGION_KEY), ("station", STATION_KEY)):
        parts.append(f"| {role} | `{key.seed[:1].hex()}` × 32 | `{key.secret_text()}` | `{key}` |")
    parts += ["", "Private details of the volunteer, canonical, and the `identity` that the body states:", ""]
    parts += [_fenced(f"{DETAILS.decode()}\n{identity(DETAILS)}")]
    entries: list[bytes] = []
    for number, (bodies, key, clock) in enumerate(zip(_bodies(), _KEYS, CLOCK, strict=True), 1):
        parts += ["", f"**Submission {number}**, signed by `{key.name}`: {len(bodies)} event(s).", ""]
        for body in bodies:
            digest, leaf = commitment_to(body), merkle.leaf_hash(commitment_to(body))
            entries.append(make_entry(digest, clock))
            parts += [_fenced(body.decode(), "json"), ""]
            parts += [f"{len(body)} bytes; SHA-256 (the entry in the submission's tree), and leaf hash there:", ""]
            parts += [_fenced(f"{digest.hex()}\n{leaf.hex()}"), ""]
        root = submission.root_of([commitment_to(body) for body in bodies])
        parts += [f"Root of the submission's tree `{root.hex()}`. The note:", ""]
        parts += [_fenced(submission.seal(bodies, key, ORIGIN))]
    return "\n".join([*parts, *_example_log(entries)]) + "\n"


_KEYS = (REGION_KEY, REGION_KEY, STATION_KEY)


def _example_log(entries: list[bytes]) -> Iterator[str]:
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    yield "\n**The log.** The entries (SHA-256 of the body, then `recorded_at`) and their leaf hashes, by position:\n"
    yield "| position | recorded_at | entry, 40 bytes | leaf hash |\n|---|---|---|---|"
    for position, (entry, leaf) in enumerate(zip(entries, leaves, strict=True)):
        clock = int.from_bytes(entry[32:], "big")
        yield f"| {position} | {clock} ({ids.format_time(clock)}) | `{entry.hex()}` | `{leaf.hex()}` |"
    bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
    tile = b"".join(leaves)
    yield (
        f"\n`tile/entries/000.p/6` has {len(bundle)} bytes, SHA-256 `{sha256(bundle).hexdigest()}`; "
        f"`tile/0/000.p/6` has {len(tile)} bytes, SHA-256 `{sha256(tile).hexdigest()}`.\n"
    )
    yield "The checkpoint:\n"
    yield _fenced(_checkpoint(leaves))
    yield "\nThe receipt of the hours entry, position 5:\n"
    yield _fenced(_receipt(5, entries))
    yield "\n**Sign-in** of the station at a server that calls itself `ledger.example`:\n"
    yield _fenced(answer_challenge(_CHALLENGE, STATION_KEY, "ledger.example"))


_CHALLENGE = challenge_text(
    STATION, "ledger.example", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY", ids.parse_time("2026-11-02T04:05:00Z")
)


def _checkpoint(leaves: list[bytes]) -> str:
    return notes.sign(Checkpoint(ORIGIN, len(leaves), merkle.tree_root(leaves)).text(), [LOG_KEY])


def _receipt(position: int, entries: list[bytes]) -> str:
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    path = merkle.prove_inclusion(position, len(leaves), lambda low, high: merkle.tree_root(leaves[low:high]))
    head = [PROOF_HEADER, f"extra {_base64(entries[position][32:])}", f"index {position}", *map(_base64, path)]
    return "\n".join(head) + "\n\n" + _checkpoint(leaves)


def test_the_worked_example_is_what_the_code_makes():
    assert block("format.md", EXAMPLE_BEGIN, EXAMPLE_END) == worked_example(), _REGENERATE


def test_the_worked_example_is_a_ledger_that_the_rules_admit():
    """Its submissions open and verify, and a ledger would take every event of them."""
    state, position = State(), 0
    known = {(key.name, key.id): key.verifier for key in (REGION_KEY, STATION_KEY)}
    for bodies, key, clock in zip(_bodies(), _KEYS, CLOCK, strict=True):
        assert all(body == canonical(ast.literal_eval(body.decode())) for body in bodies)
        request = submission.pack(submission.seal(bodies, key, ORIGIN), bodies)
        found = submission.open_submission(request, REGION, ORIGIN)
        found.verify(lambda issuer, key_id: known.get((issuer, key_id)))
        for signed in found.events:
            claim = None
            if stated := getattr(signed.event, "identity", None):
                claim = private_details.claim_of(private_details.open_details(DETAILS, str(stated)), b"any")
            moment = Moment(
                position=position, now=clock, key_id=found.key_id, region=REGION, origin=ORIGIN, claim=claim
            )
            assert rules.decide(state, signed.event, moment) == []
            for record in rules.evolve(state, signed.event, moment):
                state.put(record)
            position += 1


def test_what_the_example_prints_can_be_checked_by_a_reader():
    """Receipt, checkpoint and sign-in, cut out of the page itself."""
    fences = re.findall(
        r"^```\w+\n(.*?)^```$", block("format.md", EXAMPLE_BEGIN, EXAMPLE_END), re.MULTILINE | re.DOTALL
    )
    body = next(text for text in fences if '"type":"hours.recorded/1"' in text).rstrip("\n").encode()
    checkpoint, receipt, sign_in = fences[-3:]
    assert open_checkpoint(checkpoint, LOG_KEY.verifier).size == 6
    found = check_receipt(receipt, body, LOG_KEY.verifier)
    assert (found.position, found.recorded_at) == (5, CLOCK[2])
    notes.parse(sign_in).verify(STATION_KEY.verifier)
    assert codes.is_social_credit_code(STATION.removeprefix("org:"))


# -- event types, fields, codes -----------------------------------------------------------------------


def test_the_catalogue_is_what_the_code_makes():
    assert block("format.md", catalogue.BEGIN, catalogue.END) == catalogue.render(), _REGENERATE


def test_the_catalogue_names_every_type_and_field_and_says_what_each_means():
    text = catalogue.render()
    assert set(re.findall(r"^#### ([a-z_.]+/\d+)$", text, re.MULTILINE)) == set(CATALOGUE)
    for kind in CATALOGUE.values():
        heading = f"#### {type_name(kind)}\n"
        own = text.split(heading, 1)[1].split("\n####", 1)[0]
        named = re.findall(r"^\| `(\w+)` \|", own, re.MULTILINE)
        assert named == [name for name in kind.__struct_fields__ if name not in Event.__struct_fields__]
    assert not re.search(r"\|[ \t]*\|", text), "an empty cell"


def test_the_catalogue_explains_nothing_that_does_not_exist(monkeypatch):
    page_made, meanings = catalogue.render(), dict(catalogue.MEANINGS)
    for name in meanings:
        monkeypatch.setattr(catalogue, "MEANINGS", {key: "X" if key == name else meanings[key] for key in meanings})
        assert catalogue.render() != page_made, name


def test_links_inside_the_catalogue_lead_somewhere():
    anchors = {catalogue._anchor(heading) for heading in re.findall(r"^#+ (.*)$", catalogue.render(), re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]*)\)", catalogue.render())) <= anchors


def test_event_types_named_in_the_docs_exist():
    for path in all_pages():
        named = set(
            re.findall(
                r"(?<![\w.-])((?:region|organisation|volunteer|activity|hours|proof)\.[a-z_]+/\d+)", path.read_text()
            )
        )
        assert named <= set(CATALOGUE), path


def codes_in_code() -> set[str]:
    """Every literal code of a violation or problem that submissions can be refused with."""
    places = [ROOT / "ledger" / name for name in ("events/submission.py", "app/intake.py")]
    found = {Invalid.code}
    for path in [*places, *sorted((ROOT / "ledger" / "domain").glob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                found |= {str(one.value) for one in _code_arguments(node) if isinstance(one, ast.Constant)}
    return found


def _code_arguments(node: ast.Call) -> list[ast.expr]:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name in {"Violation", "_bad_note"}:
        return node.args[:1]
    if name == "_at":
        return node.args[2:3]
    return [keyword.value for keyword in node.keywords if name == "Problem" and keyword.arg == "code"]


def test_problem_codes():
    assert set(column("format.md", "Problem codes")) == codes_in_code()


def test_states_in_the_order_in_which_they_are_shown():
    assert tuple(column("format.md", "States of an entry")) == STATES


def test_everyone_who_may_issue_is_described():
    roles = {str(role.__doc__).replace("`", "") for allowed in MAY_ISSUE.values() for role in allowed}
    assert set(column("format.md", "Who may issue what")) == roles


# -- problem types, routes ----------------------------------------------------------------------------


def test_problem_types():
    kinds = [
        (problems.TYPE_PREFIX + str(error.code), str(kind.status), kind.title.en)
        for error, kind in problems.KINDS.items()
    ]
    kinds.append((problems.TYPE_PREFIX + "internal", str(problems.INTERNAL.status), problems.INTERNAL.title.en))
    assert sorted(tuple(row[:3]) for row in table("api.md", "Problem types")) == sorted(kinds)


def test_answers_to_a_submission_are_of_those_types():
    known = {(str(kind.status), str(error.code)) for error, kind in problems.KINDS.items()}
    known |= {(str(problems.INTERNAL.status), "internal"), ("200", "–"), ("201", "–")}
    told = {(row[0], row[1]) for row in table("format.md", "Answers")}
    assert told <= known


def routes_in_code() -> set[tuple[str, str]]:
    """(method, path) of everything served, path parameters as docs/api.md writes them."""
    found = {("POST", submissions.PATH)}
    for module in API:
        for route in module.router.routes:
            assert isinstance(route, APIRoute)
            found |= {(method, route.path.replace(":path}", "}")) for method in route.methods or ()}
    for own in FastAPI().routes:
        path = str(getattr(own, "path", ""))
        if not path.endswith("/oauth2-redirect"):
            found.add(("GET", path))
    return found


def routes_in_docs() -> set[tuple[str, str]]:
    text = section("api.md", "Calls")
    found = re.findall(r"^\| `(GET|POST|PUT|DELETE) (/\S*)` \|", text, re.MULTILINE)
    assert len(found) == len(set(found)), "a call stands twice"
    return set(found)


def test_routes():
    assert routes_in_docs() == routes_in_code()


def test_every_module_of_routes_is_looked_at():
    modules = {path.stem for path in (ROOT / "api" / "http" / "routes").glob("*.py")} - {"__init__"}
    assert modules == {module.__name__.rpartition(".")[2] for module in (*API, submissions)}


def test_examples_call_what_exists():
    known = [re.compile(_pattern(path) + r"(\?.*)?") for _, path in routes_in_code()]
    called = re.findall(r"http://127\.0\.0\.1:8000(/[^\s\"'\\]*)", "".join(page(name) for name in OURS))
    assert called
    for path in called:
        assert any(pattern.fullmatch(path) for pattern in known), path


def _pattern(path: str) -> str:
    """A regular expression for the paths of a route; only `{path}` spans several steps."""
    return re.sub(r"\{(\w+)\}", lambda found: ".+" if found[1] == "path" else "[^/?]+", path.replace(".", r"\."))


# -- limits, metrics, commands, variables -------------------------------------------------------------


def test_limits():
    told = {row[0]: int(row[1].replace(",", "")) for row in table("operations.md", "Limits")}
    assert told == {name: value for name, value in vars(limits).items() if name.isupper()}


def test_metrics():
    found = set()
    for metric in Metrics().registry.collect():
        name = metric.name + ("_total" if metric.type == "counter" else "")
        found.add((name, metric.type))
    assert {(row[0], row[1]) for row in table("operations.md", "Metrics")} == found


def test_labels_of_metrics():
    registered = Metrics()
    for row in table("operations.md", "Metrics"):
        (collector,) = (
            one
            for one in vars(registered).values()
            if getattr(one, "_name", "") in (row[0], row[0].removesuffix("_total"))
        )
        assert row[2] == (", ".join(collector._labelnames) or "–"), row[0]


def commands() -> Mapping[str, click.Command]:
    main, context = command_line.main, click.Context(command_line.main)
    assert isinstance(main, click.Group)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def test_commands():
    assert set(column("operations.md", "Commands")) == set(commands())


def test_commands_in_examples_exist_with_their_options():
    """Every line of a code block that calls the program is parsed as the program would."""
    lines = [
        line
        for path in (README, *all_pages())
        for text in re.findall(r"^```(?:sh|console)\n(.*?)^```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        for line in text.replace("\\\n", " ").splitlines()
    ]
    calls = [shlex.split(part.strip("$ "), comments=True) for line in lines for part in line.split("&&")]
    used = [words[1:] for words in calls if words[:1] == ["yongzhi"]]
    assert used
    for name, *words in used:
        command = commands()[name]
        if isinstance(command, click.Group):
            command, words = command.commands[words[0]], words[1:]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, (name, words)


def test_every_command_of_a_group_is_told_of():
    text = "".join(path.read_text(encoding="utf-8") for path in (README, *all_pages()))
    for group, command in commands().items():
        if isinstance(command, click.Group):
            listed = set(re.findall(r"^\| `([a-z-]+)`", text, re.MULTILINE))
            called = set(re.findall(rf"yongzhi {group} ([a-z-]+)", text))
            assert called <= set(command.commands), group
            assert set(command.commands) <= called | listed, group


def test_commands_named_in_the_text_exist():
    for path in all_pages():
        named = set(re.findall(r"`yongzhi ([a-z-]+)", path.read_text(encoding="utf-8")))
        assert named <= set(commands()), path


def test_exit_statuses():
    told = {row[0]: row[1] for row in table("operations.md", "Exit statuses")}
    assert list(told) == ["0", "1", "2", "3", "4", "5"]
    used = {row[0] for row in table("operations.md", "Exit statuses") if row[2] == "yes"}
    exits = {cli_common.REFUSED, cli_common.OUT_OF_REACH, *verify.EXITS.values(), 2}
    assert {str(status) for status in exits} == used


def test_environment_variables():
    told = set(column("operations.md", "Environment variables"))
    read = r"(?:environ(?:\.get\(|\[)|envvar=)\"([A-Z_]+)\""
    assert told == {name for _, text in sources() for name in re.findall(read, text)}


# -- references ---------------------------------------------------------------------------------------


def headings(path: Path) -> set[str]:
    return set(re.findall(r"^#+ (.*)$", _unfenced(path.read_text(encoding="utf-8")), re.MULTILINE))


def test_links_lead_somewhere():
    for path in all_pages():
        text = _unfenced(path.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            parts = urlsplit(target)
            if parts.scheme:
                continue
            goal = (path.parent / parts.path).resolve() if parts.path else path
            assert goal.exists(), f"{path}: {target}"
            if parts.fragment:
                assert parts.fragment in {catalogue._anchor(one) for one in headings(goal)}, f"{path}: {target}"


def test_what_the_code_refers_to_stands_in_the_docs():
    """References have the form: docs/format.md, "Heading"."""
    found = 0
    for path, text in sources():
        for name, heading in re.findall(r"docs/([\w./-]+\.md), \"([^\"]+)\"", text):
            assert heading in headings(DOCS / name), f"{path}: {name}, {heading}"
            found += 1
    assert found


def test_pages_that_the_code_names_exist():
    for path, text in sources():
        for name in re.findall(r"docs/[\w./-]+\.md", text):
            assert (ROOT / name).exists(), f"{path}: {name}"


def test_code_that_the_docs_name_exists():
    for path in all_pages():
        for name in re.findall(r"`((?:ledger|projections|api|tests)/[\w/]+\.py)`", path.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{path}: {name}"


def test_files_of_the_data_folder_are_named_where_they_are_made():
    made = "".join(text for path, text in sources() if path.name in {"embedded.py", "data_folder.py", "submit.py"})
    for name in column("operations.md", "The data folder"):
        stem = (
            re.sub(r"REGION", "", name.rstrip("/")).strip("/").rpartition("/")[2] or name.strip("/").partition("/")[0]
        )
        assert stem.lstrip(".") in made, name


def test_decisions_are_numbered_and_of_one_form():
    paths = sorted((DOCS / "adr").glob("*.md"))
    assert [path.name[:4] for path in paths] == [f"{number:04}" for number in range(1, len(paths) + 1)]
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(path.name[:4])}. "), path
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
            "Context",
            "Decision",
            "Consequences",
            "Alternatives",
        ], path


# -- the procedure for lost positions -----------------------------------------------------------------


@contextmanager
def fresh(folder: Path, database_url: str, code: str) -> Iterator[Deployment]:
    with opened(folder, database_url) as deployment:
        with deployment.database.transaction() as cursor:
            cursor.execute(f"DROP SCHEMA IF EXISTS r_{code} CASCADE; CREATE SCHEMA IF NOT EXISTS vault")
            cursor.execute(f"DROP TABLE IF EXISTS vault.r_{code}")
        yield deployment


def test_lost_positions_are_refilled_as_the_page_says(tmp_path, database_url):
    program = re.search(r"^```python\n(# refill\.py.*?)^```$", page("operations.md"), re.MULTILINE | re.DOTALL)
    assert program
    (tmp_path / "refill.py").write_text(program[1], encoding="utf-8")
    requests = tmp_path / "requests"
    requests.mkdir()
    origin = "ledger.example/442000"
    with fresh(tmp_path / "data", database_url, "442000") as deployment:
        now = ids.parse_time("2026-11-01T12:00:00+08:00")
        deployment.establish("442000", origin, "Zhongshan")
        key = deployment.region_keys("442000").issuing
        ledger = deployment.ledger("442000")
        kept = ledger.head().size
        for number in (1, 2):
            body = canonical(
                {
                    "id": f"0199b7d4-0000-7000-8000-{number:012x}",
                    "type": "organisation.registered/1",
                    "issuer": key.name,
                    "ledger": "442000",
                    "subject": f"org:0199a1c2-0000-7000-8000-{number:012x}",
                    "time": ids.format_time(now),
                    "salt": _salt(number),
                    "name": "义工队",
                    "kind": "group",
                }
            )
            request = submission.pack(submission.seal([body], key, origin), [body])
            (requests / f"{number}.json").write_bytes(request)
            ledger.submit(request)
        signed = deployment.publisher("442000").publish()
        with deployment.database.transaction() as cursor:
            entries = b"".join(log.read_entries(cursor, ledger.schema, 0, 100))
            _forget(cursor, ledger.schema, kept)
    (tmp_path / "entries").write_bytes(entries)
    command = [sys.executable, "refill.py", "data", "442000", "entries", "requests"]
    environment = {"PYTHONPATH": str(ROOT), "YONGZHI_DATABASE_URL": database_url, "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with opened(tmp_path / "data", database_url) as deployment:
        assert deployment.publisher("442000").publish() == signed


def _forget(cursor: Cursor, schema: str, kept: int) -> None:
    """Bring the log back to an earlier size, as an old backup would."""
    entries = log.read_entries(cursor, schema, 0, kept)
    _, frontier, nodes = merkle.append(0, (), map(merkle.leaf_hash, entries))
    cursor.execute(f"DELETE FROM {schema}.events WHERE position >= %s", (kept,))
    cursor.execute(f"DELETE FROM {schema}.submissions WHERE first >= %s", (kept,))
    cursor.execute(f"DELETE FROM {schema}.organisations; DELETE FROM {schema}.tiles")
    for (level, index), hashes in nodes.items():
        cursor.execute(f"INSERT INTO {schema}.tiles VALUES (%s, %s, %s)", (level, index, b"".join(hashes)))
    clock = int.from_bytes(entries[-1][32:], "big")
    cursor.execute(f"UPDATE {schema}.head SET size = %s, frontier = %s, clock = %s", (kept, b"".join(frontier), clock))


def write() -> None:
    """Put the generated parts into docs/format.md."""
    path = DOCS / "format.md"
    text = path.read_text(encoding="utf-8")
    for begin, end, made in (
        (catalogue.BEGIN, catalogue.END, catalogue.render()),
        (EXAMPLE_BEGIN, EXAMPLE_END, worked_example()),
    ):
        head, rest = text.split(begin + "\n", 1)
        text = head + begin + "\n" + made + end + rest.split(end, 1)[1]
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
