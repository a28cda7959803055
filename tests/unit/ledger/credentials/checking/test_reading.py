"""What is handed in is recognised, or refused with what was looked for; hostile files stay within bounds."""

import io
import re
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pypdf
import pytest
import segno
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, TextStringObject

from ledger import limits
from ledger.credentials import model, qr_code
from ledger.credentials.certificate import certificate
from ledger.credentials.checking.reading import Upload, read
from ledger.errors import Invalid, TooLarge
from tests.support.builders import PROOF
from tests.support.proofs import credential, credential_key

DATA = model.to_json(credential())
CODE = qr_code.seal(qr_code.describe(credential(), 1_795_334_400, bytes(8)), credential_key())
PAGE = qr_code.page(credential(), CODE)
PDF = certificate.render(DATA, PAGE)


def picture(edit: Callable[[Image.Image], Image.Image] = lambda image: image, kind: str = "JPEG") -> bytes:
    """A picture of a certificate's code lying on a table, edited."""
    drawn = io.BytesIO()
    segno.make_qr(PAGE, error="m").save(drawn, kind="png", scale=6)
    table = Image.new("RGB", (1400, 1100), (160, 140, 120))
    table.paste(Image.open(drawn).convert("RGB"), (300, 200))
    return saved(edit(table), kind)


def saved(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind, quality=70)
    return file.getvalue()


def carrying(*attached: tuple[str, bytes]) -> bytes:
    """A PDF with these files attached, by another project's hand."""
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    for name, data in attached:
        writer.add_attachment(name, data)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


# -- what is recognised ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (DATA, Upload("vc", DATA)),
        (b"\xef\xbb\xbf " + DATA + b"\n", Upload("vc", DATA)),
        (PDF, Upload("vc", DATA)),
        (PAGE.encode() + b"\r\n", Upload("code", PAGE.encode())),
        (PAGE.replace("#", "?lang=en#").encode(), Upload("code", PAGE.replace("#", "?lang=en#").encode())),
        (CODE.encode(), Upload("code", CODE.encode())),
        (b"eyJh.eyJp.c2ln~ZGlz~", Upload("sd-jwt", b"eyJh.eyJp.c2ln~ZGlz~")),
        (b"eyJh.eyJp.c2ln~ZGlz~eyJh.eyJp.c2ln\n", Upload("sd-jwt", b"eyJh.eyJp.c2ln~ZGlz~eyJh.eyJp.c2ln")),
        (carrying((f"proof-{PROOF}.json", DATA), ("notes.txt", b"x")), Upload("vc", DATA)),
    ],
    ids=[
        "json",
        "json-bom",
        "pdf",
        "code",
        "code-lang",
        "bare-code",
        "sd-jwt",
        "sd-jwt-bound",
        "pdf-of-others",
    ],
)
def test_every_kind_is_recognised(data: bytes, expected: Upload) -> None:
    assert read(data) == expected


