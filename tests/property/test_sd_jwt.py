"""SD-JWT and token status lists under arbitrary input: an answer or an error of ours, and only what was signed."""

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.credentials.sd_jwt import disclosures, jws, token, token_status
from ledger.crypto.encoding import decode_base64url, encode_base64url
from ledger.crypto.strict_json import parse_json
from ledger.errors import LedgerError
from tests.support import tokens
from tests.support.tokens import BINDING, HOLDER, LIST_URL, NOW, disclosure, find_key, forge, hash_of, issue

ISSUED = issue()
CHOICES = token.choices(ISSUED)
BOUND = token.bind(token.present(ISSUED, ["minutes", "at_least/all"]), HOLDER, BINDING, NOW)
LIST = token_status.make(LIST_URL, tokens.KEY, [1, 2], NOW, None)

names = st.sampled_from(["_sd", "...", "_sd_alg", "name", "lines", "iss", "exp", "status", "cnf", "jwk"]) | st.text()
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    """A good token of which a slice is replaced."""
    text = draw(st.sampled_from([BOUND, LIST, forge(disclosure("s", "name", 1), _sd=["x"])]))
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 30)))
    return text[:start] + draw(st.text(st.sampled_from("~.=_-Ae\ud800é\0"), max_size=5)) + text[end:]


@settings(max_examples=500)
@given(st.text() | st.text(st.sampled_from("~.eyJA=_-\ud800é")) | spoiled())
def test_any_text(text: str):
    for parse in (
        lambda text: token.open_token(text, find_key, now=NOW),
        lambda text: token.open_token(text, lambda _: tokens.KEY.public, now=NOW, binding=BINDING),
        lambda text: token_status.open_list(text, LIST_URL, find_key),
        lambda text: token.present(text, ["name"]),
        lambda text: token.bind(text, HOLDER, BINDING, NOW),
        token.choices,
        lambda text: token.issuer_metadata(text, []),
        decode_base64url,
    ):
        with contextlib.suppress(LedgerError):
            parse(text)


@settings(max_examples=300)
@given(st.binary(max_size=60), json_values)
def test_any_json_and_bytes(data: bytes, value: Any):
    for parse in (parse_json, lambda data: jws.point_of(parse_json(data))):
        with contextlib.suppress(LedgerError):
            parse(data)
    with contextlib.suppress(LedgerError):
        jws.point_of(value)


@settings(max_examples=500)
@given(
    payload=st.dictionaries(names, json_values, max_size=5),
    parts=st.lists(st.lists(json_values, max_size=4), max_size=4),
    data=st.data(),
)
def test_any_signed_payload_and_disclosures(payload: dict[str, Any], parts: list[list[Any]], data: st.DataObject):
    """Past the signature: what an issuer gone wrong might sign."""
    texts = [disclosure(*part) for part in parts]
    known = [hash_of(text) for text in texts]
    payload |= {"_sd": data.draw(st.lists(st.sampled_from([*known, "x"]), max_size=4))}
    with contextlib.suppress(LedgerError):
        found = disclosures.reveal(payload, texts)
        assert not {"_sd", "..."} & set(found.claims)
        assert len(found.opened) == len(texts)
    with contextlib.suppress(LedgerError):
        tokens.open_token(forge(*texts, claims=payload))
    with contextlib.suppress(LedgerError):
        claims = {
            "sub": LIST_URL,
            "iat": NOW,
            "status_list": {"bits": 1, "lst": encode_base64url(data.draw(st.binary()))},
        }
        token_status.open_list(
            jws.sign(tokens.KEY, token_status.TYP, {**claims, **payload}, tokens.KEY.multikey), LIST_URL, find_key
        )


@settings(max_examples=100)
@given(st.sets(st.sampled_from(sorted(CHOICES)), max_size=5))
def test_any_choice_opens_and_shows_no_other_claim(wanted: set[str]):
    shown = token.present(ISSUED, wanted)
    claims = tokens.open_token(shown).claims
    assert set(claims) == {path.partition("/")[0] for path in wanted}
    assert token.present(shown, wanted) == shown
    for path in token.choices(shown):
        assert any(f"{path}/".startswith(f"{one}/") or f"{one}/".startswith(f"{path}/") for one in wanted)
