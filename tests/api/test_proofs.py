"""A volunteer's path: hours, a proof of them, a correction, and the proof that takes its place."""

import base64
import gzip
import json
from typing import Any

import pytest
from msgspec import UNSET

from ledger.credentials import model
from ledger.errors import NotYet
from ledger.ids import instant
from tests.api.proving import YEAR, Holder, listed, newcomer, settled
from tests.api.site import Site
from tests.integration.waiting import eventually
from tests.integration.world import World, at, span
from tests.support import builders
from tests.support.builders import AUTHORITY, GROUP, REGION, STATION, event_id, signing_key, vkey
from tests.support.tokens import payload_of


def outcome(site: Site, data: bytes) -> str:
    return str(site.service.checking.check_upload(data).outcome)


def stands(holder: Holder, *proofs: str) -> None:
    """Whatever happened has been looked at, and these proofs are as they were."""
    settled(holder.site)
    assert [holder.shown(proof)["state"] for proof in proofs] == ["issued"] * len(proofs)


# -- from hours to a replacement ------------------------------------------------------------------------


def test_from_hours_to_a_proof_to_its_replacement(proving):
    holder = newcomer(proving)
    entry = holder.serve("09:00", "11:30")
    asked = holder.ask()
    proof = asked["id"]
    assert asked["state"] == "issued"
    assert (asked["ready"], asked["offer"], asked["page"]) == (False, False, f"{proving.url}/p/{proof}")
    for part in ("credential", "pdf", "qr"):
        early = holder.get(f"proofs/{proof}/{part}")
        assert (early.status_code, early.json()["type"]) == (404, f"urn:yongzhi:problem:{NotYet.code}")
    proving.publish()
    assert holder.shown(proof)["ready"]
    parts = {part: holder.part(proof, part) for part in ("credential", "pdf", "qr")}
    assert parts == {part: holder.part(proof, part) for part in parts}
    assert parts["pdf"].startswith(b"%PDF-")
    assert holder.statement(proof).minutes == 150
    assert {outcome(proving, data) for data in (parts["credential"], parts["pdf"])} == {"valid"}

    holder.change("corrected", entry, **span("09:00", "11:00"))
    after = holder.revoked(proof)
    assert (after["reason"], after["offer"], after["replaced_by"]) == ("corrected", True, None)
    assert outcome(proving, parts["credential"]) == "revoked"
    index = int(model.decode(parts["credential"]).credentialStatus.statusListIndex)
    assert index in revoked_in(proving)

    heir = holder.proof(replaces=proof)
    before = holder.shown(proof)
    assert (before["replaced_by"], before["offer"]) == (heir, False)
    assert holder.statement(heir).minutes == 120
    assert outcome(proving, holder.part(heir, "credential")) == "valid"
    verdict = proving.service.checking.check_upload(parts["pdf"])
    assert (verdict.outcome, verdict.reason, verdict.replacement) == ("revoked", "corrected", heir)
    assert [one["id"] for one in proving.json("proofs", holder.name)["proofs"]] == [heir, proof]
    again = holder.post("proofs", replaces=proof)
    assert (again.status_code, again.json()["errors"][0]["code"]) == (422, "already-replaced")


