"""Data Integrity proofs over documents of anybody, under did:key: what the test profile in `vcapi` checks.

Unlike our own credentials these are arbitrary JSON-LD; the canoniser bounds what one may cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from ledger.credentials import contexts, data_integrity
from ledger.credentials.data_integrity import JCS, RDFC
from ledger.credentials.model import CONTEXTS
from ledger.crypto.multikey import parse_multikey
from ledger.errors import Untrusted
from ledger.limits import SIGNATURES_MAX
from tests.vcapi import documents
from tests.vcapi.documents import V1, V2, listed

DATA_INTEGRITY: Final = "https://w3id.org/security/data-integrity/v2"
_LEGACY: Final = "Ed25519Signature2020"
"""What credentials were signed with before `eddsa-rdfc-2022`, which computes the same (vc-di-eddsa 1.0, B.2)."""
_LEGACY_CONTEXT: Final = "https://w3id.org/security/suites/ed25519-2020/v1"
_KNOWN: Final = (("DataIntegrityProof", JCS), ("DataIntegrityProof", RDFC), (_LEGACY, None))
_VOCABULARIES: Final = {
    "https://www.w3.org/ns/credentials/examples/v2": "https://www.w3.org/ns/credentials/examples#",
    "https://www.w3.org/ns/credentials/undefined-terms/v2": "https://www.w3.org/ns/credentials/undefined-term#",
}
"""Contexts that define a vocabulary and nothing else."""

Clock = Callable[[], datetime]


def canoniser() -> contexts.Canoniser:
    """Canonical N-Quads under the contexts that such documents come with."""
    core = contexts.bundled(V2)
    # The context of Data Integrity has the same terms as that of credentials.
    terms = core["@context"]
    shared = {name: terms[name] for name in ("@protected", "id", "type", "DataIntegrityProof")}
    shared["proof"] = terms["VerifiableCredential"]["@context"]["proof"]
    return contexts.Canoniser(
        {
            V1: contexts.bundled(V1),
            V2: core,
            CONTEXTS[1]: contexts.OPEN_BADGES,
            DATA_INTEGRITY: {"@context": shared},
            _LEGACY_CONTEXT: contexts.bundled(_LEGACY_CONTEXT),
            **{url: {"@context": {"@vocab": vocabulary}} for url, vocabulary in _VOCABULARIES.items()},
        }
    )


class Proofs:
    """Checks proofs of `eddsa-jcs-2022` and `eddsa-rdfc-2022`, in sets and chains, by keys of did:key."""

    def __init__(self, quads: contexts.Canoniser, now: Clock) -> None:
        self._quads: Final = quads
        self._now: Final = now

    def check(
        self, document: Mapping[str, Any], owner: str | None, purpose: str, expected: Mapping[str, Any]
    ) -> list[Untrusted]:
        """Every proof has to hold, and one of them to be the owner's (Data Integrity 1.0, 4.4 and 4.5).

        Gives what could not be looked up: an owner at an https address, whose keys would have to be fetched.
        """
        proofs = document.get("proof")
        proofs = proofs if isinstance(proofs, list) else [proofs]
        if not proofs or len(proofs) > SIGNATURES_MAX or not all(isinstance(proof, dict) for proof in proofs):
            raise Untrusted(f"a proof is an object, or one to {SIGNATURES_MAX} of them")
        bare = {name: value for name, value in document.items() if name != "proof"}
        self._quads(bare)
        controllers = {self._check_one(bare, proof, proofs, purpose, expected) for proof in proofs}
        if owner is None or owner in controllers:
            return []
        if owner.startswith("https:"):
            return [Untrusted(f"whether the key is one of {owner:.100} was not looked up")]
        raise Untrusted(f"no proof is by {owner:.100}")

    def _check_one(
        self,
        bare: Mapping[str, Any],
        proof: dict[str, Any],
        proofs: list[dict[str, Any]],
        purpose: str,
        expected: Mapping[str, Any],
    ) -> str:
        """The controller of the key under which the proof holds."""
        if (proof.get("type"), proof.get("cryptosuite")) not in _KNOWN:
            raise Untrusted("a proof of a type or cryptosuite that is not known")
        if proof.get("proofPurpose") != purpose:
            raise Untrusted(f"a proof that is not for {purpose}")
        if "created" in proof:
            documents.parse_date(proof["created"], "/proof/created")
        if "expires" in proof and documents.parse_date(proof["expires"], "/proof/expires") < self._now():
            raise Untrusted("the proof has expired")
        for name in ("domain", "challenge"):
            if expected.get(name) is not None and expected[name] not in listed(proof.get(name)):
                raise Untrusted(f"a proof for another {name}")
        value = proof.get("proofValue")
        if not isinstance(value, str):
            raise Untrusted("a proof without a proofValue")
        controller, public = _did_key(proof.get("verificationMethod"))
        options = {name: member for name, member in proof.items() if name != "proofValue"}
        document = _with_context(_with_previous(bare, proof, proofs), proof)
        data_integrity.verify(value, public, data_integrity.message(document, options, self._quads))
        return controller


def _with_previous(
    bare: Mapping[str, Any], proof: Mapping[str, Any], proofs: list[dict[str, Any]]
) -> Mapping[str, Any]:
    """A proof of a chain covers those before it (Data Integrity 1.0, 4.3); all of them are checked by themselves."""
    if "previousProof" not in proof:
        return bare
    names = listed(proof["previousProof"])
    previous = [one for one in proofs if isinstance(one.get("id"), str) and one["id"] in names]
    if len(previous) != len(names) or any(one is proof for one in previous):
        raise Untrusted("a proof after one that is not there")
    return {**bare, "proof": previous}


def _with_context(document: Mapping[str, Any], proof: Mapping[str, Any]) -> Mapping[str, Any]:
    """eddsa-jcs-2022 signs under the contexts that the proof repeats (3.3.2, step 4)."""
    if proof.get("cryptosuite") != JCS or "@context" not in proof:
        return document
    repeated = listed(proof["@context"])
    if document["@context"][: len(repeated)] != repeated:
        raise Untrusted("a proof with another @context than the document")
    return {**document, "@context": proof["@context"]}


def _did_key(method: Any) -> tuple[str, bytes]:
    """The DID and the public key (32 bytes) of a verification method of did:key."""
    if not isinstance(method, str) or not method.startswith("did:key:"):
        raise Untrusted("a verification method that is not of did:key")
    did, _, fragment = method.partition("#")
    if fragment != did.removeprefix("did:key:"):
        raise Untrusted("a verification method that its did:key has not")
    public = parse_multikey(fragment)
    if len(public) != 32:
        raise Untrusted("a key of another kind than Ed25519")
    return did, public
