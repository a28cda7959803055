"""What is refused of proofs of service, of the keys that sign them, and of a ledger that is closed."""

import uuid
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from ledger.app.intake import Accepted
from ledger.credentials import holdings
from ledger.crypto.encoding import digest
from ledger.crypto.keys import SigningKey
from ledger.crypto.multikey import multikey
from ledger.domain.state import CredentialKeyRecord, Proof, Region
from ledger.errors import Invalid, Refused, Untrusted
from ledger.events.body import decode_event
from ledger.limits import HOLDING_BYTES_MAX, PROOF_ENTRIES_MAX
from ledger.store import proofs, vault
from tests.api.proving import Draft, draft, holding, revocation, token_draft
from tests.integration.world import World, volunteer
from tests.support import builders
from tests.support.builders import ACTIVITY, AUTHORITY, DID, GROUP, STATION, VOLUNTEER, signing_key
from tests.support.proofs import credential, line, service, token_key


def submit(world: World, *drafts: Draft, private: dict[str, bytes] | None = None) -> Accepted:
    beside = {name: data for one in drafts for name, data in one.private.items()}
    return world.submit(*(one.body for one in drafts), private=beside if private is None else private)


def refused(world: World, *bodies: bytes, private: dict[str, bytes] | None = None) -> list[tuple[int | None, str, str]]:
    """Submit what must be refused with nothing written: index, code and place of every problem."""
    with world.unchanged(), pytest.raises(Refused) as refusal:
        world.submit(*bodies, private=private)
    return [(problem.index, problem.code, problem.pointer) for problem in refusal.value.problems]


def refused_drafts(world: World, *drafts: Draft) -> list[tuple[int | None, str, str]]:
    beside = {name: data for one in drafts for name, data in one.private.items()}
    return refused(world, *(one.body for one in drafts), private=beside)


def held(world: World, *names: str) -> dict[str, vault.Held]:
    with world.database.read() as cursor:
        return {one.proof: one for one in vault.read_holdings(cursor, world.schema, names)}


def is_taken(world: World, listed: str, index: int) -> bool:
    with world.database.read() as cursor:
        return proofs.is_taken(cursor, world.schema, listed, index)


# -- issued ---------------------------------------------------------------------------------------------


def test_a_proof_is_issued_and_its_holding_kept(world):
    one = draft(world, index=17)
    accepted = submit(world, one)
    found = world.ledger.record(Proof, one.proof)
    assert found == Proof(id=one.proof, position=accepted.first, format="vc", list="441300-1", index=17)
    kept = held(world, one.proof)[one.proof]
    assert (kept.volunteer, kept.event_id, kept.seen, kept.holding) == (VOLUNTEER, one.event.id, 7, one.data)
    assert is_taken(world, "441300-1", 17)
    assert not is_taken(world, "441300-1", 18)


def test_the_log_does_not_tell_whose_a_proof_is(world):
    one = draft(world)
    submit(world, one)
    row = world.ledger.event(one.event.id)
    assert VOLUNTEER.encode() not in row.body
    sealed = world.query(f"SELECT sealed FROM {world.schema}.holdings WHERE proof = %s", one.proof)[0][0]
    assert b"volunteer" not in bytes(sealed)


def test_a_repeated_submission_is_the_same_proof(world):
    one = draft(world)
    first = submit(world, one)
    with world.unchanged():
        again = submit(world, one)
    assert (again.first, again.new) == (first.first, False)


def test_a_proof_is_issued_once(world):
    one = draft(world, index=1)
    again = draft(world, one.proof, index=2)
    assert refused_drafts(world, one, again) == [(1, "already-issued", "/subject")]
    submit(world, one)
    assert refused_drafts(world, again) == [(0, "already-issued", "/subject")]


def test_an_index_is_given_out_once(world):
    one, other = draft(world, index=1), draft(world, index=1)
    assert refused_drafts(world, one, other) == [(1, "index-taken", "/status/index")]
    submit(world, one)
    assert refused_drafts(world, other) == [(0, "index-taken", "/status/index")]


def test_an_index_stays_taken_when_its_proof_is_revoked(world):
    one = draft(world, index=1)
    submit(world, one)
    world.submit(revocation(world, one.proof))
    assert refused_drafts(world, draft(world, index=1)) == [(0, "index-taken", "/status/index")]


def test_the_same_index_of_another_list_is_free(world):
    status = {"list": "441300-2", "index": 17}
    submit(world, draft(world, index=17), draft(world, status=status), token_draft(world, index=17))
    assert is_taken(world, "441300-2", 17)
    assert is_taken(world, "441300-t1", 17)


def test_of_two_submissions_in_one_transaction_the_first_has_the_index(world):
    one, other = draft(world, index=1), draft(world, index=1)
    requests = [world.request(each.body, private=each.private) for each in (one, other)]
    first, second = world.commit(*requests)
    assert isinstance(first, Accepted)
    assert isinstance(second, Refused)
    assert [problem.code for problem in second.problems] == ["index-taken"]
    assert list(held(world, one.proof, other.proof)) == [one.proof]


