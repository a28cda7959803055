"""Data Integrity proofs over credentials: a set of `eddsa-jcs-2022` and `eddsa-rdfc-2022` (W3C vc-di-eddsa 1.0).

Each proof signs the document without `proof`, so that neither covers the other. JCS is checked first: it costs
microseconds whatever the bytes are, while canonicalising hostile JSON-LD can burn seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec

from ledger.credentials import contexts
from ledger.credentials.contexts import Canonise
from ledger.credentials.model import Proof
from ledger.crypto import canonical
from ledger.crypto.keys import SIGNATURE_BYTES, VerifyingKey
from ledger.crypto.multikey import CredentialKey, base58, parse_base58
from ledger.errors import Invalid, NotFound, Untrusted
from ledger.limits import SIGNATURES_MAX

JCS: Final = "eddsa-jcs-2022"
RDFC: Final = "eddsa-rdfc-2022"

FindKey = Callable[[str], bytes]
"""The public key (32 bytes) of a verification method that is trusted; raises Untrusted or NotFound for any other."""


def jcs(value: Any) -> bytes:
    """Canonical JSON (RFC 8785) of strings, integers, booleans, arrays and objects with ASCII keys; else Invalid."""
    canonical.check_values(value)
    return canonical.write(value)


def message(document: Mapping[str, Any], options: Mapping[str, Any], quads: Canonise = contexts.quads) -> bytes:
    """The 64 bytes that are signed: SHA-256 of the proof's options, then of the document (3.2.4 and 3.3.4).

    Both are without `proof` and `proofValue`. The canonical form is that of JSON for `eddsa-jcs-2022`, else of RDF.
    """
    if options.get("cryptosuite") == JCS:
        return sha256(jcs(options)).digest() + sha256(jcs(document)).digest()
    options = {"@context": document.get("@context"), **options}
    return sha256(quads(options)).digest() + sha256(quads(document)).digest()


def secure(credential: Mapping[str, Any], key: CredentialKey, created: str) -> dict[str, Any]:
    """The credential with its proof set, JCS first; `created` is RFC 3339. Raise Invalid for what cannot be signed."""
    try:
        # Arrays as lists: what msgspec makes of a typed credential has tuples, which PyLD takes for values.
        credential = msgspec.json.decode(msgspec.json.encode(credential))
    except (UnicodeEncodeError, TypeError) as error:
        raise Invalid(f"not JSON: {error}") from None
    if "proof" in credential:
        raise Invalid("secured already", "/proof")
    if _issuer(credential) != key.did:
        raise Invalid(f"the issuer is not {key.did}", "/issuer")
    options = {
        "type": "DataIntegrityProof",
        "created": created,
        "verificationMethod": key.id,
        "proofPurpose": "assertionMethod",
    }
    context = credential.get("@context", [])
    first = {**options, "cryptosuite": JCS}
    # Verifiers compare the two contexts item by item, and some (jsonld-signatures) by identity: an object in it
    # equals no other for them. Without the member they skip the comparison (3.3.2, step 4), and lose nothing,
    # since the context is part of what the document's own hash covers.
    if all(isinstance(item, str) for item in context):
        first["@context"] = context
    second = {**options, "cryptosuite": RDFC}
    return {**credential, "proof": [sign(credential, proof, key) for proof in (first, second)]}


def sign(
    document: Mapping[str, Any], options: Mapping[str, Any], key: CredentialKey, quads: Canonise = contexts.quads
) -> dict[str, Any]:
    """The proof with these options over the document without `proof`; raise Invalid for what cannot be signed."""
    return {**options, "proofValue": "z" + base58(key.sign(message(document, options, quads)))}


def check(document: Mapping[str, Any], find_key: FindKey) -> None:
    """Raise Untrusted unless the document has both proofs, all it has are known, and every one verifies.

    1. `proof` holds at most four, each well-formed, of a known suite, by a method of the issuer, none twice.
    2. At least one is `eddsa-jcs-2022`, and at least one `eddsa-rdfc-2022`.
    3. Every `eddsa-jcs-2022` verifies under a key that `find_key` knows.
    4. Only then, for these are bytes that the issuer wrote: so does every `eddsa-rdfc-2022`.
    """
    proofs = _proofs(document)
    bare = {name: value for name, value in document.items() if name != "proof"}
    for suite in (JCS, RDFC):
        mine = [proof for proof in proofs if proof["cryptosuite"] == suite]
        if not mine:
            raise Untrusted(f"no {suite} proof")
        for proof in mine:
            _check_proof(bare, proof, find_key)


def _proofs(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = document.get("proof")
    if not isinstance(found, list) or not found:
        raise Untrusted("no proof")
    if len(found) > SIGNATURES_MAX:
        raise Untrusted(f"more than {SIGNATURES_MAX} proofs")
    issuer, seen = _issuer(document), set()
    for place, proof in enumerate(found):
        try:
            typed = msgspec.convert(proof, Proof)
        except msgspec.ValidationError as error:
            raise Untrusted(f"proof {place} is not one that can be checked: {error}") from None
        if typed.verificationMethod.partition("#")[0] != issuer:
            raise Untrusted(f"proof {place} is by another than the issuer")
        if (name := (typed.cryptosuite, typed.verificationMethod)) in seen:
            raise Untrusted(f"proof {place} is there twice")
        seen.add(name)
    return found


def _check_proof(bare: Mapping[str, Any], proof: Mapping[str, Any], find_key: FindKey) -> None:
    suite, context = proof["cryptosuite"], bare.get("@context")
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    # A proof over the first contexts only (3.3.2, step 4) would leave the rest of them unsigned.
    if options.get("@context", context) != context:
        raise Untrusted(f"the {suite} proof has another @context than the document")
    try:
        verify(proof["proofValue"], find_key(proof["verificationMethod"]), message(bare, options))
    except (Invalid, NotFound, Untrusted) as error:
        raise Untrusted(f"the {suite} proof does not hold: {error.detail}") from None


def verify(value: str, public: bytes, data: bytes) -> None:
    """Raise Untrusted or Invalid unless `value`, a `proofValue`, is the signature over `data` of the key."""
    if not value.startswith("z"):
        raise Invalid("a proofValue is base58 in multibase")
    VerifyingKey("proof", public).verify(parse_base58(value[1:], SIGNATURE_BYTES), data)


def _issuer(document: Mapping[str, Any]) -> Any:
    found = document.get("issuer")
    return found.get("id") if isinstance(found, dict) else found
