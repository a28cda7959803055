"""What somebody hands in to be checked, recognised: credential, SD-JWT, text of a QR, certificate, photo of one.

Nothing is checked here but sizes and form; what is found goes to ledger.credentials.checking.verify.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
import pypdf
import zxingcpp
from PIL import Image, ImageOps
from pypdf.generic import ArrayObject, DictionaryObject, EmbeddedFile

from ledger.errors import Invalid, TooLarge
from ledger.limits import (
    CODE_CHARACTERS_MAX,
    CREDENTIAL_BYTES_MAX,
    PDF_BYTES_MAX,
    PHOTO_PIXELS_MAX,
    PICTURE_PIXELS_MAX,
    VERIFY_BYTES_MAX,
)

_PDF_ATTACHMENTS_MAX: Final = 20
_PDF_ELEMENTS_MAX: Final = 20_000
_PDF_STREAM_BYTES_MAX: Final = 4 * 1024 * 1024
_PDF_LIMITS: Final = pypdf.Configuration(
    maximum_declared_stream_length=_PDF_STREAM_BYTES_MAX,
    zlib_maximum_output_length=_PDF_STREAM_BYTES_MAX,
    zlib_maximum_recovery_input_length=0,
    lzw_maximum_output_length=_PDF_STREAM_BYTES_MAX,
    run_length_maximum_output_length=_PDF_STREAM_BYTES_MAX,
    array_based_stream_maximum_output_length=_PDF_STREAM_BYTES_MAX,
    stream_decoding_work_maximum_length=4 * _PDF_STREAM_BYTES_MAX,
    stream_filters_maximum_length=2,
    array_maximum_element_count=_PDF_ELEMENTS_MAX,
    dictionary_maximum_element_count=_PDF_ELEMENTS_MAX,
    jbig2dec_binary=None,
)
_PHOTO_SIDES: Final = (1600, 3200, 800)
"""Pixels of the longer side at which a code is looked for, one after the other: most are found in the first."""
_SCAN: Final = b"\xff\xda"
"""Marker of a JPEG's scan, which occurs nowhere within one; a camera writes one, progressive files some ten."""
_SCANS_MAX: Final = 24
_LOOKED_FOR: Final = (
    "a credential (JSON), an SD-JWT, the text of a code, a certificate (PDF), or a photo of one (PNG, JPEG)"
)

_PAGE: Final = re.compile(r"https?://[!-~]{1,300}/p/[0-9a-f-]{36}(?:\?lang=[A-Za-z-]{2,10})?#[A-Za-z0-9_-]+")
_SD_JWT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+~[A-Za-z0-9_.~-]*")
_BARE_CODE: Final = re.compile(r"0oR[A-Za-z0-9_-]{150,}")
"""base64url of a tagged COSE_Sign1, whose signature alone has 86 characters."""
_TYPE: Final = "VerifiableCredential"
_ATTACHED: Final = re.compile(r"proof-[0-9a-f-]{36}\.json")

_QR: Final = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])

# It reports what it mends in broken files; here a broken file is refused, and that is told once.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Upload:
    """What was found: a credential's exact JSON, an SD-JWT, or the text of a QR, each still to be checked."""

    kind: Literal["vc", "sd-jwt", "code"]
    data: bytes


def read(data: bytes) -> Upload:
    """Recognise what was handed in; raise TooLarge, or Invalid naming what was looked for."""
    if len(data) > VERIFY_BYTES_MAX:
        raise TooLarge(f"a file over {VERIFY_BYTES_MAX} bytes")
    if data.startswith(b"%PDF-"):
        return Upload("vc", _attached(data))
    if data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return Upload("code", _photographed(data).encode())
    return _text(data)


# -- text -----------------------------------------------------------------------------------------


def _text(data: bytes) -> Upload:
    if len(data) > CREDENTIAL_BYTES_MAX:
        raise TooLarge(f"neither PDF nor photo, and over {CREDENTIAL_BYTES_MAX} bytes")
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise Invalid(f"not {_LOOKED_FOR}") from None
    if text.startswith("{"):
        return Upload("vc", _credential(text.encode()))
    if _SD_JWT.fullmatch(text):
        return Upload("sd-jwt", text.encode())
    if len(text) <= CODE_CHARACTERS_MAX and (_PAGE.fullmatch(text) or _BARE_CODE.fullmatch(text)):
        return Upload("code", text.encode())
    raise Invalid(f"not {_LOOKED_FOR}")


def _credential(data: bytes) -> bytes:
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"not a credential: {error}") from None
    types = found.get("type") if isinstance(found, dict) else None
    if not isinstance(types, list) or _TYPE not in types:
        raise Invalid(f"JSON, but no credential: `type` does not name {_TYPE}")
    return data


# -- certificates ---------------------------------------------------------------------------------


