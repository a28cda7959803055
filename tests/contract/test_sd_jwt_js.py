"""SD-JWT proofs and token status lists against the @sd-jwt packages, in both directions."""

from pathlib import Path
from typing import Any

import pytest

from ledger.credentials.sd_jwt import jws, token_status
from ledger.credentials.sd_jwt import token as sd_jwt
from ledger.crypto.encoding import encode_base64url
from ledger.crypto.multikey import TokenKey, jwk_of
from ledger.errors import Invalid, Untrusted
from ledger.limits import STATUS_LIST_SECONDS, STATUS_LIST_SIZE
from tests.contract import javascript
from tests.support import tokens
from tests.support.builders import REGION
from tests.support.tokens import (
    BINDING,
    HOLDER,
    KEY,
    LIST_URL,
    NOW,
    STATUS,
    STRANGER,
    disclosure,
    find_key,
    forge,
    hash_of,
    issue,
)

SCRIPTS = Path(__file__).parent / "js_sd_jwt"
GOOD_LIST = token_status.make(LIST_URL, KEY, [1, 2, 3], NOW, NOW + STATUS_LIST_SECONDS)


def private_jwk(key: TokenKey) -> dict[str, str]:
    return {**jwk_of(key.public), "d": encode_base64url(key.key.private_numbers().private_value.to_bytes(32, "big"))}


def check(*cases: dict[str, Any]) -> list[dict[str, Any]]:
    """What the packages say of each case, under the region's key and a list on which nothing of ours is revoked."""
    fields = {
        "key": jwk_of(KEY.public),
        "listKey": jwk_of(KEY.public),
        "now": NOW,
        "list": {"uri": LIST_URL, "text": GOOD_LIST},
    }
    answers: list[dict[str, Any]] = javascript.ask(SCRIPTS, "check.mjs", [{**fields, **case} for case in cases])
    return answers


