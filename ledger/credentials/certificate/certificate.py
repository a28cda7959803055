"""The certificate: a credential as one A4 page to print or send, a PDF/A-3b that carries the credential itself.

Everything that is not ours reaches typst as data, in two strings of `sys.inputs`, and is never read as markup.
The same credential, page and seal give the same bytes.
"""

from __future__ import annotations

import json
import threading
from functools import cache
from pathlib import Path
from typing import Final

import typst

from ledger.credentials.certificate import fonts
from ledger.credentials.certificate.fonts import missing_glyphs
from ledger.credentials.certificate.view import issued_at, view
from ledger.credentials.model import decode
from ledger.errors import Invalid, TooLarge, Unavailable
from ledger.limits import SEAL_BYTES_MAX

_TEMPLATE: Final = Path(__file__).with_name("certificate.typ")
_STANDARD: Final = "a-3b"

_local: Final = threading.local()


def render(credential: bytes, page: str, *, seal: bytes | None = None) -> bytes:
    """The certificate of a credential's exact bytes, with `page` as its one QR and the seal (PNG or SVG) if any.

    Raise Invalid for another form of any of them, and for a name with characters that no typeface of ours shows.
    """
    found = decode(credential)
    if missing := missing_glyphs(found.name_of_holder or ""):
        raise Invalid(f"no typeface for {', '.join(map(_told, missing))}")
    data = view(found, page) | ({} if seal is None else {"seal": list(check_seal(seal))})
    inputs = {"data": json.dumps(data, ensure_ascii=False), "credential": credential.decode()}
    issued = int(issued_at(found).timestamp())
    try:
        pdf = _compiler().compile(format="pdf", pdf_standards=_STANDARD, sys_inputs=inputs, timestamp=issued)
    except typst.TypstError as error:
        if seal is None:
            raise
        # Only the seal is not ours: all else is text that has been looked at.
        raise Invalid(f"a seal that cannot be printed: {error.message:.200}") from None
    if not isinstance(pdf, bytes):
        raise TypeError("typst gave something other than one document")
    return pdf


def check_seal(seal: bytes) -> bytes:
    """The image of a seal, if it is one that can be printed: raise TooLarge or Invalid otherwise."""
    if len(seal) > SEAL_BYTES_MAX:
        raise TooLarge(f"a seal over {SEAL_BYTES_MAX} bytes")
    if not seal.startswith(b"\x89PNG\r\n\x1a\n") and not seal.lstrip().startswith((b"<svg", b"<?xml")):
        raise Invalid("a seal is a PNG or an SVG image")
    return seal


def _told(character: str) -> str:
    point = f"U+{ord(character):04X}"
    return f"{character} ({point})" if character.isprintable() else point


# -- the compiler ---------------------------------------------------------------------------------


@cache
def _fonts() -> typst.Fonts:
    found = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=fonts.folders())
    # typst leaves out a text whose typeface it does not have, and says nothing.
    if missing := set(fonts.families(traditional=False)) - set(found.families()):
        raise Unavailable(f"typst does not find the typeface {min(missing)}")
    return found


def _compiler() -> typst.Compiler:
    """One a thread: typst works without the GIL, and a compiler that is at work refuses a second caller."""
    if not hasattr(_local, "compiler"):
        _local.compiler = typst.Compiler(
            _TEMPLATE, root=_TEMPLATE.parent, font_paths=_fonts(), ignore_system_fonts=True
        )
    compiler: typst.Compiler = _local.compiler
    return compiler


__all__ = ["check_seal", "missing_glyphs", "render"]