def _attached(data: bytes) -> bytes:
    """The one credential attached to a PDF, byte for byte."""
    if len(data) > PDF_BYTES_MAX:
        raise TooLarge(f"a PDF over {PDF_BYTES_MAX} bytes")
    try:
        with pypdf.apply_configuration(_PDF_LIMITS):
            found = list(_ours(data))
    except MemoryError:
        raise
    except Exception as error:  # a broken PDF makes a reader fail in more ways than it tells of
        raise Invalid(f"a PDF that cannot be read ({type(error).__name__})") from None
    if len(found) != 1:
        raise Invalid(
            f"a PDF with {len(found)} attached credentials instead of one"
            + ("; printing or converting a certificate loses it: photograph the code" if not found else "")
        )
    if len(found[0]) > CREDENTIAL_BYTES_MAX:
        raise TooLarge(f"an attached credential over {CREDENTIAL_BYTES_MAX} bytes")
    return _credential(found[0])


def _ours(data: bytes) -> Iterator[bytes]:
    """Whatever a reader of any kind could take for the credential: by a name of ours, or by what it holds."""
    reader = pypdf.PdfReader(io.BytesIO(data), strict=True)
    _check_flat(reader)
    for count, entry in enumerate(reader.attachment_list):
        if count == _PDF_ATTACHMENTS_MAX:
            raise ValueError("too many attachments")
        named = any(_ATTACHED.fullmatch(name) for name in (entry.name, *_texts(entry, "/F", "/UF")))
        yield from (content for content in _contents(entry) if named or _claims_to_be_ours(content))


def _check_flat(reader: pypdf.PdfReader) -> None:
    """Refuse names beneath names beneath names: pypdf does not look there, and other readers do."""
    names = reader.root_object.get("/Names", DictionaryObject()).get_object()
    files = names.get("/EmbeddedFiles", DictionaryObject()).get_object()
    kids = files.get("/Kids", ArrayObject()).get_object()
    if len(kids) > _PDF_ATTACHMENTS_MAX:
        raise ValueError("too many names")
    nodes = [files, *(kid.get_object() for kid in kids)]
    if any("/Kids" in node for node in nodes[1:]):
        raise ValueError("nested names")
    # A name and a file each; counted before they are walked, since one array may be named many times.
    if sum(len(node.get("/Names", ArrayObject()).get_object()) for node in nodes) > 2 * _PDF_ATTACHMENTS_MAX:
        raise ValueError("too many attachments")


def _texts(entry: EmbeddedFile, *keys: str) -> list[str]:
    return [str(entry.pdf_object[key].get_object()) for key in keys if key in entry.pdf_object]


def _contents(entry: EmbeddedFile) -> set[bytes]:
    """What is attached, once or, to readers of `/F` and of `/UF`, twice."""
    streams: Any = entry.pdf_object["/EF"].get_object()
    return {streams[key].get_object().get_data() for key in streams}


def _claims_to_be_ours(content: bytes) -> bool:
    try:
        found = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    types = found.get("type") if isinstance(found, dict) else None
    return types == _TYPE or (isinstance(types, list) and _TYPE in types)


# -- photos ---------------------------------------------------------------------------------------


def _photographed(data: bytes) -> str:
    """The text of the one code of ours in a photo, whichever way it was held."""
    image = _open(data)
    for side in _PHOTO_SIDES:
        smaller = image.copy()
        smaller.thumbnail((side, side))
        for attempt in (smaller, ImageOps.autocontrast(smaller, cutoff=2)):
            found = {one.text for one in zxingcpp.read_barcodes(attempt, formats=_QR)}
            ours = sorted(text for text in found if _PAGE.fullmatch(text))
            if len(ours) > 1:
                raise Invalid("a photo of several proofs: one at a time")
            if ours:
                return ours[0]
    raise Invalid("a photo in which no code of a proof can be read: nearer, sharper, all four corners, more light")


def _open(data: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            # A JPEG is reduced while it is decoded; of anything else every pixel is held, several times over.
            most = PHOTO_PIXELS_MAX if image.format == "JPEG" else PICTURE_PIXELS_MAX
            if image.width * image.height > most:
                raise TooLarge(f"a photo of over {most} pixels")
            if image.format == "JPEG" and data.count(_SCAN) > _SCANS_MAX:
                raise ValueError("too many scans")  # each costs as much as a whole picture
            image.draft("L", (2 * _PHOTO_SIDES[1], 2 * _PHOTO_SIDES[1]))
            image.thumbnail((2 * _PHOTO_SIDES[1], 2 * _PHOTO_SIDES[1]))
            return _on_white(image)
    except TooLarge:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooLarge(f"a photo of over {PHOTO_PIXELS_MAX} pixels") from None
    except MemoryError:
        raise
    except Exception as error:  # as with PDFs: OSError, SyntaxError, struct.error, IndexError, …
        raise Invalid(f"a photo that cannot be read ({type(error).__name__})") from None


def _on_white(image: Image.Image) -> Image.Image:
    """In shades of grey; what is transparent shows the white of paper."""
    if "A" in image.getbands() or "transparency" in image.info:
        colours = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours).convert("L")
    return image.convert("L")
