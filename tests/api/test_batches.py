"""Proofs for many: who may ask, what each volunteer gets or is refused for, and the ZIP of it all."""

import csv
import io
import zipfile
from typing import Any

import pytest

from api.service import batches as batching
from ledger.events import submission
from ledger.limits import BATCH_BYTES_MAX, BATCH_VOLUNTEERS_MAX
from tests.api.proving import CONSENT, YEAR, Holder, newcomer
from tests.api.site import Site
from tests.integration.waiting import eventually
from tests.integration.world import span, volunteer
from tests.support.builders import AUTHORITY, GROUP, PROOF, STATION, VOLUNTEER, details

COMMON = {**YEAR, "consent": CONSENT}


@pytest.fixture(scope="module")
def pupils(proving: Site) -> list[Holder]:
    """Volunteers whom the station registered, each with a name and a minute more than the one before it."""
    found = [newcomer(proving, named=True) for _ in range(5)]
    for number, holder in enumerate(found):
        holder.serve("09:00", f"10:{number:02}")
    return found


def begun(by: Holder, volunteers: list[str], **members: Any) -> dict[str, Any]:
    answer = by.post("proof-batches", **{**COMMON, **members}, volunteers=volunteers)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    assert found["total"] == len(volunteers)
    return found


def done(by: Holder, volunteers: list[str], **members: Any) -> dict[str, Any]:
    """A batch once nothing of it waits and a checkpoint covers it."""
    batch = begun(by, volunteers, **members)["id"]

    def progress() -> dict[str, Any]:
        found: dict[str, Any] = by.get(f"proof-batches/{batch}").json()
        return found

    eventually(lambda: not progress()["waiting"])
    by.site.publish()
    assert progress()["ready"]
    return progress()


def items(by: Holder, batch: str, state: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = by.site.json(f"proof-batches/{batch}/items", by.name, state=state)["items"]
    return found


def unzipped(by: Holder, batch: str) -> tuple[zipfile.ZipFile, list[dict[str, str]]]:
    answer = by.get(f"proof-batches/{batch}/zip")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip"), answer.text
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    table = archive.read("index.csv")
    assert table.startswith(b"\xef\xbb\xbf")
    return archive, list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"))))


# -- what comes of it -----------------------------------------------------------------------------------


def test_each_gets_a_proof_of_its_own_or_a_reason(proving, pupils):
    station = Holder(proving, STATION)
    without, foreign = newcomer(proving, named=True), newcomer(proving, ("09:00", "10:00"))
    names = [*(one.name for one in pupils), without.name, foreign.name, volunteer(987)]
    found = done(station, names, named=True)
    assert (found["total"], found["issued"], found["refused"]) == (8, 5, 3)
    refused = {one["volunteer"]: one["problem"] for one in items(station, found["id"], "refused")}
    assert "nothing to prove" in refused[without.name]
    assert refused[foreign.name] == refused[volunteer(987)] == "not registered by whoever asks"
    issued = items(station, found["id"], "issued")
    assert [one["number"] for one in issued] == [1, 2, 3, 4, 5]
    archive, table = unzipped(station, found["id"])
    assert archive.namelist() == [*(f"{one['number']:05}-{one['proof']}.pdf" for one in issued), "index.csv"]
    assert [row["volunteer"] for row in table] == names
    assert [bool(row["problem"]) for row in table] == [False] * 5 + [True] * 3
    for holder, one, row in zip(pupils, issued, table, strict=False):
        pdf = archive.read(row["file"])
        assert pdf == holder.part(one["proof"], "pdf")
        assert (row["name"], row["proof"]) == ("林小明", one["proof"])
        assert holder.statement(one["proof"]).minutes == 60 + pupils.index(holder)
        assert str(proving.service.checking.check_upload(pdf).outcome) == "valid"
        seen = proving.json(f"proofs/{one['proof']}/accesses", holder.name)
        assert ("pdf", STATION) in {(access["action"], access["by"]) for access in seen}


def test_no_cell_of_the_table_is_a_formula(proving):
    station, region = Holder(proving, STATION), Holder(proving, AUTHORITY)
    names = ["=1+1", "+1", "-1", "@A1", "＝1", '"x', "甲,乙"]
    people = []
    for number, text in enumerate(names):
        name = volunteer(700 + number)
        proving.world.register(name, details(name=text, id_number=f"E77000{number:02}"))
        proving.world.record("hours.recorded/1", subject=name, **span("09:00", "10:00"))
        people.append(name)
    _, table = unzipped(station, done(station, people, named=True)["id"])
    assert [row["name"] for row in table] == ["'=1+1", "'+1", "'-1", "'@A1", "'＝1", '"x', "甲,乙"]
    assert region.get("proofs", volunteer=people[0]).status_code == 200


def test_asking_again_issues_again(proving, pupils):
    """Two batches are two requests; nothing is taken for a repetition."""
    station, names = Holder(proving, STATION), [pupils[0].name]
    before = len(proving.json("proofs", names[0])["proofs"])
    first, second = done(station, names), done(station, names)
    assert first["id"] != second["id"]
    assert len(proving.json("proofs", names[0])["proofs"]) == before + 2


def test_the_region_asks_for_anybody(proving, pupils):
    own = newcomer(proving, ("09:00", "10:00"))
    found = done(Holder(proving, AUTHORITY), [own.name, pupils[0].name])
    assert (found["issued"], found["refused"]) == (2, 0)


def test_many_are_issued_a_few_at_a_time(proving, pupils, monkeypatch):
    monkeypatch.setattr(batching, "ISSUED_AT_ONCE", 2)
    found = done(Holder(proving, STATION), [one.name for one in pupils])
    assert (found["issued"], found["refused"]) == (5, 0)


def test_what_is_too_large_together_is_issued_apart(proving, pupils, monkeypatch):
    """A volunteer with much to state leaves no room for the others in one request."""
    monkeypatch.setattr(submission, "SUBMISSION_BYTES_MAX", 10_000)  # each has some 5,000
    found = done(Holder(proving, STATION), [one.name for one in pupils])
    assert (found["issued"], found["refused"]) == (5, 0)
    newest = f"SELECT count FROM {proving.world.schema}.submissions ORDER BY first DESC LIMIT 5"
    assert [count for (count,) in proving.world.query(newest)] == [1] * 5


# -- who may --------------------------------------------------------------------------------------------


def test_only_who_began_it_and_the_region_see_it(proving, pupils):
    station = Holder(proving, STATION)
    batch = done(station, [pupils[0].name])["id"]
    for path in ("", "/items", "/zip"):
        for name in (GROUP, pupils[0].name):
            assert Holder(proving, name).get(f"proof-batches/{batch}{path}").status_code == 404
        assert Holder(proving, AUTHORITY).get(f"proof-batches/{batch}{path}").status_code == 200
        assert proving.get(f"proof-batches/{batch}{path}").status_code == 401
        assert station.get(f"proof-batches/{PROOF}{path}").status_code == 404
        assert station.get(f"proof-batches/x{path}").status_code == 400
    of_region = done(Holder(proving, AUTHORITY), [pupils[0].name])["id"]
    assert station.get(f"proof-batches/{of_region}").status_code == 404


def test_volunteers_begin_no_batch(proving, pupils):
    with proving.nothing_written():
        answer = pupils[0].post("proof-batches", **COMMON, volunteers=[pupils[0].name])
    assert answer.status_code == 403


def test_a_group_gets_nothing_of_people_it_did_not_register(proving, pupils):
    found = done(Holder(proving, GROUP), [pupils[0].name, VOLUNTEER])
    assert (found["issued"], found["refused"]) == (0, 2)
    _, table = unzipped(Holder(proving, GROUP), found["id"])
    assert [row["name"] for row in table] == ["", ""]


# -- what is refused ------------------------------------------------------------------------------------

NAMES = [VOLUNTEER]


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"volunteers": []}, "/volunteers"),
        ({"volunteers": NAMES * 2}, "/volunteers"),
        ({"volunteers": [VOLUNTEER, "x"]}, "/volunteers/1"),
        ({"volunteers": [VOLUNTEER, None]}, "/volunteers/1"),
        ({"volunteers": [STATION]}, "/volunteers/0"),
        ({"volunteers": VOLUNTEER}, "/volunteers"),
        ({"volunteers": [volunteer(number) for number in range(BATCH_VOLUNTEERS_MAX + 1)]}, "/volunteers"),
        ({"volunteers": NAMES, "consent": None}, "/consent"),
        ({"volunteers": NAMES, "consent": " "}, "/consent"),
        ({"volunteers": NAMES, "first": "2026-02-30"}, "/first"),
        ({"volunteers": NAMES, "last": "2025-01-01"}, "/last"),
        ({"volunteers": NAMES, "categories": ["x"]}, "/categories/0"),
        ({"volunteers": NAMES, "note": "\u202e"}, "/note"),
        ({"volunteers": NAMES, "replaces": PROOF}, "/replaces"),
        ({"volunteers": NAMES, "extra": 1}, "/extra"),
        ({}, "/volunteers"),
    ],
    ids=lambda value: ascii(value)[:50],
)
def test_a_batch_is_refused_with_its_place(proving, members, pointer):
    with proving.nothing_written():
        answer = Holder(proving, STATION).post("proof-batches", **{**COMMON, **members})
    assert (answer.status_code, answer.json()["pointer"]) == (400, pointer), answer.text


