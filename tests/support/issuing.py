"""Proofs of service as a region issues them, without a database: log, receipt, status lists and trust bundle.

Everything follows from arguments, so that a test can spoil one thing and leave the rest as it should be.
"""

import base64
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from ledger.credentials import data_integrity, model, qr_code, status_list
from ledger.credentials.sd_jwt import token as sd_jwt
from ledger.credentials.sd_jwt import token_status
from ledger.credentials.sd_jwt.token import Status
from ledger.crypto.encoding import digest, encode_base64url
from ledger.crypto.keys import SigningKey
from ledger.crypto.multikey import CredentialKey, TokenKey
from ledger.events.body import encode_event
from ledger.events.fields import RegionName
from ledger.events.proofs import ProofIssued, StatusIndex
from ledger.federation import trust_bundle
from ledger.federation.members import Federation, Region
from ledger.federation.trust_bundle import Trust
from ledger.ids import instant
from ledger.tlog import merkle, notes
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.entries import commitment_to
from ledger.tlog.receipt import PROOF_HEADER
from tests.support.builders import (
    AUTHORITY,
    DID,
    ORIGIN,
    REGION,
    SALT,
    event_id,
    leaf_hashes,
    signing_key,
    subtree_of,
    vkey,
)
from tests.support.proofs import HOST, INDEX, ISSUED, LIST, credential, credential_key, service, token_key

FEDERATION = "federation.example"
SIGNER = signing_key(FEDERATION)
LIST_URL = f"{HOST}/status/{LIST}"
TOKEN_LIST_URL = f"{HOST}/status/{REGION}-t1"
NOW = instant(ISSUED) + 3600
WEEK = 7 * 24 * 3600
SIZE = 7
"""Events in the log; the proof's is the fourth."""


def region(**changes: Any) -> Region:
    """The region that issues here, as the federation knows it."""
    fields: dict[str, Any] = {
        "region": REGION,
        "origin": ORIGIN,
        "name": RegionName(zh="惠州市", en="Huizhou"),
        "log_keys": (vkey(ORIGIN),),
        "did": DID,
        "base": HOST,
        "credential_keys": (credential_key().multikey,),
        "token_keys": (token_key().multikey,),
        "witness_keys": (),
    }
    return Region(**{**fields, **changes})


def neighbour(**changes: Any) -> Region:
    """Another region of the same server."""
    origin, did = "ledger.example/442000", "did:web:ledger.example:regions:442000"
    fields: dict[str, Any] = {
        "region": "442000",
        "origin": origin,
        "name": RegionName(zh="中山市", en="Zhongshan"),
        "log_keys": (vkey(origin),),
        "did": did,
        "credential_keys": (credential_key(did).multikey,),
        "token_keys": (token_key(1).multikey,),
    }
    return region(**{**fields, **changes})


def federated(*regions: Region, **changes: Any) -> Federation:
    fields: dict[str, Any] = {
        "name": FEDERATION,
        "serial": 7,
        "issued": "2026-11-01T00:00:00Z",
        "expires": "2027-11-01T00:00:00Z",
        "keys": (str(SIGNER.verifier),),
        "threshold": 1,
        "regions": regions or (region(), neighbour()),
    }
    return Federation(**{**fields, **changes})


def trust(*regions: Region) -> Trust:
    return Trust(federated(*regions))


def bundle(*regions: Region, lists: Mapping[str, bytes] | None = None, **changes: Any) -> bytes:
    return trust_bundle.seal(federated(*regions, **changes), [SIGNER], lists)


# -- a credential -----------------------------------------------------------------------------------


def issued(plain: model.Credential, **changes: Any) -> bytes:
    """The body of the event that issues a credential."""
    status = plain.credentialStatus
    fields: dict[str, Any] = {
        "id": event_id(4),
        "issuer": AUTHORITY,
        "ledger": REGION,
        "subject": f"proof:{plain.proof_id}",
        "time": plain.validFrom,
        "salt": SALT,
        "credential": model.commitment(plain),
        "holder": digest(b"whose it is"),
        "format": "vc",
        "status": StatusIndex(list=status.statusListCredential.rpartition("/")[2], index=int(status.statusListIndex)),
    }
    return encode_event(ProofIssued(**{**fields, **changes}))


