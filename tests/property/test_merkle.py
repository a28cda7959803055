"""Trees of any shape: growing in batches, tiles by their definition, proofs and what spoils them."""

from typing import Any

import pymerkle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import Untrusted
from ledger.tlog import merkle
from tests.support.builders import entry, leaf_hashes, subtree_of

SIZE_MAX = 300
sizes = st.integers(1, SIZE_MAX)


@pytest.fixture(scope="module")
def oracle() -> pymerkle.InmemoryTree:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for number in range(SIZE_MAX):
        tree.append_entry(entry(number))
    return tree


def test_roots_are_those_of_pymerkle_at_every_size(oracle):
    for size in range(SIZE_MAX + 1):
        assert merkle.tree_root(leaf_hashes(SIZE_MAX)[:size]) == oracle.get_root(size)


@given(st.lists(st.integers(0, 700), max_size=8))
def test_a_tree_grown_in_batches_is_the_tree_made_at_once(batches):
    hashes = leaf_hashes(sum(batches))
    size = 0
    frontier: merkle.Frontier = ()
    tiles: merkle.Nodes = {}
    for batch in batches:
        size, frontier, nodes = merkle.append(size, frontier, iter(hashes[size : size + batch]))
        assert len(frontier) == size.bit_count()
        for tile, gained in nodes.items():
            tiles.setdefault(tile, []).extend(gained)
    assert merkle.root(frontier) == merkle.tree_root(hashes)
    assert tiles == tiles_of(hashes)


def tiles_of(hashes: list[bytes]) -> merkle.Nodes:
    """Tiles by definition: level L holds the roots of all complete subtrees of 256^L leaves, 256 a tile."""
    tiles: merkle.Nodes = {}
    level, row = 0, hashes
    while row:
        for start in range(0, len(row), 256):
            tiles[level, start // 256] = row[start : start + 256]
        level += 1
        row = [merkle.tree_root(row[end - 256 : end]) for end in range(256, len(row) + 1, 256)]
    return tiles


# -- proofs -------------------------------------------------------------------------------------------


@st.composite
def inclusions(draw) -> tuple[bytes, int, int, list[bytes], bytes]:
    """Arguments of check_inclusion that hold."""
    size = draw(sizes)
    index = draw(st.integers(0, size - 1))
    hashes = leaf_hashes(size)
    return (
        hashes[index],
        index,
        size,
        merkle.prove_inclusion(index, size, subtree_of(hashes)),
        merkle.tree_root(hashes),
    )


@st.composite
def consistencies(draw) -> tuple[int, int, list[bytes], bytes, bytes]:
    """Arguments of check_consistency that hold."""
    size = draw(sizes)
    old = draw(st.integers(1, size))
    hashes = leaf_hashes(size)
    proof = merkle.prove_consistency(old, size, subtree_of(hashes))
    return old, size, proof, merkle.tree_root(hashes[:old]), merkle.tree_root(hashes)


def flipped(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "big") ^ 1 << bit % (8 * len(data))).to_bytes(len(data), "big")


bits = st.integers(0, 255)


@given(inclusions(), consistencies())
def test_proofs_hold(inclusion, consistency):
    merkle.check_inclusion(*inclusion)
    merkle.check_consistency(*consistency)


@given(inclusions(), st.data(), bits)
def test_an_inclusion_proof_with_one_bit_flipped_is_untrusted(arguments, data, bit):
    leaf, index, size, proof, root = arguments
    spoiled = data.draw(st.integers(-3, len(proof) - 1))
    if spoiled == -3:
        leaf = flipped(leaf, bit)
    elif spoiled == -2:
        index ^= 1 << bit % 64
    elif spoiled == -1:
        root = flipped(root, bit)
    else:
        proof[spoiled] = flipped(proof[spoiled], bit)
    with pytest.raises(Untrusted):
        merkle.check_inclusion(leaf, index, size, proof, root)


@given(consistencies(), st.data(), bits)
def test_a_consistency_proof_with_one_bit_flipped_is_untrusted(arguments, data, bit):
    old, size, proof, old_root, new_root = arguments
    spoiled = data.draw(st.integers(-2, len(proof) - 1))
    if spoiled == -2:
        old_root = flipped(old_root, bit)
    elif spoiled == -1:
        new_root = flipped(new_root, bit)
    else:
        proof[spoiled] = flipped(proof[spoiled], bit)
    with pytest.raises(Untrusted):
        merkle.check_consistency(old, size, proof, old_root, new_root)


@given(inclusions(), consistencies(), st.data())
def test_a_proof_with_a_hash_more_or_less_is_untrusted(inclusion, consistency, data):
    checks: list[tuple[Any, Any, int]] = [
        (merkle.check_inclusion, inclusion, 3),
        (merkle.check_consistency, consistency, 2),
    ]
    for check, arguments, at in checks:
        proof = arguments[at]
        place = data.draw(st.integers(0, len(proof)))
        longer = [*proof[:place], data.draw(st.sampled_from([bytes(32), *proof])), *proof[place:]]
        shorter = proof[:place] + proof[place + 1 :]
        for other in (longer, shorter):
            if other != proof:
                with pytest.raises(Untrusted):
                    check(*arguments[:at], other, *arguments[at + 1 :])


hostile_hashes = st.one_of(st.binary(max_size=40), st.binary(min_size=32, max_size=32))
hostile_numbers = st.integers(-2, 2**65)


@settings(max_examples=200)
@given(hostile_hashes, hostile_numbers, hostile_numbers, st.lists(hostile_hashes, max_size=70), hostile_hashes)
def test_made_up_proofs_are_untrusted(hashed, first, second, proof, root):
    with pytest.raises(Untrusted):
        merkle.check_inclusion(hashed, first, second, [*proof, hashed], root)
    with pytest.raises(Untrusted):
        merkle.check_consistency(first, second, [*proof, hashed], hashed, root)
