"""Who may ask for proofs and see them, and what is refused, with the place that is at fault and nothing written."""

import json
from typing import Any

import pytest

from api.service import proving as issuing
from ledger.crypto.multikey import jwk_of
from ledger.ids import format_time
from ledger.limits import LONG_TEXT_MAX, PROOF_LINES_MAX, REQUEST_BYTES_MAX
from tests.api.proving import CONSENT, YEAR, Holder, newcomer
from tests.api.site import OTHER, Site
from tests.integration.world import volunteer
from tests.support import builders
from tests.support.builders import AUTHORITY, GROUP, PROOF, STATION, VOLUNTEER, event_id
from tests.support.proofs import token_key
from tests.support.tokens import payload_of

JWK = jwk_of(token_key(7).public)


@pytest.fixture(scope="module")
def holder(proving: Site) -> Holder:
    """A volunteer whom the station registered, by name."""
    return newcomer(proving, ("09:00", "10:00"), named=True)


@pytest.fixture(scope="module")
def proof(holder: Holder) -> str:
    return holder.proof()


def acting(site: Site, name: str) -> Holder:
    return Holder(site, name)


# -- what is asked for ----------------------------------------------------------------------------------

HOSTILE = ["\x00", "\u202e", "\n", "\ufeff", "\u2028", " ", "", "\ud800", "x" * (LONG_TEXT_MAX + 1)]


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"first": "2026-02-30"}, "/first"),
        ({"first": "0000-01-01"}, "/first"),
        ({"last": "31.12.2026"}, "/last"),
        ({"first": "2027-01-01"}, "/last"),
        ({"first": 1}, "/first"),
        ({"kind": "award"}, "/kind"),
        ({"named": {}}, "/named"),
        ({"categories": ["elders"]}, "/categories/0"),
        ({"categories": []}, "/categories"),
        ({"categories": "environment"}, "/categories"),
        ({"activities": ["x"]}, "/activities/0"),
        ({"activities": [str(event_id()) for _ in range(PROOF_LINES_MAX + 1)]}, "/activities"),
        ({"organisations": [AUTHORITY]}, "/organisations/0"),
        ({"evidence": ["check-in", "hearsay"]}, "/evidence/1"),
        ({"volunteer": "me"}, "/volunteer"),
        ({"volunteer": STATION}, "/volunteer"),
        ({"replaces": "x"}, "/replaces"),
        ({"extra": 1}, "/extra"),
        ({"statement": {}}, "/statement"),
        *(({"note": text}, "/note") for text in HOSTILE),
        ({"consent": "\u202e"}, "/consent"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_request_is_refused_with_its_place(proving, holder, members, pointer):
    with proving.nothing_written():
        answer = holder.post("proofs", **{**YEAR, **members})
    assert (answer.status_code, answer.json()["pointer"]) == (400, pointer), answer.text


@pytest.mark.parametrize("missing", ["first", "last"])
def test_a_period_has_two_ends(proving, holder, missing):
    members = {name: value for name, value in YEAR.items() if name != missing}
    with proving.nothing_written():
        answer = holder.post("proofs", **members)
    assert (answer.status_code, answer.json()["pointer"]) == (400, f"/{missing}")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"1", b"\xff", b'"x"', b"[" * 30_000, b'{"first":' * 5000, b"{}"]
)
@pytest.mark.parametrize("path", ["proofs", "proof-batches", f"proofs/{PROOF}/sd-jwt", f"proofs/{PROOF}/revocation"])
def test_what_is_no_request_is_refused(proving, holder, path, data):
    with proving.nothing_written():
        answer = holder.send(path, data)
    assert answer.status_code in {400, 403, 404}, answer.text
    assert answer.status_code == 400 or data == b"{}"


@pytest.mark.parametrize("path", ["proofs", f"proofs/{PROOF}/sd-jwt", f"proofs/{PROOF}/revocation"])
def test_a_huge_request_is_refused(proving, holder, path):
    with proving.nothing_written():
        answer = holder.send(path, json.dumps({**YEAR, "note": "x" * REQUEST_BYTES_MAX}).encode())
    assert answer.status_code == 413


