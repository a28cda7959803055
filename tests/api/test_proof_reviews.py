"""What reviews of issuing found, on one server: guesses, tokens, batches, periods, media types, what is told."""

import threading
from contextlib import ExitStack
from typing import Any

import pytest
from msgspec import UNSET

from api.service import batches as batching
from api.service import checking, revoking, status_lists
from api.service import region as region_module
from api.service.region import Region
from ledger.app import worker
from ledger.credentials.holdings import Holding
from ledger.credentials.sd_jwt import token
from ledger.errors import Busy, Invalid, Unavailable
from ledger.events.proofs import StatusIndex
from ledger.limits import ACCESSES_SHOWN_MAX, LONG_TEXT_MAX
from ledger.schemes.scheme import find
from ledger.store import proofs as queries
from ledger.store.vault import Held
from projections.snapshot import Snapshot
from projections.statements import Stated, Statements
from tests.api.proving import CONSENT, YEAR, Holder, newcomer, revocation
from tests.api.site import Site
from tests.integration.waiting import DEADLINE_SECONDS, eventually, threads
from tests.support.builders import AUTHORITY, REGION, STATION


@pytest.fixture
def holder(proving: Site) -> Holder:
    """A volunteer whom the station registered, by name."""
    return newcomer(proving, ("09:00", "10:00"), named=True)


@pytest.fixture
def region(proving: Site) -> Region:
    return proving.service.regions[REGION]


# -- who looked -----------------------------------------------------------------------------------------


def accesses(holder: Holder, proof: str) -> list[tuple[str, str]]:
    return [(one["action"], one["by"]) for one in holder.site.json(f"proofs/{proof}/accesses", holder.name)]


def flood(proving: Site, proof: str) -> None:
    """As many page views as are written down within an hour, a second before anything else."""
    world = proving.world
    with world.database.transaction() as cursor:
        cursor.execute(
            f"INSERT INTO {world.schema}.accesses SELECT %s, %s, 'page', '', 'valid' FROM generate_series(1, %s)",
            (proof, int(world.now) - 1, ACCESSES_SHOWN_MAX),
        )


def test_many_page_views_hide_no_guess_and_no_file(proving, holder, monkeypatch):
    monkeypatch.setattr(checking, "NAME_GUESSES_MAX", 2)
    proof = holder.proof(named=True)
    flood(proving, proof)
    shown = proving.service.checking.shown_proof(proof)
    assert [shown.name_matches(name) for name in ("王小明", "林小明")] == [False, True]
    for name in ("王小明", "林小明"):
        with pytest.raises(Busy):
            shown.name_matches(name)
    assert Holder(proving, AUTHORITY).get(f"proofs/{proof}/pdf").status_code == 200
    seen = accesses(holder, proof)
    assert ("pdf", AUTHORITY) in seen
    assert [action for action, _ in seen].count("name") == 2
    assert [action for action, _ in seen].count("page") == ACCESSES_SHOWN_MAX


def test_page_views_are_written_down_up_to_a_limit(proving, holder, region, monkeypatch):
    proof = holder.proof()
    flood(proving, proof)
    assert not region.note_access(proof, "page", "", "valid")
    monkeypatch.setattr(proving.world, "now", proving.world.now + 3600)
    assert region.note_access(proof, "page", "", "valid")


def test_names_tried_at_once_are_counted_one_after_another(proving, holder, monkeypatch):
    """A first guess is written down and not yet committed when the second is made."""
    monkeypatch.setattr(checking, "NAME_GUESSES_MAX", 1)
    proof, world = holder.proof(named=True), proving.world
    shown = proving.service.checking.shown_proof(proof)
    outcomes: list[object] = []

    def guess() -> None:
        try:
            outcomes.append(shown.name_matches("王小明"))
        except Busy as busy:
            outcomes.append(busy.code)

    first = queries.Access(proof, int(world.now), "name", "", "does not match")
    with ExitStack() as stack, world.database.transaction() as cursor:
        assert queries.note_access(cursor, world.schema, first, int(world.now) - 3600, 1)
        stack.enter_context(threads(guess))
        eventually(lambda: outcomes or world.backends("wait_event_type = 'Lock'"))
    assert outcomes == ["busy"]


# -- a token falls with its credential ------------------------------------------------------------------


