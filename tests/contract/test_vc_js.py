"""Our credentials and status lists before the verifiers of Digital Bazaar, with the network off."""

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.credentials import contexts, status_list
from ledger.crypto import did
from ledger.crypto.multikey import CredentialKey
from ledger.errors import Invalid
from tests.contract.credentials import KEY, KINDS, secured
from tests.contract.javascript import ScriptError, ask, run
from tests.support import proofs

JS = Path(__file__).parent / "js"
OTHER = proofs.credential_key(number=1)
LIST_URL = f"{proofs.HOST}/status/{proofs.LIST}"
Answer = dict[str, dict[str, Any]]


def made_list(*revoked: int, key: CredentialKey = KEY) -> dict[str, Any]:
    # The verifier reads the clock of the machine.
    found: dict[str, Any] = json.loads(status_list.make(LIST_URL, key, revoked, int(time.time()) - 60, None))
    return found


def check(credentials: dict[str, Any], **documents: Any) -> Answer:
    """What the verifiers say, given the region's did document, its status list and more documents by address."""
    known = {KEY.did: did.document(KEY.did, [KEY.multikey]), LIST_URL: made_list(), **documents}
    known = {url: document for url, document in known.items() if document is not None}
    found: Answer = ask(JS, "credentials.mjs", {"credentials": credentials, "documents": known})
    return found


def test_every_kind_of_credential_is_verified_by_both_suites():
    found = check({name: secured(credential) for name, credential in KINDS.items()})
    for name in KINDS:
        assert found[name]["error"] == ""
        assert found[name]["proofs"] == {"eddsa-jcs-2022": True, "eddsa-rdfc-2022": True}
        assert found[name]["verified"] is True
        assert found[name]["revoked"] is False


def test_the_status_list_is_verified_as_a_credential_of_its_own():
    found = check({"list": made_list(3), "other-key": made_list(3, key=OTHER)})
    assert found["list"]["verified"] is True
    assert found["list"]["proofs"] == {"eddsa-jcs-2022": True, "eddsa-rdfc-2022": True}
    assert found["other-key"]["verified"] is False


TAMPERED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "minutes": lambda vc: vc["credentialSubject"]["service"].update(minutes=9000),
    "activity": lambda vc: vc["credentialSubject"]["service"]["lines"][0].update(activity_name="另一个"),
    "holder": lambda vc: vc["credentialSubject"]["identifier"][0].update(identityHash="林大明"),
    "subject": lambda vc: vc["credentialSubject"].update(id="urn:uuid:00000000-0000-4000-8000-000000000000"),
    "achievement": lambda vc: vc["credentialSubject"]["achievement"].update(name="Another"),
    "narrative": lambda vc: vc["credentialSubject"]["achievement"]["criteria"].update(narrative="Another"),
    "id": lambda vc: vc.update(id=f"{proofs.HOST}/p/00000000-0000-4000-8000-000000000000"),
    "name": lambda vc: vc.update(name="Another"),
    "issuer-name": lambda vc: vc["issuer"].update(name="Another"),
    "valid-from": lambda vc: vc.update(validFrom="2020-01-01T00:00:00Z"),
    "valid-until": lambda vc: vc.update(validUntil="2098-11-22T08:00:00Z"),
    "schema": lambda vc: vc["credentialSchema"][0].update(id="https://other.example/schema.json"),
    "status-index": lambda vc: vc["credentialStatus"].update(statusListIndex="1"),
    "event": lambda vc: vc["evidence"][0].update(event="{}"),
    "receipt": lambda vc: vc["evidence"][0].update(tlogProof="c2sp.org/tlog-proof@v1\n"),
    "type": lambda vc: vc["type"].pop(),
    "name-gone": lambda vc: vc["credentialSubject"].pop("identifier"),
    "lines-gone": lambda vc: vc["credentialSubject"]["service"].update(lines=[]),
    "created": lambda vc: [proof.update(created="2020-01-01T00:00:00Z") for proof in vc["proof"]],
    "swapped": lambda vc: vc["proof"][0].update(proofValue=vc["proof"][1]["proofValue"]),
    "without-proof": lambda vc: vc.pop("proof"),
    "vocabulary": lambda vc: vc["@context"][2].update(service={"@id": "urn:other:service", "@type": "@json"}),
}


