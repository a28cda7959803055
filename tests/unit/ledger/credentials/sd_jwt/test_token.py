"""SD-JWT proofs: what is shown, what stays hidden, and what can be shown of it without the numbers."""

import base64
import json
from typing import Any

import msgspec
import pytest

from ledger.codes import CATEGORIES
from ledger.credentials import model
from ledger.credentials.sd_jwt import claims, jws
from ledger.credentials.sd_jwt import token as sd_jwt
from ledger.credentials.sd_jwt.disclosures import SALT_BYTES, reveal
from ledger.crypto.encoding import decode_base64url
from ledger.crypto.strict_json import parse_json
from ledger.errors import Invalid, NotFound, TooLarge
from ledger.limits import CREDENTIAL_BYTES_MAX
from tests.support import proofs, tokens
from tests.support.tokens import HOLDER, KEY, NOW, STRANGER, issue, open_token, payload_of, text_of

STAR = model.StarLevel(scheme="cn-2012/1", level=3, title="三星", title_en="Three stars", minutes=36_060)


def readable(token: str) -> str:
    """All that a token says to whoever takes it apart."""
    parts = token.replace(".", "~").split("~")
    return "".join(base64.urlsafe_b64decode(part + "==").decode(errors="replace") for part in parts)


# -- what is shown --------------------------------------------------------------------------------


def test_the_holder_has_everything():
    statement = proofs.service(tokens.EMERGENCY, tokens.HEALTH, star=STAR, note="学期末")
    token = open_token(issue(statement))
    stated = msgspec.to_builtins(statement)
    for name in ("first", "last", "minutes", "entries", "star", "note"):
        assert token.claims[name] == stated[name]
    for name in ("categories", "grades", "lines"):
        assert sorted(token.claims[name], key=str) == sorted(stated[name], key=str)
    assert token.claims["name"] == "林小明"
    assert token.holder == HOLDER.public
    assert (token.type, token.issuer, token.region) == (sd_jwt.SERVICE, tokens.ISSUER, "441300")
    assert (token.kid, token.issued, token.expires, token.status) == (KEY.multikey, NOW, None, tokens.STATUS)
    assert not token.bound


def test_nothing_chosen_shows_nothing():
    shown = sd_jwt.present(issue(), [])
    assert open_token(shown).claims == {}
    assert set(payload_of(shown)) == {"iss", "iat", "vct", "region", "cnf", "status", "_sd", "_sd_alg"}


def test_a_threshold_without_number_or_name():
    """At least 100 hours in 2026, emergency rescue: of 101 hours and 40 minutes."""
    shown = sd_jwt.present(issue(), ["at_least/2026+emergency/hours/100"])
    assert open_token(shown).claims == {"at_least": [{"year": 2026, "category": "emergency", "hours": [100]}]}
    for secret in ("林小明", "6100", "6159", "防汛", "health", "entries", "minutes", "2026-"):
        assert secret not in readable(shown)
        assert secret in readable(issue())


def test_a_path_shows_all_beneath_it_and_paths_add_up():
    token = issue()
    shown = open_token(sd_jwt.present(token, ["categories", f"lines/{tokens.HEALTH.activity}", "minutes"])).claims
    assert len(shown["categories"]) == 2
    assert shown["lines"] == [msgspec.to_builtins(tokens.HEALTH)]
    assert shown["minutes"] == 6159
    assert set(shown) == {"categories", "lines", "minutes"}


def test_each_choice_shows_its_value():
    token = issue(proofs.service(tokens.EMERGENCY, tokens.HEALTH, star=STAR))
    choices = sd_jwt.choices(token)
    assert {"name", "minutes", "categories/emergency", "grades/check-in", "star/minutes"} < set(choices)
    for path, value in choices.items():
        shown = sd_jwt.present(token, [path])
        assert sd_jwt.choices(shown)[path] == value
        open_token(shown)


@pytest.mark.parametrize("path", ["", "names", "at_least/2026/hours/300", "name/first", "at_least/2025"])
def test_what_is_not_there_cannot_be_chosen(path: str):
    with pytest.raises(NotFound, match="nothing to show"):
        sd_jwt.present(issue(), [path])


def test_a_star_without_its_minutes():
    statement = model.StarStatement(
        region="441300", day="2026-11-22", star=STAR, explanation=("满600小时",), explanation_en=("600 h reached",)
    )
    token = issue(statement)
    assert open_token(token).claims["star"] == msgspec.to_builtins(STAR)
    star = {name: value for name, value in msgspec.to_builtins(STAR).items() if name != "minutes"}
    shown = sd_jwt.present(token, ["star", "day"])
    assert open_token(shown).claims == {"star": {**star, "minutes": STAR.minutes}, "day": "2026-11-22"}
    short = sd_jwt.present(token, ["name"])
    assert open_token(short).type == sd_jwt.STAR
    assert "36060" not in readable(short)


# -- thresholds -----------------------------------------------------------------------------------


def at_least(statement: model.ServiceStatement, **changes: Any) -> dict[tuple[Any, Any], list[int]]:
    found = open_token(issue(statement, **changes)).claims["at_least"]
    return {(one.get("year"), one.get("category")): sorted(one["hours"]) for one in found}