def token_of(holder: Holder, proof: str) -> dict[str, Any]:
    answer = holder.post(f"proofs/{proof}/sd-jwt")
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def submission_of(site: Site, proof: str) -> tuple[int, int]:
    """First position and number of events of the submission that revoked a proof."""
    record = site.service.regions[REGION].proofs.handing_out.kept(proof).record
    (found,) = site.world.query(
        f"SELECT first, count FROM {site.world.schema}.submissions WHERE first <= %s ORDER BY first DESC LIMIT 1",
        record.revoked,
    )
    return found


def test_a_holder_takes_back_a_proof_and_its_tokens_in_one_submission(proving, holder):
    proof, other = holder.proof(), holder.proof()
    made = [token_of(holder, proof)["id"] for _ in range(2)]
    apart = token_of(holder, other)["id"]
    assert holder.post(f"proofs/{proof}/revocation").status_code == 200
    assert {submission_of(proving, one) for one in (proof, *made)} == {(submission_of(proving, proof)[0], 3)}
    assert {holder.shown(one)["reason"] for one in (proof, *made)} == {"requested"}
    assert holder.shown(apart)["state"] == "issued"


def test_a_token_of_a_proof_that_falls_meanwhile_falls_too(proving, holder, region, monkeypatch):
    """Revoked after it was looked at, and before the token is in the log; who watches is looking elsewhere."""
    proof, submit = holder.proof(), region.committer.submit
    monkeypatch.setattr(region.proofs.revoking, "_look", lambda: False)

    def late(prepared: Any) -> Any:
        monkeypatch.setattr(region.committer, "submit", submit)
        proving.world.submit(revocation(proving.world, proof, "withdrawn"))
        return submit(prepared)

    monkeypatch.setattr(region.committer, "submit", late)
    made = token_of(holder, proof)
    found = holder.shown(made["id"])
    assert (found["state"], found["reason"]) == ("revoked", "withdrawn")


def test_no_token_is_made_of_a_proof_that_fell(proving, holder):
    proof = holder.proof()
    holder.post(f"proofs/{proof}/revocation")
    with proving.other.unchanged():
        size = proving.world.size
        answer = holder.post(f"proofs/{proof}/sd-jwt")
        assert (answer.status_code, answer.json()["pointer"]) == (400, "/proof")
        assert proving.world.size == size


@pytest.mark.parametrize("consent", [None, "", " ", "\u202e", "\ud800", "x" * (LONG_TEXT_MAX + 1)], ids=ascii)
def test_a_station_makes_no_token_without_consent(proving, holder, consent):
    """Nor the same proof again: `consent` is where that can be read."""
    station, proof = Holder(proving, STATION), holder.proof()
    fallen = holder.proof()
    holder.post(f"proofs/{fallen}/revocation")
    size = proving.world.size
    for path, members in ((f"proofs/{proof}/sd-jwt", {}), ("proofs", {"replaces": fallen})):
        answer = station.post(path, **members, consent=consent)
        assert (answer.status_code, answer.json()["pointer"]) == (400, "/consent"), answer.text
    assert proving.world.size == size


def test_the_consent_to_a_token_is_kept(proving, holder, region):
    """The holder asked for the proof itself."""
    proof = holder.proof()
    own = token_of(holder, proof)["id"]
    answer = Holder(proving, STATION).post(f"proofs/{proof}/sd-jwt", consent=CONSENT)
    assert answer.status_code == 201, answer.text
    kept = [region.proofs.handing_out.holding(one).request.consent for one in (proof, own, answer.json()["id"])]
    assert kept == [UNSET, UNSET, CONSENT]


def test_a_holder_fetches_what_is_to_be_shown_and_no_more(proving, holder):
    proof = holder.proof(named=True)
    made = token_of(holder, proof)
    choices = made["choices"]
    assert choices == token.choices(made["token"])
    assert (choices["minutes"], choices["name"]) == (60, "林小明")
    line = next(path for path in choices if path.startswith("lines/"))
    place = f"proofs/{made['id']}/sd-jwt"
    shown = holder.get(place, show=["minutes", line]).text
    assert set(token.choices(shown)) == {"minutes", "lines", *(path for path in choices if path.startswith(line))}
    assert "林小明" not in str(token.choices(shown))
    assert shown.count("~") < made["token"].count("~")
    verdict = proving.service.checking.check_upload(shown.encode())
    assert (verdict.outcome, verdict.proof) == (
        "valid",
        proving.service.checking.check_upload(made["token"].encode()).proof,
    )
    assert holder.get(place).text == made["token"]
    for path in ("nothing", "lines/x", "", "minutes/1"):
        assert holder.get(place, show=["minutes", path]).status_code == 404


