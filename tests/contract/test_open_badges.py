"""Our credentials against the JSON schema of Open Badges 3.0, where it is at hand."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft201909Validator
from jsonschema.exceptions import ValidationError

from tests.contract.credentials import KINDS, secured
from tests.support import oracles

SCHEMA = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "ob_v3p0_achievementcredential_schema.json"
"""Not in the repository: it lies beside the checkout where the project is developed."""


@pytest.fixture(scope="module")
def validator() -> Draft201909Validator:
    if not SCHEMA.exists():
        pytest.skip(oracles.NO_SHARED_FOLDER)
    schema: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft201909Validator.check_schema(schema)
    return Draft201909Validator(schema)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_credential_is_an_open_badge(validator: Draft201909Validator, kind: str):
    document = secured(KINDS[kind])
    assert [error.message for error in validator.iter_errors(document)] == []
    assert document["credentialSubject"]["achievement"]["achievementType"] in {"CommunityService", "Award"}


def test_the_schema_would_notice(validator: Draft201909Validator):
    for path in (["issuer"], ["credentialSubject", "achievement", "criteria"], ["proof", 0, "type"], ["validFrom"]):
        document = copy.deepcopy(secured(KINDS["named"]))
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]
        with pytest.raises(ValidationError):
            validator.validate(document)
