"""JSON-LD contexts, pinned and never fetched, and the canonical N-Quads of a document under them (W3C RDFC-1.0).

PyLD does the work and brings the context of the credentials; of Open Badges, which no package brings, the terms that
`model` uses stand here as facts. Whatever a context does not define makes a document unfit: PyLD would drop it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from threading import Lock
from typing import Any, Final

import msgspec
from pyld import jsonld
from pyld.canon import URDNA2015
from pyld.context_resolver import ContextResolver
from pyld.documentloader.frozen import BUNDLED_CONTEXTS, FrozenDocumentLoader

from ledger.credentials.model import CONTEXTS
from ledger.crypto import canonical
from ledger.errors import Invalid, Unavailable

_OB: Final = "https://purl.imsglobal.org/spec/vc/ob/vocab.html#"
_SCHEMA: Final = "https://schema.org/"
_BOOLEAN: Final = "https://www.w3.org/2001/XMLSchema#boolean"
_DATE: Final = "https://www.w3.org/2001/XMLSchema#date"
"""As Open Badges writes them, with https: another IRI than that of XML Schema, and part of what is signed."""


def _scoped(name: str, **terms: Any) -> dict[str, Any]:
    scope = {"@protected": True, "id": "@id", "type": "@type", **terms}
    return {"@id": _OB + name, "@context": scope}


OPEN_BADGES: Final[dict[str, Any]] = {
    "@context": {
        "@protected": True,
        "id": "@id",
        "type": "@type",
        # Of `extensions.json` beside it: a credential has to bring this term in its own @context for others to read it.
        "OpenBadgeCredential": {"@id": _OB + "OpenBadgeCredential"},
        "Achievement": _scoped(
            "Achievement",
            achievementType={"@id": _OB + "achievementType"},
            criteria={"@id": _OB + "Criteria", "@type": "@id"},
        ),
        "AchievementSubject": _scoped(
            "AchievementSubject",
            achievement={"@id": _OB + "achievement"},
            activityEndDate={"@id": _OB + "activityEndDate", "@type": _DATE},
            activityStartDate={"@id": _OB + "activityStartDate", "@type": _DATE},
            identifier={"@id": _OB + "identifier", "@container": "@set"},
        ),
        "Evidence": _scoped("Evidence"),
        "IdentityObject": _scoped(
            "IdentityObject",
            hashed={"@id": _OB + "hashed", "@type": _BOOLEAN},
            identityHash={"@id": _OB + "identityHash"},
            identityType={"@id": _OB + "identityType"},
        ),
        "Profile": _scoped("Profile"),
        "description": {"@id": _SCHEMA + "description"},
        "name": {"@id": _SCHEMA + "name"},
        "narrative": {"@id": _OB + "narrative"},
    }
}
"""The part of `context-3.0.3.json` of Open Badges 3.0 (1EdTech, appendix B) that our credentials use."""

_PINS: Final = {
    "https://www.w3.org/2018/credentials/v1": "b01e671e873981f19a9102a9a57f666dbcaeb31b99e3e124378d143e71549247",
    "https://w3id.org/security/suites/ed25519-2020/v1": (
        "fb517f09d990829aed734c9bad8cbbb2ac3d5063b865c7e3d81f246074bf5691"
    ),
    "https://www.w3.org/ns/credentials/v2": "b463c8d6a066214123ddd9827b135e1b50e1fc73322cc52a9b12a4f1fc7d86cf",
}
"""SHA-256 of the sorted compact JSON of what a package brings: an update of it must not change what is signed."""

_UNDEFINED: Final = "undefined:"
"""Scheme of the vocabulary and the base under which a term or IRI lands that nothing defines."""
_OPTIONS: Final = {"base": f"{_UNDEFINED}//base/", "expandContext": {"@vocab": f"{_UNDEFINED}/"}}
_CONTEXTS_KEPT: Final = 64
"""Processed contexts, those written out in documents included, that are kept for the next document."""
_ALIKE_MAX: Final = 5
"""Neighbours of one node that look the same: each order of them is tried."""
_ASKED_MAX: Final = 200
_REFUSALS: Final = (
    jsonld.JsonLdError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What PyLD raises on malformed documents; only the first on purpose."""
