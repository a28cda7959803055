"""The scripts come to what the server comes to: times, codes, proof sets and status lists, good and bad."""

import base64
import gzip
import json

import cbor2
import pytest

from ledger.credentials import data_integrity, model, qr_code, status_list
from ledger.crypto.encoding import encode_base64url
from ledger.crypto.multikey import base58
from ledger.errors import LedgerError
from ledger.ids import instant
from tests.browser.agreement import Json, current, handmade, lists_of, outcomes, plain, sealed, time_of
from tests.browser.modules import call, refusals, run, values
from tests.browser.site import INDEXES, LIST, VALID, Proofs

# -- times: the signer's and the log's ------------------------------------------------------------------------


def test_the_log_says_what_came_before_the_closing(proofs: Proofs) -> None:
    uploads = [proofs.files[VALID]]
    recorded = proofs.log.now
    for seconds, expected in ((-1, "invalid"), (0, "valid"), (1, "valid")):
        assert outcomes(proofs, uploads, (current(proofs),), closed=time_of(recorded + seconds)) == [expected]
    # A key that was stolen can write any date; it puts nothing into the log any more.
    document = json.loads(proofs.files[VALID])
    backdated = handmade(proofs, document | {"validFrom": time_of(recorded - 10_000)})
    assert outcomes(proofs, [backdated], (current(proofs),)) == ["valid"]
    assert outcomes(proofs, [backdated], (current(proofs),), closed=time_of(recorded - 5_000)) == ["invalid"]


def test_a_code_of_the_second_of_the_closing_still_holds(proofs: Proofs) -> None:
    issued = proofs.now - 86_400
    for seconds, expected in ((-1, "invalid"), (0, "valid")):
        found = outcomes(proofs, [sealed(proofs)], (current(proofs),), closed=time_of(issued + seconds))
        assert found == [expected]


def test_a_proof_dated_after_the_log_took_it_in_is_none(proofs: Proofs) -> None:
    document = json.loads(proofs.files[VALID])
    dates = [time_of(proofs.log.now + seconds) for seconds in (300, 301)]
    uploads = [handmade(proofs, document | {"validFrom": date}) for date in dates]
    assert outcomes(proofs, uploads, (current(proofs),)) == ["valid", "invalid"]


def test_a_proof_that_was_revoked_is_so_whatever_its_dates_are(proofs: Proofs) -> None:
    document = json.loads(proofs.files[VALID])
    ended = handmade(proofs, document | {"validUntil": time_of(proofs.log.now + 1)})
    index = INDEXES[VALID]
    assert outcomes(proofs, [ended], (current(proofs),)) == ["expired"]
    assert outcomes(proofs, [ended], (current(proofs, index),)) == ["revoked"]
    assert outcomes(proofs, [ended], ()) == ["expired"]


def test_times_outside_the_calendar_are_refused_and_break_nothing() -> None:
    wrong = ["2026-02-30T00:00:00Z", "2026-11-20T24:00:00Z", "2026-11-20T00:00:60Z", "0000-01-01T00:00:00Z", "", "x"]
    wrong += ["2025-02-29T00:00:00Z", "2026-04-31T00:00:00+08:00", "2026-11-20T00:00:00+24:00", "2026-11-20T00:00:00"]
    calls = [call("time", "seconds", text) for text in wrong]
    calls += [call("time", "timeText", unix) for unix in (2**50, -(2**50), 253_402_300_800, -62_135_596_801)]
    assert refusals(calls) == ["invalid"] * len(calls)
    good = ["2024-02-29T00:00:00Z", "9999-12-31T23:59:59-23:59", "2026-11-20T23:59:59+08:00", "0001-01-01T00:00:00Z"]
    assert values([call("time", "seconds", text) for text in good]) == [instant(text) for text in good]
    moments = [0, 253_402_300_799, -62_135_596_800, 1_795_000_000]
    assert [instant(text) for text in values([call("time", "timeText", unix) for unix in moments])] == moments


# -- signed codes ---------------------------------------------------------------------------------------------


def made(proofs: Proofs, **members: Json) -> str:
    """A code whose payload has other members, signed by the region."""
    raw = base64.urlsafe_b64decode(proofs.code(VALID) + "==")
    header, unprotected, payload, _ = cbor2.loads(raw).value
    keys = {"list": 3, "index": 4, "issued": 5, "minutes": 7, "first": 9, "last": 10}
    found = cbor2.loads(payload) | {keys[name]: value for name, value in members.items()}
    payload = cbor2.dumps(found, canonical=True)
    signature = proofs.key.sign(cbor2.dumps(["Signature1", header, b"", payload], canonical=True))
    whole = cbor2.CBORTag(18, [header, unprotected, payload, signature])
    return encode_base64url(cbor2.dumps(whole, canonical=True))


