"""The transfer protocol holds in every state that the model can reach, and the model is one that can fail."""

import re

import pytest

from tests.model.searches import MUTATIONS, SHORT, WORDS, Mutation
from tests.model.spin import MODEL, PROGRAMS, Incomplete, Search, explore, read
from tests.support import oracles


@pytest.fixture(scope="module")
def spin() -> None:
    """Spin and the C compiler that it needs."""
    for program in PROGRAMS:
        oracles.require(program)


@pytest.mark.usefixtures("spin")
@pytest.mark.parametrize("search", SHORT, ids=lambda search: search.name)
def test_all_invariants_hold_in_every_state(search: Search, tmp_path):
    found = explore(search, tmp_path)
    assert found.violated is None
    # A step that is never taken would hold whatever it did. Some copies cannot be lost within the smaller bounds.
    assert search is not SHORT[0] or found.unreached == ()


@pytest.mark.usefixtures("spin")
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.macro}-{mutation.breaks}")
def test_a_mistake_in_the_protocol_is_found(mutation: Mutation, tmp_path):
    violated = explore(mutation.search, tmp_path, brief=True).violated
    assert violated is not None
    assert WORDS[mutation.breaks] in violated


def test_every_mutation_of_the_model_is_tried():
    """And none is tried that the model does not know, which would hold, or fail, for no reason."""
    forms = {"LIVE", "LOSSY", "CLOSURE", "MOVES", "ENTRIES", "INVARIANT"}
    named = set(re.findall(r"^#if(?:n?def) (\w+)|defined\((\w+)\)", MODEL.read_text(), re.MULTILINE))
    assert {name for pair in named for name in pair if name} - forms == {mutation.macro for mutation in MUTATIONS}


@pytest.mark.parametrize(
    "report",
    [
        "",
        "error: max search depth too small\n errors: 0\n   9 states, stored\n   1.0\ttotal actual memory usage",
        "Warning: Search not completed\n errors: 0\n   9 states, stored\n   1.0\ttotal actual memory usage",
        "errors: 1\n   9 states, stored\n   1.0\ttotal actual memory usage",
    ],
    ids=["nothing", "depth", "memory", "an error unnamed"],
)
def test_a_search_that_did_not_end_says_nothing(report):
    with pytest.raises(Incomplete):
        read(report, 0.0)