_ABSOLUTE: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:|_:)[^\s<>\"{}|\\^`\x00-\x20]*")
_ESCAPED_OTHERWISE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Characters that RDFC-1.0 escapes in N-Quads (5.1) and PyLD does not."""

Canonise = Callable[[Any], bytes]


def bundled(url: str) -> dict[str, Any]:
    """A context that PyLD brings; raise Unavailable when it is not the one this code was written for."""
    document: dict[str, Any] = msgspec.json.decode(BUNDLED_CONTEXTS[url].read_bytes())
    if sha256(canonical.write(document)).hexdigest() != _PINS[url]:
        raise Unavailable(f"the installed PyLD brings another {url} than the pinned one")
    return document


class _Bounded(URDNA2015):  # type: ignore[misc]
    """The algorithm of RDFC-1.0 with an end to its patience: hostile nodes without ids cost factorial time (7.1)."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0

    def create_hash_to_related(self, id_: str, issuer: Any) -> dict[str, list[str]]:
        """Called once for each node that must be told apart from others by its neighbours."""
        self._asked += 1
        related: dict[str, list[str]] = super().create_hash_to_related(id_, issuer)
        if self._asked > _ASKED_MAX or any(len(alike) > _ALIKE_MAX for alike in related.values()):
            raise Invalid("too many nodes without an id that look alike")
        return related


class Canoniser:
    """Canonical N-Quads under a closed set of contexts, `url → document`. Safe to share between threads."""

    def __init__(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self._loader: Final = FrozenDocumentLoader({url: dict(document) for url, document in documents.items()})
        self._resolver = self._empty()
        # PyLD's caches are not made for threads; it holds the interpreter anyway.
        self._lock: Final = Lock()

    def _empty(self) -> ContextResolver:
        # A resolver of its own: the one that PyLD shares knows contexts by address alone.
        return ContextResolver({}, self._loader)

    def __call__(self, document: Any) -> bytes:
        """The canonical N-Quads of a JSON-LD document; raise Invalid for what its contexts do not define."""
        with self._lock:
            if len(self._resolver.per_op_cache) > _CONTEXTS_KEPT:
                self._resolver = self._empty()
            options = {**_OPTIONS, "documentLoader": self._loader, "contextResolver": self._resolver}
            try:
                expanded = jsonld.expand(document, options)
                for iri in _iris(expanded):
                    _check_iri(iri)
                dataset = jsonld.to_rdf(expanded, options)
                text: str = _Bounded().main(dataset, {"format": "application/n-quads"})
                data = text.encode()
            except _REFUSALS as error:
                raise Invalid(f"not JSON-LD that can be read here: {_cause(error)}") from None
        if found := _ESCAPED_OTHERWISE.search(text):
            raise Invalid(f"the control character U+{ord(found[0]):04X}")
        return data


def _iris(value: Any) -> Iterator[str]:
    """Every IRI of an expanded document."""
    if isinstance(value, list):
        for item in value:
            yield from _iris(item)
    elif isinstance(value, dict):
        if "@id" in value:
            yield value["@id"]
        types = value.get("@type", [])
        yield from [types] if isinstance(types, str) else types
        if "@value" not in value:
            for key, item in value.items():
                if not key.startswith("@"):
                    yield key
                if key not in {"@id", "@type"}:
                    yield from _iris(item)


def _check_iri(iri: Any) -> None:
    if isinstance(iri, str) and iri.startswith(_UNDEFINED):
        raise Invalid(f"{iri.removeprefix(_UNDEFINED).lstrip('/')!r:.80} is not defined by the @context")
    if iri != "@json" and not (isinstance(iri, str) and _ABSOLUTE.fullmatch(iri)):
        raise Invalid(f"{iri!r:.80} is not an absolute IRI")


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{error.args[0] if error.args else error!r}"[:200]


quads: Final[Canonise] = Canoniser({CONTEXTS[0]: bundled(CONTEXTS[0]), CONTEXTS[1]: OPEN_BADGES})
"""Canonical N-Quads of our own credentials and status lists."""
