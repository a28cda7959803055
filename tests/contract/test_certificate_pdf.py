"""The certificate in the eyes of others: poppler, two QR readers, pyHanko, and the structure that PDF/A-3b asks for."""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pikepdf
import pytest
import zxingcpp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, pkcs12
from cryptography.x509.oid import NameOID
from msgspec.structs import replace
from PIL import Image
from pyhanko.keys import load_certs_from_pemder_data
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from ledger.credentials import model, qr_code
from ledger.credentials.certificate import certificate, pades
from ledger.credentials.checking import reading
from ledger.errors import Invalid, Unavailable
from tests.support import oracles
from tests.support.builders import PROOF, REGION
from tests.support.proofs import credential, credential_key, line, service

ROOT = Path(__file__).parents[2]
SEAL = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"><circle cx="50" cy="50" r="46" fill="none"'
    b' stroke="#c00" stroke-width="4"/></svg>'
)
STAR = model.StarLevel(scheme="cn-2012/1", level=3, title="三星级志愿者", title_en="Three stars", minutes=36_000)
CREDENTIALS = {
    "plain": credential(),
    "nameless": credential(name=None),
    "full": credential(service(*(line(number + 1) for number in range(40))), name="阿布都热合曼·买买提吐尔逊"),
    "rare": credential(name="𠮷㐂䶮"),
    "star": credential(
        model.StarStatement(region=REGION, day="2026-11-22", star=STAR, explanation=(), explanation_en=())
    ),
    "traditional": replace(
        credential(service(region="810000"), name="陳大文"),
        credentialStatus=replace(
            credential().credentialStatus, statusListCredential="https://ledger.example/status/810000-1"
        ),
    ),
}


def page_of(given: model.Credential) -> str:
    return qr_code.page(given, qr_code.seal(qr_code.describe(given, 1_795_334_400, bytes(8)), credential_key()))


def pdf_of(given: model.Credential) -> bytes:
    return certificate.render(model.to_json(given), page_of(given), seal=SEAL)


@pytest.fixture(params=sorted(CREDENTIALS))
def given(request: Any) -> model.Credential:
    return CREDENTIALS[request.param]


@pytest.fixture
def file(given: model.Credential, tmp_path: Path) -> Path:
    path = tmp_path / "certificate.pdf"
    path.write_bytes(pdf_of(given))
    return path


def poppler(tool: str, *arguments: str | Path) -> bytes:
    return subprocess.run([oracles.require(tool), *arguments], capture_output=True, check=True).stdout


# -- poppler --------------------------------------------------------------------------------------


def test_poppler_extracts_the_credential_byte_for_byte(given: model.Credential, file: Path, tmp_path: Path) -> None:
    assert f"1: proof-{PROOF}.json".encode() in poppler("pdfdetach", "-list", file)
    out = tmp_path / "out.json"
    poppler("pdfdetach", "-save", "1", "-o", out, file)
    assert out.read_bytes() == model.to_json(given)


def test_poppler_reads_the_text_of_one_a4_page(given: model.Credential, file: Path) -> None:
    told = poppler("pdfinfo", file).decode()
    assert re.search(r"Pages: +1\n", told)
    assert re.search(r"Page size: .*\(A4\)", told)
    text = re.sub(r"[\s\u200b]", "", poppler("pdftotext", file, "-").decode())
    assert PROOF in text
    assert "2026年11月22日" in text
    assert re.sub(r"\s", "", given.name_of_holder or "holder") in text


def test_no_typeface_is_left_out(file: Path) -> None:
    rows = poppler("pdffonts", file).decode().splitlines()[2:]
    assert rows
    for row in rows:
        assert re.search(r"[A-Z]{6}\+Noto", row), "a subset of a typeface of ours"
        assert row.split()[-5:-2] == ["yes", "yes", "yes"], "embedded, subset, with its characters named"


# -- the code -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dpi", [100, 150, 200, 300])
def test_the_code_is_read_from_the_page_as_printed(given: model.Credential, file: Path, dpi: int) -> None:
    picture = poppler("pdftoppm", "-r", str(dpi), "-png", "-singlefile", file)
    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))
    assert found.text == page_of(given)
    assert reading.read(picture) == reading.Upload("code", page_of(given).encode())