def test_whatever_is_changed_is_noticed_there_and_here():
    original = secured(KINDS["expiring"])
    spoiled = {}
    for name, change in TAMPERED.items():
        spoiled[name] = copy.deepcopy(original)
        change(spoiled[name])
        assert spoiled[name] != original
    found = check({"untouched": original, **spoiled})
    assert found.pop("untouched")["verified"] is True
    assert {name for name, one in found.items() if one["verified"]} == set()
    # What one suite lets pass, the other has to notice; only a proof whose own members changed may fail alone.
    assert {name for name, one in found.items() if any(one["proofs"].values())} == {"swapped"}


def test_a_key_that_is_not_in_the_did_document_is_no_key_of_the_issuer():
    by_another = secured(KINDS["named"], OTHER)
    assert check({"vc": by_another})["vc"]["verified"] is False
    both = {KEY.did: did.document(KEY.did, [OTHER.multikey, KEY.multikey])}
    assert check({"vc": by_another}, **both)["vc"]["verified"] is True
    # Its Multikey may well be known: the did document must let it assert.
    not_for_this = did.document(KEY.did, [KEY.multikey]) | {"assertionMethod": []}
    assert check({"vc": secured(KINDS["named"])}, **{KEY.did: not_for_this})["vc"]["verified"] is False


def test_a_revoked_credential_is_not_verified_although_the_library_says_so():
    """`verifyCredential` is content once the status was *read*; what it says stands in the results."""
    found = check({"vc": secured(KINDS["named"])}, **{LIST_URL: made_list(proofs.INDEX)})["vc"]
    assert found["naive"] is True
    assert found["revoked"] is True
    assert found["verified"] is False
    next_door = check({"vc": secured(KINDS["named"])}, **{LIST_URL: made_list(proofs.INDEX - 1, proofs.INDEX + 1)})
    assert next_door["vc"]["verified"] is True


@pytest.mark.parametrize(
    "found_there",
    [
        None,
        made_list(key=OTHER),
        {**made_list(), "validFrom": "2020-01-01T00:00:00Z"},
        {**made_list(), "issuer": "did:web:other.example:regions:442000"},
        {name: value for name, value in made_list().items() if name != "proof"},
    ],
    ids=["missing", "other-key", "other-date", "other-issuer", "unsigned"],
)
def test_without_a_list_that_holds_nothing_is_verified(found_there: dict[str, Any] | None):
    found = check({"vc": secured(KINDS["named"])}, **{LIST_URL: found_there})["vc"]
    assert found["verified"] is False
    assert found["revoked"] is None
    assert found["proofs"] == {"eddsa-jcs-2022": True, "eddsa-rdfc-2022": True}


def test_one_proof_of_the_set_is_not_enough_although_the_library_says_so():
    original = secured(KINDS["named"])
    strange = {**original["proof"][0], "proofValue": secured(KINDS["named"], OTHER)["proof"][0]["proofValue"]}
    found = check({"vc": {**original, "proof": [strange, original["proof"][1]]}})["vc"]
    assert found["naive"] is True
    assert found["verified"] is False


def test_canonical_forms_are_those_of_the_real_contexts():
    """The terms of Open Badges that stand in `contexts` give what the context of 1EdTech gives, quad for quad."""
    documents: dict[str, Any] = {name: secured(credential) for name, credential in KINDS.items()}
    bare = {name: {k: v for k, v in one.items() if k != "proof"} for name, one in documents.items()}
    bare["list"] = {name: value for name, value in made_list(1, 2, 3).items() if name != "proof"}
    options = {name: value for name, value in documents["named"]["proof"][1].items() if name != "proofValue"}
    bare["options"] = {"@context": documents["named"]["@context"], **options}
    theirs = ask(JS, "canonical.mjs", {"documents": bare})
    for name, document in bare.items():
        assert contexts.quads(document).decode() == theirs[name]


def test_what_nothing_defines_is_refused_there_and_here():
    bare = {name: value for name, value in secured(KINDS["named"]).items() if name != "proof"}
    undefined = {
        "member": {**bare, "unheard": "of"},
        "type": {**bare, "type": [*bare["type"], "Unheard"]},
        "address": {**bare, "id": "elsewhere"},
    }
    theirs = ask(JS, "canonical.mjs", {"documents": undefined})
    for name, document in undefined.items():
        assert "error" in theirs[name]
        with pytest.raises(Invalid):
            contexts.quads(document)


def test_the_network_is_off(tmp_path: Path):
    for name in ("package.json", "package-lock.json"):
        (tmp_path / name).write_bytes((JS / name).read_bytes())
    (tmp_path / "fetch.mjs").write_text("await fetch('http://127.0.0.1:8999/').catch(error => { throw error.cause; });")
    with pytest.raises(ScriptError, match="the network is off in these tests"):
        run(tmp_path, "fetch.mjs", b"")
