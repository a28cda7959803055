"""What stands on a certificate, word for word and line for line, before it is set.

Lines are broken here, by the widths of the glyphs, so that however long the names are, nothing runs over one page.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from ledger.credentials.certificate import fonts, qr
from ledger.credentials.certificate.lines import LEADING_PT, POINT_MM, lines_height, size_for, wrap
from ledger.credentials.certificate.texts import Pair, Words, beside, day, listed
from ledger.credentials.model import Credential, Filter, Line, ServiceStatement, StarStatement, Statement

_CHINA: Final = timezone(timedelta(hours=8))
_QR_MM: Final = 43
_STARS_MAX: Final = 7

_WHAT_MM: Final = 65.4
_WHO_MM: Final = 38.4
_NAME_PT: Final = 8.8
_SMALL_PT: Final = 7.2
_DAY_PT: Final = 8.2
_NOTE_PT: Final = 7.4
_NOTE_SMALL_PT: Final = 6.5
_NOTE_MM: Final = 158.0
_NOTE_GAP_MM: Final = 1.5
_ROWS_AND_NOTES_MM: Final = 111.5
"""Height that is left for the rows and the notes together."""
_PADDING_MM: Final = (1.9, 1.5, 1.1, 0.85, 0.7)
"""Above and below a row: the widest with which all rows fit."""
_ROWS_MAX: Final = 12
_TOTAL_PT: Final = 21.0
_STARS_MM: Final = 24.0
"""Of the stars, and about the reasons for them."""
_REASON_PT: Final = 9.0
_REASON_MM: Final = 124.0
_REASON_GAP_MM: Final = 2.6
_HOLDER_MM: Final = 125.0
_NAME_MAX_PT: Final = 24.0
_NAME_LEAST_PT: Final = 12.0
_NAMES_PT: Final = 11.0
"""Of a name that takes several lines."""
_NAMES_GAP_MM: Final = 4.0
_HEAD_MM: Final = 150.0
_FOOT_MM: Final = 60.0
_ISSUER_MAX: Final = 120
"""Characters of the issuer's name in one language."""

Cell = dict[str, Any]
"""`main` and `small` lines; `size` of the former, pt."""
Note = dict[str, list[str]]
"""Lines of `zh` and `en`."""


def view(credential: Credential, page: str) -> dict[str, Any]:
    """All that the template shows, as JSON values; `page` is the text of the QR."""
    statement = credential.credentialSubject.service
    words = Words(statement.region)
    families = fonts.families(traditional=words.traditional)
    issued = issued_at(credential).astimezone(_CHINA)
    holder = _holder(credential.name_of_holder, words, families)
    notes = _notes(statement, words, families[0], urlsplit(page).netloc)
    room = _ROWS_AND_NOTES_MM - sum(map(_note_height, notes)) - _more_names(len(holder["lines"]))
    if isinstance(statement, ServiceStatement):
        body = _service(statement, words, families[0], room)
    else:
        body = _star(statement, words, families[0], room)
    return body | {
        "fonts": families,
        "region": "hk" if words.traditional else "cn",
        "issuer": _issuer(credential.issuer.name, families[0]),
        "issued": {"year": issued.year, "month": issued.month, "day": issued.day},
        "date": day(issued.date().isoformat()),
        "number": credential.proof_id,
        "attachment": f"proof-{credential.proof_id}.json",
        "opening": words("opening"),
        "holder": holder,
        "notes": notes,
        "leading": LEADING_PT,
        "small": _SMALL_PT,
        "note_size": _NOTE_PT,
        "note_small": _NOTE_SMALL_PT,
        "note_gap": _NOTE_GAP_MM,
        "notes_label": words("notes"),
        "number_label": words("number"),
        "scan": words("scan"),
        "electronic": words("electronic"),
        "seal_alt": words("seal")["zh"],
        "qr": {"svg": qr.svg(page), "size": _QR_MM, "alt": words("qr")["zh"]},
    }


def issued_at(credential: Credential) -> datetime:
    """`validFrom` as an instant."""
    return datetime.fromisoformat(credential.validFrom)


def _more_names(lines: int) -> float:
    """What a name of several lines takes beyond the place of one line, mm."""
    return lines_height((lines - 1, _NAMES_PT)) + _NAMES_GAP_MM if lines > 1 else 0.0


