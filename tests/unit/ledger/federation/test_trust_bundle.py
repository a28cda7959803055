"""The federation file: who is believed, and that nobody else can say so."""

import base64
import contextlib
import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from ledger.errors import Invalid, LedgerError, TooLarge, Untrusted
from ledger.events.fields import RegionName
from ledger.events.private_details import sealing_public
from ledger.federation import trust_bundle
from ledger.federation.members import RECOVERY_DAYS, Federation, Policy, Region, lines_of
from ledger.federation.trust_bundle import Expired, Trust
from ledger.ids import instant
from ledger.tlog import notes
from ledger.tlog.checkpoint import Checkpoint
from tests.support.builders import DID, ORIGIN, REGION, canonical, signing_key, vkey
from tests.support.issuing import region
from tests.support.proofs import HOST, LIST, credential_key, token_key

NAME = "federation.example"
SIGNER, SECOND, THIRD = (signing_key(NAME, number) for number in range(3))
NOW = instant("2026-11-22T09:00:00Z")
LISTS = {f"{HOST}/status/{LIST}": '{"名":"x\\n"}'.encode()}


LATER, CLOSED = "2027-01-01T00:00:00Z", "2026-12-01T00:00:00Z"
SEALING = sealing_public(bytes(range(32)))


def final_note(origin: str, size: int = 9, number: int = 0, root: bytes = b"r" * 32) -> str:
    return notes.sign(Checkpoint(origin, size, root).text(), [signing_key(origin, number)])


def final_lines(origin: str, **changes: Any) -> list[str]:
    return final_note(origin, **changes).split("\n")[:-1]


def spoilt_final() -> list[str]:
    lines = final_lines(ORIGIN)
    return [lines[0], "8", *lines[2:]]


def closed(**changes: Any) -> Region:
    """Huizhou's log before the one that it goes on with, at an address of its own."""
    origin, base = "ledger.example/441300-2019", "https://old.ledger.example"
    did = "did:web:old.ledger.example:regions:441300"
    fields: dict[str, Any] = {
        "origin": origin,
        "log_keys": (vkey(origin),),
        "did": did,
        "base": base,
        "credential_keys": (credential_key(did).multikey,),
        "token_keys": (token_key(3).multikey,),
        "closed": CLOSED,
        "final": tuple(final_lines(origin)),
    }
    return region(**{**fields, **changes})


def macau(**changes: Any) -> Region:
    """A region of another deployment."""
    base, origin = "http://127.0.0.1:8000", "ledger.example/820000"
    fields: dict[str, Any] = {
        "region": "820000",
        "origin": origin,
        "name": RegionName(zh="澳门", en="Macau"),
        "log_keys": (vkey(origin),),
        "did": "did:web:127.0.0.1%3A8000:regions:820000",
        "base": base,
        "credential_keys": (credential_key("did:web:127.0.0.1%3A8000:regions:820000").multikey,),
        "token_keys": (token_key(1).multikey,),
    }
    return region(**{**fields, **changes})


def made(**changes: Any) -> Federation:
    fields: dict[str, Any] = {
        "name": NAME,
        "serial": 7,
        "issued": "2026-11-22T08:00:00Z",
        "expires": "2027-11-22T08:00:00Z",
        "keys": (str(SIGNER.verifier), str(SECOND.verifier)),
        "threshold": 1,
        "regions": (region(), macau()),
    }
    return Federation(**{**fields, **changes})


def spoiled(data: bytes, **changes: Any) -> bytes:
    """The bundle with members of the file replaced, written as canonically as before."""
    return canonical({**json.loads(data), **changes})


def with_federation(signer: Any = SIGNER, **changes: Any) -> bytes:
    """A bundle of a federation that no struct of ours would hold, properly signed."""
    value = json.loads(trust_bundle.seal(made(), [SIGNER]))["federation"]
    data = canonical({**value, **changes})
    digest = base64.b64encode(sha256(data).digest()).decode()
    note = notes.sign(f"yongzhi.federation/1\n{NAME}\n{value['serial']}\n{digest}\n", [signer])
    return canonical({"note": note, "lists": {}, "federation": json.loads(data)})