def test_a_proof_tells_its_status_in_a_list_of_its_own_region_and_format(world):
    for status in ({"list": "442000-1", "index": 1}, {"list": "441300-t1", "index": 1}):
        one = builders.canonical({**builders.fields("proof.issued/1"), "status": status})
        with world.unchanged(), pytest.raises(Refused) as refusal:
            world.ledger.submit(builders.sealed([one], signing_key(AUTHORITY), world.origin))
        assert [problem.pointer for problem in refusal.value.problems] == ["/status/list"]


@pytest.mark.parametrize("issuer", [STATION, GROUP, VOLUNTEER])
def test_only_the_region_issues_and_revokes(world, issuer):
    one = draft(world)
    other = draft(world, one.proof, issuer=issuer)
    assert "not-authorised" in [code for _, code, _ in refused_drafts(world, other)]
    submit(world, one)
    body = world.body("proof.revoked/1", subject=f"proof:{one.proof}", issuer=issuer)
    assert [code for _, code, _ in refused(world, body)] == ["not-authorised"]


# -- what it commits to ---------------------------------------------------------------------------------


def test_a_proof_without_its_holding_is_refused(world):
    one = draft(world)
    assert refused(world, one.body) == [(0, "private-details", "/holder")]


def test_a_holding_of_no_event_is_refused(world):
    one, other = draft(world, index=1), draft(world, index=2)
    private = {**one.private, **other.private}
    assert refused(world, one.body, private=private) == [(None, "private-details", "/private")]
    body = revocation(world, one.proof)
    beside = {decode_event(body).id: one.data}
    assert [code for _, code, _ in refused(world, body, private=beside)] == ["private-details"]


def test_a_holding_of_another_hash_is_refused(world):
    one = draft(world)
    for other in (volunteer(1), volunteer(2)):
        data = holdings.encode(replace(holdings.decode(one.data), volunteer=other))
        private = {one.event.id: data}
        assert refused(world, one.body, private=private) == [(0, "private-details", "/holder")]


def test_a_holding_of_another_credential_is_refused(world):
    data = holdings.encode(holding(credential=credential(service(line(minutes=151)))))
    one = draft(world, holder=digest(data))
    assert refused(world, one.body, private={one.event.id: data}) == [(0, "private-details", "/holder")]


def test_details_of_a_person_are_no_holding(world):
    data = builders.details()
    one = draft(world, holder=builders.identity(data))
    assert refused(world, one.body, private={one.event.id: data}) == [(0, "private-details", "/holder")]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.replace(b'"seen":7', b'"seen": 7'),
        lambda data: data.replace(b'"seen":7', b'"seen":7.0'),
        lambda data: data.replace(b'"seen":7', b'"seem":7'),
        lambda data: data.replace(b'{"credential"', b'{"a":1,"credential"'),
        lambda data: data.replace("江南".encode(), rb"\u6c5f\u5357"),
        lambda data: b"[" + data + b"]",
        lambda data: b"null",
        lambda data: b'"' + b"x" * HOLDING_BYTES_MAX + b'"',
    ],
    ids=["blank", "float", "name", "more", "escaped", "array", "null", "oversized"],
)
def test_a_holding_that_is_not_canonical_is_refused(world, spoil):
    one = draft(world)
    data = spoil(one.data)
    assert data != one.data
    other = draft(world, one.proof, holder=digest(data))
    assert refused(world, other.body, private={other.event.id: data}) == [(0, "private-details", "/holder")]


def test_a_holding_that_says_something_twice_is_refused(world):
    one = draft(world)
    data = one.data.replace(b'"seen":7', b'"seen":7,"seen":7')
    other = draft(world, one.proof, holder=digest(data))
    with world.unchanged(), pytest.raises(Invalid):
        world.submit(other.body, private={other.event.id: data})


def test_a_holding_of_many_entries_is_kept(world):
    one = draft(world, held=holding(entries=tuple(range(PROOF_ENTRIES_MAX))))
    submit(world, one)
    assert held(world, one.proof)[one.proof].holding == one.data


# -- revoked and replaced -------------------------------------------------------------------------------


def test_a_proof_is_revoked_for_good(world):
    one = draft(world)
    assert refused(world, revocation(world, one.proof)) == [(0, "unknown-proof", "/subject")]
    submit(world, one)
    first = world.submit(revocation(world, one.proof, "withdrawn", detail="记录撤回")).first
    found = world.ledger.record(Proof, one.proof)
    assert (found.revoked, found.reason, found.replaced_by) == (first, "withdrawn", None)
    assert refused(world, revocation(world, one.proof, "mistaken")) == [(0, "proof-revoked", "/subject")]


def test_a_proof_may_be_issued_and_revoked_in_one_submission(world):
    one = draft(world)
    world.submit(one.body, revocation(world, one.proof), private=one.private)
    assert world.ledger.record(Proof, one.proof).reason == "corrected"
    other = draft(world, index=5)
    twice = [revocation(world, other.proof), revocation(world, other.proof)]
    assert refused(world, other.body, *twice, private=other.private) == [(2, "proof-revoked", "/subject")]


