"""What the scripts read and refuse is what the server reads and refuses: every document spoilt a member at a time."""

import base64
import json
from collections.abc import Iterator

import pytest

from ledger.credentials import model
from ledger.crypto.encoding import digest
from ledger.errors import LedgerError
from ledger.ids import check_uuid, instant
from ledger.tlog import notes
from tests.browser.agreement import Json, current, handmade, outcomes, plain, signed
from tests.browser.modules import call, refusals
from tests.browser.site import STAR, VALID, Proofs
from tests.support.builders import canonical, signing_key

# -- documents, a member at a time ----------------------------------------------------------------------------

OTHERS: tuple[Json, ...] = (None, True, 0, -1, 7, 2**53 - 1, "", " ", "x", "2026-02-30", "2026-02-30T00:00:00Z", [], {})
OTHERS += ("2026-11-20T24:00:00Z", "0000-01-01T00:00:00Z", "a" * 121, "長" * 2001, ["x"], {"x": 1}, "😀" * 120)


def places(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every member and item."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def changed(document: Json, path: tuple[str | int, ...], *value: Json) -> bytes:
    """The document with another value there, or with none."""
    copy = json.loads(json.dumps(document))
    parent = copy
    for key in path[:-1]:
        parent = parent[key]
    if value:
        parent[path[-1]] = value[0]
    else:
        del parent[path[-1]]
    return json.dumps(copy).encode()


def spoilt(document: Json) -> list[bytes]:
    found = [json.dumps(document).encode()]
    for path in places(document):
        found.append(changed(document, path))
        found += [changed(document, path, other) for other in OTHERS]
        found.append(changed(document, (*path[:-1], "unknown") if isinstance(path[-1], str) else path, 1))
    return found


def is_read(data: bytes) -> bool:
    try:
        found = model.decode(data)
        check_uuid(found.proof_id)
        instant(found.validFrom)
        assert isinstance(found.validUntil, str) is False
    except LedgerError:
        return False
    return True


@pytest.mark.parametrize("proof", [VALID, STAR])
def test_a_credential_is_read_by_both_or_by_neither(proofs: Proofs, proof: str) -> None:
    document = json.loads(proofs.files[proof])
    document["proof"] = document["proof"][:1]
    samples = [one for one in spoilt(document) if b'"validUntil"' not in one]
    answers = refusals([call("credential", "readCredential", one.decode()) for one in samples])
    differing = [
        (sample.decode(), answer)
        for sample, answer in zip(samples, answers, strict=True)
        if is_read(sample) != (answer == "value")
    ]
    assert differing == []
    assert 50 < answers.count("value") < len(answers) / 4


def test_a_category_stands_there_once(proofs: Proofs) -> None:
    document = json.loads(proofs.files[VALID])
    one, other = document["credentialSubject"]["service"]["categories"]
    other["category"] = one["category"]
    text = json.dumps(document)
    assert not is_read(text.encode())
    assert refusals([call("credential", "readCredential", text)]) == ["invalid"]


def test_sums_that_no_number_of_javascript_holds_are_still_compared(proofs: Proofs) -> None:
    document = json.loads(proofs.files[VALID])
    service = document["credentialSubject"]["service"]
    whole = 2**53 - 1
    for name in ("minutes", "entries"):
        service[name] = whole
        for group in ("categories", "grades", "lines"):
            for part in service[group]:
                part[name] = 0
            service[group][0][name] = whole
    over = json.loads(json.dumps(document))
    over["credentialSubject"]["service"]["lines"][1]["minutes"] = 1
    texts = [json.dumps(one) for one in (document, over)]
    assert [is_read(text.encode()) for text in texts] == [True, False]
    assert refusals([call("credential", "readCredential", text) for text in texts]) == ["value", "invalid"]


# -- what a region signed and should not have -----------------------------------------------------------------


def test_an_event_that_is_none_is_no_evidence(proofs: Proofs) -> None:
    document = json.loads(proofs.files[VALID])
    event = json.loads(document["evidence"][0]["event"])
    bodies = [b"null", b"[]", b"1", b"{}", canonical(event | {"unknown": 1}), canonical(event | {"salt": "x"})]
    bodies += [canonical(event | {"time": "2026-02-30T00:00:00Z"}), canonical(event | {"replaces": "x"})]
    bodies += [canonical({name: value for name, value in event.items() if name != "holder"})]
    bare = {name: value for name, value in document.items() if name != "proof"}
    uploads = []
    for body in bodies:
        evidence = bare["evidence"][0] | {"event": body.decode()}
        uploads.append(signed(proofs, bare | {"evidence": [evidence]}, body))
    assert outcomes(proofs, uploads, (current(proofs),)) == ["invalid"] * len(bodies)


def test_control_characters_are_in_no_proof(proofs: Proofs) -> None:
    uploads = []
    for text in ("文\u202e字", "文\u061c字", "文\u2069字", "文\\字", '文"字'):
        document = json.loads(proofs.files[VALID])
        document["credentialSubject"]["narrative"] = text
        uploads.append(handmade(proofs, document))
    assert outcomes(proofs, uploads, (current(proofs),)) == ["invalid"] * 3 + ["valid"] * 2


# -- trust bundles --------------------------------------------------------------------------------------------


def resealed(proofs: Proofs, **changes: Json) -> tuple[str, dict[str, Json]]:
    """A bundle whose federation says something else, rightly signed by its one key."""
    bundle = json.loads(proofs.bundle())
    federation = bundle["federation"] | changes
    hashed = base64.b64encode(base64.urlsafe_b64decode(digest(plain(federation)) + "=")).decode()
    text = f"yongzhi.federation/1\n{federation['name']}\n{federation['serial']}\n{hashed}\n"
    bundle |= {"federation": federation, "note": notes.sign(text, [signing_key("federation.example")])}
    return plain(bundle).decode(), bundle


def test_bundles_that_a_server_refuses_are_refused(proofs: Proofs) -> None:
    key, alias = (str(signing_key(name).verifier) for name in ("federation.example", "federation.example"))
    (region,) = json.loads(proofs.bundle())["federation"]["regions"]
    good, parts = resealed(proofs)
    wrong: list[dict[str, Json]] = [
        {"threshold": "x"}, {"threshold": 0}, {"threshold": 1.0}, {"threshold": 2, "keys": [key, alias]},
        {"issued": "2099-01-01T00:00:00Z"}, {"expires": "2020-01-01T00:00:00Z"}, {"expires": "2100-02-30T00:00:00Z"},
        {"regions": [region, region]}, {"regions": [region | {"closed": "2026-02-30T00:00:00Z"}]},
        {"regions": [region | {"log_keys": []}]}, {"regions": {}}, {"unknown": 1}, {"serial": 0}, {"keys": []},
    ]  # fmt: skip
    samples = [resealed(proofs, **changes)[0] for changes in wrong]
    samples += [plain(parts | {"lists": []}).decode(), plain(parts | {"lists": {"x": 1}}).decode()]
    samples += [plain(parts | {"x": 1}).decode(), json.dumps(parts), good + "\n", "null", "{}"]
    answers = refusals([call("trust", "openBundle", text, proofs.now) for text in (good, *samples)])
    assert answers[0] == "value"
    assert [sample for sample, answer in zip(samples, answers[1:], strict=True) if answer == "value"] == []
    for sample in samples:
        with pytest.raises(LedgerError):
            proofs.trust(sample.encode())
