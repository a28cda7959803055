"""Checking a proof: every step fails alone, every outcome is reached, and nothing is believed that was not checked."""

import base64
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.credentials import contexts, data_integrity, model
from ledger.credentials.checking import steps, verify
from ledger.credentials.checking.reading import Upload
from ledger.credentials.checking.standing import Lists
from ledger.credentials.checking.verdict import Outcome, Result, Verdict
from ledger.credentials.sd_jwt.token import Binding, Status, bind, present
from ledger.crypto.encoding import encode_base64url
from ledger.crypto.multikey import multikey
from ledger.errors import Unavailable
from ledger.events.proofs import StatusIndex
from ledger.federation.trust_bundle import Trust
from ledger.ids import format_time, instant
from ledger.limits import CREDENTIAL_BYTES_MAX
from tests.support import issuing, proofs
from tests.support.builders import DID, ORIGIN, PROOF, REGION, body, event_id, signing_key, vkey
from tests.support.issuing import LIST_URL, NOW, TOKEN_LIST_URL, WEEK, encoded, federated
from tests.support.proofs import HOST, INDEX, ISSUED, credential, credential_key, token_key

OTHER_PROOF = "1f8fad5b-d9cb-469f-a165-70867728950e"
NEIGHBOUR = issuing.neighbour()
GOOD = issuing.document()
BEFORE = format_time(instant(ISSUED) - 1)
LISTS: dict[str, Any] = {LIST_URL: issuing.bits(), TOKEN_LIST_URL: issuing.token_bits()}


def checked(
    document: Any,
    lists: dict[str, Any] | Lists = LISTS,
    now: int = NOW,
    trust: Trust | None = None,
    kind: str = "vc",
    binding: Binding | None = None,
) -> Verdict:
    data = (
        document
        if isinstance(document, bytes)
        else document.encode()
        if isinstance(document, str)
        else encoded(document)
    )
    find = lists.get if isinstance(lists, dict) else lists
    return verify.check(Upload(kind, data), trust or issuing.trust(), find, now, binding)  # type: ignore[arg-type]


def failing(verdict: Verdict) -> str:
    """The code of the step that failed; those before it passed, those after it were not asked."""
    (place,) = (place for place, step in enumerate(verdict.steps) if step.result is Result.FAILED)
    before, after = verdict.steps[:place], verdict.steps[place + 1 :]
    assert all(step.result is Result.PASSED for step in before if step.code != "evidence")
    code = verdict.steps[place].code
    assert all(step.result is Result.SKIPPED for step in after if code != "dates")
    assert verdict.steps[place].detail
    return code


def results(verdict: Verdict) -> str:
    return "".join(step.result[0] for step in verdict.steps)


def resigned(spoil: Callable[[dict[str, Any]], None], document: dict[str, Any] = GOOD) -> dict[str, Any]:
    """A document changed before it was signed: only what it says is wrong."""
    found = copy.deepcopy(document)
    found.pop("proof")
    spoil(found)
    return data_integrity.secure(found, credential_key(), ISSUED)


def changed(*path: Any, to: Any, document: dict[str, Any] = GOOD) -> dict[str, Any]:
    """A document changed after it was signed."""
    found = copy.deepcopy(document)
    place = found
    for one in path[:-1]:
        place = place[one]
    place[path[-1]] = to
    return found


# -- a credential: what holds -------------------------------------------------------------------------


def test_a_valid_credential():
    verdict = checked(GOOD)
    assert (verdict.outcome, results(verdict)) == (Outcome.VALID, "pppppp")
    assert [step.number for step in verdict.steps] == [1, 2, 3, 4, 5, 6]
    assert [step.code for step in verdict.steps] == list(steps.CODES)
    assert (verdict.format, verdict.proof, verdict.region, verdict.issued) == ("vc", PROOF, REGION, ISSUED)
    assert verdict.issuer_name == "惠州市 · Huizhou"
    assert verdict.as_of == format_time(NOW - 60)
    assert verdict.credential is not None
    assert verdict.credential.name_of_holder == "林小明"


def test_the_name_of_the_issuer_is_not_what_the_document_says():
    verdict = checked(resigned_whole(issuer=model.Issuer(id=DID, type=("Profile",), name="清华大学")))
    assert (verdict.outcome, verdict.issuer_name) == (Outcome.VALID, "惠州市 · Huizhou")