# -- sealing and opening ------------------------------------------------------------------------------


def test_what_is_sealed_is_opened():
    data = trust_bundle.seal(made(), [SIGNER], LISTS)
    trust = trust_bundle.open_bundle(data, [SIGNER.verifier], NOW)
    assert (trust.federation, trust.lists) == (made(), LISTS)
    assert spoiled(data) == data  # the standard library writes the same canonical bytes


def test_the_note_is_what_docs_say():
    bundle = json.loads(trust_bundle.seal(made(), [SIGNER]))
    digest = base64.b64encode(sha256(canonical(bundle["federation"])).digest()).decode()
    assert bundle["note"].split("\n\n")[0] == f"yongzhi.federation/1\n{NAME}\n7\n{digest}"


@pytest.mark.parametrize("pinned", [[], [SECOND], [signing_key("other.example")], [signing_key("x", 0)]])
def test_only_pinned_keys_count(pinned):
    data = trust_bundle.seal(made(), [SIGNER])
    with pytest.raises(Untrusted, match="0 of the pinned keys"):
        trust_bundle.open_bundle(data, [key.verifier for key in pinned], NOW)


def test_a_threshold_counts_keys_and_not_names():
    alias = signing_key(NAME)
    renamed = type(alias)("alias.example", alias.seed)
    data = trust_bundle.seal(made(), [SIGNER, renamed])
    pinned = [SIGNER.verifier, renamed.verifier, SECOND.verifier]
    with pytest.raises(Untrusted, match="1 of the pinned keys, and 2"):
        trust_bundle.open_bundle(data, pinned, NOW, threshold=2)
    trust_bundle.open_bundle(trust_bundle.seal(made(), [SIGNER, SECOND]), pinned, NOW, threshold=2)


def test_who_opens_a_bundle_first_asks_for_as_many_as_it_says_itself():
    three = [key.verifier for key in (SIGNER, SECOND, THIRD)]
    two = made(threshold=2)
    one_signed, both_signed = trust_bundle.seal(two, [SIGNER]), trust_bundle.seal(two, [SIGNER, SECOND])
    with pytest.raises(Untrusted, match="1 of the pinned keys, and 2"):
        trust_bundle.open_bundle(one_signed, three, NOW)
    with pytest.raises(Untrusted, match="1 of the pinned keys, and 2"):
        trust_bundle.open_old(one_signed, three)
    assert trust_bundle.open_bundle(both_signed, three, NOW).federation == two
    assert trust_bundle.open_bundle(one_signed, three[:1], NOW).federation == two  # who pins one can ask for no more
    alias = type(SIGNER)("alias.example", SIGNER.seed).verifier
    assert trust_bundle.open_bundle(one_signed, [SIGNER.verifier, alias], NOW).federation == two
    with pytest.raises(Untrusted, match="1 of the pinned keys, and 2"):
        trust_bundle.open_bundle(one_signed, [*three, alias], NOW)


@pytest.mark.parametrize("threshold", [0, -1])
def test_no_threshold_means_no_signature(threshold):
    with pytest.raises(Untrusted):
        trust_bundle.open_bundle(trust_bundle.seal(made(), [SECOND]), [SIGNER.verifier], NOW, threshold)


def test_dates():
    data = trust_bundle.seal(made(), [SIGNER])
    first, end = instant(made().issued), instant(made().expires)
    for good in (first - 300, first, end - 1):
        assert trust_bundle.open_bundle(data, [SIGNER.verifier], good).federation.serial == 7
    with pytest.raises(Untrusted, match="yet to come"):
        trust_bundle.open_bundle(data, [SIGNER.verifier], first - 301)
    with pytest.raises(Expired, match="expired at 2027"):
        trust_bundle.open_bundle(data, [SIGNER.verifier], end)


def test_a_note_about_another_federation():
    other = json.loads(trust_bundle.seal(made(serial=8), [SIGNER]))["note"]
    with pytest.raises(Untrusted, match="another federation"):
        trust_bundle.open_bundle(spoiled(trust_bundle.seal(made(), [SIGNER]), note=other), [SIGNER.verifier], NOW)


