"""SD-JWT proofs that are not to be believed: every way to cheat that RFC 9901 names, and some that it does not."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from ledger.credentials.sd_jwt import jws
from ledger.credentials.sd_jwt import token as sd_jwt
from ledger.credentials.sd_jwt.disclosures import reveal
from ledger.crypto.encoding import encode_base64url
from ledger.crypto.multikey import jwk_of
from ledger.errors import Invalid, TooLarge, Untrusted
from ledger.limits import CREDENTIAL_BYTES_MAX, DISCLOSURES_MAX
from tests.support import tokens
from tests.support.tokens import (
    BINDING,
    HOLDER,
    KEY,
    NOW,
    STRANGER,
    disclosure,
    forge,
    hash_of,
    issue,
    open_token,
    payload_of,
    text_of,
)

# -- disclosures (RFC 9901, 7.1) --------------------------------------------------------

NAME = disclosure("s1", "name", "林小明")
FAMILY = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
FRANCE = "WyJsa2x4RjVqTVlsR1RQVW92TU5JdkNBIiwgIkZSIl0"


def test_the_examples_of_rfc_9901():
    """Its sections 4.2.1 and 4.2.2 state these disclosures and their digests."""
    payload = {
        "_sd": ["X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"],
        "nationalities": ["DE", {"...": "w0I8EKcdCtUPkGCNUrfwVp2xEgNjtoIDlOxc9-PlOhs"}],
    }
    assert reveal(payload, [FAMILY, FRANCE]).claims == {"family_name": "Möbius", "nationalities": ["DE", "FR"]}
    assert reveal(payload, []).claims == {"nationalities": ["DE"]}


def test_a_forged_token_that_is_no_cheat_opens():
    """What the cases below change is good as it stands."""
    assert open_token(forge(NAME, _sd=[hash_of(NAME)])).claims == {"name": "林小明"}
    assert open_token(forge(NAME, _sd=[hash_of(NAME)], _sd_alg=...)).claims == {"name": "林小明"}
    assert open_token(forge()).claims == {}


def hiding(text: str) -> str:
    return forge(text, _sd=[hash_of(text)])


def nested(depth: int) -> str:
    """A chain of disclosures, each of which hides the next."""
    texts = [disclosure("s", "x", 1)]
    for number in range(depth):
        texts.append(disclosure(f"s{number}", "x", {"_sd": [hash_of(texts[-1])]}))
    return forge(*texts, _sd=[hash_of(texts[-1])])


ELEMENT = disclosure("s2", "FR")
CHEATS: dict[str, tuple[str, type[Exception], str]] = {
    "unreferenced": (forge(NAME), Untrusted, "no digest"),
    "unreferenced-beside-a-good-one": (forge(NAME, ELEMENT, _sd=[hash_of(NAME)]), Untrusted, "no digest"),
    "same-disclosure-twice": (forge(NAME, NAME, _sd=[hash_of(NAME)]), Invalid, "given twice"),
    "digest-twice": (forge(NAME, _sd=[hash_of(NAME)] * 2), Invalid, "there twice"),
    "digest-twice-in-two-places": (forge(_sd=["abc"], lines=[{"...": "abc"}]), Invalid, "there twice"),
    "element-as-a-member": (hiding(ELEMENT), Invalid, "not \\[salt"),
    "member-as-an-element": (forge(NAME, lines=[{"...": hash_of(NAME)}]), Invalid, "not \\[salt"),
    "named-_sd": (hiding(disclosure("s", "_sd", [])), Invalid, "name of a claim"),
    "named-dots": (hiding(disclosure("s", "...", "x")), Invalid, "name of a claim"),
    "named-_sd_alg": (hiding(disclosure("s", "_sd_alg", "md5")), Invalid, "name of a claim"),
    "named-by-a-number": (hiding(disclosure("s", 1, "x")), Invalid, "name of a claim"),
    "salt-is-a-number": (hiding(disclosure(1, "name", "x")), Invalid, "not \\[salt"),
    "four-parts": (hiding(disclosure("s", "name", "x", "y")), Invalid, "not \\[salt"),
    "an-object": (hiding(encode_base64url(b"{}")), Invalid, "not \\[salt"),
    "not-json": (hiding(encode_base64url(b"[")), Invalid, "not JSON"),
    "not-utf-8": (hiding(encode_base64url(b'["s","name","\xff"]')), Invalid, "not JSON"),
    "a-lone-surrogate": (hiding(encode_base64url(rb'["s","name","\ud800"]')), Invalid, "surrogate"),
    "a-fraction": (hiding(encode_base64url(b'["s","name",1.5]')), Invalid, "integers"),
    "minus-zero": (hiding(encode_base64url(b'["s","name",-0]')), Invalid, "minus zero"),
    "not-a-number": (hiding(encode_base64url(b'["s","name",NaN]')), Invalid, "integers"),
    "a-huge-integer": (hiding(encode_base64url(b'["s","name",9007199254740992]')), Invalid, "2\\^53"),
    "the-same-key-twice": (hiding(encode_base64url(b'["s","name",{"a":1,"a":2}]')), Invalid, "twice"),
    "padded": (hiding(NAME + "="), Invalid, "base64url"),
    "another-spelling": (hiding("e31"), Invalid, "canonical"),
    "a-lone-surrogate-outside": (forge("\ud800"), Invalid, "an SD-JWT is"),
    "empty": (hiding(""), Invalid, "not JSON"),
    "claim-in-clear-and-hidden": (forge(NAME, name="x", _sd=[hash_of(NAME)]), Invalid, "there twice"),
    "_sd-is-an-object": (forge(_sd={}), Invalid, "not an array"),
    "digest-is-a-number": (forge(_sd=[1]), Invalid, "not a string"),
    "element-digest-is-a-number": (forge(lines=[{"...": 1}]), Invalid, "not a string"),
    "dots-beside-others": (forge(lines=[{"...": "x", "a": 1}]), Invalid, "beside"),
    "dots-outside-an-array": (forge(star={"...": "x"}), Invalid, "beside"),
    "_sd_alg-below": (forge(star={"_sd_alg": "sha-256"}), Invalid, "_sd_alg"),
    "another-hash": (forge(_sd_alg="sha-512"), Invalid, "hash"),
    "no-hash": (forge(_sd_alg=None), Invalid, "hash"),
    "value-nested-too-deep": (
        hiding(encode_base64url(b'["s","name",' + b"[" * 8 + b"]" * 9)),
        Invalid,
        "^nested deeper",
    ),
    "nested-too-deep": (nested(9), Invalid, "disclosures nested deeper"),
    "too-many": (forge(*(disclosure(str(n), n) for n in range(DISCLOSURES_MAX + 1))), TooLarge, "more than"),
    "too-large": (forge(disclosure("s", "x" * CREDENTIAL_BYTES_MAX)), TooLarge, "over"),
}


@pytest.mark.parametrize(("token", "error", "why"), CHEATS.values(), ids=CHEATS)
def test_cheating_with_disclosures(token: str, error: type[Exception], why: str):
    with pytest.raises(error, match=why):
        open_token(token)


def test_a_disclosure_that_was_changed_is_refused():
    """Its digest is no longer in the token, so it is one that nothing refers to."""
    signed, *texts, _ = issue().split("~")
    place = texts.index(text_of(issue(), "minutes"))
    salt, name, value = json.loads(base64.urlsafe_b64decode(texts[place] + "=="))
    texts[place] = disclosure(salt, name, value + 60_000)
    with pytest.raises(Untrusted, match="no digest"):
        open_token("~".join([signed, *texts, ""]))


def test_an_element_without_the_array_that_holds_it_is_refused():
    signed, *texts, _ = issue().split("~")
    without = [text for text in texts if text != text_of(issue(), "categories")]
    with pytest.raises(Untrusted, match="no digest"):
        open_token("~".join([signed, *without, ""]))


@pytest.mark.parametrize("name", ["iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "status", "iat", "aud", "region"])
def test_what_a_check_rests_on_is_never_hidden(name: str):
    text = disclosure("s", name, payload_of(forge()).get(name, 1))
    with pytest.raises(Invalid, match="never hidden"):
        open_token(forge(text, claims={name: ..., "_sd": [hash_of(text)]}))


# -- the issuer's signature -------------------------------------------------------------


def resigned(header: dict[str, Any], signature: bytes | None = None) -> str:
    """A token of which the header is another; signed by the region unless a signature is given."""
    payload = forge().split(".")[1]
    signed = f"{encode_base64url(json.dumps(header).encode())}.{payload}"
    return f"{signed}.{encode_base64url(KEY.sign(signed.encode()) if signature is None else signature)}~"


HEADER = {"alg": "ES256", "typ": "dc+sd-jwt", "kid": KEY.multikey}
HEADERS: dict[str, tuple[dict[str, Any], str]] = {
    "alg-none": ({**HEADER, "alg": "none"}, "algorithm"),
    "alg-HS256": ({**HEADER, "alg": "HS256"}, "algorithm"),
    "alg-ES384": ({**HEADER, "alg": "ES384"}, "algorithm"),
    "alg-lower-case": ({**HEADER, "alg": "es256"}, "algorithm"),
    "no-alg": ({"typ": "dc+sd-jwt", "kid": KEY.multikey}, "algorithm"),
    "typ-jwt": ({**HEADER, "typ": "JWT"}, "type"),
    "typ-of-a-holder": ({**HEADER, "typ": "kb+jwt"}, "type"),
    "typ-of-a-draft": ({**HEADER, "typ": "vc+sd-jwt"}, "type"),
    "no-typ": ({"alg": "ES256", "kid": KEY.multikey}, "type"),
    "no-kid": ({"alg": "ES256", "typ": "dc+sd-jwt"}, "no key"),
    "kid-is-a-number": ({**HEADER, "kid": 1}, "no key"),
    "crit": ({**HEADER, "crit": ["exp"]}, "critical"),
}


def test_a_header_signed_again_opens():
    assert open_token(resigned(HEADER)).claims == {}


@pytest.mark.parametrize(("header", "why"), HEADERS.values(), ids=HEADERS)
def test_cheating_with_the_header(header: dict[str, Any], why: str):
    with pytest.raises(Invalid, match=why):
        open_token(resigned(header))


def test_the_public_key_is_no_shared_secret():
    header = encode_base64url(json.dumps({**HEADER, "alg": "HS256"}).encode())
    signed = f"{header}.{forge().split('.')[1]}"
    signature = hmac.new(KEY.public, signed.encode(), hashlib.sha256).digest()
    with pytest.raises(Invalid, match="algorithm"):
        open_token(f"{signed}.{encode_base64url(signature)}~")


@pytest.mark.parametrize("signature", [b"", bytes(64), b"\xff" * 64, bytes(63), bytes(65)], ids=len)
def test_a_signature_that_is_none(signature: bytes):
    with pytest.raises(Untrusted, match="signature"):
        open_token(resigned(HEADER, signature))


def test_a_key_in_the_header_is_not_looked_at():
    with pytest.raises(Untrusted, match="does not verify"):
        open_token(forge(key=STRANGER, kid=KEY.multikey))
    header = {**HEADER, "jwk": jwk_of(STRANGER.public)}
    signed = f"{encode_base64url(json.dumps(header).encode())}.{forge().split('.')[1]}"
    with pytest.raises(Untrusted, match="does not verify"):
        open_token(f"{signed}.{encode_base64url(STRANGER.sign(signed.encode()))}~")


def test_a_key_that_nobody_knows():
    with pytest.raises(Untrusted, match="nobody knows"):
        open_token(issue(key=STRANGER))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": ...},
        {"iss": "https://ledger.example"},
        {"iss": "did:web:ledger.example"},
        {"iss": 1},
        {"region": "440300"},
        {"region": ...},
        {"vct": "urn:example"},
        {"vct": ...},
        {"vct": []},
        {"iat": ...},
        {"iat": True},
        {"iat": "1"},
        {"exp": None},
        {"exp": -1},
        {"nbf": "x"},
        {"status": ...},
        {"status": {}},
        {"status": {"status_list": {"idx": -1, "uri": tokens.LIST_URL}}},
        {"status": {"status_list": {"idx": True, "uri": tokens.LIST_URL}}},
        {"status": {"status_list": {"idx": 1}}},
        {"cnf": {}},
        {"cnf": None},
        {"cnf": {"jwk": {**jwk_of(HOLDER.public), "crv": "P-384"}}},
        {"cnf": {"jwk": {**jwk_of(HOLDER.public), "d": "x"}}},
        {"cnf": {"jwk": {**jwk_of(HOLDER.public), "y": jwk_of(STRANGER.public)["y"]}}},
        {"cnf": {"jwk": {**jwk_of(HOLDER.public), "x": "A" * 43}}},
        {"cnf": {"jwk": {"kty": "oct", "k": "x"}}},
    ],
    ids=str,
)
def test_claims_of_another_form(claims: dict[str, Any]):
    with pytest.raises(Invalid):
        open_token(forge(claims=claims))


@pytest.mark.parametrize("text", ["", "~", "a", "a.b.c", "a.b.c~", "~~", "é~", "..~", ".~."])
def test_what_is_no_token(text: str):
    with pytest.raises(Invalid):
        open_token(text)


# -- times ----------------------------------------------------------------------------------------


def test_an_expired_token_says_so_from_its_second_on():
    token = issue(expires=NOW + 10)
    assert not open_token(token, now=NOW + 9).expired
    assert open_token(token, now=NOW + 10).expired
    assert open_token(token).expires == NOW + 10


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_a_token_of_the_future(name: str):
    soon, later = ({name: NOW + seconds} for seconds in (300, 301))
    assert open_token(forge(claims=soon)).issued
    with pytest.raises(Untrusted, match="future"):
        open_token(forge(claims=later))


# -- key binding (RFC 9901, 7.3) ------------------------------------------------------------------

SHOWN = sd_jwt.present(issue(), ["minutes"])
BOUND = sd_jwt.bind(SHOWN, HOLDER, BINDING, NOW)


def test_a_holder_signs_for_who_asks():
    token = open_token(BOUND, binding=BINDING)
    assert token.bound
    assert token.claims == {"minutes": 6159}


def test_a_holders_signature_that_nobody_asked_for_binds_nothing():
    assert not open_token(BOUND).bound
    assert open_token(BOUND, now=NOW + 10**6).claims == {"minutes": 6159}


def holder_signed(key: Any = HOLDER, typ: str = "kb+jwt", token: str = SHOWN, **changes: Any) -> str:
    fields = {"iat": NOW, "aud": BINDING.audience, "nonce": BINDING.nonce, "sd_hash": hash_of(token), **changes}
    return token + jws.sign(key, typ, {name: value for name, value in fields.items() if value is not ...})


UNBOUND: dict[str, tuple[str, type[Exception], str]] = {
    "nobody": (SHOWN, Untrusted, "did not sign"),
    "another-key": (holder_signed(STRANGER), Untrusted, "does not verify"),
    "the-issuers-key": (holder_signed(KEY), Untrusted, "does not verify"),
    "another-audience": (holder_signed(aud="https://bank.example"), Untrusted, "someone else"),
    "audience-in-an-array": (holder_signed(aud=[BINDING.audience]), Untrusted, "someone else"),
    "another-nonce": (holder_signed(nonce="x"), Untrusted, "someone else"),
    "no-nonce": (holder_signed(nonce=...), Untrusted, "someone else"),
    "too-long-ago": (holder_signed(iat=NOW - 301), Untrusted, "too long ago"),
    "in-the-future": (holder_signed(iat=NOW + 301), Untrusted, "future"),
    "no-time": (holder_signed(iat=...), Invalid, "not a time"),
    "another-presentation": (holder_signed(sd_hash=hash_of(issue())), Untrusted, "something else"),
    "no-hash": (holder_signed(sd_hash=...), Untrusted, "something else"),
    "another-type": (holder_signed(typ="JWT"), Invalid, "type"),
    "less-than-was-signed": (sd_jwt.present(issue(), []) + BOUND.rpartition("~")[2], Untrusted, "something else"),
    "not-bound": (holder_signed(token=sd_jwt.present(issue(holder=None), [])), Untrusted, "no key"),
    "junk": (SHOWN + "x", Invalid, "three parts"),
}


@pytest.mark.parametrize(("token", "error", "why"), UNBOUND.values(), ids=UNBOUND)
def test_cheating_with_the_holders_signature(token: str, error: type[Exception], why: str):
    with pytest.raises(error, match=why):
        open_token(token, binding=BINDING)


@pytest.mark.parametrize("case", ["another-key", "another-presentation", "less-than-was-signed", "not-bound", "junk"])
def test_a_holders_signature_is_never_wrong_even_when_none_is_asked_for(case: str):
    token, error, why = UNBOUND[case]
    with pytest.raises(error, match=why):
        open_token(token)


def test_a_token_is_bound_by_its_own_key_and_chosen_from_before():
    with pytest.raises(Invalid, match="not bound to this key"):
        sd_jwt.bind(SHOWN, STRANGER, BINDING, NOW)
    with pytest.raises(Invalid, match="already signed"):
        sd_jwt.present(BOUND, [])
