"""Canonical forms: those of other implementations, of the specification's vectors, and never a long wait."""

import contextlib
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.credentials import contexts, data_integrity, model
from ledger.credentials.data_integrity import JCS, RDFC
from ledger.crypto.multikey import parse_multikey
from ledger.errors import Invalid, Unavailable
from ledger.limits import BODY_DEPTH_MAX
from tests.support import proofs

CREDENTIAL: dict[str, Any] = json.loads(model.to_json(proofs.credential()))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner, max_size=4)
    ),
    max_leaves=20,
)


def depth(value: Any) -> int:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if items is None else 1 + max(map(depth, items), default=0)


@given(PLAIN)
def test_canonical_json_is_that_of_another_implementation(value: Any):
    if depth(value) <= BODY_DEPTH_MAX:
        assert data_integrity.jcs(value) == rfc8785.dumps(value)
    else:
        with pytest.raises(Invalid, match="nested deeper"):
            data_integrity.jcs(value)


@pytest.mark.parametrize("value", [0.5, 2**53, {"é": 1}, "\ud800", [[[[[[[[[]]]]]]]]], b""])
def test_what_two_writers_might_spell_differently_has_no_canonical_json(value: Any):
    with pytest.raises(Invalid):
        data_integrity.jcs(value)


def test_the_vectors_of_the_specification_hold():
    """W3C Data Integrity EdDSA Cryptosuites 1.0, appendices B.1 (eddsa-rdfc-2022) and B.3 (eddsa-jcs-2022)."""
    examples = "https://www.w3.org/ns/credentials/examples"
    canonise = contexts.Canoniser(
        {
            model.CONTEXTS[0]: contexts.bundled(model.CONTEXTS[0]),
            f"{examples}/v2": {"@context": {"@vocab": f"{examples}#"}},
        }
    )
    document = {
        "@context": [model.CONTEXTS[0], f"{examples}/v2"],
        "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential", "AlumniCredential"],
        "name": "Alumni Credential",
        "description": "A minimum viable example of an Alumni Credential.",
        "issuer": "https://vc.example/issuers/5678",
        "validFrom": "2023-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
    }
    key = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
    signatures = {
        RDFC: "z2YwC8z3ap7yx1nZYCg4L3j3ApHsF8kgPdSb5xoS1VR7vPG3F561B52hYnQF9iseabecm3ijx4K1FBTQsCZahKZme",
        JCS: "z2HnFSSPPBzR36zdDgK8PbEHeXbR56YF24jwMpt3R1eHXQzJDMWS93FCzpvJpwTWd3GAVFuUfjoJdcnTMuVor51aX",
    }
    for suite, value in signatures.items():
        options = {
            "type": "DataIntegrityProof",
            "cryptosuite": suite,
            "created": "2023-02-24T23:36:38Z",
            "verificationMethod": f"did:key:{key}#{key}",
            "proofPurpose": "assertionMethod",
            "@context": document["@context"],
        }
        data = data_integrity.message(document, options, canonise)
        data_integrity.verify(value, parse_multikey(key), data)


def test_a_context_that_changed_under_us_is_not_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(contexts._PINS, model.CONTEXTS[0], "0" * 64)
    with pytest.raises(Unavailable, match="another"):
        contexts.bundled(model.CONTEXTS[0])


def test_contexts_written_out_in_documents_do_not_pile_up():
    canonise = contexts.Canoniser({})
    for number in range(200):
        canonise({"@context": {"term": f"urn:x:{number}"}, "@id": "urn:x:y", "term": "value"})
    assert len(canonise._resolver.per_op_cache) < 100


def test_nodes_that_look_alike_cannot_hold_up_the_canonical_form():
    """Telling ten nodes apart that nothing names takes 10! steps (RDFC-1.0, 7.1: dataset poisoning)."""
    canonise = contexts.Canoniser({})
    terms = {"knows": "urn:x:knows"}
    crowd = [{"@id": f"_:n{number}", "knows": [{"@id": f"_:n{other}"} for other in range(10)]} for number in range(10)]
    for graph in (crowd, [{"@id": "urn:x:y", "knows": [{"knows": {}} for _ in range(300)]}]):
        with pytest.raises(Invalid, match="without an id"):
            canonise({"@context": terms, "@graph": graph})
    assert canonise({"@context": terms, "@graph": crowd[:1]})


@given(VALUES | st.builds(lambda name, value: {**CREDENTIAL, name: value}, st.sampled_from(list(CREDENTIAL)), VALUES))
def test_whatever_json_comes_canonicalising_raises_only_our_error(value: Any):
    with contextlib.suppress(Invalid):
        assert isinstance(contexts.quads(value), bytes)


def test_a_lone_surrogate_has_no_canonical_form():
    with pytest.raises(Invalid):
        contexts.Canoniser({})({"@id": "urn:x:y", "urn:x:z": "\ud800"})
