"""The OpenAPI document: valid, complete, and true of what the server answers."""

import json
import re
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from starlette.routing import Route

from api.http import problems
from api.http.routes import submissions
from api.pages import routes
from ledger.events.body import CATALOGUE
from ledger.limits import SUBMISSION_EVENTS_MAX
from tests.api.site import Site
from tests.integration.world import span
from tests.support import builders
from tests.support.builders import AUTHORITY, GROUP, REGION, STATION, VOLUNTEER, canonical


@pytest.fixture(scope="module")
def document(site: Site) -> Any:
    return site.json("/openapi.json")


def resolved(document: Any, schema: Any) -> OAS31Validator:
    """A validator of a schema inside the document, whose references lead into the document."""
    return OAS31Validator({**schema, "components": document["components"]})


def test_the_document_is_valid(document):
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_there_is_a_page_that_shows_it(site):
    assert "openapi.json" in site.get("/docs").text


# -- complete -----------------------------------------------------------------------------------------

CALLS = {
    "GET /v1/regions",
    "GET /v1/regions/{region}",
    "GET /v1/regions/{region}/totals",
    "POST /v1/regions/{region}/submissions",
    "POST /v1/challenges",
    "POST /v1/sessions",
    "DELETE /v1/sessions",
    "GET /v1/regions/{region}/events/{event_id}",
    "GET /v1/regions/{region}/events/{event_id}/receipt",
    "GET /v1/regions/{region}/issuers/{issuer}/keys",
    "GET /v1/regions/{region}/volunteers/{volunteer}",
    "GET /v1/regions/{region}/volunteers/{volunteer}/entries",
    "GET /v1/regions/{region}/organisations/{organisation}",
    "GET /v1/regions/{region}/organisations/{organisation}/totals",
    "GET /v1/regions/{region}/organisations/{organisation}/statistics",
    "GET /log/{region}/checkpoint",
    "GET /log/{region}/tile/{level}/{path}",
    "GET /log/{region}/tile/entries/{path}",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "POST /v1/regions/{region}/proofs",
    "GET /v1/regions/{region}/proofs",
    "GET /v1/regions/{region}/proofs/{proof}",
    *(
        f"GET /v1/regions/{{region}}/proofs/{{proof}}/{part}"
        for part in ("credential", "pdf", "qr", "sd-jwt", "accesses")
    ),
    *(f"POST /v1/regions/{{region}}/proofs/{{proof}}/{act}" for act in ("sd-jwt", "revocation")),
    "GET /v1/regions/{region}/volunteers/{volunteer}/star",
    "POST /v1/regions/{region}/proof-batches",
    *(f"GET /v1/regions/{{region}}/proof-batches/{{batch}}{part}" for part in ("", "/items", "/zip")),
    "GET /regions/{region}/did.json",
    "GET /regions/{region}/achievements/{kind}",
    "GET /.well-known/jwt-vc-issuer/regions/{region}",
    "GET /status/{name}",
    "POST /v1/verify",
    "GET /v1/trust-bundle",
}


def documented(document: Any) -> set[str]:
    return {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}


def test_every_agreed_call_is_in_it(document):
    assert documented(document) >= CALLS


def test_every_route_is_in_it(site, document):
    undocumented = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}
    undocumented |= {route.path for route in routes.router.routes if isinstance(route, Route)}
    served = {
        f"{method} {str(context.path).replace(':path', '')}"
        for context in iter_route_contexts(site.app.routes)
        if context.path not in undocumented
        for method in (context.methods or set()) - {"HEAD"}
    }
    assert served == documented(document)


def test_every_event_type_is_in_it(document):
    items = document["paths"][submissions.PATH]["post"]["requestBody"]["content"]["application/json"]["schema"]
    choices = items["properties"]["events"]["items"]["oneOf"]
    schemas = document["components"]["schemas"]
    types = [schemas[one["$ref"].rpartition("/")[2]]["properties"]["type"] for one in choices]
    assert {json.dumps(one, sort_keys=True) for one in types} == {
        json.dumps({"enum": [name]}, sort_keys=True) for name in CATALOGUE
    }
    assert items["properties"]["events"]["maxItems"] == SUBMISSION_EVENTS_MAX


def test_every_problem_type_is_in_it(document):
    listed = set(document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"])
    codes = {kind.code for kind in problems.KINDS} | {"internal"}
    assert listed == {f"urn:yongzhi:problem:{code}" for code in codes} | {"about:blank"}


def test_every_operation_says_what_it_does_and_that_it_may_refuse(document):
    operations = [item[method] for item in document["paths"].values() for method in item]
    assert all(one["summary"] for one in operations)
    assert len({one["operationId"] for one in operations}) == len(operations)
    for one in operations:
        assert problems.MEDIA_TYPE in one["responses"]["default"]["content"]


def test_no_answer_is_promised_that_is_never_given(document):
    """What does not fit its form is answered 400 by a problem document, not 422 by the framework's own."""
    for path, item in document["paths"].items():
        for operation in item.values():
            assert path == submissions.PATH or "422" not in operation["responses"], path
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_patterns_are_those_of_javascript(document):
    """JSON Schema asks for ECMA-262, which writes the beginning and the end of a text otherwise than Python."""
    patterns = re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(document))
    assert len(patterns) > 20
    assert not [one for one in patterns if r"\\A" in one or r"\\Z" in one]