def test_where_nothing_counts_there_is_nothing_to_prove(proving, holder):
    for members in ({"first": "2025-01-01", "last": "2025-12-31"}, {"evidence": ["manual"]}):
        with proving.nothing_written():
            answer = holder.post("proofs", **{**YEAR, **members})
        assert answer.status_code == 400
        assert "nothing to prove" in answer.json()["detail"]


@pytest.mark.parametrize("part", ["", "/credential", "/pdf", "/qr", "/accesses", "/sd-jwt"])
@pytest.mark.parametrize("name", [PROOF, "x", PROOF.upper(), "..%2f..%2fetc", "%00", "%F0%9F%98%80", "0" * 5000])
def test_a_proof_that_never_was_is_not_found(proving, holder, name, part):
    with proving.nothing_written():
        answer = holder.get(f"proofs/{name}{part}")
    assert answer.status_code in {400, 404}, answer.text


# -- names ----------------------------------------------------------------------------------------------


def test_a_name_is_stated_only_when_asked_for(proving, holder, proof):
    named = holder.proof(named=True)
    assert holder.credential(named).name_of_holder == "林小明"
    assert holder.credential(proof).name_of_holder is None
    assert "林小明".encode() not in holder.part(proof, "credential")


def test_a_name_nobody_verified_is_not_stated(proving):
    holder = newcomer(proving, ("09:00", "10:00"))
    with proving.nothing_written():
        answer = holder.post("proofs", **YEAR, named=True)
    assert (answer.status_code, answer.json()["pointer"]) == (400, "/named")


@pytest.mark.parametrize(("number", "text", "missing"), [(51, "林\U000e0101明", "\U000e0101"), (52, "😀小明", "😀")])
def test_a_name_that_the_font_cannot_show_is_refused(proving, number, text, missing):
    name = volunteer(number)
    details = builders.details(name=text, id_number=f"E000000{number}")
    proving.world.register(name, details, key=builders.vkey(name))
    holder = acting(proving, name)
    holder.serve("09:00", "10:00")
    with proving.nothing_written():
        answer = holder.post("proofs", **YEAR, named=True)
    assert (answer.status_code, answer.json()["pointer"]) == (400, "/named")
    assert missing in answer.json()["detail"]
    assert holder.ask()["state"] == "issued"


def test_a_note_that_the_font_cannot_show_is_refused(proving, holder):
    with proving.nothing_written():
        answer = holder.post("proofs", **YEAR, note="给 😀 看")
    assert (answer.status_code, answer.json()["pointer"]) == (400, "/note")
    assert "😀" in answer.json()["detail"]


# -- who may --------------------------------------------------------------------------------------------


def test_nobody_asks_without_signing_in(proving, proof):
    for path in ("proofs", f"proofs/{proof}", f"proofs/{proof}/pdf", f"volunteers/{VOLUNTEER}/star"):
        assert proving.get(path).status_code == 401
    assert proving.http.post(proving.path("proofs"), json=YEAR).status_code == 401
    assert proving.http.get(proving.path("proofs", OTHER), headers=proving.signed_in(VOLUNTEER)).status_code == 403


@pytest.mark.parametrize("name", [STATION, AUTHORITY])
def test_who_asks_for_somebody_else_names_the_consent(proving, holder, name):
    other = acting(proving, name)
    members = {**YEAR, "volunteer": holder.name, "named": True}
    with proving.nothing_written():
        answer = other.post("proofs", **members)
    assert (answer.status_code, answer.json()["pointer"]) == (400, "/consent")
    proof = other.proof(**members, consent=CONSENT)
    assert holder.credential(proof).name_of_holder == "林小明"
    assert CONSENT.encode() not in holder.part(proof, "credential")
    assert other.part(proof, "pdf") == holder.part(proof, "pdf")


