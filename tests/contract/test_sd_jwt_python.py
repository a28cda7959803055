"""SD-JWT proofs against `sd-jwt` of PyPI, the reference implementation of RFC 9901, in both directions."""

import json
from typing import Any

import pytest
from jwcrypto import jwk
from sd_jwt import common, holder, issuer, verifier

from ledger.credentials.sd_jwt import token as sd_jwt
from ledger.crypto.multikey import jwk_of
from ledger.errors import Untrusted
from tests.contract.test_sd_jwt_js import plain, private_jwk
from tests.support import tokens
from tests.support.builders import REGION
from tests.support.tokens import BINDING, HOLDER, KEY, LIST_URL, NOW, STRANGER, disclosure, issue


def they_read(token: str, key: Any = KEY, *asked: str) -> dict[str, Any]:
    public = jwk.JWK(**jwk_of(key.public))
    claims: dict[str, Any] = verifier.SDJWTVerifier(token, lambda *_: public, *asked).get_verified_payload()
    return claims


def test_they_read_in_ours_what_we_read():
    token = issue()
    for wanted in [[], list(sd_jwt.choices(token)), *([path] for path in sd_jwt.choices(token))]:
        shown = sd_jwt.present(token, wanted)
        claims = they_read(shown)
        for name in ("iss", "iat", "vct", "region", "cnf", "status"):
            del claims[name]
        assert plain(claims) == plain(tokens.open_token(shown).claims)


def test_they_refuse_another_key_nonce_and_audience():
    bound = sd_jwt.bind(sd_jwt.present(issue(), ["minutes"]), HOLDER, BINDING, NOW)
    assert they_read(bound, KEY, BINDING.audience, BINDING.nonce)["minutes"] == 6159
    for key, *asked in (
        (STRANGER, BINDING.audience, BINDING.nonce),
        (KEY, "https://bank.example", BINDING.nonce),
        (KEY, BINDING.audience, "x"),
    ):
        with pytest.raises(Exception, match=r"Verification failed|Invalid"):
            they_read(bound, key, *asked)


def test_they_let_pass_what_nobody_signed_and_we_do_not():
    stray = sd_jwt.present(issue(), []) + disclosure("salt", "minutes", 10**6) + "~"
    assert "minutes" not in they_read(stray)
    with pytest.raises(Untrusted, match="no digest"):
        tokens.open_token(stray)


def test_we_open_theirs():
    plain_claims = {
        "iss": tokens.ISSUER,
        "iat": NOW,
        "vct": sd_jwt.SERVICE,
        "region": REGION,
        "status": {"status_list": {"idx": 8, "uri": LIST_URL}},
    }
    hidden = {"name": "林小明", "categories": [{"category": "health", "minutes": 60}, {"category": "rural"}]}
    made = issuer.SDJWTIssuer(
        {
            **plain_claims,
            common.SDObj("name"): hidden["name"],
            common.SDObj("categories"): [common.SDObj(one) for one in hidden["categories"]],
        },
        jwk.JWK.from_json(json.dumps(private_jwk(KEY))),
        jwk.JWK.from_json(json.dumps(jwk_of(HOLDER.public))),
        add_decoy_claims=True,
        extra_header_parameters={"typ": sd_jwt.TYP, "kid": KEY.multikey},
    ).sd_jwt_issuance
    assert plain(tokens.open_token(made).claims) == plain(hidden)

    key = jwk.JWK.from_json(json.dumps(private_jwk(HOLDER)))
    held = holder.SDJWTHolder(made)
    held.create_presentation({"categories": [True, False]}, BINDING.nonce, BINDING.audience, key)
    issued = json.loads(held.key_binding_jwt.payload)["iat"]
    token = tokens.open_token(held.sd_jwt_presentation, now=issued, binding=BINDING)
    assert token.claims == {"categories": [hidden["categories"][0]]}
    assert token.bound