def test_codes_out_of_bounds_are_refused(proofs: Proofs) -> None:
    wrong: list[dict[str, Json]] = [{"index": 131_072}, {"list": "441300-0"}, {"list": "441300-t1"}]
    wrong += [{"list": "441300-1234567"}, {"list": "441300-01"}, {"list": "810000-1"}]
    wrong += [{"issued": 2**50}, {"issued": 253_402_300_800}, {"issued": -1}, {"last": 2_932_897}, {"first": -1}]
    good: list[dict[str, Json]] = [{}, {"minutes": 2**53 - 1}, {"last": 2_932_896}]
    uploads = [made(proofs, **members).encode() for members in (*good, *wrong)]
    expected = ["valid"] * len(good) + ["invalid"] * len(wrong)
    assert outcomes(proofs, uploads, (current(proofs),)) == expected
    late = outcomes(proofs, [made(proofs, issued=253_402_300_799).encode()], (current(proofs),))
    assert late == ["expired"]


def test_the_page_of_a_code_is_one_of_its_region_and_no_other(proofs: Proofs) -> None:
    host, fragment = proofs.base, f"#{proofs.code(VALID)}"
    good = [f"{host}/p/{VALID}", f"{host}/p/{VALID}?lang=en", f"{host}/p/{VALID}?lang=zh-Hant"]
    wrong = [
        f"{host}/p/@evil.example/p/{VALID}",
        f"{host}/p/x/../../evil/p/{VALID}",
        f"{host}.evil.example/p/{VALID}",
        f"{host}//p/{VALID}",
    ]
    uploads = [(page + fragment).encode() for page in (*good, *wrong)]
    assert outcomes(proofs, uploads, (current(proofs),)) == ["valid"] * 3 + ["invalid"] * len(wrong)
    strange = [f"{host}/p/{VALID}{query}{fragment}" for query in ("?lang=", "?lang=en&x=1", "?x=1", "/")]
    strange.append(f"{host.upper()}/p/{VALID}{fragment}")
    trust = {"trust": proofs.bundle().decode(), "now": proofs.now}
    answers = values([call("check", "check", text, trust, lists_of(proofs, current(proofs)), 0) for text in strange])
    assert {answer["outcome"] for answer in answers} == {"invalid"}
    assert {proofs.check_upload(text.encode()).outcome.value for text in strange} == {"invalid"}


def test_a_code_too_long_is_not_read(proofs: Proofs) -> None:
    padded = f"https://{'a' * 280}/p/{VALID}#{proofs.code(VALID)}{'A' * 700}"
    assert run([call("cose", "openCode", padded, {"keys": {}})])[0]["invalid"] == "a code that is too long"
    with pytest.raises(LedgerError, match="characters"):
        qr_code.open_code(padded, lambda region, kid: b"")


# -- proof sets -----------------------------------------------------------------------------------------------


def test_both_proofs_of_a_set_are_well_formed(proofs: Proofs) -> None:
    document = json.loads(proofs.files[VALID])
    jcs, rdfc = document["proof"]
    changes: list[dict[str, Json]] = [
        {"created": "never"},
        {"proofValue": "zZZ"},
        {"proofValue": "z" + base58(b"\1" * 63)},
        {"proofValue": "u" + rdfc["proofValue"][1:]},
        {"proofValue": "z0" + rdfc["proofValue"][2:]},
        {"proofValue": 5},
        {"@context": model.CONTEXT[:2]},
        {"proofPurpose": "authentication"},
        {"challenge": "x"},
    ]
    sets = [[jcs, {**rdfc, **change}] for change in changes] + [[jcs, rdfc, jcs, rdfc, rdfc], [jcs, rdfc, rdfc]]
    uploads = [json.dumps(document | {"proof": one}).encode() for one in sets]
    assert outcomes(proofs, uploads, (current(proofs),)) == ["invalid"] * len(sets)