@pytest.mark.parametrize("name", [GROUP, VOLUNTEER])
def test_others_neither_ask_nor_see(proving, holder, proof, name):
    other = acting(proving, name)
    with proving.nothing_written():
        answer = other.post("proofs", **YEAR, volunteer=holder.name, consent=CONSENT)
        assert answer.status_code == 403
        for path in ("", "/credential", "/pdf", "/qr", "/accesses", "/sd-jwt"):
            assert other.get(f"proofs/{proof}{path}").status_code == 404
        for path in ("sd-jwt", "revocation"):
            assert other.post(f"proofs/{proof}/{path}").status_code == 404
        assert other.post("proofs", replaces=proof).status_code == 404
        assert other.get("proofs", volunteer=holder.name).status_code == 404
        assert other.get(f"volunteers/{holder.name}/star").status_code == 404


def test_a_station_has_nothing_to_do_with_those_it_did_not_register(proving):
    holder = newcomer(proving, ("09:00", "10:00"))
    proof = holder.proof()
    station = acting(proving, STATION)
    assert station.get(f"proofs/{proof}").status_code == 404
    assert station.post("proofs", **YEAR, volunteer=holder.name, consent=CONSENT).status_code == 403


def revoked(holder: Holder, by: Holder | None = None, **members: Any) -> str:
    proof = holder.proof(**members)
    answer = (by or holder).post(f"proofs/{proof}/revocation")
    assert answer.status_code == 200, answer.text
    return proof


def test_a_station_replaces_only_with_consent(proving, holder):
    """What the volunteer asked for itself, with its name on it, the station does not get by asking again."""
    proof = revoked(holder, named=True)
    station = acting(proving, STATION)
    with proving.nothing_written():
        answer = station.post("proofs", replaces=proof)
    assert (answer.status_code, answer.json()["pointer"]) == (400, "/consent")
    heir = station.ask(replaces=proof, consent=CONSENT)
    assert holder.shown(proof)["replaced_by"] == heir["id"]


def test_a_proof_is_replaced_by_one_of_the_same_person(proving, holder):
    proof, other = revoked(holder), newcomer(proving, ("09:00", "10:00"), named=True)
    for by in (STATION, AUTHORITY):
        members = {**YEAR, "volunteer": other.name, "consent": CONSENT, "replaces": proof}
        with proving.nothing_written():
            answer = acting(proving, by).post("proofs", **members)
        assert (answer.status_code, answer.json()["pointer"]) == (400, "/replaces")


def test_a_proof_that_stands_is_not_replaced(proving, holder, proof):
    with proving.nothing_written():
        answer = holder.post("proofs", replaces=proof)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "proof-stands")


def test_a_proof_is_taken_back_by_its_holder_or_the_region(proving, holder):
    first, second = holder.proof(), holder.proof()
    station, region = acting(proving, STATION), acting(proving, AUTHORITY)
    with proving.nothing_written():
        assert station.post(f"proofs/{first}/revocation").status_code == 403
        for detail in ("\u202e", "x" * (LONG_TEXT_MAX + 1), 1):
            assert holder.post(f"proofs/{first}/revocation", detail=detail).status_code == 400
    assert holder.post(f"proofs/{first}/revocation").json()["reason"] == "requested"
    found = region.post(f"proofs/{second}/revocation", detail="重复开具").json()
    assert (found["state"], found["reason"], found["offer"]) == ("revoked", "mistaken", False)
    with proving.nothing_written():
        assert region.post(f"proofs/{first}/revocation").json()["reason"] == "requested"


def test_what_was_made_of_a_proof_ends_with_it(proving, holder):
    first, second = holder.proof(), holder.proof()
    tokens = {proof: holder.post(f"proofs/{proof}/sd-jwt").json() for proof in (first, second)}
    assert holder.post(f"proofs/{first}/revocation").json()["state"] == "revoked"
    ended = holder.shown(tokens[first]["id"])
    assert (ended["state"], ended["reason"]) == ("revoked", "requested")
    assert holder.shown(tokens[second]["id"])["state"] == "issued"
    assert str(proving.service.checking.check_upload(tokens[first]["token"].encode()).outcome) == "revoked"


# -- tokens ---------------------------------------------------------------------------------------------