def test_a_key_added_after_signing():
    data = trust_bundle.seal(made(), [SIGNER])
    value = json.loads(data)["federation"]
    value["regions"][0]["credential_keys"].append(credential_key(number=1).multikey)
    with pytest.raises(Untrusted, match="another federation"):
        trust_bundle.open_bundle(spoiled(data, federation=value), [SIGNER.verifier], NOW)


def test_lists_are_outside_the_signature():
    data = spoiled(trust_bundle.seal(made(), [SIGNER]), lists={f"{HOST}/status/{REGION}-9": "{}"})
    assert trust_bundle.open_bundle(data, [SIGNER.verifier], NOW).lists == {f"{HOST}/status/{REGION}-9": b"{}"}


REGIONS: dict[str, tuple[Any, ...]] = {
    "the same region": (region(), macau(region=REGION, did="did:web:127.0.0.1%3A8000:regions:441300")),
    "the same origin": (region(), macau(origin=ORIGIN, log_keys=(vkey(ORIGIN, 1),))),
    "the same credential key": (region(), macau(credential_keys=region().credential_keys)),
    "the same token key": (region(), macau(token_keys=region().token_keys)),
}


@pytest.mark.parametrize("name", REGIONS)
def test_nothing_stands_there_twice(name):
    with pytest.raises(ValueError, match="stands there twice"):
        made(regions=REGIONS[name])


def changed(**changes: Any) -> list[dict[str, Any]]:
    first = json.loads(trust_bundle.seal(made(), [SIGNER]))["federation"]["regions"][0]
    return [{**first, **changes}]


BAD: dict[str, dict[str, Any]] = {
    "a member too many": {"more": 1},
    "a serial of zero": {"serial": 0},
    "a serial as text": {"serial": "7"},
    "no key": {"keys": []},
    "a key of noise": {"keys": ["x"]},
    "a threshold over the keys": {"threshold": 3},
    "a threshold over one key twice": {"threshold": 2, "keys": [str(SIGNER.verifier)] * 2},
    "no time": {"expires": "2027-02-30T08:00:00Z"},
    "an end before the beginning": {"expires": "2025-11-22T08:00:00Z"},
    "a region twice": {"regions": changed() * 2},
    "a region that is none": {"regions": changed(region="999999", did="did:web:ledger.example:regions:999999")},
    "a member too many of a region": {"regions": changed(more=1)},
    "another's log key": {"regions": changed(log_keys=[vkey("ledger.example/820000")])},
    "an origin that names an issuer": {"regions": changed(origin="region:441300", log_keys=[vkey("region:441300")])},
    "no log key": {"regions": changed(log_keys=[])},
    "the DID of another host": {"regions": changed(did=f"did:web:evil.example:regions:{REGION}")},
    "plain HTTP": {"regions": changed(base="http://ledger.example")},
    "a base with a path": {"regions": changed(base=f"{HOST}/x")},
    "a base with a user": {"regions": changed(base="https://a@ledger.example")},
    "a P-256 key for credentials": {"regions": changed(credential_keys=[token_key().multikey])},
    "an Ed25519 key for tokens": {"regions": changed(token_keys=[credential_key().multikey])},
    "a key that is no base58": {"regions": changed(credential_keys=["z6Mk" + "I" * 44])},
    "a token key that is no base58": {"regions": changed(token_keys=["zDn" + "l" * 44])},
    "closed at no time": {"regions": changed(closed="2027-02-30T08:00:00Z")},
    "an endpoint with a path": {"regions": changed(endpoint=f"{HOST}/x")},
    "an endpoint over plain HTTP": {"regions": changed(endpoint="http://peers.example")},
    "a sealing key that is too short": {"regions": changed(sealing_key=SEALING[:-1])},
    "a sealing key in another spelling": {"regions": changed(sealing_key=SEALING[:-1] + "9")},
    "a sealing key of small order": {"regions": changed(sealing_key="A" * 43)},
    "valid from no time": {"regions": changed(valid_from="2027-02-30T08:00:00Z")},
    "valid until before it is valid": {"regions": changed(valid_from=LATER, valid_until=CLOSED)},
    "valid at no moment": {"regions": changed(valid_from=LATER, valid_until=LATER)},
    "a last checkpoint of a log that goes on": {"regions": changed(final=final_lines(ORIGIN))},
    "a last checkpoint by another key": {"regions": changed(closed=CLOSED, final=final_lines(ORIGIN, number=5))},
    "a last checkpoint of another log": {"regions": changed(closed=CLOSED, final=final_lines("ledger.example/442000"))},
    "a last checkpoint that was changed": {"regions": changed(closed=CLOSED, final=spoilt_final())},
    "a last checkpoint that is none": {"regions": changed(closed=CLOSED, final=["x"] * 5)},
    "a last checkpoint as one text": {"regions": changed(closed=CLOSED, final="\n".join(final_lines(ORIGIN)))},
    "no line of a last checkpoint": {"regions": changed(closed=CLOSED, final=[])},
    "a policy of no days": {"policy": {"recovery_days": 0}},
    "a policy of two years": {"policy": {"recovery_days": 730}},
    "a policy that asks nobody": {"policy": {"recovery_quorum": 0}},
    "a policy of something else": {"policy": {"recovery_weeks": 4}},
    "no policy": {"policy": None},
}