def _issuer(name: str, family: str) -> dict[str, Any]:
    """`惠州市 · Huizhou` apart, with the sizes (pt) at which each stands in one line at the head and at the foot."""
    chinese, _, english = fonts.showable(name).partition(" · ")
    chinese, english = chinese[:_ISSUER_MAX], english[:_ISSUER_MAX]
    head, foot = _HEAD_MM / POINT_MM, _FOOT_MM / POINT_MM
    return {
        "zh": chinese,
        "en": english,
        "head": [size_for(13, chinese, family, head, 0.4), size_for(7.6, english.upper(), family, head, 0.16)],
        "foot": [size_for(11.5, chinese, family, foot, 0.1), size_for(7.4, english, family, foot, 0)],
    }


def _holder(name: str | None, words: Words, families: list[str]) -> dict[str, Any]:
    if name is None:
        pair = words("holder")
        return {"lines": [pair["zh"]], "en": pair["en"], "font": families, "size": 17, "tracking": 0}
    family = fonts.family_of(name, families)
    # Names of two to four characters are set apart, as they are on documents.
    tracking = 0.18 if len(name) <= 4 else 0.04 if any(ord(one) > 0x2E7F for one in name) else 0
    size = size_for(_NAME_MAX_PT, name, family, _HOLDER_MM / POINT_MM, tracking)
    if size >= _NAME_LEAST_PT:
        return {"lines": [name], "en": "", "font": [family, *families], "size": size, "tracking": tracking}
    lines = wrap(name, family, _NAMES_PT, _HOLDER_MM, 5)
    return {"lines": lines, "en": "", "font": [family, *families], "size": _NAMES_PT, "tracking": 0}


# -- service --------------------------------------------------------------------------------------


def _service(statement: ServiceStatement, words: Words, family: str, room: float) -> dict[str, Any]:
    others = None if statement.others is UNSET else statement.others
    activities = len(statement.lines) + (others.activities if others else 0)
    rows, shown, padding = _rows(statement.lines, words, family, room, more=others is not None)
    hidden = statement.lines[shown:]
    more: dict[str, Any] = {}
    if hidden or others:
        minutes = sum(line.minutes for line in hidden) + (others.minutes if others else 0)
        more = {"more": words("more", count=activities - shown) | {"time": _time(words.time(minutes))}}
    total = words.time(statement.minutes)
    return {
        "title": words("service-title"),
        "statement": words("statement", first=day(statement.first), last=day(statement.last)),
        "total": total | _title_sizes(total, family),
        "count": words("count", entries=statement.entries, activities=activities),
        "columns": [words(name) for name in ("what", "who", "when", "time")],
        "rows": rows,
        "padding": padding,
        **more,
    }


def _rows(
    lines: tuple[Line, ...], words: Words, family: str, room: float, *, more: bool
) -> tuple[list[list[Cell]], int, float]:
    """The rows that fit, how many they are, and how much room is left about each, mm."""
    # With few lines there is room to tell more of what was done; with many there never is.
    for most in (3, 2) if len(lines) <= _ROWS_MAX else ():
        rows = [_row(line, words, family, most) for line in lines]
        shown, padding = _fitting(rows, room, more=more)
        if shown == len(rows):
            return rows, shown, padding
    rows = [_row(line, words, family, 1) for line in lines[: _ROWS_MAX + 1]]
    shown, padding = _fitting(rows, room, more=more)
    return rows[:shown], shown, padding


def _row(line: Line, words: Words, family: str, most: int) -> list[Cell]:
    category = words.category(line.category)
    content = f"{category['zh']} {category['en']}：{line.content}"
    days = [line.first] if line.first == line.last else [line.first, line.last]
    return [
        {
            "main": wrap(line.activity_name, family, _NAME_PT, _WHAT_MM, 2),
            "small": wrap(content, family, _SMALL_PT, _WHAT_MM, most),
            "size": _NAME_PT,
        },
        {"main": wrap(line.organisation_name, family, _NAME_PT, _WHO_MM, 2), "size": _NAME_PT},
        {"main": days, "size": _DAY_PT},
        _time(words.time(line.minutes)),
    ]


def _time(time: Pair) -> Cell:
    return {"main": [time["zh"]], "small": [time["en"]], "size": _NAME_PT}