def test_a_huge_batch_is_refused(proving):
    with proving.nothing_written():
        answer = Holder(proving, STATION).send("proof-batches", b"[" + b" " * BATCH_BYTES_MAX)
    assert answer.status_code == 413


def test_the_largest_batch_fits_its_limit(proving):
    names = [volunteer(10**9 + number) for number in range(BATCH_VOLUNTEERS_MAX)]
    found = done(Holder(proving, STATION), names)
    assert (found["total"], found["refused"]) == (BATCH_VOLUNTEERS_MAX, BATCH_VOLUNTEERS_MAX)


def test_items_are_read_page_by_page(proving, pupils):
    station = Holder(proving, STATION)
    batch = done(station, [one.name for one in pupils])["id"]
    seen: list[int] = []
    cursor: dict[str, Any] = {}
    while True:
        page = station.get(f"proof-batches/{batch}/items", state="issued", limit=2, **cursor).json()
        seen += [one["number"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == [1, 2, 3, 4, 5]
    for query in ({"state": "lost"}, {"cursor": "x"}, {"limit": 0}, {"limit": 10**9}):
        assert station.get(f"proof-batches/{batch}/items", **query).status_code == 400


def test_a_batch_that_is_not_done_has_no_zip(proving, pupils, monkeypatch):
    station = Holder(proving, STATION)
    batch = begun(station, [pupils[0].name])["id"]
    eventually(lambda: not station.get(f"proof-batches/{batch}").json()["waiting"])
    assert not station.get(f"proof-batches/{batch}").json()["ready"]
    early = station.get(f"proof-batches/{batch}/zip")
    assert (early.status_code, early.headers["retry-after"]) == (404, "2")
    proving.publish()
    assert station.get(f"proof-batches/{batch}/zip").status_code == 200