def revoked_in(site: Site, name: str = f"{REGION}-1") -> set[int]:
    """Indexes that a served list says are revoked, unpacked by the standard library."""
    encoded = json.loads(listed(site, name))["credentialSubject"]["encodedList"].removeprefix("u")
    bits = gzip.decompress(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    return {8 * at + bit for at, byte in enumerate(bits) if byte for bit in range(8) if byte & (128 >> bit)}


def test_a_proof_says_what_it_was_asked_for(proving):
    holder = newcomer(proving, ("09:00", "10:00"))
    holder.serve("10:00", "11:00", category="environment")
    whole, part = holder.proof(), holder.proof(categories=["environment"], note="入学申请")
    assert holder.statement(whole).minutes == 120
    found = holder.statement(part)
    assert (found.minutes, found.note, [line.category for line in found.lines]) == (60, "入学申请", ["environment"])
    assert isinstance(found.filter, model.Filter)
    assert found.filter.categories == ("environment",)
    assert holder.credential(part).name_of_holder is None
    assert holder.name.encode() not in holder.part(part, "credential")


# -- what leaves a proof alone --------------------------------------------------------------------------


def test_what_is_not_stated_may_change(proving):
    holder = newcomer(proving)
    entry = holder.serve("09:00", "10:00")
    other = holder.serve("10:30", "11:00", category="environment")
    proof = holder.proof(categories=["empty-nest-elders"])
    holder.change("corrected", entry, **span("09:00", "10:00", responsible="王站长"))
    stands(holder, proof)
    holder.change("corrected", entry, **span("09:05", "10:05", minutes=60))
    stands(holder, proof)
    holder.change("withdrawn", other)
    stands(holder, proof)
    holder.serve("11:00", "12:00")
    stands(holder, proof)
    assert holder.statement(proof).minutes == 60
    holder.change("corrected", entry, **span("09:05", "10:04"))
    assert holder.revoked(proof)["reason"] == "corrected"


def test_what_becomes_of_the_others_is_of_no_concern(proving):
    one, other = newcomer(proving, ("09:00", "10:00")), newcomer(proving)
    entry = other.serve("09:00", "10:00")
    mine, theirs = one.proof(), other.proof()
    other.change("withdrawn", entry)
    assert other.revoked(theirs)["reason"] == "withdrawn"
    stands(one, mine)


def test_an_entry_outside_the_period_may_change(proving):
    holder = newcomer(proving)
    activity = str(event_id())
    window = {"start": at("00:00", "2026-03-01"), "end": at("23:00", "2026-03-09")}
    proving.world.record("activity.published/1", subject=f"activity:{activity}", **window)

    def march(day: int, end: str) -> dict[str, object]:
        start, finish = at("09:00", f"2026-03-0{day}"), at(end, f"2026-03-0{day}")
        minutes = (instant(finish) - instant(start)) // 60
        return {"start": start, "end": finish, "minutes": minutes, "activity": activity}

    inside, outside = (
        proving.world.record("hours.recorded/1", subject=holder.name, **march(day, "10:00")) for day in (2, 3)
    )
    proof = holder.proof(first="2026-03-02", last="2026-03-02")
    holder.change("corrected", outside, **march(3, "11:00"))
    stands(holder, proof)
    holder.change("corrected", outside, **march(2, "08:30") | {"start": at("08:00", "2026-03-02"), "minutes": 30})
    stands(holder, proof)
    holder.change("corrected", inside, **march(4, "10:00"))
    assert holder.revoked(proof)["reason"] == "corrected"


# -- what ends it ---------------------------------------------------------------------------------------


def withdrawn(holder: Holder, entry: str) -> None:
    holder.change("withdrawn", entry)


def annulled(holder: Holder, entry: str) -> None:
    holder.change("decided", entry, outcome="annulled")


def disputed(holder: Holder, entry: str) -> None:
    holder.change("disputed", entry, issuer=AUTHORITY)


def disclaimed(holder: Holder, entry: str) -> None:
    holder.site.world.record("volunteer.disclaimed/1", subject=holder.name)


def corrected_by_the_region(holder: Holder, entry: str) -> None:
    holder.change("corrected", entry, issuer=AUTHORITY, **span("09:00", "09:30"))


def reworded(holder: Holder, entry: str) -> None:
    holder.change("corrected", entry, **span("09:00", "10:00", content="打扫"))


@pytest.mark.parametrize(
    ("act", "reason", "offer"),
    [
        (withdrawn, "withdrawn", True),
        (annulled, "withdrawn", True),
        (disputed, "corrected", True),
        (disclaimed, "disclaimed", False),
        (corrected_by_the_region, "corrected", True),
        (reworded, "corrected", True),
    ],
)
def test_a_change_of_what_is_stated_revokes(proving, act, reason, offer):
    holder = newcomer(proving, ("07:00", "08:00"))
    entry = holder.serve("09:00", "10:00")
    proof = holder.proof()
    act(holder, entry)
    found = holder.revoked(proof)
    assert (found["reason"], found["offer"]) == (reason, offer)


def test_a_key_under_suspicion_revokes_what_it_signed(proving):
    world, holder = proving.world, newcomer(proving, ("07:00", "08:00"))
    untouched = holder.proof(first="2026-11-01", last="2026-11-01", evidence=["check-in"])
    world.record("organisation.key_added/1", subject=STATION, key=vkey(STATION, 8))
    since = world.size
    body = world.body("hours.recorded/1", subject=holder.name, **span("09:00", "10:00"))
    world.submit(body, by=signing_key(STATION, 8))
    proof = holder.proof()
    key_id = signing_key(STATION, 8).id
    world.record("organisation.key_revoked/1", subject=STATION, key_id=key_id, suspect_from=since)
    assert holder.revoked(proof)["reason"] == "corrected"
    stands(holder, untouched)
    assert holder.statement(holder.proof(replaces=proof)).minutes == 60


def test_a_decision_for_a_rival_revokes_what_it_outranks(proving):
    """Two organisations claim one time: the later claim is contested until the region upholds it."""
    world, holder = proving.world, newcomer(proving)
    activity = str(event_id())
    world.publish(GROUP, activity)
    mine = holder.serve("09:00", "10:00")
    rival = holder.serve("09:30", "10:30", issuer=GROUP, activity=activity)
    proof = holder.proof()
    assert holder.statement(proof).entries == 1
    holder.change("decided", rival, outcome="upheld")
    assert holder.revoked(proof)["reason"] == "corrected"
    heir = holder.proof(replaces=proof)
    assert [line.organisation for line in holder.statement(heir).lines] == [GROUP]
    holder.change("decided", mine, outcome="upheld")
    assert holder.revoked(heir)["reason"] == "corrected"


# -- star levels ----------------------------------------------------------------------------------------


def long_service(world: World, holder: Holder, minutes: int) -> list[str]:
    """Entries of at most ten hours, a day each from the first of September on."""
    activity = str(event_id())
    window: dict[str, Any] = {"start": at("00:00", "2026-09-01"), "end": at("23:00", "2026-10-31")}
    world.record("activity.published/1", subject=f"activity:{activity}", **window)
    found = []
    for number, start in enumerate(range(0, minutes, 600)):
        day, given = f"2026-09-{number + 1:02}", min(600, minutes - start)
        members: dict[str, Any] = {"start": at("08:00", day), "end": at("18:00", day), "minutes": given}
        members |= {"activity": activity}
        found.append(world.record("hours.recorded/1", subject=holder.name, **members))
    return found


def shorter(holder: Holder, entry: str, minutes: int) -> None:
    """The first of those entries has so many minutes now."""
    body = next(row for row in holder.site.world.ledger.stream(holder.name) if str(row.event_id) == entry).body
    members = {name: value for name, value in json.loads(body or b"").items() if name in ("activity", "start")}
    holder.change("corrected", entry, **members, end=at("18:00", members["start"][:10]), minutes=minutes)


@pytest.mark.parametrize("kind", ["service", "star"])
def test_a_star_that_is_lost_revokes_and_one_that_is_won_does_not(proving, kind):
    holder = newcomer(proving)
    first, *_ = long_service(proving.world, holder, 6_000)
    # Of a period in which nothing of that changes.
    holder.serve("09:00", "10:00")
    members = {"star": True} if kind == "service" else {}
    proof = holder.proof(kind=kind, first="2026-11-01", last="2026-11-01", **members)
    star = holder.credential(proof).credentialSubject.service.star
    assert isinstance(star, model.StarLevel)
    assert (star.level, star.minutes) == (1, 6_060)
    holder.serve("10:00", "11:00")
    stands(holder, proof)
    shorter(holder, first, 540)
    stands(holder, proof)  # 6,060 again
    shorter(holder, first, 539)
    assert holder.revoked(proof)["reason"] == "corrected"
    heir = holder.proof(replaces=proof)
    shorter(holder, first, 300)
    assert holder.revoked(heir)["reason"] == "corrected"
    assert outcome(proving, holder.part(proof, "credential")) == "revoked"


def test_without_a_level_there_is_no_star(proving):
    holder = newcomer(proving, ("09:00", "10:00"))
    assert holder.statement(holder.proof(star=True)).star is UNSET
    answer = holder.post("proofs", kind="star", **YEAR)
    assert answer.status_code == 400, answer.text
    shown = proving.json(f"volunteers/{holder.name}/star", holder.name)
    assert (shown["level"], shown["title"], shown["minutes"]) == (0, None, 60)
    assert all(shown[name] for name in ("explanation", "explanation_hant", "explanation_en"))


def test_a_star_counts_what_was_done_this_morning(proving, monkeypatch):
    """In Greenwich it is still yesterday."""
    holder, day = newcomer(proving), "2026-11-02"
    monkeypatch.setattr(proving.world, "now", instant(at("07:30", day)))
    proving.sign_out()
    activity = str(event_id())
    window: dict[str, Any] = {"start": at("06:00", day), "end": at("07:00", day)}
    proving.world.record("activity.published/1", subject=f"activity:{activity}", **window)
    members = {**window, "time": at("07:20", day), "minutes": 60, "activity": activity}
    proving.world.record("hours.recorded/1", subject=holder.name, **members)
    holder.ask()  # which waits for the totals
    assert proving.json(f"volunteers/{holder.name}/star", holder.name)["minutes"] == 60


# -- tokens ---------------------------------------------------------------------------------------------


def test_a_token_ends_with_the_record_it_was_made_of(proving):
    holder = newcomer(proving)
    entry = holder.serve("09:00", "10:00")
    proof = holder.proof()
    made = holder.post(f"proofs/{proof}/sd-jwt").json()
    assert holder.get(f"proofs/{made['id']}/sd-jwt").text == made["token"]
    assert holder.shown(made["id"])["format"] == "sd-jwt"
    assert payload_of(made["token"])["status"]["status_list"]["uri"].endswith(f"/status/{REGION}-t1")
    assert builders.PROOF not in made["token"]
    holder.change("withdrawn", entry)
    assert holder.revoked(proof)["reason"] == "withdrawn"
    assert holder.revoked(made["id"])["reason"] == "withdrawn"
    assert not holder.shown(made["id"])["offer"]
    assert eventually(lambda: outcome(proving, made["token"].encode()) == "revoked")