PERSPECTIVE = (1.06, 0.10, -60, 0.04, 1.12, -70, 0.00006, 0.00012)
EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "straight": lambda image: image,
    "a quarter round": lambda image: image.rotate(90, expand=True),
    "upside down": lambda image: image.rotate(180),
    "askew": lambda image: image.rotate(17, expand=True, fillcolor=(90, 80, 70)),
    "from the side": lambda image: image.transform(image.size, Image.Transform.PERSPECTIVE, PERSPECTIVE),
    "dim": lambda image: ImageEnhance.Brightness(image).enhance(0.25),
    "hardly lit": lambda image: ImageEnhance.Brightness(image).enhance(0.04),
    "hardly printed": lambda image: ImageEnhance.Contrast(image).enhance(0.05),
    "pale": lambda image: ImageEnhance.Contrast(image).enhance(0.3),
    "soft": lambda image: image.filter(ImageFilter.GaussianBlur(1.6)),
    "large": lambda image: image.resize((4200, 3300)),
    "grey": lambda image: image.convert("L"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_a_photo_of_the_code_is_read(edit: Callable[[Image.Image], Image.Image]) -> None:
    assert read(picture(edit)) == Upload("code", PAGE.encode())


def test_a_screenshot_with_a_transparent_ground_is_read() -> None:
    drawn = io.BytesIO()
    segno.make_qr(PAGE, error="m").save(drawn, kind="png", scale=5, light=None)
    assert read(drawn.getvalue()) == Upload("code", PAGE.encode())


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "not a credential"),
        (b"hello", "a photo of one|its photo"),
        (b"\xff\xfe\x00", "not a credential"),
        (b"{}", "does not name VerifiableCredential"),
        (b'{"type": "VerifiableCredential"}', "does not name"),
        (b'{"type": [', "not a credential"),
        (b'{"a":' * 20_000, "not a credential"),
        (b"https://ledger.example/p/1#abc", "not a credential"),
        (b"eyJh.eyJp.c2ln", "not a credential"),
        (b"%PDF-1.7\n", "cannot be read"),
        (b"\x89PNG\r\n\x1a\n", "cannot be read"),
        (b"\xff\xd8\xff\xe0", "cannot be read"),
        (carrying(), "0 attached credentials.*photograph the code"),
        (carrying((f"proof-{PROOF}.json", DATA), (f"proof-{PROOF[::-1]}.json", DATA)), "2 attached"),
        (carrying((f"proof-{PROOF}.json", b"no JSON")), "not a credential"),
        (saved(Image.new("L", (300, 300), 255)), "no code of a proof"),
    ],
)
def test_anything_else_is_refused_with_a_reason(data: bytes, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        read(data)


def edited(*attached: tuple[str, bytes], edit: Callable[[Any, Any], None]) -> bytes:
    """A PDF with these files attached, and its tree of names changed."""
    writer: Any = pypdf.PdfWriter(io.BytesIO(carrying(*attached)))
    edit(writer, writer.root_object["/Names"]["/EmbeddedFiles"]["/Names"])
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def renamed(writer: Any, names: Any, key: str) -> None:
    """The first, which is not ours by its place in the tree, is shown by the name of ours."""
    names[1].get_object()[NameObject(key)] = TextStringObject(f"proof-{PROOF}.json")


def nested(writer: Any, names: Any) -> None:
    """The last one lies two levels deeper."""
    leaf = DictionaryObject({NameObject("/Names"): ArrayObject([names.pop(-2), names.pop(-1)])})
    middle = DictionaryObject({NameObject("/Kids"): ArrayObject([writer._add_object(leaf)])})
    files: Any = writer.root_object["/Names"]["/EmbeddedFiles"]
    files[NameObject("/Kids")] = ArrayObject([writer._add_object(middle)])


def doubled(writer: Any, names: Any) -> None:
    """One attachment, and another content for who reads /UF."""
    other = pypdf.generic.DecodedStreamObject()
    other.set_data(OTHER)
    names[1].get_object()["/EF"][NameObject("/UF")] = writer._add_object(other)


OURS = f"proof-{PROOF}.json"
OTHER = DATA.replace(b'"minutes":150', b'"minutes":950')
SPELT = b'\xef\xbb\xbf{"type":["\\u0056erifiableCredential"]}'
SECONDS: dict[str, tuple[bytes, str]] = {
    "by another name": (carrying((OURS, DATA), ("credential.json", OTHER)), "2 attached"),
    "spelt otherwise": (
        carrying((OURS, DATA), ("x", b'\xef\xbb\xbf{"type":["\\u0056erifiableCredential"]}')),
        "2 attached",
    ),
    "with one type": (carrying((OURS, DATA), ("x", b'{"type":"VerifiableCredential"}')), "2 attached"),
    "named so by /UF": (edited(("a", b"{}"), (OURS, DATA), edit=partial(renamed, key="/UF")), "2 attached"),
    "named so by /F": (edited(("a", b"{}"), (OURS, DATA), edit=partial(renamed, key="/F")), "2 attached"),
    "under the same name": (edited((OURS, DATA), edit=doubled), "2 attached"),
    "where pypdf does not look": (edited((OURS, DATA), ("z", OTHER), edit=nested), "cannot be read"),
}


@pytest.mark.parametrize("name", SECONDS)
def test_a_second_credential_is_refused_wherever_it_lies(name: str) -> None:
    """Readers differ in what they show of a PDF: none may show a credential that was not checked."""
    data, told = SECONDS[name]
    with pytest.raises(Invalid, match=told):
        read(data)


def test_a_credential_is_found_by_what_it_is() -> None:
    assert read(carrying(("renamed.json", DATA), ("readme", b"[]"))) == Upload("vc", DATA)


def test_a_code_of_something_else_is_no_code_of_ours() -> None:
    drawn = io.BytesIO()
    segno.make_qr("https://elsewhere.example/menu").save(drawn, kind="png", scale=8)
    with pytest.raises(Invalid, match="no code of a proof"):
        read(drawn.getvalue())


def test_two_proofs_in_one_photo_are_refused() -> None:
    both = Image.new("RGB", (1600, 900), "white")
    for x, text in ((50, PAGE), (850, PAGE.replace(PROOF, PROOF.replace("0", "1")))):
        drawn = io.BytesIO()
        segno.make_qr(text, error="m").save(drawn, kind="png", scale=8)
        both.paste(Image.open(drawn).convert("RGB"), (x, 60))
    with pytest.raises(Invalid, match="several proofs"):
        read(saved(both))


# -- bounds ---------------------------------------------------------------------------------------


def test_what_is_too_large_is_not_looked_at() -> None:
    for data in (
        bytes(limits.VERIFY_BYTES_MAX + 1),
        b"{" * (limits.CREDENTIAL_BYTES_MAX + 1),
        b"%PDF-" + bytes(limits.PDF_BYTES_MAX),
    ):
        with pytest.raises(TooLarge):
            read(data)


def test_an_attachment_that_unpacks_to_gigabytes_is_refused() -> None:
    bomb = carrying((f"proof-{PROOF}.json", bytes(64)))
    packed = zlib.compress(bytes(64 * 1024 * 1024), 9)
    plain = b"/Length 64\n>>\nstream\n" + bytes(64) + b"\nendstream"
    assert plain in bomb
    stream = b"/Filter /FlateDecode /Length %d\n>>\nstream\n%s\nendstream" % (len(packed), packed)
    with pytest.raises(Invalid, match="LimitReachedError"):
        read(repaired(bomb.replace(plain, stream)))


def repaired(data: bytes) -> bytes:
    """The file with a cross-reference table that fits it."""
    body = data[: data.rindex(b"xref\n0 ")]
    trailer = data[data.rindex(b"trailer") : data.rindex(b"startxref")]
    found = {int(one[1]): one.start() for one in re.finditer(rb"(?m)^(\d+) 0 obj", body)}
    rows = b"".join(b"%010d 00000 n \n" % found[number] for number in sorted(found))
    table = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(found) + 1, rows)
    return body + table + trailer + b"startxref\n%d\n%%%%EOF\n" % len(body)


