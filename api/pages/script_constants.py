"""What scripts and server must agree on, as a module for the scripts: limits, code lists and the forms of documents.

It is written from the definitions that the server itself reads by, so that no number and no form is typed twice.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ledger import limits
from ledger.credentials.model import CONTEXT, STATUS_CONTEXT, Credential, Part, Proof
from ledger.credentials.status_list import ListCredential
from ledger.events.proofs import ProofIssued
from ledger.federation.members import Federation
from ledger.federation.trust_bundle import HEADER
from ledger.ids import LIST_PATTERN, TIME_MAX

_LIMITS: Final = (
    "BODY_BYTES_MAX",
    "BODY_DEPTH_MAX",
    "CLOCK_AHEAD_MAX",
    "CODE_CHARACTERS_MAX",
    "CREDENTIAL_BYTES_MAX",
    "NOTE_BYTES_MAX",
    "NOTE_SIGNATURES_MAX",
    "SIGNATURES_MAX",
    "STATUS_LIST_BYTES_MAX",
    "STATUS_LIST_SIZE",
)


class Bundle(Part, frozen=True, kw_only=True):
    """A trust bundle with the federation in it, which `ledger.federation.trust_bundle` reads in two steps."""

    note: str
    federation: Federation
    lists: dict[str, str]


_FORMS: Final = (Bundle, Credential, ListCredential, Proof, ProofIssued)
_FOR_PEOPLE: Final = {"title", "description", "default"}


def module() -> bytes:
    """An ECMAScript module: a constant for each limit, and `CONTEXT`, `LIST_PATTERN`, `FORMS` and the like."""
    constants: dict[str, Any] = {name: getattr(limits, name) for name in _LIMITS} | {
        "CONTEXT": CONTEXT,
        "STATUS_CONTEXT": STATUS_CONTEXT,
        "FEDERATION_HEADER": HEADER,
        "TIME_MAX": TIME_MAX,
        "LIST_PATTERN": f"^(?:{LIST_PATTERN})$",
        "FORMS": _forms(),
    }
    lines = [f"export const {name} = {msgspec.json.encode(value).decode()};\n" for name, value in constants.items()]
    return "".join(["// Written by api/pages/script_constants.py.\n", *lines]).encode()


def _forms() -> dict[str, Any]:
    """The JSON Schemas (2020-12) of all forms, by name."""
    _, found = msgspec.json.schema_components(_FORMS, ref_template="{name}")
    return {name: _for_scripts(schema) for name, schema in found.items()}


def _for_scripts(schema: Any) -> Any:
    """A schema without what only people read, its patterns with the anchors of ECMAScript."""
    if isinstance(schema, list):
        return [_for_scripts(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _for_scripts(value) for key, value in schema.items() if not _is_for_people(key, value)}
    if isinstance(pattern := found.get("pattern"), str):
        found["pattern"] = pattern.replace(r"\A", "^").replace(r"\Z", "$")
    return found


def _is_for_people(key: str, value: Any) -> bool:
    return key in _FOR_PEOPLE and not isinstance(value, dict)  # a member may have such a name


__all__ = ["module"]