@pytest.mark.parametrize("detail", [" ", "\u202e", "\ud800", "x" * (LONG_TEXT_MAX + 1)], ids=ascii)
def test_why_a_proof_is_taken_back_is_text(proving, holder, detail):
    proof = holder.proof()
    answer = holder.post(f"proofs/{proof}/revocation", detail=detail)
    assert answer.status_code == 400, answer.text
    assert holder.shown(proof)["state"] == "issued"


# -- periods --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last"), [("1969-12-31", "2026-11-01"), ("1969-01-01", "1969-12-31"), ("2026-11-02", "2026-12-31")]
)
def test_a_period_that_cannot_be_stated_is_refused(proving, holder, first, last):
    size = proving.world.size
    answer = holder.post("proofs", first=first, last=last)
    assert (answer.status_code, answer.json()["pointer"]) == (400, "/first"), answer.text
    assert proving.world.size == size


@pytest.mark.parametrize("first", ["1970-01-01", "2026-11-01"])
def test_nothing_is_stated_of_days_to_come(proving, holder, first):
    asked = holder.ask(first=first, last="2027-08-31")
    assert (asked["first"], asked["last"]) == (first, "2026-11-01")
    proving.publish()
    found = holder.statement(asked["id"])
    assert (found.first, found.last, found.minutes) == (first, "2026-11-01", 60)


# -- what is answered -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/vc+jwt", "application/json"),
        ("application/vc+jwt, */*", "application/json"),
        ("application/vc", "application/vc"),
        ("application/vc+jwt, Application/VC;q=0.5", "application/vc"),
    ],
)
def test_the_media_type_is_the_one_that_was_named(proving, holder, accept, kind):
    proof = holder.proof()
    for path in (f"proofs/{proof}/credential", f"/status/{REGION}-1"):
        answer = proving.http.get(proving.path(path), headers={**proving.signed_in(holder.name), "accept": accept})
        assert (answer.headers["content-type"], answer.headers["vary"]) == (kind, "accept")


def test_other_awards_stand_beside_the_star_level(proving, holder, monkeypatch):
    assert proving.json(f"volunteers/{holder.name}/star", holder.name)["awards"] == []
    given = [find("hk-yearly/1"), find("hk-long-service/1")]
    recognise = Statements.recognise

    def without(self: Statements, volunteer: str, day: str, scheme: Any = None) -> Any:
        if scheme is given[0]:
            raise Invalid("it asks for trainings, which are not known here")
        return recognise(self, volunteer, day, scheme)

    monkeypatch.setattr(region_module, "awards_for", lambda region, day: given)
    monkeypatch.setattr(Statements, "recognise", without)
    found = proving.json(f"volunteers/{holder.name}/star", holder.name)
    assert found["scheme"] == "cn-2012/1"
    (award,) = found["awards"]
    assert (award["scheme"], award["level"]) == ("hk-long-service/1", 0)
    assert award["explanation"]


def test_what_is_refused_before_it_is_made_takes_no_index(proving, holder, monkeypatch):
    taken, take = [], status_lists.Indexes.take

    def noted(self: status_lists.Indexes, given: status_lists.Given) -> StatusIndex:
        taken.append(self.kind)
        return take(self, given)

    monkeypatch.setattr(status_lists.Indexes, "take", noted)
    unnamed = newcomer(proving, ("09:00", "10:00"))
    assert holder.post("proofs", **YEAR, note="\U000e0041").json()["pointer"] == "/note"
    assert unnamed.post("proofs", **YEAR, named=True).json()["pointer"] == "/named"
    assert holder.post("proofs", **YEAR, kind="star").status_code == 400
    assert newcomer(proving).post("proofs", **YEAR).status_code == 400
    assert taken == []
    assert holder.post("proofs", **YEAR).status_code == 201
    assert taken == ["vc"]