@pytest.mark.parametrize(
    ("minutes", "reached"),
    [(1199, []), (1200, [20]), (5999, [20, 50]), (6000, [20, 50, 100]), (90_000, list(claims.THRESHOLDS))],
)
def test_a_threshold_holds_from_its_last_minute_on(minutes: int, reached: list[int]):
    found = at_least(proofs.service(proofs.line(minutes=minutes)))
    elders = "empty-nest-elders"
    scopes = [(None, None), (2026, None), (None, elders), (2026, elders)]
    assert found == (dict.fromkeys(scopes, reached) if reached else {})


def test_years_split_a_longer_period():
    statement = proofs.service(tokens.EMERGENCY, first="2025-06-01", last="2026-11-22")
    assert set(at_least(statement)) == {(None, None), (None, "emergency")}
    found = at_least(statement, years={(2025, "emergency"): 100, (2026, "emergency"): 6000})
    assert found[2026, "emergency"] == found[2026, None] == [20, 50, 100]
    assert (2025, None) not in found


@pytest.mark.parametrize(
    "years",
    [
        {},
        {(2026, "emergency"): 6100},
        {(2026, "emergency"): 6100, (2026, "health"): 60},
        {(2027, "emergency"): 6100, (2026, "health"): 59},
        {(2026, "emergency"): 6159},
    ],
    ids=["none", "one-missing", "too-many", "outside", "swapped"],
)
def test_years_that_do_not_add_up(years: dict[tuple[int, str], int]):
    with pytest.raises(Invalid, match=r"add up|outside"):
        issue(years=years)


def test_the_least_specific_scopes_stay_when_there_are_too_many():
    statement = tokens.everyone(2400)
    years = {(year, name): 1200 for name in CATEGORIES for year in (2025, 2026)}
    statement = msgspec.structs.replace(statement, first="2025-01-01")
    found = at_least(statement, years=years)
    assert len(found) == 1 + 18 + 2 + 36
    more = {(year, name): 1200 for name in CATEGORIES for year in (2024, 2025, 2026)}
    statement = msgspec.structs.replace(tokens.everyone(3600), first="2024-01-01")
    found = at_least(statement, years=more)
    assert len(found) == claims.SCOPES_MAX
    assert {(None, None), (2024, None), (None, "rural"), (2026, "rural")} < set(found)


def shape(token: str) -> tuple[int, int, list[int]]:
    """What shows of the hidden: digests at the top, and the length of the array that shows a threshold."""
    wanted = ["at_least/2026+emergency/hours/50"]
    shown = sd_jwt.present(token, wanted).split("~")
    return len(payload_of(token)["_sd"]), len(shown), [len(part) for part in shown[1:]]


def test_digests_do_not_tell_what_is_hidden():
    few = issue(proofs.service(proofs.line(category="emergency", minutes=3000)), name=None)
    many = issue(msgspec.structs.replace(tokens.everyone(90_000), star=STAR, note="x"))
    assert shape(few) == shape(many)
    for token in (few, many):
        assert payload_of(token)["_sd"] == sorted(payload_of(token)["_sd"])
        opened = reveal(payload_of(token), token.split("~")[1:-1]).opened
        assert len({one.texts[-1] for one in opened}) == len(opened)
    hidden = parse_json(decode_base64url(text_of(few, "categories")))[2]
    assert len(hidden) == len(CATEGORIES)
    assert hidden == sorted(hidden, key=str)


def test_every_salt_is_new_and_long():
    token = issue()
    salts = [json.loads(base64.urlsafe_b64decode(part + "=="))[0] for part in token.split("~")[1:-1]]
    assert len(set(salts)) == len(salts) > 20
    assert all(len(base64.urlsafe_b64decode(salt + "==")) == SALT_BYTES for salt in salts)


def test_two_tokens_of_one_statement_share_no_digest():
    one, other = (set(payload_of(issue(randomness=tokens.randomness(seed)))["_sd"]) for seed in "ab")
    assert not one & other


# -- issuing --------------------------------------------------------------------------------------


def test_an_issuer_speaks_for_its_own_region():
    with pytest.raises(Invalid, match="does not issue"):
        issue(issuer=f"{proofs.HOST}/regions/440300")


def test_a_token_too_large_is_not_issued(monkeypatch: pytest.MonkeyPatch):
    largest = proofs.service(*(proofs.line(number, content="\U00020bb7" * 2000) for number in range(40)))
    size = len(issue(largest))
    assert size <= CREDENTIAL_BYTES_MAX
    monkeypatch.setattr(sd_jwt, "CREDENTIAL_BYTES_MAX", size - 1)
    with pytest.raises(TooLarge):
        issue(largest)


@pytest.mark.parametrize("base", ["https://ledger.example", "http://127.0.0.1:8080"])
def test_the_metadata_of_an_issuer_holds_its_keys(base: str):
    issuer = f"{base}/regions/441300"
    metadata = sd_jwt.issuer_metadata(issuer, [KEY.public, STRANGER.public])
    assert metadata["issuer"] == issuer
    assert [key["kid"] for key in metadata["jwks"]["keys"]] == [KEY.multikey, STRANGER.multikey]
    assert jws.point_of(metadata["jwks"]["keys"][0]) == KEY.public


@pytest.mark.parametrize("issuer", ["https://ledger.example/", "https://a/regions/1", "https://a/x/regions/441300", ""])
def test_other_issuers_have_no_metadata(issuer: str):
    with pytest.raises(Invalid):
        sd_jwt.issuer_metadata(issuer, [])
