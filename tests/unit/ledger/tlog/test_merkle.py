"""Trees against known answers, and the proof vectors of transparency-dev/merkle where they are at hand."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Untrusted
from ledger.tlog import merkle
from tests.support import oracles
from tests.support.builders import subtree_of

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
HASHES = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]
VECTORS = Path(__file__).resolve().parents[5] / "shared" / "vectors"
GARBAGE = bytes(32)


@pytest.mark.parametrize(("size", "root"), ROOTS.items())
def test_known_roots(size, root):
    assert merkle.tree_root(HASHES[:size]).hex() == root
    assert merkle.root(merkle.append(0, (), HASHES[:size])[1]).hex() == root


def test_a_frontier_has_one_root_a_set_bit_of_the_size():
    size, frontier, _ = merkle.append(0, (), HASHES[:7])
    assert size == 7
    assert frontier == (merkle.tree_root(HASHES[:4]), merkle.tree_root(HASHES[4:6]), HASHES[6])


def test_nothing_appended_changes_nothing():
    _, frontier, _ = merkle.append(0, (), HASHES)
    assert merkle.append(8, frontier, []) == (8, frontier, {})


# -- vectors of others ------------------------------------------------------------------------------


def vectors(name: str) -> list[Any]:
    path = VECTORS / name
    if not path.exists():
        return [pytest.param(None, marks=pytest.mark.skip(oracles.NO_SHARED_FOLDER))]
    return [pytest.param(one, id=one["name"]) for one in map(json.loads, path.read_text().splitlines())]


def hashes(encoded: list[str] | None) -> list[bytes]:
    return [base64.b64decode(one) for one in encoded or []]


def accepts(check, *arguments) -> bool:
    try:
        check(*arguments)
    except Untrusted:
        return False
    return True


@pytest.mark.parametrize("vector", vectors("merkle-inclusion.jsonl"))
def test_inclusion_vectors(vector):
    leaf, root = hashes([vector["leafHash"], vector["root"]])
    answer = accepts(merkle.check_inclusion, leaf, vector["leafIdx"], vector["treeSize"], hashes(vector["proof"]), root)
    assert answer is not vector["wantErr"]


@pytest.mark.parametrize("vector", vectors("merkle-consistency.jsonl"))
def test_consistency_vectors(vector):
    roots = hashes([vector["root1"], vector["root2"]])
    answer = accepts(merkle.check_consistency, vector["size1"], vector["size2"], hashes(vector["proof"]), *roots)
    assert answer is not vector["wantErr"]


# -- edges of the proofs ------------------------------------------------------------------------------

SINGLE, TREE = HASHES[0], bytes.fromhex(ROOTS[8])
PATH = merkle.prove_inclusion(5, 8, subtree_of(HASHES))
JOIN = merkle.prove_consistency(3, 8, subtree_of(HASHES))
OLD = bytes.fromhex(ROOTS[3])


@pytest.mark.parametrize(
    ("leaf", "index", "size", "proof"),
    [
        pytest.param(
            HASHES[7],
            -1,
            8,
            merkle.prove_inclusion(7, 8, subtree_of(HASHES)),
            id="negative index, the bits of 7",
        ),
        pytest.param(HASHES[5], 8, 8, PATH, id="index is the size"),
        pytest.param(HASHES[5], 0, 0, [], id="empty tree"),
        pytest.param(HASHES[5], 5, 8, PATH[:-1], id="short"),
        pytest.param(HASHES[5], 5, 8, [*PATH, GARBAGE], id="long"),
        pytest.param(HASHES[5], 5, 8, PATH[::-1], id="order"),
        pytest.param(HASHES[4], 5, 8, PATH, id="another leaf"),
        pytest.param(HASHES[5], 4, 8, PATH, id="another index"),
        pytest.param(HASHES[5], 5, 16, PATH, id="another size"),
        pytest.param(TREE, 0, 1, [GARBAGE], id="proof in a tree of one"),
    ],
)
def test_an_inclusion_proof_is_refused(leaf, index, size, proof):
    merkle.check_inclusion(HASHES[5], 5, 8, PATH, TREE)
    with pytest.raises(Untrusted):
        merkle.check_inclusion(leaf, index, size, proof, TREE)


@pytest.mark.parametrize("leaf", [b"", SINGLE[:-1], SINGLE + b"\0"], ids=["empty", "short", "long"])
def test_a_leaf_hash_has_32_bytes(leaf):
    with pytest.raises(Untrusted):
        merkle.check_inclusion(leaf, 0, 1, [], leaf)


@pytest.mark.parametrize(
    ("old", "size", "proof", "old_root"),
    [
        pytest.param(9, 8, [], OLD, id="older is larger"),
        pytest.param(-1, 8, [], OLD, id="negative"),
        pytest.param(3, 8, [], OLD, id="no proof"),
        pytest.param(3, 8, JOIN[:-1], OLD, id="short"),
        pytest.param(3, 8, [*JOIN, GARBAGE], OLD, id="long"),
        pytest.param(3, 8, JOIN[::-1], OLD, id="order"),
        pytest.param(3, 8, JOIN, HASHES[0], id="another old root"),
        pytest.param(2, 8, JOIN, OLD, id="another old size"),
        pytest.param(8, 8, [], OLD, id="one size, two roots"),
        pytest.param(8, 8, [GARBAGE], TREE, id="one size, a proof"),
        pytest.param(0, 8, [], OLD, id="empty tree, another root"),
        pytest.param(0, 8, [GARBAGE], merkle.EMPTY_ROOT, id="empty tree, a proof"),
        pytest.param(0, 0, [], TREE, id="two empty trees, another root"),
        pytest.param(0, 0, [], merkle.EMPTY_ROOT, id="two empty trees, another new root"),
    ],
)
def test_a_consistency_proof_is_refused(old, size, proof, old_root):
    merkle.check_consistency(3, 8, JOIN, OLD, TREE)
    with pytest.raises(Untrusted):
        merkle.check_consistency(old, size, proof, old_root, TREE)


def test_what_extends_the_empty_tree_has_a_root():
    for new_root in (b"", TREE[:-1]):
        with pytest.raises(Untrusted):
            merkle.check_consistency(0, 8, [], merkle.EMPTY_ROOT, new_root)


def test_every_tree_extends_itself_and_the_empty_one():
    merkle.check_consistency(8, 8, [], TREE, TREE)
    merkle.check_consistency(0, 8, [], merkle.EMPTY_ROOT, TREE)
    merkle.check_consistency(0, 0, [], merkle.EMPTY_ROOT, merkle.EMPTY_ROOT)
    assert merkle.prove_consistency(0, 8, subtree_of(HASHES)) == []
    assert merkle.prove_consistency(8, 8, subtree_of(HASHES)) == []


def test_a_million_leaves_need_twenty_hashes():
    # Every leaf and every subtree alike: a proof of a large tree without making one.
    level = [GARBAGE]
    for _ in range(20):
        level.append(merkle.node_hash(level[-1], level[-1]))
    proof = merkle.prove_inclusion(654_321, 2**20, lambda low, high: level[(high - low).bit_length() - 1])
    assert len(proof) == 20
    merkle.check_inclusion(GARBAGE, 654_321, 2**20, proof, level[20])


def test_the_ranges_asked_for_are_whole_subtrees():
    asked: list[tuple[int, int]] = []

    def subtree(low: int, high: int) -> bytes:
        asked.append((low, high))
        return GARBAGE

    merkle.prove_inclusion(4, 7, subtree)
    merkle.prove_consistency(3, 7, subtree)
    assert asked == [(0, 4), (6, 7), (5, 6), (4, 7), (0, 2), (3, 4), (2, 3)]