def receipt(body: bytes, key: SigningKey | None = None, recorded: int | None = None) -> str:
    """The tlog-proof of a body that is the fourth entry of a log; it was recorded when it was issued, or then."""
    recorded_at = (instant(ISSUED) if recorded is None else recorded).to_bytes(8, "big")
    hashes = [*leaf_hashes(SIZE)]
    hashes[3] = merkle.leaf_hash(commitment_to(body) + recorded_at)
    key = key or signing_key(ORIGIN)
    checkpoint = Checkpoint(key.name, SIZE, merkle.tree_root(hashes))
    path = merkle.prove_inclusion(3, SIZE, subtree_of(hashes))
    lines = [PROOF_HEADER, f"extra {base64.b64encode(recorded_at).decode()}", "index 3"]
    lines += [base64.b64encode(node).decode() for node in path]
    return "\n".join(lines) + "\n\n" + notes.sign(checkpoint.text(), [key])


def evident(plain: model.Credential, body: bytes, tlog_proof: str) -> model.Credential:
    """The credential with that event and receipt as its evidence."""
    evidence = model.LogEvidence(
        id="urn:uuid:0199b7d4-0000-7000-8000-000000000001",
        type=("Evidence",),
        name="账本中的签发记录 · The event that issued it, in the log",
        event=body.decode(),
        tlogProof=tlog_proof,
    )
    return replace(plain, evidence=(evidence,))


def signed(plain: model.Credential, key: CredentialKey | None = None) -> dict[str, Any]:
    """The document with its proof set."""
    return data_integrity.secure(msgspec.to_builtins(plain), key or credential_key(), plain.validFrom)


def document(plain: model.Credential | None = None, key: CredentialKey | None = None) -> dict[str, Any]:
    """A proof of service as it is handed out."""
    plain = plain or credential()
    body = issued(plain)
    return signed(evident(plain, body, receipt(body)), key)


def encoded(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")


# -- other forms ------------------------------------------------------------------------------------


def qr(plain: model.Credential | None = None, key: CredentialKey | None = None, **changes: Any) -> str:
    """The text of a certificate's QR."""
    plain = plain or credential()
    found = qr_code.describe(plain, instant(plain.validFrom), b"8 octets")
    return qr_code.page(plain, qr_code.seal(replaced(found, **changes), key or credential_key()))


def replaced(found: qr_code.Code, **changes: Any) -> qr_code.Code:
    fields = {name: getattr(found, name) for name in qr_code.Code.__dataclass_fields__}
    return qr_code.Code(**{**fields, **changes})


def token(key: TokenKey | None = None, **changes: Any) -> str:
    """An SD-JWT with all its disclosures."""
    fields: dict[str, Any] = {
        "issuer": f"{HOST}/regions/{REGION}",
        "issued": instant(ISSUED),
        "status": Status(uri=TOKEN_LIST_URL, index=INDEX),
        "randomness": lambda count: encode_base64url(b"x" * count).encode()[:count],
        "name": "林小明",
    }
    counter = iter(range(10**6))
    fields["randomness"] = lambda count: next(counter).to_bytes(count, "big")
    return sd_jwt.issue(service(), key or token_key(), **{**fields, **changes})


# -- status lists -----------------------------------------------------------------------------------


def bits(revoked: Collection[int] = (), valid_from: int = NOW - 60, until: int | None = 0, **changes: Any) -> bytes:
    """The list of the credentials; it ends a week after it began, or never (`until` None)."""
    ends = valid_from + WEEK if until == 0 else until
    fields = {"url": LIST_URL, "key": credential_key(), **changes}
    return status_list.make(revoked=revoked, valid_from=valid_from, valid_until=ends, **fields)


def token_bits(
    revoked: Collection[int] = (), valid_from: int = NOW - 60, until: int | None = 0, **changes: Any
) -> bytes:
    """The list of the SD-JWTs."""
    ends = valid_from + WEEK if until == 0 else until
    fields = {"url": TOKEN_LIST_URL, "key": token_key(), **changes}
    return token_status.make(revoked=revoked, valid_from=valid_from, valid_until=ends, **fields).encode()
