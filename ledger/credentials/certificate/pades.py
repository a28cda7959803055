"""The electronic signature of a certificate: PAdES B-B (ETSI EN 319 142-1), for regions that have a certificate.

Readers of PDF show it; checking a proof does not rest on it. pyHanko does the work and comes with the extra `pades`.
"""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.serialization import NoEncryption, load_pem_private_key, pkcs12
from cryptography.x509 import load_pem_x509_certificates

from ledger.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from pyhanko.sign.signers import SimpleSigner

_FIELD: Final = "Issuer"


def certificate_signer(path: Path, passphrase: str | None) -> SimpleSigner:
    """What signs with the key and certificate of a file, PKCS #12 or PEM (key, then certificate and its chain).

    Raise Unavailable when the file or pyHanko is not there, Invalid when the file is another or the phrase is wrong.
    """
    try:
        from pyhanko.sign.signers import SimpleSigner
    except ImportError:
        raise Unavailable("signing PDFs needs the extra `pades`: pip install yongzhi[pades]") from None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unavailable(f"cannot read the certificate {path}: {error}") from None
    secret = None if passphrase is None else passphrase.encode()
    try:
        if data.lstrip().startswith(b"-----BEGIN"):
            data, secret = _pkcs12(data, secret), None
        found: SimpleSigner | None = SimpleSigner.load_pkcs12_data(data, other_certs=[], passphrase=secret)
    except (ValueError, TypeError):
        found = None
    if found is None:
        raise Invalid(f"{path} holds no private key with its certificate, or the passphrase is wrong")
    return found


def sign_pdf(pdf: bytes, signer: SimpleSigner, at: datetime) -> bytes:
    """The PDF with an invisible signature appended, its time of signing `at` (with a time zone); all else unchanged."""
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign.fields import SigSeedSubFilter
    from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner

    if at.tzinfo is None:
        raise Invalid("a time of signing without a time zone")

    class AtGivenTime(PdfSigner):
        """Clocks are arguments here; pyHanko asks the system's."""

        def init_signing_session(self, *arguments: Any, **options: Any) -> Any:
            session = super().init_signing_session(*arguments, **options)
            session.system_time = at
            return session

    class KeepingMetadata(IncrementalPdfFileWriter):
        """What the document says of itself stays as written: pyHanko would put its own name and the hour there."""

        def _update_meta(self) -> None:
            pass

    metadata = PdfSignatureMetadata(field_name=_FIELD, md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES)
    output = io.BytesIO()
    AtGivenTime(metadata, signer).sign_pdf(KeepingMetadata(io.BytesIO(pdf)), output=output)
    return output.getvalue()


def _pkcs12(pem: bytes, secret: bytes | None) -> bytes:
    key: Any = load_pem_private_key(pem, secret)
    own, *chain = load_pem_x509_certificates(pem)
    return pkcs12.serialize_key_and_certificates(None, key, own, chain, NoEncryption())
