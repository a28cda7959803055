"""Proof sets: what they cover, and every way in which one is not to be believed."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.credentials import data_integrity, model
from ledger.credentials.data_integrity import JCS, RDFC
from ledger.crypto.multikey import base58
from ledger.errors import Invalid, NotFound, Untrusted
from tests.support import proofs

KEY = proofs.credential_key()
OTHER = proofs.credential_key(number=1)
STRANGER = proofs.credential_key("did:web:other.example:regions:442000")


def find_key(method: str) -> bytes:
    """The keys of the region, and those of another region that is trusted as well."""
    for key in (KEY, STRANGER):
        if method == key.id:
            return key.key.verifier.public
    raise NotFound(method)


def unsecured(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(model.to_json(proofs.credential()))
    return {**found, **changes}


SECURED = data_integrity.secure(unsecured(), KEY, proofs.ISSUED)


def changed(*path: Any, to: Any) -> dict[str, Any]:
    """A copy of SECURED with another value at the path; `...` as the value takes the member away."""
    document = copy.deepcopy(SECURED)
    *parents, last = path
    place = document
    for step in parents:
        place = place[step]
    if to is ...:
        del place[last]
    else:
        place[last] = to
    return document


def proof(number: int = 0, **changes: Any) -> dict[str, Any]:
    return {**SECURED["proof"][number], **changes}


# -- what is made ---------------------------------------------------------------------------------


def test_a_secured_credential_holds_and_is_still_the_credential():
    data_integrity.check(SECURED, find_key)
    assert {name: value for name, value in SECURED.items() if name != "proof"} == unsecured()
    assert [one["cryptosuite"] for one in SECURED["proof"]] == [JCS, RDFC]
    assert {one["created"] for one in SECURED["proof"]} == {proofs.ISSUED}
    assert msgspec.convert(SECURED, model.Credential).proof is not msgspec.UNSET


def test_what_msgspec_makes_of_a_typed_credential_gives_the_same_proofs():
    assert data_integrity.secure(msgspec.to_builtins(proofs.credential()), KEY, proofs.ISSUED) == SECURED


def test_the_two_proofs_are_a_set_and_not_a_chain():
    for one in SECURED["proof"]:
        options = {name: value for name, value in one.items() if name != "proofValue"}
        data = data_integrity.message(unsecured(), options)
        data_integrity.verify(one["proofValue"], KEY.key.verifier.public, data)


def test_a_proof_repeats_a_context_of_addresses_only():
    plain = {
        "@context": model.STATUS_CONTEXT,
        "type": ["VerifiableCredential"],
        "issuer": proofs.DID,
        "credentialSubject": {"id": "urn:x:y"},
    }
    secured = data_integrity.secure(plain, KEY, proofs.ISSUED)
    assert secured["proof"][0]["@context"] == model.STATUS_CONTEXT
    assert "@context" not in secured["proof"][1]
    assert "@context" not in SECURED["proof"][0]
    data_integrity.check(secured, find_key)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (SECURED, "secured already"),
        (unsecured(issuer=STRANGER.did), "issuer"),
        (unsecured(issuer=None), "issuer"),
        (unsecured(unheard="of"), "'unheard' is not defined"),
        (unsecured(type=["VerifiableCredential", "Unheard"]), "'Unheard' is not defined"),
        (unsecured(id="elsewhere"), "'base/elsewhere' is not defined"),
        (unsecured(id="https://a b"), "not an absolute IRI"),
        (unsecured(name="a\x01b"), "control character U+0001"),
        (unsecured(name=0.5), "a float"),
        (unsecured(name="\ud800"), "surrogate"),
        (unsecured(**{"@context": ["https://www.w3.org/ns/unheard"]}), "outside the allowed set"),
        (unsecured(**{"@context": ...}), "not JSON"),
    ],
)
def test_what_cannot_be_signed_as_meant_is_not_signed(document: dict[str, Any], said: str):
    with pytest.raises(Invalid) as caught:
        data_integrity.secure(document, KEY, proofs.ISSUED)
    assert said in f"{caught.value.detail} {caught.value.pointer}"


# -- what is refused ------------------------------------------------------------------------------


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every member and item."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


@pytest.mark.parametrize("path", list(places(SECURED)), ids=lambda path: "/".join(map(str, path)))
def test_nothing_can_be_changed_or_taken_away(path: tuple[Any, ...]):
    for document in (changed(*path, to="other"), changed(*path, to=...)):
        with pytest.raises(Untrusted):
            data_integrity.check(document, find_key)


@pytest.mark.parametrize("path", [path for path in places(SECURED) if isinstance(path[-1], str)])
def test_nothing_can_be_added(path: tuple[Any, ...]):
    with pytest.raises(Untrusted):
        data_integrity.check(changed(*path[:-1], "image", to="https://elsewhere.example/a.png"), find_key)


REFUSED = {
    "not-an-array": (proof(), "no proof"),
    "empty": ([], "no proof"),
    "five": ([proof()] * 5, "more than 4"),
    "without-jcs": ([proof(1)], f"no {JCS}"),
    "without-rdfc": ([proof(0)], f"no {RDFC}"),
    "twice": ([proof(0), proof(1), proof(0)], "proof 2 is there twice"),
    "of-another-suite": ([proof(0), proof(1), proof(1, cryptosuite="ecdsa-rdfc-2019")], "proof 2"),
    "of-another-type": ([proof(0), proof(1, type="Ed25519Signature2020")], "proof 1"),
    "for-another-purpose": ([proof(0), proof(1, proofPurpose="authentication")], "proof 1"),
    "without-a-date": ([proof(0), proof(1, created="yesterday")], "proof 1"),
    "with-a-domain": ([proof(0), proof(1, domain="ledger.example")], "proof 1"),
    "with-another-alphabet": ([proof(0, proofValue="u" + "A" * 86), proof(1)], "base58 in multibase"),
    "too-short": ([proof(0, proofValue="z" + base58(b"\1" * 63)), proof(1)], "64 bytes"),
    "too-long": ([proof(0, proofValue="z" + base58(b"\1" * 65)), proof(1)], "64 bytes"),
    "swapped": ([proof(0, proofValue=proof(1)["proofValue"]), proof(1)], f"the {JCS} proof does not hold"),
    "over-the-first-context": (
        [proof(0, **{"@context": SECURED["@context"][:1]}), proof(1)],
        "another @context than the document",
    ),
    "by-a-key-unknown": ([proof(0, verificationMethod=OTHER.id), proof(1)], f"the {JCS} proof does not hold"),
    "by-another-region": ([proof(0, verificationMethod=STRANGER.id), proof(1)], "by another than the issuer"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refused(reason: str):
    found, said = REFUSED[reason]
    with pytest.raises(Untrusted, match=said):
        data_integrity.check({**SECURED, "proof": found}, find_key)


def test_a_proof_set_of_another_key_is_refused_though_one_proof_would_do_elsewhere():
    theirs = data_integrity.secure(unsecured(), OTHER, proofs.ISSUED)["proof"]
    for mixed in (theirs, [*SECURED["proof"], theirs[1]], [SECURED["proof"][0], theirs[1]]):
        with pytest.raises(Untrusted):
            data_integrity.check({**SECURED, "proof": mixed}, find_key)


def test_two_keys_may_sign_side_by_side():
    both = [*SECURED["proof"], *data_integrity.secure(unsecured(), OTHER, proofs.ISSUED)["proof"]]
    public = {KEY.id: KEY.key.verifier.public, OTHER.id: OTHER.key.verifier.public}
    data_integrity.check({**SECURED, "proof": both}, public.__getitem__)


def test_json_ld_that_nobody_signed_is_never_canonicalised():
    # Were it, this would be told of the context, which is none that is known.
    hostile = {**SECURED, "@context": ["https://hostile.example/context"]}
    with pytest.raises(Untrusted, match=f"the {JCS} proof does not hold: the signature"):
        data_integrity.check(hostile, find_key)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(path=st.sampled_from(list(places(SECURED))), value=VALUES)
def test_whatever_stands_in_a_document_only_our_error_is_raised(path: tuple[Any, ...], value: Any):
    document = changed(*path, to=value)
    if json.dumps(document, sort_keys=True) != json.dumps(SECURED, sort_keys=True):
        with pytest.raises(Untrusted):
            data_integrity.check(document, find_key)


@given(st.dictionaries(st.sampled_from([*SECURED, "other"]), VALUES))
def test_whatever_the_document_is_only_our_error_is_raised(document: dict[str, Any]):
    with pytest.raises(Untrusted):
        data_integrity.check(document, find_key)