def resigned_whole(**changes: Any) -> dict[str, Any]:
    """A credential that the region issued with those members, evidence included."""
    return issuing.document(credential(**changes))


@pytest.mark.parametrize("indent", [None, 2])
def test_white_space_and_order_do_not_count(indent):
    data = json.dumps(dict(reversed(GOOD.items())), ensure_ascii=bool(indent), indent=indent).encode()
    assert checked(data).outcome is Outcome.VALID


# -- 1 form -------------------------------------------------------------------------------------------

FORMS: dict[str, Any] = {
    "nothing": b"",
    "not JSON": b"%PDF-1.7",
    "an array": [GOOD],
    "a member too many": GOOD | {"termsOfUse": []},
    "a member too few": {name: value for name, value in GOOD.items() if name != "credentialStatus"},
    "another context": GOOD | {"@context": ["https://www.w3.org/ns/credentials/v2"]},
    "a member twice": encoded(GOOD).replace(b'"name":', b'"name":"x","name":', 1),
    "hours as text": changed("credentialSubject", "service", "minutes", to="150"),
    "hours that do not add up": changed("credentialSubject", "service", "minutes", to=15000),
    "an empty set of proofs": GOOD | {"proof": []},
    "no UUID": GOOD | {"id": f"{HOST}/p/1"},
    "no such day": GOOD | {"validFrom": "2026-02-30T08:00:00Z"},
    "no such end": GOOD | {"validUntil": "2026-02-30T08:00:00Z"},
    "too large": encoded(GOOD) + b" " * CREDENTIAL_BYTES_MAX,
}


@pytest.mark.parametrize("name", FORMS)
def test_form(name):
    verdict = checked(FORMS[name])
    assert (verdict.outcome, failing(verdict)) == (Outcome.INVALID, "form")
    assert (verdict.credential, verdict.region) == (None, None)


# -- 2 issuer -----------------------------------------------------------------------------------------

STRANGER = "did:web:evil.example:regions:441300"


def stranger() -> dict[str, Any]:
    """Everything as it should be, signed by somebody who calls himself the region."""
    plain = credential(issuer=model.Issuer(id=STRANGER, type=("Profile",), name="惠州市 · Huizhou"))
    return issuing.document(plain, credential_key(STRANGER))


ISSUERS: dict[str, Any] = {
    "a stranger": stranger(),
    "a key that is not in the bundle": issuing.document(key=credential_key(number=1)),
    "a key of another region": changed("proof", 0, "verificationMethod", to=f"{DID}#{NEIGHBOUR.credential_keys[0]}"),
    "a method of another region": changed("proof", 0, "verificationMethod", to=NEIGHBOUR.methods()[0]),
    "another region's service": issuing.document(credential(proofs.service(region="442000"))),
    "another host's page": resigned(lambda found: found.update(id=f"https://evil.example/p/{PROOF}")),
    "another page": resigned(lambda found: found.update(id=f"{HOST}/q/{PROOF}")),
}


@pytest.mark.parametrize("name", ISSUERS)
def test_issuer(name):
    verdict = checked(ISSUERS[name])
    assert (verdict.outcome, failing(verdict)) == (Outcome.INVALID, "issuer")


@pytest.mark.parametrize(
    "url",
    [
        f"{HOST}/status/442000-1",
        TOKEN_LIST_URL,
        f"https://evil.example/status/{REGION}-1",
        f"http://127.0.0.1:8000/status/{REGION}-1",
    ],
)
def test_a_status_list_elsewhere(url):
    """However well signed: nothing but the region's own lists is ever asked, or fetched."""
    verdict = checked(resigned(lambda found: found["credentialStatus"].update(statusListCredential=url)))
    assert failing(verdict) == "issuer"


def test_a_region_issues_nothing_after_it_closed():
    assert checked(GOOD, trust=issuing.trust(issuing.region(closed=ISSUED))).outcome is Outcome.VALID  # the last one
    assert failing(checked(GOOD, trust=issuing.trust(issuing.region(closed=BEFORE)))) == "issuer"


def test_an_empty_bundle_believes_nobody():
    assert failing(checked(GOOD, trust=Trust(federated(NEIGHBOUR)))) == "issuer"


# -- 3 signature --------------------------------------------------------------------------------------