# -- true ---------------------------------------------------------------------------------------------


def schema_of(document: Any, kind: str) -> OAS31Validator:
    return resolved(document, {"$ref": f"#/components/schemas/{CATALOGUE[kind].__name__}"})


@pytest.mark.parametrize("kind", CATALOGUE)
def test_events_are_what_their_schemas_say(document, kind):
    validator = schema_of(document, kind)
    event = builders.fields(kind)
    validator.validate(event)
    others = set(CATALOGUE) - {kind}
    assert not [other for other in others if schema_of(document, other).is_valid(event)]


SPOILED: dict[str, dict[str, Any]] = {
    "an unknown field": {"zeal": 1},
    "no minutes": {"minutes": builders.ABSENT},
    "minutes as text": {"minutes": "60"},
    "an id that is none": {"id": "x"},
    "an id with more behind it": {"id": f"{builders.ENTRY}x"},
    "a category of its own": {"category": "gardening"},
    "a place without a name": {"place": {"region": "441302"}},
    "a blank text": {"content": " "},
    "a long text": {"content": "x" * 2001},
}


@pytest.mark.parametrize("name", SPOILED)
def test_what_is_refused_does_not_fit_the_schemas(document, name):
    assert not schema_of(document, "hours.recorded/1").is_valid(builders.fields("hours.recorded/1", **SPOILED[name]))


def operation(document: Any, path: str, method: str = "get") -> Any:
    return document["paths"][path][method]


def test_the_example_of_a_submission_fits(document):
    content = operation(document, submissions.PATH, "post")["requestBody"]["content"]["application/json"]
    resolved(document, content["schema"]).validate(content["example"])


def test_a_real_submission_and_its_answer_fit(site, world, document):
    post = operation(document, submissions.PATH, "post")
    request = world.request(world.hours("06:00", "07:00"))
    resolved(document, post["requestBody"]["content"]["application/json"]["schema"]).validate(json.loads(request))
    for status in (201, 200):
        answer = site.post(request)
        assert answer.status_code == status
        described = post["responses"][str(status)]["content"]["application/json"]["schema"]
        resolved(document, described).validate(answer.json())
        assert set(answer.json()) == set(described["properties"])


def test_refusals_of_a_submission_are_listed(document):
    listed = set(operation(document, submissions.PATH, "post")["responses"])
    assert listed >= {"200", "201", "400", "401", "404", "408", "409", "413", "415", "422", "429", "503"}


READINGS = {
    "/v1/regions": None,
    "/v1/regions/{region}": None,
    "/v1/regions/{region}/totals": AUTHORITY,
    "/v1/regions/{region}/issuers/{issuer}/keys": None,
    "/v1/regions/{region}/volunteers/{volunteer}": VOLUNTEER,
    "/v1/regions/{region}/volunteers/{volunteer}/entries": VOLUNTEER,
    "/v1/regions/{region}/organisations/{organisation}": None,
    "/v1/regions/{region}/organisations/{organisation}/totals": GROUP,
    "/v1/regions/{region}/organisations/{organisation}/statistics": None,
    "/healthz": None,
    "/readyz": None,
}


@pytest.mark.parametrize("path", READINGS)
def test_answers_are_what_their_schemas_say(site, world, document, path):
    if path.endswith("/entries"):
        world.record("hours.recorded/1", **span("08:00", "08:10"))
    names = {"region": REGION, "volunteer": VOLUNTEER, "organisation": GROUP, "issuer": STATION}
    answer = site.get(path.format(**names), READINGS[path])
    assert answer.status_code == 200
    content = operation(document, path)["responses"]["200"]["content"]
    resolved(document, content["application/json"]["schema"]).validate(answer.json())


@pytest.mark.parametrize(
    ("path", "media"),
    [
        ("/v1/regions/{region}/events/{event_id}/receipt", "text/plain"),
        ("/log/{region}/checkpoint", "text/plain"),
        ("/log/{region}/tile/{level}/{path}", "application/octet-stream"),
        ("/log/{region}/tile/entries/{path}", "application/octet-stream"),
        ("/metrics", "text/plain"),
    ],
)
def test_answers_that_are_not_json_say_so(document, path, media):
    content = operation(document, path)["responses"]["200"].get("content", {})
    assert list(content) == [media]


def test_the_document_fits_in_no_time(document):
    """Anyone may fetch it."""
    assert len(canonical(document)) < 200_000