@pytest.mark.parametrize("name", BAD)
def test_a_signature_makes_no_good_federation_of_a_bad_one(name):
    with pytest.raises(Invalid):
        trust_bundle.open_bundle(with_federation(**BAD[name]), [SIGNER.verifier], NOW)


def test_sealed_by_hand_is_as_good():
    """Otherwise the cases above would fail for a reason of their own."""
    assert trust_bundle.open_bundle(with_federation(), [SIGNER.verifier], NOW).federation == made()


@pytest.mark.parametrize(
    "spoil", [lambda data: data + b"\n", lambda data: data.replace(b'"lists":{},', b'"lists":{},"lists":{},')]
)
def test_only_canonical_bytes(spoil):
    data = trust_bundle.seal(made(), [SIGNER])
    assert spoil(data) != data
    with pytest.raises(Invalid):
        trust_bundle.open_bundle(spoil(data), [SIGNER.verifier], NOW)


def test_a_size(monkeypatch):
    data = trust_bundle.seal(made(), [SIGNER])
    monkeypatch.setattr(trust_bundle, "FEDERATION_BYTES_MAX", 100)
    with pytest.raises(TooLarge):
        trust_bundle.open_bundle(data, [SIGNER.verifier], NOW)
    monkeypatch.setattr(trust_bundle, "BUNDLE_BYTES_MAX", len(data) - 1)
    with pytest.raises(TooLarge):
        trust_bundle.open_bundle(data, [SIGNER.verifier], NOW)


pieces = st.sampled_from([b"", b"{", b"}", b'"', b",", b"[]", b"null", b"1e9", b"\\", rb"\ud800", b'"a":1,'])


@settings(max_examples=500)
@given(st.data())
def test_any_bytes(data):
    good = trust_bundle.seal(made(), [SIGNER], LISTS)
    start = data.draw(st.integers(0, len(good)))
    cut = good[:start] + data.draw(st.binary(max_size=4) | pieces) + good[start + data.draw(st.integers(0, 8)) :]
    for one in (data.draw(st.binary(max_size=100)), cut):
        with contextlib.suppress(LedgerError):
            assert trust_bundle.open_bundle(one, [SIGNER.verifier], NOW).federation == made()