def without_proof(*numbers: int) -> dict[str, Any]:
    return GOOD | {"proof": [one for number, one in enumerate(GOOD["proof"]) if number not in numbers]}


def wrong_value(number: int) -> dict[str, Any]:
    return changed("proof", number, "proofValue", to=GOOD["proof"][1 - number]["proofValue"])


SIGNATURES: dict[str, Any] = {
    "hours changed": encoded(GOOD).replace(b'"minutes":150', b'"minutes":15000'),
    "a name changed": changed("credentialSubject", "identifier", 0, "identityHash", to="林大明"),
    "no proof": {name: value for name, value in GOOD.items() if name != "proof"},
    "JCS alone": without_proof(1),
    "RDFC alone": without_proof(0),
    "a bad JCS proof beside a good one": wrong_value(0),
    "a bad RDFC proof beside a good one": wrong_value(1),
    "a proof twice": GOOD | {"proof": [GOOD["proof"][0], *GOOD["proof"]]},
    "evidence of another event": changed("evidence", 0, "event", to=GOOD["evidence"][0]["event"].replace("vc", "xx")),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(name):
    verdict = checked(SIGNATURES[name])
    assert (verdict.outcome, failing(verdict)) == (Outcome.INVALID, "signature")


def test_a_key_under_the_right_name():
    """The bundle has the DID, and another key under it."""
    other = credential_key(number=1)
    assert failing(checked(issuing.document(key=other))) == "issuer"
    as_if = json.loads(
        encoded(issuing.document(key=other)).replace(other.multikey.encode(), credential_key().multikey.encode())
    )
    assert failing(checked(as_if)) == "signature"


def test_hostile_documents_are_never_canonicalised(monkeypatch):
    """RDF canonicalisation of a graph made for it takes for ever: whoever did not sign does not get that far."""

    def refuse(value: object) -> bytes:
        raise AssertionError("canonicalised")

    monkeypatch.setattr(contexts, "quads", refuse)
    for document in SIGNATURES.values():
        if document is not SIGNATURES["a bad RDFC proof beside a good one"]:
            assert failing(checked(document)) == "signature"


# -- 4 evidence ---------------------------------------------------------------------------------------

PLAIN = credential()
EVENT = issuing.issued(PLAIN)


def with_evidence(event: bytes = EVENT, receipt: str | None = None, plain: model.Credential = PLAIN) -> dict[str, Any]:
    return issuing.signed(issuing.evident(plain, event, receipt or issuing.receipt(event)))


def other_event(**changes: Any) -> dict[str, Any]:
    """Signed and in the log, and yet not the event that issued this."""
    return with_evidence(issuing.issued(PLAIN, **changes))


NEIGHBOURS = {"issuer": "region:442000", "ledger": "442000"}
EVIDENCE: dict[str, Callable[[], dict[str, Any]]] = {
    "none": lambda: issuing.signed(PLAIN),
    "of another proof": lambda: other_event(subject=f"proof:{OTHER_PROOF}"),
    "of another content": lambda: other_event(credential=model.commitment(credential(name=None))),
    "of an SD-JWT": lambda: other_event(format="sd-jwt", status=StatusIndex(list=f"{REGION}-t1", index=INDEX)),
    "of another index": lambda: other_event(status=StatusIndex(list=f"{REGION}-1", index=INDEX + 1)),
    "of another list": lambda: other_event(status=StatusIndex(list=f"{REGION}-2", index=INDEX)),
    "of another region": lambda: with_evidence(
        issuing.issued(PLAIN, **NEIGHBOURS, status=StatusIndex(list="442000-1", index=INDEX))
    ),
    "by an organisation": lambda: other_event(issuer="org:51441300MJM000001P"),
    "of an event that issues nothing": lambda: with_evidence(body("region.key_added/1", id=event_id(4))),
    "no event": lambda: with_evidence(b"{}", issuing.receipt(EVENT)),
    "an event that is not canonical": lambda: with_evidence(EVENT.replace(b",", b", ", 1)),
    "the receipt of another event": lambda: with_evidence(
        EVENT, issuing.receipt(issuing.issued(PLAIN, id=event_id(5)))
    ),
    "no receipt": lambda: with_evidence(EVENT, "x"),
    "a log signed by another key": lambda: with_evidence(EVENT, issuing.receipt(EVENT, signing_key(ORIGIN, 1))),
    "another region's log": lambda: with_evidence(EVENT, issuing.receipt(EVENT, signing_key(NEIGHBOUR.origin))),
}


@pytest.mark.parametrize("name", EVIDENCE)
def test_evidence(name):
    verdict = checked(EVIDENCE[name]())
    assert (verdict.outcome, failing(verdict)) == (Outcome.INVALID, "evidence")


def test_a_log_key_that_was_swapped():
    assert failing(checked(GOOD, trust=issuing.trust(issuing.region(log_keys=(vkey(ORIGIN, 1),))))) == "evidence"
    both = issuing.region(log_keys=(vkey(ORIGIN, 1), vkey(ORIGIN)))
    assert checked(GOOD, trust=issuing.trust(both)).outcome is Outcome.VALID


def recorded(offset: int) -> dict[str, Any]:
    """What the log holds as recorded that many seconds after the issue."""
    return with_evidence(receipt=issuing.receipt(EVENT, recorded=instant(ISSUED) + offset))


def test_a_stolen_key_dates_nothing_back():
    """What it signs with a date before the closing stands in the log after it, if it stands there at all."""
    closed = issuing.trust(issuing.region(closed=format_time(instant(ISSUED) + 60)))
    assert checked(recorded(60), trust=closed).outcome is Outcome.VALID
    verdict = checked(recorded(61), trust=closed)
    assert (verdict.outcome, failing(verdict)) == (Outcome.INVALID, "evidence")
    assert checked(recorded(61)).outcome is Outcome.VALID


def test_nothing_is_recorded_before_it_is_issued():
    assert checked(recorded(-300)).outcome is Outcome.VALID
    verdict = checked(recorded(-301))
    assert (verdict.outcome, failing(verdict)) == (Outcome.INVALID, "evidence")


# -- 5 dates ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("issued", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_times_at_the_ends_of_the_calendar(issued):
    """They are moments, and yet have no form in UTC."""
    later = issued.startswith("9")
    assert checked(resigned_whole(validFrom=issued)).outcome is (Outcome.INVALID if later else Outcome.VALID)
    assert checked(resigned_whole(validUntil=issued)).outcome is (Outcome.VALID if later else Outcome.EXPIRED)


def test_dates():
    first, until = instant(ISSUED), "2026-12-22T08:00:00Z"
    ending = resigned_whole(validUntil=until)
    lists = {LIST_URL: issuing.bits(valid_from=first - 600, until=None)}
    for now, outcome in (
        (first - 301, Outcome.EXPIRED),
        (first - 300, Outcome.VALID),
        (instant(until) - 1, Outcome.VALID),
        (instant(until), Outcome.EXPIRED),
    ):
        verdict = checked(ending, lists, now)
        assert verdict.outcome is outcome, now
        if outcome is Outcome.EXPIRED:
            assert failing(verdict) == "dates"


# -- 6 status -----------------------------------------------------------------------------------------


def test_revoked():
    verdict = checked(GOOD, {LIST_URL: issuing.bits([INDEX])})
    assert (verdict.outcome, failing(verdict), verdict.reason) == (Outcome.REVOKED, "status", None)
    assert verdict.as_of == format_time(NOW - 60)


@pytest.mark.parametrize("index", [0, INDEX - 1, INDEX + 1, INDEX ^ 7, 131_071])
def test_somebody_else_was_revoked(index):
    assert checked(GOOD, {LIST_URL: issuing.bits([index])}).outcome is Outcome.VALID


def test_a_stale_list():
    """Genuine as of its date, and no more; but what it says was revoked stays revoked."""
    old = NOW - 2 * WEEK
    verdict = checked(GOOD, {LIST_URL: issuing.bits(valid_from=old)})
    assert (verdict.outcome, results(verdict), verdict.as_of) == (Outcome.STATUS_UNKNOWN, "pppppu", format_time(old))
    verdict = checked(GOOD, {LIST_URL: issuing.bits([INDEX], valid_from=old)})
    assert (verdict.outcome, verdict.as_of) == (Outcome.REVOKED, format_time(old))


def test_a_list_ends_when_it_says():
    lists = {LIST_URL: issuing.bits(valid_from=NOW - WEEK)}
    assert checked(GOOD, lists, NOW - 1).outcome is Outcome.VALID
    assert checked(GOOD, lists, NOW).outcome is Outcome.STATUS_UNKNOWN


def test_an_older_list_hides_no_revocation():
    """Neither the network nor the bundle is believed more: a revocation in either counts, the newest says how fresh."""
    old, new, noise = issuing.bits(valid_from=NOW - 2 * 86_400), issuing.bits([INDEX]), b"<html>"
    for order in ((old, new), (new, old), (noise, new, old), (new, noise)):
        verdict = checked(GOOD, {LIST_URL: order})
        assert (verdict.outcome, verdict.as_of) == (Outcome.REVOKED, format_time(NOW - 60))
    ended, current = issuing.bits([INDEX + 1], valid_from=NOW - 2 * WEEK), issuing.bits([INDEX + 1])
    for order in ((ended, current), (current, ended), (noise, current)):
        verdict = checked(GOOD, {LIST_URL: order})
        assert (verdict.outcome, verdict.as_of) == (Outcome.VALID, format_time(NOW - 60))
    for none in ((ended, noise), (noise,), ()):
        assert checked(GOOD, {LIST_URL: none}).outcome is Outcome.STATUS_UNKNOWN


def test_revoked_and_expired_is_revoked():
    """It ended before its time, and that is to be seen for ever."""
    ending = resigned_whole(validUntil=ISSUED)
    verdict = checked(ending, {LIST_URL: issuing.bits([INDEX])})
    assert (verdict.outcome, results(verdict)) == (Outcome.REVOKED, "ppppff")
    for lists, end in ((LISTS, "p"), ({}, "u")):
        verdict = checked(ending, lists)
        assert (verdict.outcome, results(verdict)) == (Outcome.EXPIRED, "ppppf" + end)


def test_a_list_from_the_future():
    assert checked(GOOD, {LIST_URL: issuing.bits(valid_from=NOW + 300)}).outcome is Outcome.VALID
    assert checked(GOOD, {LIST_URL: issuing.bits(valid_from=NOW + 301)}).outcome is Outcome.STATUS_UNKNOWN


def test_the_last_list_of_a_region_that_closed():
    trust = issuing.trust(issuing.region(closed="2026-12-01T00:00:00Z"))
    ten_years = NOW + 520 * WEEK
    assert checked(GOOD, {LIST_URL: issuing.bits(until=None)}, ten_years, trust).outcome is Outcome.VALID
    assert checked(GOOD, {LIST_URL: issuing.bits([INDEX], until=None)}, ten_years, trust).outcome is Outcome.REVOKED
    verdict = checked(GOOD, {LIST_URL: issuing.bits()}, ten_years, trust)
    assert (verdict.outcome, verdict.as_of) == (Outcome.STATUS_UNKNOWN, format_time(NOW - 60))


def unreachable(url: str) -> bytes | None:
    raise Unavailable(f"{url} is out of reach")


NO_LISTS: dict[str, Any] = {
    "none": {},
    "out of reach": unreachable,
    "of noise": {LIST_URL: b"\xff"},
    "of the tokens": {LIST_URL: LISTS[TOKEN_LIST_URL]},
    "of another address": {LIST_URL: issuing.bits(url=f"{HOST}/status/{REGION}-2")},
    "signed by another key": {LIST_URL: issuing.bits(key=credential_key(number=1))},
    "signed by another region": {LIST_URL: issuing.bits(key=credential_key(NEIGHBOUR.did))},
    "changed": {LIST_URL: LISTS[LIST_URL].replace(b'"validUntil":"2026', b'"validUntil":"2036')},
}


@pytest.mark.parametrize("name", NO_LISTS)
def test_no_list_that_could_be_believed(name):
    verdict = checked(GOOD, NO_LISTS[name])
    assert (verdict.outcome, results(verdict), verdict.as_of) == (Outcome.STATUS_UNKNOWN, "pppppu", None)
    assert verdict.steps[5].detail


def test_only_the_list_of_the_proof_is_asked():
    asked: list[str] = []
    checked(GOOD, asked.append)
    assert asked == [LIST_URL]
    for document in (*FORMS.values(), *ISSUERS.values(), *SIGNATURES.values()):
        checked(document, asked.append)
    assert asked == [LIST_URL]


# -- the code of a QR ---------------------------------------------------------------------------------

QR = issuing.qr()


def test_a_valid_code():
    for text in (QR, QR.rpartition("#")[2], QR.replace("#", "?lang=en#")):
        verdict = checked(text, kind="code")
        assert (verdict.outcome, results(verdict)) == (Outcome.VALID, "pppspp")
        assert (verdict.proof, verdict.region, verdict.issued, verdict.format) == (PROOF, REGION, ISSUED, "code")
        assert verdict.claims is not None
        assert {
            "minutes": 150,
            "entries": 1,
            "first": "2026-01-01",
            "last": "2026-11-22",
        }.items() <= verdict.claims.items()
        assert "林" not in str(verdict.claims)


def other_signature() -> str:
    """The QR with the signature of a code that states more."""
    page, _, sealed = QR.rpartition("#")
    data, other = (
        base64.urlsafe_b64decode(text + "==") for text in (sealed, issuing.qr(minutes=250).rpartition("#")[2])
    )
    return f"{page}#{encode_base64url(data[:-64] + other[-64:])}"


CODES: dict[str, tuple[str, str]] = {
    "nothing": ("", "form"),
    "noise": ("https://ledger.example/p/x#y", "form"),
    "a page without a code": (QR.partition("#")[0], "form"),
    "a key that is not in the bundle": (issuing.qr(key=credential_key(number=1)), "issuer"),
    "a key of another region": (issuing.qr(key=credential_key(NEIGHBOUR.did)), "issuer"),
    "a region that is not in the bundle": (issuing.qr(region="820000", list="820000-1"), "issuer"),
    "another host": (QR.replace("ledger.example", "evil.example"), "issuer"),
    "another host, with a language": (QR.replace("ledger.example", "evil.example").replace("#", "?lang=en#"), "issuer"),
    "a way out of the host": (QR.replace("/p/", "/p/@evil.example/p/"), "issuer"),
    "a way up": (QR.replace("/p/", "/p/x/../../evil/p/"), "issuer"),
    "another proof's page": (QR.replace(PROOF, OTHER_PROOF), "signature"),
    "a signature of something else": (other_signature(), "signature"),
}


@pytest.mark.parametrize("name", CODES)
def test_code(name):
    text, step = CODES[name]
    verdict = checked(text, kind="code")
    assert (verdict.outcome, failing(verdict)) == (Outcome.INVALID, step)


def test_the_status_of_a_code():
    later = issuing.qr(issued=NOW + 301)
    assert checked(QR, {LIST_URL: issuing.bits([INDEX])}, kind="code").outcome is Outcome.REVOKED
    assert checked(QR, {}, kind="code").outcome is Outcome.STATUS_UNKNOWN
    assert (
        checked(QR, {LIST_URL: issuing.bits(key=credential_key(number=1))}, kind="code").outcome
        is Outcome.STATUS_UNKNOWN
    )
    assert failing(checked(later, kind="code")) == "dates"
    assert checked(later, kind="code").outcome is Outcome.EXPIRED
    assert checked(QR, kind="code", trust=issuing.trust(issuing.region(closed=ISSUED))).outcome is Outcome.VALID
    assert failing(checked(QR, kind="code", trust=issuing.trust(issuing.region(closed=BEFORE)))) == "issuer"


# -- SD-JWT -------------------------------------------------------------------------------------------

HOLDER = token_key(7)
TOKEN = issuing.token()


def test_a_valid_token():
    shown = present(TOKEN, ["minutes"])
    verdict = checked(shown, kind="sd-jwt")
    assert (verdict.outcome, results(verdict)) == (Outcome.VALID, "pppspp")
    assert (verdict.proof, verdict.region, verdict.issued) == (None, REGION, ISSUED)
    assert verdict.claims == {"minutes": 150, "holder_bound": False}


TOKENS: dict[str, tuple[str, str]] = {
    "nothing": ("", "form"),
    "noise": ("a.b.c~", "form"),
    "a key that is not in the bundle": (issuing.token(token_key(3)), "issuer"),
    "another region's key": (issuing.token(token_key(1)), "issuer"),
    "another host": (issuing.token(issuer=f"https://evil.example/regions/{REGION}"), "issuer"),
    "another region's list": (issuing.token(status=Status(uri=f"{HOST}/status/442000-t1", index=1)), "issuer"),
    "a list of credentials": (issuing.token(status=Status(uri=LIST_URL, index=1)), "issuer"),
    "another list": (issuing.token(status=Status(uri="https://evil.example/x", index=1)), "issuer"),
    "a disclosure too many": (TOKEN + "WyJhIiwibiIsMV0~", "signature"),
    "a signature of something else": (
        ".".join([*TOKEN.split(".")[:2], issuing.token(name=None).split(".")[2]]),
        "signature",
    ),
}


@pytest.mark.parametrize("name", TOKENS)
def test_token(name):
    text, step = TOKENS[name]
    verdict = checked(text, kind="sd-jwt")
    assert (verdict.outcome, failing(verdict)) == (Outcome.INVALID, step)
    assert verdict.claims is None


def test_the_status_of_a_token():
    for lists, outcome in (
        ({TOKEN_LIST_URL: issuing.token_bits([INDEX])}, Outcome.REVOKED),
        ({TOKEN_LIST_URL: issuing.token_bits([INDEX], valid_from=NOW - 2 * WEEK)}, Outcome.REVOKED),
        ({TOKEN_LIST_URL: issuing.token_bits([INDEX + 1])}, Outcome.VALID),
        ({TOKEN_LIST_URL: issuing.token_bits(valid_from=NOW - 2 * WEEK)}, Outcome.STATUS_UNKNOWN),
        ({TOKEN_LIST_URL: issuing.token_bits(key=token_key(1))}, Outcome.STATUS_UNKNOWN),
        ({TOKEN_LIST_URL: LISTS[LIST_URL]}, Outcome.STATUS_UNKNOWN),
        ({}, Outcome.STATUS_UNKNOWN),
    ):
        assert checked(TOKEN, lists, kind="sd-jwt").outcome is outcome
    assert checked(issuing.token(expires=NOW), kind="sd-jwt").outcome is Outcome.EXPIRED


def test_a_holder_who_signed():
    asked = Binding(audience="https://school.example", nonce="7c9e6679")
    token = present(issuing.token(holder=HOLDER.public), ["minutes"])
    shown = bind(token, HOLDER, asked, NOW)
    verdict = checked(shown, kind="sd-jwt", binding=asked)
    assert (verdict.outcome, verdict.claims) == (Outcome.VALID, {"minutes": 150, "holder_bound": True})
    for text, binding in (
        (token, asked),
        (shown, Binding(audience=asked.audience, nonce="another")),
        (shown, Binding(audience="https://else.example", nonce=asked.nonce)),
    ):
        assert failing(checked(text, kind="sd-jwt", binding=binding)) == "signature"


# -- anything -----------------------------------------------------------------------------------------


def test_bytes_in_which_there_is_no_proof():
    verdict = verify.check_data(b"\x00", issuing.trust(), LISTS.get, NOW)
    assert (verdict.outcome, verdict.format, failing(verdict)) == (Outcome.INVALID, "unknown", "form")
    assert verify.check_data(encoded(GOOD), issuing.trust(), LISTS.get, NOW) == checked(GOOD)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_bytes(data):
    """Whatever is presented, there is a verdict; and of what was changed it is not that it is valid."""
    kind, good = data.draw(st.sampled_from([("vc", encoded(GOOD)), ("code", QR.encode()), ("sd-jwt", TOKEN.encode())]))
    start = data.draw(st.integers(0, len(good)))
    spoilt = good[:start] + data.draw(st.binary(max_size=4)) + good[start + data.draw(st.integers(0, 8)) :]
    for one in (data.draw(st.binary(max_size=100)), spoilt):
        verdict = checked(one, kind=kind)
        assert len(verdict.steps) == 6
        assert verdict.outcome is Outcome.INVALID or same(kind, one, good)


def same(kind: str, one: bytes, good: bytes) -> bool:
    """Whether it says the same: white space between members of JSON, or disclosures that were left out."""
    if kind == "vc":
        return bool(json.loads(one) == json.loads(good))
    if kind == "code":
        return one == good or one == good.rpartition(b"#")[2]
    return set(one.split(b"~")) <= set(good.split(b"~"))


def test_multikeys_of_the_bundle_are_those_that_sign():
    assert issuing.region().credential_keys == (multikey(credential_key().key.verifier.public),)
    assert replace(issuing.region(), closed=ISSUED).closed == ISSUED