def test_a_token_is_bound_to_the_key_it_was_asked_for(proving, holder, proof):
    until = format_time(int(proving.world.now) + 3600)
    found = holder.post(f"proofs/{proof}/sd-jwt", jwk=JWK, expires=until).json()
    payload = payload_of(found["token"])
    assert payload["cnf"] == {"jwk": JWK}
    assert payload["exp"] == int(proving.world.now) + 3600


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"jwk": {}}, "/jwk"),
        ({"jwk": "x"}, "/jwk"),
        ({"jwk": {**JWK, "d": JWK["x"]}}, "/jwk"),
        ({"jwk": {**JWK, "crv": "P-384"}}, "/jwk"),
        ({"jwk": {**JWK, "y": JWK["x"]}}, "/jwk"),
        ({"jwk": {**JWK, "x": "!" * 43}}, "/jwk"),
        ({"jwk": {**JWK, "x": None}}, "/jwk"),
        ({"expires": "2026-02-30T00:00:00Z"}, "/expires"),
        ({"expires": "tomorrow"}, "/expires"),
        ({"expires": "2026-10-31T00:00:00Z"}, "/expires"),
        ({"expires": "0001-01-01T00:00:00Z"}, "/expires"),
        ({"extra": 1}, "/extra"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_token_is_refused_with_its_place(proving, holder, proof, members, pointer):
    with proving.nothing_written():
        answer = holder.post(f"proofs/{proof}/sd-jwt", **members)
    assert (answer.status_code, answer.json()["pointer"]) == (400, pointer), answer.text


def test_no_token_is_made_of_what_does_not_stand_or_of_a_token(proving, holder):
    gone = revoked(holder)
    token = holder.post(f"proofs/{holder.proof()}/sd-jwt").json()["id"]
    for proof in (gone, token):
        with proving.nothing_written():
            assert holder.post(f"proofs/{proof}/sd-jwt").status_code == 400
        for part in ("pdf", "qr", "credential") if proof == token else ():
            assert holder.get(f"proofs/{proof}/{part}").status_code == 404
    assert holder.get(f"proofs/{gone}/sd-jwt").status_code == 404


# -- limits and traces ----------------------------------------------------------------------------------


def test_a_volunteer_asks_so_often_a_day(proving, monkeypatch):
    monkeypatch.setattr(issuing, "PROOFS_PER_DAY", 2)
    holder, other = newcomer(proving, ("09:00", "10:00")), newcomer(proving, ("09:00", "10:00"))
    proof = holder.proof()
    assert holder.post(f"proofs/{proof}/sd-jwt").status_code == 201
    with proving.nothing_written():
        late = holder.post("proofs", **YEAR)
        assert (late.status_code, late.headers["retry-after"]) == (429, "3600")
        assert holder.post(f"proofs/{proof}/sd-jwt").status_code == 429
    other.ask()
    monkeypatch.setattr(proving.world, "now", proving.world.now + 24 * 3600 + 1)
    proving.sign_out()
    holder.ask()


def test_a_holder_reads_who_looked(proving, holder):
    proof = holder.proof()
    station = acting(proving, STATION)
    for part in ("credential", "pdf", "qr"):
        station.part(proof, part)
    assert holder.post(f"proofs/{proof}/sd-jwt").status_code == 201
    proving.service.checking.shown_proof(proof).name_matches("林小红")
    found = proving.json(f"proofs/{proof}/accesses", holder.name)
    seen = {(one["action"], one["by"], one["outcome"]) for one in found}
    assert seen == {
        *((part, STATION, "handed out") for part in ("credential", "pdf", "qr")),
        ("sd-jwt", holder.name, "handed out"),
        ("page", "", "valid"),
        ("name", "", "does not match"),
    }
    assert all(one["at"] == format_time(int(proving.world.now)) for one in found)


def test_proofs_are_listed_page_by_page(proving):
    holder = newcomer(proving, ("09:00", "10:00"))
    made = [holder.ask()["id"] for _ in range(5)][::-1]
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = proving.json("proofs", holder.name, limit=2, **cursor)
        seen += [one["id"] for one in page["proofs"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == made
    for bad in ("x", "-1", "9" * 30, "\x00"):
        assert holder.get("proofs", cursor=bad).status_code == 400