def test_only_a_revoked_proof_is_replaced(world):
    one = draft(world, index=1)
    heir = draft(world, index=2, replaces=one.proof)
    place = "/replaces"
    assert refused_drafts(world, heir) == [(0, "proof-stands", place)]
    assert refused_drafts(world, one, heir) == [(1, "proof-stands", place)]
    submit(world, one)
    assert refused_drafts(world, heir) == [(0, "proof-stands", place)]
    world.submit(revocation(world, one.proof))
    submit(world, heir)
    assert world.ledger.record(Proof, one.proof).replaced_by == heir.proof


def test_a_proof_is_replaced_once_and_by_its_own_format(world):
    one = draft(world, index=1)
    submit(world, one)
    world.submit(revocation(world, one.proof))
    assert refused_drafts(world, token_draft(world, replaces=one.proof)) == [(0, "already-replaced", "/replaces")]
    heirs = [draft(world, index=2, replaces=one.proof), draft(world, index=3, replaces=one.proof)]
    assert refused_drafts(world, *heirs) == [(1, "already-replaced", "/replaces")]
    submit(world, heirs[0])
    assert refused_drafts(world, heirs[1]) == [(0, "already-replaced", "/replaces")]


def test_a_proof_does_not_replace_itself(world):
    name = str(uuid.uuid4())
    assert refused_drafts(world, draft(world, name, replaces=name)) == [(0, "proof-stands", "/replaces")]


# -- keys that sign proofs ------------------------------------------------------------------------------

KEY = multikey(signing_key(DID).verifier.public)


def added(world: World, key: str = KEY, **changes: Any) -> bytes:
    return world.body("region.credential_key_added/1", multikey=key, **changes)


def ended(world: World, key: str = KEY) -> bytes:
    return world.body("region.credential_key_revoked/1", multikey=key)


def credential_keys(world: World) -> list[CredentialKeyRecord]:
    with world.database.read() as cursor:
        return proofs.credential_keys(cursor, world.schema)


def test_keys_are_added_once_and_revoked_once(world):
    assert refused(world, ended(world)) == [(0, "unknown-key", "/multikey")]
    assert refused(world, added(world), added(world)) == [(1, "key-known", "/multikey")]
    first = world.submit(added(world), added(world, token_key().multikey, use="token")).first
    assert [(key.multikey, key.added) for key in credential_keys(world)] == [
        (KEY, first),
        (token_key().multikey, first + 1),
    ]
    assert refused(world, added(world, did=DID.replace("ledger.", "other."))) == [(0, "key-known", "/multikey")]
    assert refused(world, ended(world), ended(world)) == [(1, "key-revoked", "/multikey")]
    world.submit(ended(world))
    assert refused(world, ended(world)) == [(0, "key-revoked", "/multikey")]
    assert refused(world, added(world)) == [(0, "key-known", "/multikey")]
    assert [key.use for key in credential_keys(world)] == ["token"]


# -- the end of a ledger --------------------------------------------------------------------------------


def test_nothing_comes_after_the_end(world):
    standing, revoked = draft(world, index=1), draft(world, index=2)
    submit(world, standing, revoked)
    world.submit(revocation(world, revoked.proof))
    closing = world.body("region.closed/1")
    last = world.submit(closing).first
    assert world.ledger.record(Region, AUTHORITY).closed == last
    late = [
        world.body("region.closed/1"),
        revocation(world, standing.proof),
        added(world),
        world.body("region.key_added/1", key=builders.vkey(AUTHORITY, 5)),
        world.hours("09:00", "10:00"),
        world.body("activity.published/1", subject=f"activity:{ACTIVITY}"),
    ]
    for body in late:
        assert "region-closed" in [code for _, code, _ in refused(world, body)]
    heir = draft(world, index=3, replaces=revoked.proof)
    assert refused_drafts(world, heir) == [(0, "region-closed", "/ledger")]
    with world.unchanged():
        assert not world.submit(closing).new


def test_nothing_comes_after_the_end_in_the_same_submission_or_transaction(world):
    one = draft(world)
    assert refused(world, world.body("region.closed/1"), one.body, private=one.private) == [
        (1, "region-closed", "/ledger")
    ]
    requests = [
        world.request(world.body("region.closed/1")),
        world.request(one.body, private=one.private),
        world.request(world.hours("09:00", "10:00")),
    ]
    first, *others = world.commit(*requests)
    assert isinstance(first, Accepted)
    assert [[problem.code for problem in other.problems] for other in others] == [["region-closed"]] * 2


def test_a_key_of_credentials_signs_no_events(world):
    world.submit(added(world))
    key = SigningKey(AUTHORITY, signing_key(DID).seed)
    with world.unchanged(), pytest.raises(Untrusted):
        world.submit(draft(world).body, by=key)


def test_a_token_has_a_holding_without_a_credential(world):
    one = token_draft(world)
    submit(world, one)
    found = holdings.decode(held(world, one.proof)[one.proof].holding)
    assert (found.credential, found.of) == (UNSET, builders.PROOF)