def test_a_picture_that_unpacks_to_gigapixels_is_refused() -> None:
    size = (60_000).to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    data = b"\x89PNG\r\n\x1a\n"
    for chunk in (b"IHDR" + size, b"IDAT" + zlib.compress(bytes(1000))):
        data += (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    with pytest.raises(TooLarge, match="pixels"):
        read(data)


def test_names_that_lead_round_in_a_circle_end() -> None:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    ring = DictionaryObject()
    reference = writer._add_object(ring)
    ring[NameObject("/Kids")] = ArrayObject([reference])
    writer.root_object[NameObject("/Names")] = DictionaryObject({NameObject("/EmbeddedFiles"): reference})
    file = io.BytesIO()
    writer.write(file)
    with pytest.raises(Invalid):
        read(file.getvalue())


# -- arbitrary bytes ------------------------------------------------------------------------------

STARTS = st.sampled_from([b"", b"{", b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"https://h/p/", b"0oR"])


@given(STARTS, st.binary(max_size=300))
def test_arbitrary_bytes_raise_only_our_errors(start: bytes, rest: bytes) -> None:
    with pytest.raises((Invalid, TooLarge)):
        read(start + rest)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([PDF, carrying((f"proof-{PROOF}.json", DATA)), picture(), picture(kind="PNG")]), st.data())
def test_broken_files_raise_only_our_errors(whole: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(5, len(whole)))
    end = data.draw(st.integers(start, min(start + 200, len(whole))))
    try:
        found = read(whole[:start] + data.draw(st.binary(max_size=40)) + whole[end:])
    except (Invalid, TooLarge):
        return
    assert found.kind in ("vc", "code")