def plain(value: Any) -> Any:
    """A value in which the order of array elements does not count."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return sorted((plain(item) for item in value), key=str) if isinstance(value, list) else value


def test_they_read_in_ours_what_we_read():
    token = issue()
    choices = [[], list(sd_jwt.choices(token)), *([path] for path in sd_jwt.choices(token))]
    shown = [sd_jwt.present(token, wanted) for wanted in choices]
    for text, answer in zip(shown, check(*({"token": text} for text in shown)), strict=True):
        assert answer["ok"], answer
        ours = tokens.open_token(text)
        hidden = {name: answer["claims"].pop(name) for name in ("iss", "iat", "vct", "region", "cnf", "status")}
        assert plain(answer["claims"]) == plain(ours.claims)
        assert hidden["cnf"]["jwk"] == jwk_of(HOLDER.public)
        assert (hidden["iss"], hidden["vct"], hidden["iat"]) == (ours.issuer, ours.type, ours.issued)


SHOWN = sd_jwt.present(issue(), ["minutes"])
BOUND = sd_jwt.bind(SHOWN, HOLDER, BINDING, NOW)
ASKED = {"nonce": BINDING.nonce, "audience": BINDING.audience}


def holder_signed(key: TokenKey, presentation: str) -> str:
    claims = {"iat": NOW, "aud": BINDING.audience, "nonce": BINDING.nonce, "sd_hash": hash_of(presentation)}
    return jws.sign(key, sd_jwt.BINDING_TYP, claims)


def other_list(**changes: Any) -> dict[str, Any]:
    """A list on which the token is revoked, unless told otherwise."""
    fields = {"url": LIST_URL, "key": KEY, "revoked": [STATUS.index], "valid_from": NOW, "valid_until": None}
    return {"list": {"uri": LIST_URL, "text": token_status.make(**{**fields, **changes})}}


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "valid": ({"token": SHOWN}, ""),
    "bound": ({"token": BOUND, **ASKED}, ""),
    "bound-and-nobody-asked": ({"token": BOUND}, ""),
    "a-last-list": ({"token": SHOWN, **other_list(revoked=[])}, ""),
    "tampered-signature": ({"token": SHOWN.replace("~", "A~", 1)}, "Signature"),
    "tampered-claims": ({"token": ".".join([*forge().split(".")[:2], SHOWN.split(".")[2]])}, "Signature"),
    "wrong-key": ({"token": SHOWN, "key": jwk_of(STRANGER.public)}, "Signature"),
    "expired": ({"token": issue(expires=NOW - 1)}, "expired"),
    "of-the-future": ({"token": issue(issued=NOW + 1000)}, "not yet valid"),
    "revoked": ({"token": SHOWN, **other_list()}, "Status is not valid"),
    "missing-list": ({"token": SHOWN, "list": None}, "no such status list"),
    "list-of-another-key": ({"token": SHOWN, **other_list(key=STRANGER)}, "Status List JWT"),
    "list-ended": ({"token": SHOWN, **other_list(revoked=[], valid_until=NOW - 1)}, "Status List JWT"),
    "not-bound": ({"token": SHOWN, **ASKED}, "Key Binding JWT not exist"),
    "wrong-nonce": ({"token": BOUND, **ASKED, "nonce": "x"}, "Nonce"),
    "wrong-audience": ({"token": BOUND, **ASKED, "audience": "https://bank.example"}, "Audience"),
    "wrong-holder": ({"token": SHOWN + holder_signed(STRANGER, SHOWN), **ASKED}, "Signature"),
    "bound-to-another-presentation": ({"token": issue() + BOUND.rpartition("~")[2], **ASKED}, "sd_hash"),
}
"""What is asked, and a word of what the packages answer: none where all is well."""


def we_accept(case: dict[str, Any]) -> bool:
    """Whether the same case is good here."""
    listed = case.get("list", {"text": GOOD_LIST})
    key = jws.point_of(case.get("key", jwk_of(KEY.public)))
    binding = BINDING if "nonce" in case else None
    if binding:
        binding = sd_jwt.Binding(audience=case["audience"], nonce=case["nonce"])
    try:
        token = sd_jwt.open_token(case["token"], lambda _: key, now=NOW, binding=binding)
        found = token_status.open_list(listed["text"], token.status.uri, find_key) if listed else None
    except (Invalid, Untrusted):
        return False
    current = found is not None and (found.valid_until is None or found.valid_until > NOW)
    return current and found is not None and not found.is_revoked(token.status.index) and not token.expired


def test_they_accept_and_refuse_what_we_do():
    answers = check(*(case for case, _ in CASES.values()))
    for (name, (case, word)), answer in zip(CASES.items(), answers, strict=True):
        assert answer["ok"] is (not word), (name, answer)
        assert word in answer.get("error", ""), (name, answer)
        assert we_accept(case) is answer["ok"], name


def test_they_let_pass_what_we_do_not():
    """RFC 9901, 7.1, steps 4 and 5: version 0.19 drops what no digest refers to, and does not count digests."""
    signed, *texts, _ = issue().split("~")
    number = disclosure("salt", "minutes", 10**6)
    cases = {
        "changed": ("~".join([signed, *texts[1:], number, ""]), "no digest"),
        "stray": (f"{SHOWN}{number}~", "no digest"),
        "digest-twice": (forge(number, _sd=[hash_of(number)] * 2), "twice"),
    }
    answers = check(*({"token": token} for token, _ in cases.values()))
    for (token, why), answer in zip(cases.values(), answers, strict=True):
        assert answer["ok"]
        with pytest.raises((Invalid, Untrusted), match=why):
            tokens.open_token(token)


def test_we_open_theirs():
    binding = {"iat": NOW, "aud": BINDING.audience, "nonce": BINDING.nonce}
    claims = {
        "iss": tokens.ISSUER,
        "iat": NOW,
        "vct": sd_jwt.SERVICE,
        "region": REGION,
        "cnf": {"jwk": jwk_of(HOLDER.public)},
        "status": {"status_list": {"idx": 8, "uri": LIST_URL}},
        "name": "林小明",
        "minutes": 6159,
        "at_least": [{"year": 2026, "hours": [20, 50, 100]}, {"hours": [20]}],
    }
    made = javascript.ask(
        SCRIPTS,
        "make.mjs",
        {
            "issuer": private_jwk(KEY),
            "holder": private_jwk(HOLDER),
            "header": {"kid": KEY.multikey},
            "claims": claims,
            "frame": {
                "_sd": ["name", "minutes", "at_least"],
                "_sd_decoy": 5,
                "at_least": {"_sd": [0, 1], "_sd_decoy": 3, "0": {"hours": {"_sd": [0, 1, 2]}}},
            },
            "shown": {"at_least": {"0": {"hours": {"2": True}}}},
            "boundShown": {"name": True},
            "binding": binding,
            "revoked": [8, 9, 94_567],
            "size": STATUS_LIST_SIZE,
            "list": {"sub": LIST_URL, "iat": NOW, "exp": NOW + 60},
        },
    )
    assert plain(tokens.open_token(made["token"]).claims) == plain(
        {name: claims[name] for name in ("name", "minutes", "at_least")}
    )
    assert tokens.open_token(made["shown"]).claims == {"at_least": [{"year": 2026, "hours": [100]}]}
    bound = tokens.open_token(made["bound"], binding=BINDING)
    assert bound.claims == {"name": "林小明"}
    assert bound.bound
    with pytest.raises(Untrusted, match="did not sign"):
        tokens.open_token(made["shown"], binding=BINDING)

    listed = token_status.open_list(made["list"], LIST_URL, find_key)
    assert [index for index in range(STATUS_LIST_SIZE) if listed.is_revoked(index)] == [8, 9, 94_567]
    assert (listed.valid_from, listed.valid_until) == (NOW, NOW + 60)
