"""Templates and static files of the public pages, read once."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from msgspec import UNSET

from api.pages import script_constants
from api.wording import verdicts
from api.wording.languages import LANGUAGES, NAMES, TAGS, Wording
from ledger import limits
from ledger.credentials.model import ServiceStatement, Statement
from ledger.errors import NotFound
from ledger.texts.catalogue import catalogue

_FOLDER: Final = Path(__file__).parent
_MEDIA_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_VERSION_CHARACTERS: Final = 16
_SCRIPT_KEYS: Final = (
    "js.",
    "category.",
    "claim.",
    "code.",
    "date.",
    "evidence.",
    "explanation.",
    "finding.",
    "minutes.",
    "name.",
    "outcome.",
    "proof.",
    "reason.",
    "result.",
    "stated.",
    "step.",
    "steps.",
    "verify.again",
)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


_ABSENT: Final = MappingProxyType(
    dict.fromkeys(("verdict", "credential", "claims", "holder", "replacement", "name", "matches", "problem", "digest"))
    | {"served": False}
)
"""What a template may ask for and not every page has."""


def render(template: str, language: str, *, kept: bool, **values: Any) -> str:
    """The page in a language. `kept`: the language was chosen by hand, so that links go on with it."""
    wording = Wording(language)
    stated = credential.credentialSubject.service if (credential := values.get("credential")) else None
    return (
        _environment()
        .get_template(template)
        .render(
            _ABSENT
            | values
            | {
                "t": wording,
                "lang": language,
                "languages": NAMES,
                "query": f"?lang={language}" if kept else "",
                "static": f"/static/{static_version()}",
                "verdicts": verdicts,
                "stated": stated,
                "star": _star(stated),
                "is_service": isinstance(stated, ServiceStatement),
                "UNSET": UNSET,
                "limits": limits,
            }
        )
    )


def _star(stated: Statement | None) -> Any:
    return None if stated is None or stated.star is UNSET else stated.star


def _script_texts(language: str) -> Mapping[str, str]:
    """The texts of the groups that scripts read, by key."""
    return {key: text.to(TAGS[language]) for key, text in catalogue().items() if key.startswith(_SCRIPT_KEYS)}


# -- static files -----------------------------------------------------------------------------------


@cache
def _static_files() -> Mapping[str, bytes]:
    root = _FOLDER / "static"
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    texts = {f"texts/{language}.json": msgspec.json.encode(_script_texts(language)) for language in LANGUAGES}
    return files | texts | {"verify/agreed.js": script_constants.module()}


def scripts() -> Mapping[str, bytes]:
    """The modules of the pages, by the names by which they import each other."""
    folder = "verify/"
    return {name.removeprefix(folder): data for name, data in _static_files().items() if name.startswith(folder)}


@cache
def static_version() -> str:
    """Of all static files together: scripts import each other by relative addresses, so they share one."""
    hashed = sha256()
    for name, data in _static_files().items():
        hashed.update(f"{name}\0{len(data)}\0".encode() + data)
    return hashed.hexdigest()[:_VERSION_CHARACTERS]


def static_file(version: str, path: str) -> tuple[bytes, str]:
    """A file and its media type; raise NotFound for another version or path."""
    data = _static_files().get(path)
    if data is None or version != static_version():
        raise NotFound("no such file")
    suffix = Path(path).suffix
    return data, _MEDIA_TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
