"""Trees, tiles and proofs against Go's sumdb/tlog, and large roots against pymerkle as well."""

import pymerkle
import pytest

from ledger.errors import Untrusted
from ledger.tlog import merkle
from tests.contract.golang import Go
from tests.support.builders import entry, leaf_hashes, subtree_of

SIZES = [1, 2, 7, 255, 256, 257, 1000, 70_000]
SMALL = range(1, 20)


def unhex(hashes: list[str]) -> list[bytes]:
    return [bytes.fromhex(one) for one in hashes]


def picks(size: int) -> list[int]:
    """Indexes at both ends, in the middle, and on both sides of the last full tile."""
    edge = size - size % 256
    return sorted({0, 1, size // 2, edge - 1, edge, size - 2, size - 1} & set(range(size)))


def test_roots_are_those_of_pymerkle():
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for number in range(SIZES[-1]):
        tree.append_entry(entry(number))
    for size in SIZES:
        assert merkle.tree_root(leaf_hashes(SIZES[-1])[:size]) == tree.get_root(size)


@pytest.mark.parametrize("size", SIZES)
def test_roots_are_those_of_go(go: Go, size: int):
    root = go("root", count=size)["root"]
    assert merkle.tree_root(leaf_hashes(size)).hex() == root
    assert merkle.root(merkle.append(0, (), leaf_hashes(size))[1]).hex() == root


@pytest.mark.parametrize("size", [*SIZES, 65_536])
def test_appending_gives_the_tiles_of_go(go: Go, size: int):
    _, _, tiles = merkle.append(0, (), leaf_hashes(size))
    widths = {level: size >> 8 * level for level in range(3)}
    assert set(tiles) == {(level, tile) for level in widths for tile in range(-(-widths[level] // 256))}
    for (level, tile), hashes in tiles.items():
        data = go("tile_data", count=size, level=level, tile=tile, width=len(hashes))["data"]
        assert b"".join(hashes).hex() == data


@pytest.mark.parametrize("size", [*SMALL, *SIZES[2:]])
def test_inclusion_proofs_are_those_of_go(go: Go, size: int):
    hashes, root = leaf_hashes(size), merkle.tree_root(leaf_hashes(size))
    for index in range(size) if size in SMALL else picks(size):
        proof = merkle.prove_inclusion(index, size, subtree_of(hashes))
        assert proof == unhex(go("inclusion", count=size, index=index)["proof"])
        merkle.check_inclusion(hashes[index], index, size, proof, root)
        assert go_checks_inclusion(go, hashes[index], index, size, proof, root)


@pytest.mark.parametrize("size", [*SMALL, *SIZES[2:]])
def test_consistency_proofs_are_those_of_go(go: Go, size: int):
    hashes, root = leaf_hashes(size), merkle.tree_root(leaf_hashes(size))
    for old in range(1, size + 1) if size in SMALL else picks(size)[1:]:
        old_root = merkle.tree_root(hashes[:old])
        proof = merkle.prove_consistency(old, size, subtree_of(hashes))
        assert proof == unhex(go("consistency", count=size, old=old)["proof"])
        merkle.check_consistency(old, size, proof, old_root, root)
        assert go_checks_consistency(go, old, size, proof, old_root, root)


def test_verdicts_on_proofs_for_another_place_are_those_of_go(go: Go):
    """Every proof of a tree of six offered for every index and size up to nine."""
    hashes, root = leaf_hashes(6), merkle.tree_root(leaf_hashes(6))
    for true_index in range(6):
        proof = merkle.prove_inclusion(true_index, 6, subtree_of(hashes))
        for size in range(1, 10):
            for index in range(size):
                arguments = (hashes[true_index], index, size, proof, root)
                assert accepts(merkle.check_inclusion, *arguments) is go_checks_inclusion(go, *arguments)
    for true_old in range(1, 7):
        proof = merkle.prove_consistency(true_old, 6, subtree_of(hashes))
        for size in range(1, 10):
            for old in range(1, size + 1):
                claim = (old, size, proof, merkle.tree_root(hashes[:true_old]), root)
                assert accepts(merkle.check_consistency, *claim) is go_checks_consistency(go, *claim)


def accepts(check, *arguments) -> bool:
    try:
        check(*arguments)
    except Untrusted:
        return False
    return True


def go_checks_inclusion(go: Go, leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    return go(
        "check_inclusion",
        leaf_hash=leaf.hex(),
        index=index,
        size=size,
        proof=[one.hex() for one in proof],
        root=root.hex(),
    )["ok"]


def go_checks_consistency(go: Go, old: int, size: int, proof: list[bytes], old_root: bytes, root: bytes) -> bool:
    return go(
        "check_consistency",
        old=old,
        size=size,
        proof=[one.hex() for one in proof],
        old_root=old_root.hex(),
        root=root.hex(),
    )["ok"]