def test_further_keys_sign_one_by_one():
    two = made(threshold=2)
    data = trust_bundle.seal(two, [SIGNER], LISTS)
    both = trust_bundle.countersign(data, SECOND)
    assert trust_bundle.countersign(both, SECOND) == both
    known = [SIGNER.verifier, SECOND.verifier, THIRD.verifier]
    assert trust_bundle.signed_by(data, known) == known[:1]
    assert trust_bundle.signed_by(both, known) == known[:2]
    assert trust_bundle.open_bundle(both, known[:2], NOW) == Trust(two, LISTS)
    with pytest.raises(Untrusted):
        trust_bundle.countersign(spoiled(data, note=json.loads(trust_bundle.seal(made(), [SIGNER]))["note"]), SECOND)
    alias = type(SIGNER)("alias.example", SIGNER.seed)
    aliased = trust_bundle.countersign(data, alias)
    assert aliased != data
    assert len(trust_bundle.signed_by(aliased, [SIGNER.verifier, alias.verifier])) == 1


# -- rotation -----------------------------------------------------------------------------------------


def opened(**changes: Any) -> Trust:
    return trust_bundle.open_bundle(trust_bundle.seal(made(**changes), [SIGNER]), [SIGNER.verifier], NOW)


def test_the_next_signers_sign_the_next_one():
    old = opened(keys=(str(SECOND.verifier),))
    after = made(serial=8, keys=(str(THIRD.verifier),))
    found = trust_bundle.follow(old, trust_bundle.seal(after, [SECOND]), NOW)
    assert found.federation == after
    with pytest.raises(Untrusted):  # the signer of the old one was rotated out
        trust_bundle.follow(old, trust_bundle.seal(after, [SIGNER]), NOW)
    with pytest.raises(Untrusted):  # nobody appoints himself
        trust_bundle.follow(old, trust_bundle.seal(after, [THIRD]), NOW)


def test_as_many_sign_as_the_old_one_asks_for():
    old, after = opened(threshold=2), made(serial=8)
    with pytest.raises(Untrusted, match="1 of the pinned keys, and 2"):
        trust_bundle.follow(old, trust_bundle.seal(after, [SIGNER]), NOW)
    assert trust_bundle.follow(old, trust_bundle.seal(after, [SIGNER, SECOND]), NOW).federation.serial == 8


def test_serials_do_not_go_back():
    old = opened()
    assert trust_bundle.follow(old, trust_bundle.seal(made(), [SECOND]), NOW).federation == old.federation
    for serial, expires in ((6, made().expires), (7, "2028-11-22T08:00:00Z")):
        with pytest.raises(Untrusted, match="does not come after"):
            trust_bundle.follow(old, trust_bundle.seal(made(serial=serial, expires=expires), [SIGNER]), NOW)


def test_another_federation_of_the_same_signers():
    with pytest.raises(Untrusted, match="not of"):
        trust_bundle.follow(opened(), trust_bundle.seal(made(name="other.example", serial=9), [SIGNER]), NOW)


def test_an_expired_one_still_names_its_successor():
    later = instant(made().expires) + 1
    after = made(serial=8, issued="2027-11-22T07:00:00Z", expires="2028-11-22T08:00:00Z")
    assert trust_bundle.follow(opened(), trust_bundle.seal(after, [SIGNER]), later).federation.serial == 8
    with pytest.raises(Expired):
        trust_bundle.follow(opened(), trust_bundle.seal(made(serial=8), [SIGNER]), later)


# -- what is found in it ------------------------------------------------------------------------------


def test_regions_and_keys_are_found():
    trust, here, there = Trust(made()), region(), macau()
    assert [trust.by_did(one.did) for one in (here, there)] == [here, there]
    assert (trust.region(REGION), trust.by_kid(token_key(1).multikey)) == (here, there)
    assert trust.token_key(token_key(1).multikey) == token_key(1).public
    assert trust.log_keys(ORIGIN) == [signing_key(ORIGIN).verifier]
    assert trust.log_keys("ledger.example/440000") == []
    assert [trust.by_origin(one) for one in (ORIGIN, there.origin, "x")] == [here, there, None]
    assert (trust.region("440000"), list(trust.logs("440000"))) == (None, [])


