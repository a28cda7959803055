"""Checking a proof of service: six numbered steps, one outcome (docs/proofs.md, "Checking a proof").

1 form, 2 issuer, 3 signature, 4 evidence, 5 dates, 6 status. Whoever fails one of the first four is not believed at
all; the sixth makes it revoked, the fifth expired; without a current status list it is unknown. Nothing here asks a
network, a clock or a file: keys come from the trust bundle, status lists from whoever calls.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import msgspec
from msgspec import UnsetType

from ledger.credentials import data_integrity, model, qr_code, status_list
from ledger.credentials.checking.reading import Upload, read
from ledger.credentials.checking.standing import Lists, Stated, check_dates, check_status
from ledger.credentials.checking.steps import Course, Keys, Stopped
from ledger.credentials.checking.verdict import Result, Verdict
from ledger.credentials.log_evidence import check_evidence, check_recorded
from ledger.credentials.sd_jwt import token, token_status
from ledger.credentials.sd_jwt.token import Binding
from ledger.crypto.encoding import encode_base64url
from ledger.crypto.multikey import parse_multikey
from ledger.errors import LedgerError, Untrusted
from ledger.federation.members import Region
from ledger.federation.trust_bundle import Trust
from ledger.ids import check_uuid, format_time, instant, parse_list_name


def check(upload: Upload, trust: Trust, lists: Lists, now: int, binding: Binding | None = None) -> Verdict:
    """What an uploaded proof comes to at unix second `now`; whatever was uploaded, it is answered and not raised.

    `binding` is what the holder of an SD-JWT had to sign for; without it only the issuer's signature is asked for.
    """
    course = Course(upload.kind)
    with contextlib.suppress(Stopped):
        stated = _steps_1_to_4(course, upload, trust, now, binding)
        with course.step("dates", ends=False):  # a proof that was revoked is so whatever its dates are
            check_dates(stated, now)
        check_status(course, stated, lists, now)
    return course.verdict()


def check_data(data: bytes, trust: Trust, lists: Lists, now: int, binding: Binding | None = None) -> Verdict:
    """The same of a file or text as it came: a PDF, JSON, an SD-JWT, a photo of the QR, or what the QR says."""
    try:
        upload = read(data)
    except LedgerError as error:
        return unreadable(error.detail)
    return check(upload, trust, lists, now, binding)


def unreadable(detail: str) -> Verdict:
    """The verdict on bytes in which no proof was found, and why."""
    course = Course("unknown")
    course.record("form", Result.FAILED, detail)
    return course.verdict()


def _steps_1_to_4(course: Course, upload: Upload, trust: Trust, now: int, binding: Binding | None) -> Stated:
    match upload.kind:
        case "vc":
            return _check_credential(course, upload.data, trust)
        case "code":
            return _check_code(course, upload.data.decode(errors="replace"), trust)
        case "sd-jwt":
            return _check_token(course, upload.data.decode(errors="replace"), trust, now, binding)


# -- a credential -----------------------------------------------------------------------------------


def _check_credential(course: Course, data: bytes, trust: Trust) -> Stated:
    with course.step("form"):
        credential = model.decode(data)
        check_uuid(credential.proof_id)
        issued = instant(credential.validFrom)
        expires = None if isinstance(credential.validUntil, UnsetType) else instant(credential.validUntil)
    course.known |= {"credential": credential, "proof": credential.proof_id, "issued": credential.validFrom}
    with course.step("issuer"):
        region = _issuer(credential, trust)
        _learn(course, region)
        _check_open(region, issued)
    with course.step("signature"):
        # Both proofs must hold, the one over JCS first: what nobody signed is never canonicalised as JSON-LD.
        data_integrity.check(msgspec.json.decode(data), _methods(region))
    with course.step("evidence"):
        found = check_evidence(credential, region.region, trust.log_keys(region.origin))
        check_recorded(found.receipt, issued, region.closed)
    url = credential.credentialStatus.statusListCredential
    return Stated(
        issued=issued,
        expires=expires,
        list_url=url,
        index=int(credential.credentialStatus.statusListIndex),
        open_list=lambda served: status_list.open_list(served, url, _methods(region)),
    )


def _issuer(credential: model.Credential, trust: Trust) -> Region:
    region = trust.by_did(credential.issuer.id)
    if region is None:
        raise Untrusted(f"{credential.issuer.id} is not in the trust bundle")
    service = credential.credentialSubject.service
    if service.region != region.region:
        raise Untrusted(f"{region.region} states what was served in {service.region}")
    if credential.id != region.page(credential.proof_id):
        raise Untrusted(f"the proof's address is not one of {region.base}")
    _check_place(trust, region, credential.credentialStatus.statusListCredential)
    methods = region.methods()
    for proof in () if isinstance(credential.proof, UnsetType) else credential.proof:
        if proof.verificationMethod not in methods:
            raise Untrusted(f"{proof.verificationMethod} is no key of {region.region} in the trust bundle")
    return region


# -- a signed code, an SD-JWT -----------------------------------------------------------------------


def _check_code(course: Course, text: str, trust: Trust) -> Stated:
    keys, found = Keys(), list[Region]()

    def find(name: str, kid: bytes) -> bytes:
        keys.asked = True
        for region in trust.logs(name):  # a region that goes on under another log signed with keys of either
            for key in map(parse_multikey, region.credential_keys):
                if qr_code.key_id(key) == kid:
                    keys.found = True
                    found.append(region)
                    return key
        raise Untrusted(f"the trust bundle has no key {kid.hex()} of region {name}")

    with course.opening(keys):
        opened = qr_code.open_code(text, find)
    with course.step("issuer"):
        region = found[-1]
        page = qr_code.page_in(text)
        if page is not None and page != region.page(opened.proof):
            raise Untrusted(f"the page is not one of {region.base}: do not open it")
        _check_open(region, opened.issued)
    _learn(course, region)
    course.record("signature", Result.PASSED)
    course.record("evidence", Result.SKIPPED)
    course.known |= {"proof": opened.proof, "issued": format_time(opened.issued), "claims": _claims(opened)}
    url = region.list_url(opened.list)
    return Stated(
        issued=opened.issued,
        expires=None,
        list_url=url,
        index=opened.index,
        open_list=lambda served: status_list.open_list(served, url, _methods(region)),
    )


def _claims(opened: qr_code.Code) -> dict[str, object]:
    names = ("kind", "region", "first", "last", "minutes", "entries", "level")
    claims: dict[str, object] = {name: getattr(opened, name) for name in names}
    hashes = {"digest": opened.digest, "name_hash": opened.name}
    claims |= {name: None if value is None else encode_base64url(value) for name, value in hashes.items()}
    return {name: value for name, value in claims.items() if value is not None}


def _check_token(course: Course, text: str, trust: Trust, now: int, binding: Binding | None) -> Stated:
    keys = Keys()

    def find(kid: str) -> bytes:
        keys.asked = True
        key = trust.token_key(kid)
        keys.found = True
        return key

    with course.opening(keys):
        opened = token.open_token(text, find, now=now, binding=binding)
    with course.step("issuer"):
        region = _known(trust.by_kid(opened.kid))
        if opened.issuer != f"{region.base}/regions/{region.region}":
            raise Untrusted(f"the key is one of {region.region}, not of {opened.issuer:.200}")
        _check_place(trust, region, opened.status.uri, tokens=True)
        _check_open(region, opened.issued)
    _learn(course, region)
    course.record("signature", Result.PASSED)
    course.record("evidence", Result.SKIPPED)
    course.known |= {"issued": format_time(opened.issued), "claims": opened.claims | {"holder_bound": opened.bound}}
    return Stated(
        issued=opened.issued,
        expires=opened.expires,
        list_url=opened.status.uri,
        index=opened.status.index,
        open_list=lambda served: token_status.open_list(
            served.decode(errors="replace"), opened.status.uri, _token_keys(region)
        ),
    )


# -- what they share --------------------------------------------------------------------------------


def _known(region: Region | None) -> Region:
    if region is None:
        raise Untrusted("the issuer is not in the trust bundle")
    return region


def _learn(course: Course, region: Region) -> None:
    course.known |= {"region": region.region, "issuer_name": f"{region.name.zh} · {region.name.en}"}


def _check_open(region: Region, issued: int) -> None:
    """By what the signer says; what was signed in the second of the closing may still come before it."""
    if not isinstance(region.closed, UnsetType) and issued > instant(region.closed):
        raise Untrusted(f"{region.region} closed at {region.closed}, before the proof was issued")


def _check_place(trust: Trust, region: Region, url: str, *, tokens: bool = False) -> None:
    if trust.by_list(url) is not region or parse_list_name(url.rpartition("/")[2]) != (region.region, tokens):
        raise Untrusted(f"{url:.200} is no status list of {region.region}")


def _methods(region: Region) -> Callable[[str], bytes]:
    """Finds the credential keys of one region, whatever other regions the bundle has."""
    return _finder(region, dict(zip(region.methods(), region.credential_keys, strict=True)))


def _token_keys(region: Region) -> Callable[[str], bytes]:
    return _finder(region, {key: key for key in region.token_keys})


def _finder(region: Region, known: dict[str, str]) -> Callable[[str], bytes]:
    def find(name: str) -> bytes:
        if name not in known:
            raise Untrusted(f"{name:.200} is no key of {region.region} in the trust bundle")
        return parse_multikey(known[name])

    return find
