"""The catalogue of event types as Markdown: the part of docs/format.md that is written by the code.

`python -m ledger.domain.catalogue` prints it; the tests hold the page against it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct, UnsetType

from ledger.codes import CATEGORIES, EVIDENCE, ID_TYPES, ORGANISATION_KINDS, Labels
from ledger.domain import authority
from ledger.events.body import CATALOGUE
from ledger.events.fields import Consent, Event, Place, RegionName
from ledger.events.private_details import Details
from ledger.events.proofs import StatusIndex
from ledger.events.transfer import Cited, Closure, Objection, StateSum

BEGIN: Final = "<!-- begin: python -m ledger.domain.catalogue -->"
END: Final = "<!-- end: python -m ledger.domain.catalogue -->"

_LISTS: Final[dict[str, tuple[str, Labels]]] = {
    "Categories": ("`category`", CATEGORIES),
    "Evidence grades": ("`evidence`, strongest first", EVIDENCE),
    "Kinds of organisation": ("`kind`", ORGANISATION_KINDS),
    "Types of identity document": ("`id_type` of private details", ID_TYPES),
}
_PARTS: Final = (
    Place,
    RegionName,
    Consent,
    StatusIndex,
    Cited,
    StateSum,
    Objection,
    Closure,
)

_LINKS: Final = {tuple(labels): title for title, (_, labels) in _LISTS.items()}

MEANINGS: Final = {
    "type": "name and version, one of the types below",
    "issuer": "whose key signed the submission",
    "salt": "keeps the body from being guessed from its hash; new for every event",
    "salt.Details": "of its own, not the salt of the body",
    "name": "as people read it",
    "name.RegionEstablished": "of the region",
    "name.ActivityPublished": "of the activity",
    "name.Place": "of the place",
    "name.Details": "the person's name",
    "name_en": "the same in English",
    "origin": "names the log for good",
    "key": "the key that is added; it is named after the subject",
    "key_id": "the key that ends",
    "multikey": "the key",
    "detail": "more about it, in words",
    "status": "where a status list tells of it",
    "list": "which list, the last part of its address",
    "index": "which bit of it",
    "reason": "why, in words",
    "kind": "what kind of body it is",
    "successor": "who acts on its entries from now on: another, active organisation",
    "category": "what kind of service it is",
    "content": "what is done, in words",
    "content.HoursFields": "what was done, in words",
    "start": "first second",
    "end": "exclusive, after `start`",
    "place": "where it takes place",
    "place.HoursFields": "where the service was given",
    "responsible": "who answers for the activity",
    "recorder": "who wrote the entry down",
    "activity_name": "its name, repeated so that the entry can be read alone",
    "evidence": "how the hours came to be known; fixed when recorded",
    "consent": "how the person agreed",
    "given": "when consent was given",
    "zh": "in Chinese",
    "en": "in English",
    "region": "where it lies",
    "id_type": "only together with `id_number`",
    "id_number": "as the document shows it",
    "born": "date of birth",
    "contact": "telephone, address",
    "origin.Cited": "the log",
    "position": "place in that log",
    "entry.Cited": "what the log has there",
    "entries": "hours entries",
    "minutes.StateSum": "minutes of these",
    "code": "which one",
    "federation": "its name",
    "serial": "serial of the federation file",
    "size": "events of the log at its end",
    "root": "root of the log at its end",
    "epoch": "the next number of a move",
    "announcement": "the announcement that is answered",
    "days": "how long to wait, by the federation's policy",
    "quorum": "peers that have to endorse, by the federation's policy",
    "closure": "the federation's word that the home has ended",
}
"""What fields mean whose types do not say it: by name, or by name and the class that the field belongs to."""


def render() -> str:
    """All of it, ending in a newline."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from _section("### Fields of every body", _fields(Event, Event))
    rows = [_summary(name, kind) for name, kind in CATALOGUE.items()]
    yield from _section("### Event types", _table(("type", "subject", "may be issued by", "what it says"), rows))
    for name, kind in CATALOGUE.items():
        yield from _section(f"#### {name}", _fields(kind, Event, own=True))
    for part in _PARTS:
        yield from _section(f"#### Object: {part.__name__}", [_doc(part), "", *_fields(part, part)])
    yield from _section("#### Object: private details", _fields(Details, Details))
    for title, (where, labels) in _LISTS.items():
        rows = [(f"`{code}`", name.zh, name.en) for code, name in labels.items()]
        yield from _section(f"#### {title}", [f"Values of {where}.", "", *_table(("code", "中文", "English"), rows)])