def test_no_token_key_of_another_is_found():
    for kid in (token_key(2).multikey, credential_key().multikey, ""):
        with pytest.raises(Untrusted):
            Trust(made()).token_key(kid)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (f"{HOST}/status/{REGION}-1", REGION),
        (f"{HOST}/status/{REGION}-t12", REGION),
        ("http://127.0.0.1:8000/status/820000-1", "820000"),
        (f"{HOST}/status/820000-1", None),
        (f"{HOST}/status/{REGION}-01", None),
        (f"{HOST}/status/{REGION}-1?x", None),
        (f"{HOST}/status/../{REGION}-1", None),
        (f"{HOST}@evil.example/status/{REGION}-1", None),
        (f"{HOST}.evil.example/status/{REGION}-1", None),
        (f"http://ledger.example/status/{REGION}-1", None),
        (f"file:///{REGION}-1", None),
        ("", None),
    ],
)
def test_a_list_has_one_address(url, code):
    """Anything else is never fetched."""
    found = Trust(made()).by_list(url)
    assert (found and found.region) == code


def test_a_region_may_close():
    trust = Trust(made(regions=(replace(region(), closed=CLOSED),)))
    assert trust.by_did(DID) is not None
    ended = region(closed=CLOSED, final=lines_of(final_note(ORIGIN)))
    found = trust_bundle.open_bundle(trust_bundle.seal(made(regions=(ended,)), [SIGNER]), [SIGNER.verifier], NOW)
    assert found.federation.regions == (ended,)
    assert ended.last_checkpoint() == Checkpoint(ORIGIN, 9, b"r" * 32)
    assert region().last_checkpoint() is None


# -- a region that goes on under another log ----------------------------------------------------------


def test_a_closed_log_stays_beside_the_one_that_follows():
    old, here = closed(), region()
    for regions in ((old, here, macau()), (macau(), here, old)):
        data = trust_bundle.seal(made(regions=regions), [SIGNER])
        trust = trust_bundle.open_bundle(data, [SIGNER.verifier], NOW)
        assert (trust.region(REGION), list(trust.logs(REGION))) == (here, [here, old])
        assert [trust.by_origin(one.origin) for one in (old, here)] == [old, here]
        assert [trust.by_did(one.did) for one in (old, here)] == [old, here]
        assert trust.log_keys(old.origin) == [signing_key(old.origin).verifier]
        assert trust.by_kid(old.token_keys[0]) == old
        assert [trust.by_list(one.list_url(f"{REGION}-1")) for one in (old, here)] == [old, here]


def test_of_logs_that_all_closed_the_last_one_is_the_region():
    old = closed()
    here = region(closed=LATER, final=tuple(final_lines(ORIGIN)))
    for regions in ((old, here), (here, old)):
        assert Trust(made(regions=regions)).region(REGION) == here


UNSUCCEEDED: dict[str, tuple[tuple[Region, ...], str]] = {
    "both are open": ((closed(closed=UNSET, final=UNSET), region()), "a region stands there twice"),
    "nobody says where it ended": ((closed(final=UNSET), region()), "the last checkpoint of .* is not stated"),
    "one of two ends is not said": (
        (closed(), region(closed=CLOSED)),
        f"the last checkpoint of {ORIGIN} is not stated",
    ),
    "the same address": ((closed(base=HOST, did=DID), region()), "a did stands there twice"),
    "the same origin": ((closed(), closed(did=DID, base=HOST, token_keys=(), credential_keys=())), "origin"),
}


@pytest.mark.parametrize("name", UNSUCCEEDED)
def test_no_region_has_two_logs_at_a_time(name):
    regions, message = UNSUCCEEDED[name]
    with pytest.raises(ValueError, match=message):
        made(regions=regions)


def test_a_log_that_ended_has_no_later_checkpoint():
    old, trust = closed(), Trust(made(regions=(closed(), region())))
    for note in (final_note(old.origin), final_note(old.origin, 8), final_note(old.origin, 0, root=b"e" * 32)):
        assert trust.checkpoint(note, old.origin).origin == old.origin
    for note in (final_note(old.origin, 10), final_note(old.origin, root=b"x" * 32)):
        with pytest.raises(Untrusted, match="ended with 9 events"):
            trust.checkpoint(note, old.origin)
    assert trust.checkpoint(final_note(ORIGIN, 10), ORIGIN).size == 10