def _fitting(rows: list[list[Cell]], room: float, *, more: bool) -> tuple[int, float]:
    """How many rows fit in `room` mm, and how much is left about each. The row that tells of more has its place."""
    heights = [max(_height(cell) for cell in row) for row in rows]
    last = _height(_time({"zh": "", "en": ""}))
    for padding in _PADDING_MM:
        # The head of the table has as much about it as a row, and is reckoned with the rows.
        if len(rows) <= _ROWS_MAX and sum(heights) + more * last + 2 * padding * (len(rows) + 1 + more) <= room:
            return len(rows), padding
    padding = _PADDING_MM[-1]
    used, count = last + 4 * padding, 0
    for height in heights[:_ROWS_MAX]:
        used += height + 2 * padding
        if used > room:
            break
        count += 1
    return count, padding


def _height(cell: Cell) -> float:
    return lines_height((len(cell["main"]), cell["size"]), (len(cell.get("small", ())), _SMALL_PT))


# -- notes ----------------------------------------------------------------------------------------


def _notes(statement: Statement, words: Words, family: str, host: str) -> list[Note]:
    pairs = _service_notes(statement, words) if isinstance(statement, ServiceStatement) else [_scheme(statement, words)]
    return [_note(pair, family) for pair in (*pairs, words("check", host=host))]


def _note(pair: Pair, family: str) -> Note:
    return {
        "zh": wrap(pair["zh"], family, _NOTE_PT, _NOTE_MM, 2),
        "en": wrap(pair["en"], family, _NOTE_SMALL_PT, _NOTE_MM, 2) if pair["en"] else [],
    }


def _note_height(note: Note) -> float:
    return lines_height((len(note["zh"]), _NOTE_PT), (len(note["en"]), _NOTE_SMALL_PT)) + _NOTE_GAP_MM


def _scheme(statement: StarStatement, words: Words) -> Pair:
    return words("scheme", scheme=statement.star.scheme)


def _service_notes(statement: ServiceStatement, words: Words) -> Iterator[Pair]:
    if statement.grades:
        grades = (beside(words.evidence(one.evidence), words.time(one.minutes)) for one in statement.grades)
        yield words("grades", what=listed(grades))
    if statement.filter is not UNSET:
        yield words("filter", what=listed(_limits(statement.filter, words)))
    if statement.star is not UNSET:
        star = statement.star
        yield words("star", title={"zh": star.title, "en": star.title_en}, scheme=star.scheme)
    if statement.note is not UNSET:
        label = words("own-words")
        yield {"zh": f"{label['zh']}：{statement.note}", "en": label["en"]}


def _limits(filter_: Filter, words: Words) -> Iterator[Pair]:
    for name, chosen in (("filter-activities", filter_.activities), ("filter-organisations", filter_.organisations)):
        if not isinstance(chosen, UnsetType):
            yield words(name, count=len(chosen))
    if filter_.categories is not UNSET:
        yield from (words.category(one) for one in filter_.categories)
    if filter_.evidence is not UNSET:
        yield from (words.evidence(one) for one in filter_.evidence)


# -- star -----------------------------------------------------------------------------------------


def _star(statement: StarStatement, words: Words, family: str, room: float) -> dict[str, Any]:
    star = statement.star
    stars = "★" * star.level if star.level <= _STARS_MAX else f"★ × {star.level}"
    title = {"zh": fonts.showable(star.title), "en": fonts.showable(star.title_en)}
    return {
        "title": words("star-title"),
        "statement": words("star-statement", day=day(statement.day)),
        "stars": stars,
        "total": title | _title_sizes(title, family),
        "count": words("star-count", time=words.time(star.minutes)),
        "rows": [],
        "reasons": list(_reasons(statement, family, room - _STARS_MM)),
        "reasons_label": words("reasons"),
        "reason_gap": _REASON_GAP_MM,
        "reason_size": _REASON_PT,
    }


def _reasons(statement: StarStatement, family: str, room: float) -> Iterator[Note]:
    """As many as fit, from the first on; all of them are in the credential."""
    for zh, en in zip(statement.explanation, statement.explanation_en, strict=False):
        reason = {
            "zh": wrap(zh, family, _REASON_PT, _REASON_MM, 2),
            "en": wrap(en, family, _NOTE_PT, _REASON_MM, 2),
        }
        room -= lines_height((len(reason["zh"]), _REASON_PT), (len(reason["en"]), _NOTE_PT)) + _REASON_GAP_MM
        if room < 0:
            break
        yield reason


def _title_sizes(title: Pair, family: str) -> dict[str, list[float]]:
    room = _HEAD_MM / POINT_MM
    return {"sizes": [size_for(_TOTAL_PT, title["zh"], family, room, 0), size_for(10, title["en"], family, room, 0)]}