def _section(heading: str, lines: Iterable[str]) -> Iterator[str]:
    yield from ("", heading, "", *lines)


def _summary(name: str, kind: type[Event]) -> tuple[str, ...]:
    subject, _ = _describe(get_type_hints(kind, include_extras=True)["subject"])
    issuers = "; ".join(str(role.__doc__) for role in authority.MAY_ISSUE[kind])
    return f"[`{name}`](#{_anchor(name)})", subject, issuers, _doc(kind)


def _fields(kind: type[Struct], base: type[Struct], *, own: bool = False) -> list[str]:
    """The table of a struct's fields; with `own`, of those that `base` does not have."""
    hints = get_type_hints(kind, include_extras=True)
    rows = [("`type`", "text", "yes", MEANINGS["type"])] if kind is Event else []
    for field in msgspec.structs.fields(kind):
        if own and field.name in base.__struct_fields__:
            continue
        form, said = _describe(hints[field.name])
        if (kind, field.name) == (Event, "subject"):
            form, said = "see the types", ["what the event is about, and the stream it belongs to"]
        meaning = "; ".join(said) or _meaning(kind, field.name)
        rows.append((f"`{field.name}`", form, "yes" if field.required else "no", meaning))
    return list(_table(("field", "form", "required", "meaning"), rows)) if rows else ["No fields of its own."]


def _meaning(kind: type[Struct], name: str) -> str:
    for owner in kind.__mro__:
        if found := MEANINGS.get(f"{name}.{owner.__name__}"):
            return found
    return MEANINGS[name]


def _describe(hint: Any) -> tuple[str, list[str]]:
    """The form of a field's values, and what is said of the field beyond that."""
    if get_origin(hint) is Annotated:
        base, *metas = get_args(hint)
        said = [meta.description for meta in metas if isinstance(meta, Meta) and meta.description]
        if base is str or base is int:
            return (said[0], said[1:]) if said else ("`YYYY-MM-DD`", [])  # only a date of birth says nothing
        form, more = _describe(base)
        named = get_origin(base) is Literal and get_args(base) in _LINKS
        return form, more if named else more + said
    if get_origin(hint) in (Union, UnionType):
        (given,) = (one for one in get_args(hint) if one is not UnsetType)
        return _describe(given)
    if get_origin(hint) is Literal:
        values = get_args(hint)
        if title := _LINKS.get(values):
            return f"one of [{title.lower()}](#{_anchor(title)})", []
        return " or ".join(f"`{value}`" for value in values), []
    if get_origin(hint) is tuple:
        form, said = _describe(get_args(hint)[0])
        return f"list of: {form}", said
    if hint is bool:
        return "true or false", []
    if isinstance(hint, type) and issubclass(hint, Struct):
        return f"object [{hint.__name__}](#{_anchor(f'Object: {hint.__name__}')})", []
    return "text", []


def _doc(kind: type[Struct]) -> str:
    return " ".join(str(kind.__doc__).split())


def _anchor(heading: str) -> str:
    """The fragment that renderers of Markdown give a heading."""
    kept = "".join(char for char in heading.lower() if char.isalnum() or char in " -_")
    return kept.replace(" ", "-")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


if __name__ == "__main__":
    sys.stdout.write(render())