@pytest.mark.parametrize(
    ("note", "origin"),
    [
        (final_note(ORIGIN, number=5), ORIGIN),
        (final_note(ORIGIN), closed().origin),
        (final_note("ledger.example/999"), "ledger.example/999"),
        (notes.sign(Checkpoint("other", 1, b"r" * 32).text(), [signing_key(ORIGIN)]), ORIGIN),
        (notes.sign("x\n", [signing_key(ORIGIN)]), ORIGIN),
        ("", ORIGIN),
    ],
)
def test_a_checkpoint_that_no_key_of_the_log_signed(note, origin):
    with pytest.raises((Untrusted, Invalid)):
        Trust(made(regions=(closed(), region()))).checkpoint(note, origin)


def test_any_key_of_a_log_signs_its_checkpoints():
    keys = tuple(vkey(ORIGIN, number) for number in range(3))
    trust = Trust(made(regions=(region(log_keys=keys),)))
    assert [trust.checkpoint(final_note(ORIGIN, number=number), ORIGIN).size for number in range(3)] == [9, 9, 9]


# -- peers --------------------------------------------------------------------------------------------


def test_where_a_peer_is_found():
    assert region().address == HOST
    peer = region(endpoint="https://peers.ledger.example:8443", sealing_key=SEALING)
    found = trust_bundle.open_bundle(trust_bundle.seal(made(regions=(peer,)), [SIGNER]), [SIGNER.verifier], NOW)
    (same,) = found.federation.regions
    assert (same.address, same.sealing_key, same.base) == ("https://peers.ledger.example:8443", SEALING, HOST)


def test_a_region_is_valid_within_its_dates():
    dated, trust = region(valid_from=CLOSED, valid_until=LATER), Trust(made(regions=(region(), macau())))
    begins, ends = instant(CLOSED), instant(LATER)
    assert [dated.is_valid(now) for now in (begins - 1, begins, ends - 1, ends)] == [False, True, True, False]
    assert not closed().is_valid(begins - 1)
    assert trust.valid(region(), NOW)
    assert not trust.valid(region(), instant(made().expires))
    assert not trust.valid(dated, begins), "it is of another federation"
    assert not trust.valid(closed(), NOW)
    dated_trust = Trust(made(regions=(dated, macau(), closed())))
    assert dated_trust.peers(NOW) == [macau()]
    assert dated_trust.peers(begins) == [dated, macau()]


def people(count: int, **changes: Any) -> Trust:
    """A federation of several regions."""
    regions = []
    for number in range(count):
        origin, did = f"ledger.example/{number}", f"did:web:ledger.example:regions:44{number + 3:02}00"
        keys = {"log_keys": (vkey(origin),), "credential_keys": (), "token_keys": ()}
        regions.append(region(region=f"44{number + 3:02}00", origin=origin, did=did, **keys))
    return Trust(made(regions=tuple(regions), **changes))


@pytest.mark.parametrize(("count", "quorum"), [(2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (7, 3)])
def test_more_than_half_of_those_not_concerned_endorse_a_recovery(count, quorum):
    trust = people(count)
    lost, taking = (one.region for one in trust.federation.regions[:2])
    assert len(trust.voters(NOW, lost, taking)) == count - 2
    assert trust.recovery_quorum(NOW, lost, taking) == quorum


def test_what_the_regions_agreed_on_goes_before():
    assert (people(5).recovery_days, RECOVERY_DAYS) == (30, 30)
    agreed = people(5, policy=Policy(recovery_days=90, recovery_quorum=3))
    assert (agreed.recovery_days, agreed.recovery_quorum(NOW, "440300", "440400")) == (90, 3)
    half = people(5, policy=Policy(recovery_days=1))
    assert (half.recovery_days, half.recovery_quorum(NOW, "440300", "440400")) == (1, 2)
    data = trust_bundle.seal(agreed.federation, [SIGNER])
    assert trust_bundle.open_bundle(data, [SIGNER.verifier], NOW) == agreed