def test_what_the_browser_cannot_verify_is_said(proofs: Proofs) -> None:
    """A false signature over the RDF: the server refuses it, and a browser says that it did not verify that one."""
    document = json.loads(proofs.files[VALID])
    document["proof"][1]["proofValue"] = "z" + base58(b"\1" * 64)
    trust = {"trust": proofs.bundle().decode(), "now": proofs.now}
    calls = [call("check", "check", json.dumps(document), trust, lists_of(proofs, current(proofs)), proofs.now)]
    calls += [call("check", "check", proofs.code(VALID), trust, lists_of(proofs, current(proofs)), proofs.now)]
    whole, code_alone = values(calls)
    assert [step["note"] for step in whole["steps"]] == ["", "", "js.signature.half", "", "", ""]
    assert {step["note"] for step in code_alone["steps"]} == {""}
    assert proofs.check_upload(json.dumps(document).encode()).outcome == "invalid"


# -- status lists ---------------------------------------------------------------------------------------------


def test_an_older_list_hides_no_revocation(proofs: Proofs) -> None:
    index = INDEXES[VALID]
    newer, older = current(proofs, index), current(proofs, since=86_400)
    page = b"<html>Sign in to this network"
    uploads = [proofs.files[VALID], sealed(proofs)]
    for served in ((older, newer), (newer, older), (page, newer), (newer, page), (newer,)):
        assert outcomes(proofs, uploads, served) == ["revoked", "revoked"]
    # What an older list revokes stays revoked, whatever a newer one says.
    assert outcomes(proofs, uploads, (current(proofs), current(proofs, index, since=86_400))) == ["revoked"] * 2
    for served in ((page, older), (older, page), (older,)):
        assert outcomes(proofs, uploads, served) == ["valid", "valid"]
    for few in ((), (page,), (page, page)):
        assert outcomes(proofs, uploads, few) == ["status-unknown"] * 2


def test_the_newest_list_says_how_current_the_answer_is(proofs: Proofs) -> None:
    url, now = f"{proofs.base}/status/{LIST}", proofs.now
    ended = status_list.make(url, proofs.key, [], now - 100, now - 10)
    coming = status_list.make(url, proofs.key, [], now + 1_000, now + 2_000)
    older = current(proofs, since=86_400)
    for served in ((older, ended), (ended, older), (coming, older), (older, coming)):
        assert outcomes(proofs, [proofs.files[VALID]], served) == ["status-unknown"]
    assert outcomes(proofs, [proofs.files[VALID]], (ended, current(proofs))) == ["valid"]


def relisted(proofs: Proofs, subject: dict[str, Json], **members: Json) -> dict[str, Json]:
    """A list with other members, signed by the region."""
    found = json.loads(current(proofs, INDEXES[VALID]))
    bare = {name: value for name, value in (found | members).items() if name != "proof"}
    bare["credentialSubject"] |= subject
    return data_integrity.secure(bare, proofs.key, found["validFrom"])


def packed(*members: bytes) -> dict[str, Json]:
    return {"encodedList": "u" + encode_base64url(b"".join(members))}


def test_lists_are_read_by_both_or_by_neither(proofs: Proofs) -> None:
    bits = bytearray(16_384)
    bits[INDEXES[VALID] // 8] |= 0x80 >> INDEXES[VALID] % 8
    whole, halves = gzip.compress(bits, mtime=0), [gzip.compress(bits[:8192]), gzip.compress(bits[8192:])]
    good = relisted(proofs, {})
    read = [plain(good), json.dumps(good, indent=1).encode(), json.dumps(dict(reversed(good.items()))).encode()]
    twice = plain(good)[:-1] + b',"validFrom":"2026-01-01T00:00:00Z"}'
    unread: list[bytes] = [twice, b" " * 70_000 + plain(good), plain(good)[:-1]]
    subjects: tuple[dict[str, Json], ...] = (
        {"statusPurpose": "suspension"}, {"statusPurpose": ["revocation"]}, {"id": f"{proofs.base}/x"},
        packed(whole, b"junk"), packed(*halves), packed(whole, gzip.compress(b"")), packed(whole[:-4]), packed(b""),
        packed(gzip.compress(bits[:-1])),
        packed(gzip.compress(bits + b"\0")),
        {"encodedList": f"z{encode_base64url(whole)}"},
        {"encodedList": 5},
    )  # fmt: skip
    unread += [plain(relisted(proofs, subject)) for subject in subjects]
    unread += [plain(relisted(proofs, {}, validFrom="2026-11-20T00:00:00+08:00"))]
    for one in read:
        assert outcomes(proofs, [proofs.files[VALID]], (one,)) == ["revoked"], one
    for one in unread:
        assert outcomes(proofs, [proofs.files[VALID]], (one,)) == ["status-unknown"], one