@pytest.mark.parametrize("dpi", [100, 150, 200, 300])
def test_zbar_reads_it_too(file: Path, dpi: int, tmp_path: Path) -> None:
    zbar = oracles.require("zbarimg")
    poppler("pdftoppm", "-r", str(dpi), "-png", "-singlefile", file, tmp_path / "page")
    command = [zbar, "--quiet", "--raw", str(tmp_path / "page.png")]
    found = subprocess.run(command, capture_output=True, check=True).stdout.decode().strip()
    assert re.fullmatch(rf"https://ledger\.example/p/{PROOF}#[A-Za-z0-9_-]{{200,}}", found)


# -- the same bytes -------------------------------------------------------------------------------


def test_another_process_renders_the_same_bytes(given: model.Credential, file: Path, tmp_path: Path) -> None:
    inputs = (model.to_json(given), page_of(given).encode(), SEAL)
    for name, data in zip(("credential", "page", "seal"), inputs, strict=True):
        (tmp_path / name).write_bytes(data)
    program = (
        "import sys; from pathlib import Path; from ledger.credentials.certificate.certificate import render\n"
        "credential, page, seal = (Path(sys.argv[1], name).read_bytes() for name in ('credential', 'page', 'seal'))\n"
        "sys.stdout.buffer.write(render(credential, page.decode(), seal=seal))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout == file.read_bytes()


# -- PDF/A-3b (ISO 19005-3) -----------------------------------------------------------------------
# No validator comes as a package: veraPDF is an installer. These are the rules that a document like ours could break.


def check_pdfa_3b(data: bytes, attached: bytes) -> None:
    with pikepdf.open(io.BytesIO(data)) as pdf:
        assert not pdf.is_encrypted  # 6.1.3
        assert len(pdf.trailer.ID) == 2
        assert re.match(rb"%PDF-1\.[0-7]\n%[\x80-\xff]{4}", data)  # 6.1.2
        _check_metadata(pdf)
        (intent,) = pdf.Root.OutputIntents  # 6.2.3
        assert intent.S == "/GTS_PDFA1"
        assert intent.DestOutputProfile.read_bytes()[36:40] == b"acsp"
        _check_attachment(pdf, attached)
        assert "/OpenAction" not in pdf.Root  # 6.6.1
        assert "/AA" not in pdf.Root
        for one in everything(pdf):
            _check_object(one)


def _check_metadata(pdf: pikepdf.Pdf) -> None:
    """6.6.2 and 6.6.4: XMP, uncompressed, that names part 3, level B, and agrees with the information dictionary."""
    stream = pdf.Root.Metadata
    assert "/Filter" not in stream
    with pdf.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as xmp:
        assert (xmp["pdfaid:part"], xmp["pdfaid:conformance"]) == ("3", "B")
        assert xmp["dc:title"] == str(pdf.docinfo.Title)
        assert xmp["xmp:CreatorTool"] == str(pdf.docinfo.Creator)
        created = datetime.strptime(str(pdf.docinfo.CreationDate), "D:%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
        assert datetime.fromisoformat(xmp["xmp:CreateDate"]) == created


def _check_attachment(pdf: pikepdf.Pdf, attached: bytes) -> None:
    """6.8: a file specification with both names, a relationship, a MIME type, and associated with the document."""
    (specification,) = pdf.Root.AF
    assert specification.Type == "/Filespec"
    assert str(specification.F) == str(specification.UF) == f"proof-{PROOF}.json"
    assert specification.AFRelationship == "/Source"
    embedded = specification.EF.F
    assert embedded.Type == "/EmbeddedFile"
    assert embedded.Subtype == "/application/vc"
    assert embedded.read_bytes() == attached
    assert "/ModDate" in embedded.Params


def everything(pdf: pikepdf.Pdf) -> Iterator[Any]:
    for one in pdf.objects:
        if isinstance(one, (pikepdf.Dictionary, pikepdf.Stream)):
            yield one


FORBIDDEN_FILTERS = {"/LZWDecode", "/Crypt"}


def _check_object(one: Any) -> None:
    kind, subtype = one.get("/Type"), one.get("/Subtype")
    if isinstance(one, pikepdf.Stream):
        assert not FORBIDDEN_FILTERS & {str(name) for name in one.get("/Filter", pikepdf.Array()).wrap_in_array()}
        assert "/F" not in one, "6.1.7.1: no stream lies outside the file"
    if kind == "/FontDescriptor":  # 6.2.11.4: every typeface is embedded
        assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(one.keys())
    if kind == "/Font" and subtype == "/Type0":
        assert one.Encoding == "/Identity-H"  # 6.2.11.3
        assert "/ToUnicode" in one
    if subtype == "/Image":  # 6.2.8
        assert not one.get("/Interpolate", False)
        assert "/Alternates" not in one
        assert "/OPI" not in one
    if kind == "/Action" or "/JavaScript" in one:  # 6.5.1
        pytest.fail("an action")
    if kind == "/Annot":  # 6.3.2: printed, not hidden
        assert int(one.F) & 0b111 == 0b100


def test_it_is_structured_as_pdf_a_3b(given: model.Credential, file: Path) -> None:
    check_pdfa_3b(file.read_bytes(), model.to_json(given))


def test_no_glyph_is_missing_on_the_page(file: Path) -> None:
    # 6.2.11.8: the text never names .notdef, which is glyph 0 of every subset.
    shown = set()
    with pikepdf.open(file) as pdf:
        for instruction in pikepdf.parse_content_stream(pdf.pages[0]):
            if str(instruction.operator) in ("Tj", "TJ"):
                for text in instruction.operands[0].wrap_in_array():
                    raw = bytes(text) if isinstance(text, pikepdf.String) else b""
                    shown |= {raw[at : at + 2] for at in range(0, len(raw), 2)}
    assert len(shown) > 50
    assert b"\0\0" not in shown


# -- PAdES ----------------------------------------------------------------------------------------

AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
PHRASE = "correct horse"


@pytest.fixture(scope="module")
def identity() -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    """A key with a certificate of its own signing, as a region would get one from an authority."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "惠州市")])
    usage = x509.KeyUsage(True, True, False, False, False, False, False, False, False)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(5).not_valid_before(AT - timedelta(1)).not_valid_after(AT + timedelta(9_000))
    return key, builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())


@pytest.fixture(params=["p12", "pem"])
def stored(request: Any, identity: tuple[rsa.RSAPrivateKey, x509.Certificate], tmp_path: Path) -> Path:
    key, own = identity
    path, lock = tmp_path / f"issuer.{request.param}", BestAvailableEncryption(PHRASE.encode())
    if request.param == "p12":
        path.write_bytes(pkcs12.serialize_key_and_certificates(None, key, own, None, lock))
    else:
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock) + own.public_bytes(Encoding.PEM))
    return path


def test_a_signed_certificate_is_pades_and_still_pdf_a(stored: Path, identity: Any) -> None:
    plain = pdf_of(CREDENTIALS["plain"])
    signed = pades.sign_pdf(plain, pades.certificate_signer(stored, PHRASE), AT)
    assert signed.startswith(plain), "what was there is unchanged"
    (signature,) = PdfFileReader(io.BytesIO(signed)).embedded_signatures
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    assert signature.self_reported_timestamp == AT
    (root,) = load_certs_from_pemder_data(identity[1].public_bytes(Encoding.DER))
    context = ValidationContext(trust_roots=[root], allow_fetching=False, moment=AT)
    status = validate_pdf_signature(signature, context)
    assert (status.intact, status.valid, status.trusted) == (True, True, True)
    assert status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    check_pdfa_3b(signed, model.to_json(CREDENTIALS["plain"]))
    assert reading.read(signed) == reading.read(plain)


def test_poppler_finds_the_signature_valid(stored: Path, tmp_path: Path) -> None:
    path = tmp_path / "signed.pdf"
    path.write_bytes(pades.sign_pdf(pdf_of(CREDENTIALS["plain"]), pades.certificate_signer(stored, PHRASE), AT))
    told = poppler("pdfsig", "-nocert", path).decode()
    assert "Signature is Valid" in told
    assert "Total document signed" in told
    assert "惠州市" in told


def test_a_certificate_file_that_cannot_be_used_is_told(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="passphrase is wrong"):
        pades.certificate_signer(stored, "wrong")
    with pytest.raises(Unavailable, match="cannot read"):
        pades.certificate_signer(tmp_path / "none.p12", None)
    (tmp_path / "other").write_bytes(b"-----BEGIN NOTHING-----\n")
    with pytest.raises(Invalid):
        pades.certificate_signer(tmp_path / "other", None)
    with pytest.raises(Invalid, match="time zone"):
        pades.sign_pdf(pdf_of(CREDENTIALS["plain"]), pades.certificate_signer(stored, PHRASE), AT.replace(tzinfo=None))
