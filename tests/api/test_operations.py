"""What an operator sees: which part has stopped and why, and logs that name no person."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from api.http import problems
from api.service import publishing, service
from api.service.logs import JsonFormatter
from ledger.errors import Problem, Refused, Unavailable
from ledger.store.postgres.database import Database
from tests.api.site import OTHER, Site
from tests.integration.waiting import eventually
from tests.integration.world import span, volunteer
from tests.support import builders
from tests.support.builders import AUTHORITY, REGION, STATION, VOLUNTEER

# -- a projection that stops ----------------------------------------------------------------------------


@pytest.fixture
def stopped(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A site, and a way to let one region's projection stumble over an event."""
    monkeypatch.setattr(publishing, "CHECKPOINT_INTERVAL", 0.02)
    with Site(tmp_path / "data", database) as site:
        projection = site.service.regions[REGION].runner.projection
        apply = projection.apply

        def stumble(name: str) -> None:
            def refusing(rows: Any, cursor: Any) -> None:
                if any(name.encode() in bytes(body) for _, _, body in rows):
                    raise ZeroDivisionError("no handler for this")
                apply(rows, cursor)

            monkeypatch.setattr(projection, "apply", refusing)

        yield site, stumble


def test_an_event_that_a_projection_cannot_apply_stops_it_alone_and_visibly(stopped):
    site, stumble = stopped
    world, name = site.world, builders.event_id()
    stumble(name)
    good = world.record("hours.recorded/1", **span("06:00", "07:00"))
    world.record("hours.recorded/1", id=name, **span("07:00", "08:00"))
    eventually(lambda: site.get("/readyz").status_code == 503)
    told = site.get("/readyz").json()
    assert set(told["failed"]) == {f"{REGION} totals"}
    reason = told["failed"][f"{REGION} totals"]
    assert all(part in reason for part in (name, "hours.recorded/1", f"position {world.size - 1}"))
    assert site.metric("yongzhi_failed", part="totals", region=REGION) == 1
    assert site.metric("yongzhi_failed", part="log", region=REGION) == 0
    assert site.metric("yongzhi_failed", part="totals", region=OTHER) == 0
    # What came before the event is counted, what comes behind it waits; all else goes on.
    assert site.json(f"volunteers/{VOLUNTEER}", VOLUNTEER)["total"]["counted"]["entries"] == 1
    answer = site.post(world.request(world.hours("08:00", "09:00")))
    assert answer.status_code == 201
    waited = site.get(f"volunteers/{VOLUNTEER}", VOLUNTEER, after=answer.json()["first"])
    assert (waited.status_code, waited.json()["type"]) == (404, "urn:yongzhi:problem:not-yet")
    eventually(lambda: site.get(f"events/{name}/receipt", STATION).status_code == 200)
    assert site.get(f"events/{good}", STATION).status_code == 200


def test_a_projection_that_was_mended_goes_on_where_it_stood(stopped, tmp_path):
    site, stumble = stopped
    name = builders.event_id()
    stumble(name)
    site.world.record("hours.recorded/1", id=name, **span("06:00", "07:00"))
    eventually(lambda: site.get("/readyz").status_code == 503)
    again = service.Service(site.deployment)
    try:
        eventually(lambda: again.regions[REGION].runner.position == site.world.size)
        assert again.failures() == {}
    finally:
        again.close()


# -- a database that is away ------------------------------------------------------------------------------


def test_without_its_database_a_server_says_so_and_goes_on_when_it_is_back(site, world, monkeypatch):
    dsn = site.database.dsn
    request = world.request(world.hours("06:00", "07:00"))

    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable(f"cannot reach the database: {dsn}")

    with monkeypatch.context() as patch:
        for way in ("transaction", "read", "query", "connect"):
            patch.setattr(site.database, way, away)
        ready = site.get("/readyz")
        assert (ready.status_code, ready.json()["failed"]) == (503, {"database": "out of reach"})
        assert site.get("/healthz").status_code == 200
        for answer in (site.post(request), site.get(f"organisations/{STATION}")):
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:yongzhi:problem:unavailable")
        assert site.metric("yongzhi_failed", part="log", region=REGION) == 0
    assert site.get("/readyz").status_code == 200
    assert site.post(request).status_code == 201


@pytest.mark.parametrize("error", [*problems.KINDS, ZeroDivisionError], ids=lambda error: error.__name__)
def test_every_error_is_told_as_the_document_says(site, monkeypatch, error):
    """Thrown where an organisation is looked up."""

    def fail(*_: Any) -> Any:
        raise raised(error)

    monkeypatch.setattr(site.world.ledger, "record", fail)
    answer = site.get(f"organisations/{STATION}")
    kind = problems.KINDS.get(error, problems.INTERNAL)
    assert (answer.status_code, answer.json()["title"]) == (kind.status, kind.title.en)
    # What an operator must look into is not for strangers.
    if kind.status == 500:
        assert "secret" not in answer.text


def raised(error: type[Exception]) -> Exception:
    refused = error is Refused
    return Refused([Problem(index=0, id=None, code="x", detail="secret")]) if refused else error("secret")


# -- logs -----------------------------------------------------------------------------------------------


def test_a_log_is_json_lines(caplog):
    formatter = JsonFormatter()
    record = logging.LogRecord("yongzhi.x", logging.ERROR, __file__, 1, "it %s", ("failed",), None)
    record.region = REGION
    line = json.loads(formatter.format(record))
    assert {name: line[name] for name in ("level", "logger", "event", "region")} == {
        "level": "error",
        "logger": "yongzhi.x",
        "event": "it failed",
        "region": REGION,
    }
    assert line["time"].endswith("+00:00")
    try:
        raise ValueError("两行\nof text")
    except ValueError:
        record.exc_info = sys.exc_info()
    text = formatter.format(record)
    assert "\n" not in text
    assert "Traceback" in json.loads(text)["exception"]


def test_logs_name_no_person(site, world, caplog):
    caplog.set_level(logging.DEBUG)
    person, details = volunteer(4001), builders.details(name="欧阳测试", id_number="E40010000")
    world.register(person, details)
    site.post(world.request(world.hours("06:00", "07:00", subject=volunteer(4002))))
    site.post(world.request(world.hours("11:00", "12:00", subject=person)))
    for reader in (AUTHORITY, STATION, VOLUNTEER, None):
        site.get(f"volunteers/{person}", reader)
        site.get(f"volunteers/{person}/entries", reader)
    ours = [record for record in caplog.records if record.name.startswith(("yongzhi", "uvicorn"))]
    said = "\n".join([*map(JsonFormatter().format, ours), site.get("/metrics").text])
    assert not [one for one in (person, "欧阳测试", "E40010000", volunteer(4002)) if one in said]