def test_a_proof_that_cannot_be_compared_holds_up_nobody(proving, region, monkeypatch):
    odd, even, holds = newcomer(proving), newcomer(proving), revoking.still_holds
    entries = {one.name: one.serve("09:00", "10:00") for one in (odd, even)}
    first, second = odd.proof(), even.proof()

    def stumble(now: Snapshot, held: Held, holding: Holding, stated: Stated) -> bool:
        if held.proof == first:
            raise ZeroDivisionError("of this one proof")
        return holds(now, held, holding, stated)

    with monkeypatch.context() as patch:
        patch.setattr(revoking, "still_holds", stumble)
        odd.change("withdrawn", entries[odd.name])
        eventually(lambda: proving.metric("yongzhi_failed", part="proofs", region=REGION) == 1)
        assert first in str(region.parts()["proofs"])
        even.change("withdrawn", entries[even.name])
        assert even.revoked(second)["reason"] == "withdrawn"
        ready = proving.get("/readyz")
        assert (ready.status_code, ready.json()["failed"]) == (200, {})
        assert odd.shown(first)["state"] == "issued"
    even.serve("11:00", "12:00")
    assert odd.revoked(first)["reason"] == "withdrawn"
    eventually(lambda: proving.metric("yongzhi_failed", part="proofs", region=REGION) == 0)


# -- batches --------------------------------------------------------------------------------------------


def begin(by: Holder, people: list[Holder]) -> Any:
    return by.post("proof-batches", **YEAR, consent=CONSENT, volunteers=[one.name for one in people])


def issued(by: Holder, batch: str) -> int:
    """How many were issued, once none waits."""
    found = eventually(lambda: (now := by.get(f"proof-batches/{batch}").json())["waiting"] == 0 and now)
    assert found["refused"] == 0
    return int(found["issued"])


@pytest.fixture
def people(proving: Site) -> list[Holder]:
    return [newcomer(proving, ("09:00", "10:00"), named=True) for _ in range(3)]


def test_a_batch_outlasts_a_statement_that_could_not_be_made(proving, people, region, monkeypatch):
    monkeypatch.setattr(worker, "RETRY_SECONDS", 0.01)
    failures: list[str] = []
    state = Statements.state_at

    def once(self: Statements, *arguments: Any) -> Any:
        if threading.current_thread().name == f"batches-{REGION}" and not failures:
            failures.append(arguments[1])
            raise Unavailable("the database cannot be reached")
        return state(self, *arguments)

    monkeypatch.setattr(Statements, "state_at", once)
    station = Holder(proving, STATION)
    assert issued(station, begin(station, people).json()["id"]) == 3
    assert failures == [people[0].name]
    eventually(lambda: region.parts()["batches"] is None)


class Gate:
    """Batches wait before it; notes whose proofs are asked for, in order."""

    def __init__(self, region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open, self.reached = threading.Event(), threading.Event()
        self.asked: list[str] = []
        self._issue = region.proofs.proving.issue_all
        monkeypatch.setattr(region.proofs.proving, "issue_all", self._wait)

    def _wait(self, asks: Any) -> Any:
        self.reached.set()
        assert self.open.wait(DEADLINE_SECONDS)
        self.asked += [ask.volunteer for ask in asks]
        return self._issue(asks)


def test_only_so_many_batches_wait(proving, people, region, monkeypatch):
    monkeypatch.setattr(batching, "BATCHES_OPEN_MAX", 2)
    gate, station, authority = Gate(region, monkeypatch), Holder(proving, STATION), Holder(proving, AUTHORITY)
    begun = [begin(station, people).json()["id"] for _ in range(2)]
    with proving.nothing_written():
        refused = begin(station, people)
    assert (refused.json()["type"], refused.headers["retry-after"]) == ("urn:yongzhi:problem:busy", "60")
    of_region = begin(authority, people)
    assert of_region.status_code == 202
    gate.open.set()
    assert [issued(authority, batch) for batch in (*begun, of_region.json()["id"])] == [3, 3, 3]
    assert issued(station, begin(station, people).json()["id"]) == 3


def test_batches_take_turns(proving, people, region, monkeypatch):
    monkeypatch.setattr(batching, "ISSUED_AT_ONCE", 1)
    gate, station, authority = Gate(region, monkeypatch), Holder(proving, STATION), Holder(proving, AUTHORITY)
    others = [newcomer(proving, ("09:00", "10:00")) for _ in range(3)]
    long = begin(station, people).json()["id"]
    assert gate.reached.wait(DEADLINE_SECONDS)
    short = begin(authority, others).json()["id"]
    gate.open.set()
    assert (issued(station, long), issued(authority, short)) == (3, 3)
    place = {name: number for number, name in enumerate(gate.asked)}
    assert place[others[0].name] < place[people[-1].name]
    assert place[people[1].name] < place[others[-1].name]
    assert {gate.asked.count(one.name) for one in (*people, *others)} == {1}
