"""A QR code (ISO/IEC 18004) as SVG, for certificates and for holders; correction level M."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final, cast

import zxingcpp

from ledger.errors import Invalid, TooLarge
from ledger.limits import QR_CHARACTERS_MAX

if TYPE_CHECKING:
    from typing_extensions import Buffer

QUIET: Final = 4
"""Modules of white that a reader wants around a code that stands alone."""


def svg(text: str, border: int = 0) -> str:
    """The code of a text in printable ASCII, one filled outline a row; `border` in modules, white.

    The same text gives the same picture. Raise Invalid or TooLarge for what is no address of a proof's page.
    """
    if len(text) > QR_CHARACTERS_MAX:
        raise TooLarge(f"a QR of over {QR_CHARACTERS_MAX} characters")
    if not text.isascii() or not text.isprintable():
        raise Invalid("the address in a QR has only printable ASCII")
    drawn = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    image = drawn.to_image(scale=1, add_quiet_zones=False)
    side, pixels = image.shape[0], bytes(cast("Buffer", image))
    rows = (pixels[at : at + side] for at in range(0, side * side, side))
    path = "".join(
        f"M{first} {y}h{last - first}v1h{first - last}z" for y, row in enumerate(rows) for first, last in _runs(row)
    )
    low, size = -border, side + 2 * border
    paper = f'<path fill="#fff" d="M{low} {low}h{size}v{size}h-{size}z"/>' if border else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{low} {low} {size} {size}">{paper}<path d="{path}"/></svg>'
    )


def _runs(row: bytes) -> Iterator[tuple[int, int]]:
    """Where dark modules, which are 0, begin and end."""
    edges = [x for x, (left, right) in enumerate(pairwise((255, *row, 255))) if left != right]
    yield from zip(edges[::2], edges[1::2], strict=True)
