"""The parts of the OpenAPI document that no function signature gives: submissions, events, problems."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import msgspec
from fastapi import FastAPI

from api.http import problems
from api.http.routes import submissions
from ledger.events.body import CATALOGUE, AnyEvent
from ledger.limits import SUBMISSION_BYTES_MAX, SUBMISSION_EVENTS_MAX

DESCRIPTION: Final = (
    "A service-record ledger for volunteering: signed events in, proofs out. 志愿服务记录账本。\n\n"
    "Errors are RFC 9457 problem documents (`application/problem+json`) with a stable `type`."
)
_REF: Final = "#/components/schemas/{name}"


def document(app: FastAPI) -> None:
    """Complete the app's generated OpenAPI document, once, when it is first asked for."""
    generated: Callable[[], dict[str, Any]] = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generated()
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(_bodies() | {"Problem": _problem()})
            operations = [operation for path in schema["paths"].values() for operation in path.values()]
            schema["paths"][submissions.PATH] = {"post": (submit := _submission())}
            for operation in operations:
                # What does not fit its form is answered by a problem document, as everything else that fails.
                operation["responses"].pop("422", None)
            for operation in (*operations, submit):
                operation["responses"]["default"] = _problem_response("Anything else")
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]


def _bodies() -> dict[str, Any]:
    """The schemas of all event types; their patterns in the spelling of ECMA-262, as JSON Schema asks."""
    _, bodies = msgspec.json.schema_components([AnyEvent], ref_template=_REF)
    found: dict[str, Any] = json.loads(json.dumps(bodies).replace(r"\\A(?:", "^(?:").replace(r")\\Z", ")$"))
    return found


def _problem() -> dict[str, Any]:
    # about:blank (RFC 9457) is what says no more than its HTTP status, such as 405.
    codes = {"internal", *(str(kind.code) for kind in problems.KINDS)}
    names = sorted({"about:blank", *(problems.TYPE_PREFIX + code for code in codes)})
    bad_event = {
        "type": "object",
        "properties": {
            "index": {"type": ["integer", "null"], "description": "of the event; null for the note"},
            "id": {"type": ["string", "null"]},
            "code": {"type": "string"},
            "detail": {"type": "string"},
            "pointer": {"type": "string", "description": "JSON pointer of the field"},
        },
    }
    known = {"type": "object", "properties": {"id": {"type": "string"}, "position": {"type": "integer"}}}
    return {
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string", "enum": names},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "pointer": {"type": "string"},
            "errors": {"type": "array", "items": bad_event, "description": "every bad event (422)"},
            "known": {"type": "array", "items": known, "description": "events already in the log (409)"},
        },
    }


def _problem_response(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _submission() -> dict[str, Any]:
    place = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "position": {"type": "integer"},
            "entry": {"type": "string", "description": "the 40-byte log entry, base64"},
        },
    }
    answer = {
        "type": "object",
        "properties": {
            "region": {"type": "string"},
            "first": {"type": "integer"},
            "count": {"type": "integer"},
            "tree_size": {"type": "integer"},
            "events": {"type": "array", "items": place},
        },
    }
    request = {
        "type": "object",
        "required": ["note", "events"],
        "additionalProperties": False,
        "properties": {
            "note": {"type": "string", "description": "C2SP signed note, five lines of text, one signature"},
            "events": {
                "type": "array",
                "minItems": 1,
                "maxItems": SUBMISSION_EVENTS_MAX,
                "items": {"oneOf": [{"$ref": _REF.format(name=kind.__name__)} for kind in CATALOGUE.values()]},
                "description": "each the canonical bytes (RFC 8785), verbatim",
            },
            "private": {"type": "object", "additionalProperties": {"type": "object"}},
        },
    }
    responses = {
        "201": {"description": "Committed", "content": {"application/json": {"schema": answer}}},
        "200": {
            "description": "All of it was there before",
            "content": {"application/json": {"schema": answer}},
        },
    }
    for kind in sorted(
        {kind.status for kind in problems.KINDS.values()} & {400, 401, 404, 408, 409, 413, 415, 422, 429, 503}
    ):
        titles = sorted({one.title.en for one in problems.KINDS.values() if one.status == kind})
        responses[str(kind)] = _problem_response("; ".join(titles))
    return {
        "summary": "Submit signed events",
        "description": f"Authenticates itself. At most {SUBMISSION_BYTES_MAX} bytes, no content encoding; atomic.",
        "tags": ["submissions"],
        "operationId": "submit",
        "parameters": [{"name": "region", "in": "path", "required": True, "schema": {"type": "string"}}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": request, "example": EXAMPLE}},
        },
        "responses": responses,
    }


EXAMPLE: Final = {
    "note": (
        "yongzhi.submission/1\norg:51441300MJM000001P\nledger.example/441300\n1\n"
        "mJ2o4VqS0m0f4m0Jw1x3YgAAAAAAAAAAAAAAAAAAAAA=\n\n— org:51441300MJM000001P …\n"
    ),
    "events": [
        {
            "activity": "0199a1c2-0000-7000-8000-000000000001",
            "activity_name": "江南街道助老服务",
            "category": "empty-nest-elders",
            "content": "陪诊、代购",
            "end": "2026-11-01T11:30:00+08:00",
            "evidence": "check-in",
            "id": "0199b7d4-0000-7000-8000-000000000002",
            "issuer": "org:51441300MJM000001P",
            "ledger": "441300",
            "minutes": 150,
            "place": {"name": "江南街道社区服务中心", "region": "441302"},
            "recorder": "林老师",
            "responsible": "陈站长",
            "salt": "mJ2o4VqS0m0f4m0Jw1x3Yg",
            "start": "2026-11-01T09:00:00+08:00",
            "subject": "volunteer:01990000-0000-7000-8000-000000000003",
            "time": "2026-11-01T12:05:10+08:00",
            "type": "hours.recorded/1",
        }
    ],
}
