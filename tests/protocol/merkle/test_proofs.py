"""Proofs built and checked for every small tree."""

from __future__ import annotations

import base64

import pytest

from mailward.protocol.merkle.proofs import (
    ProofError,
    Span,
    consistency_spans,
    inclusion_spans,
    verify_consistency,
    verify_inclusion,
)
from mailward.protocol.merkle.tree import EMPTY_ROOT, CompactRange, cover, leaf_hash, node_hash, root_of

LEAVES = [b"leaf %d" % i for i in range(70)]
ROOTS = [root_of(LEAVES[:n]) for n in range(len(LEAVES) + 1)]


def _recursive_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(_recursive_root(leaves[:k]), _recursive_root(leaves[k:]))


def _proof(spans: list[Span]) -> list[bytes]:
    return [root_of(LEAVES[a:b]) for a, b in spans]


def test_the_root_is_the_rfcs() -> None:
    """The incremental root equals the recursive definition for every size."""
    assert [_recursive_root(LEAVES[:n]) for n in range(71)] == ROOTS
    assert base64.b64decode("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=") == EMPTY_ROOT


def test_every_inclusion_proof_holds_and_no_other() -> None:
    """A proof holds for its leaf, index and size, and for nothing beside it."""
    for size in range(1, 34):
        for index in range(size):
            proof = _proof(inclusion_spans(index, size))
            verify_inclusion(leaf_hash(LEAVES[index]), index, size, proof, ROOTS[size])
            for leaf, i, n, p, root in (
                (LEAVES[index + 1], index, size, proof, ROOTS[size]),
                (LEAVES[index], index + 1, size, proof, ROOTS[size]),
                (LEAVES[index], index, size, [*proof, ROOTS[1]], ROOTS[size]),
                (LEAVES[index], index, size, proof, ROOTS[size + 1]),
            ):
                with pytest.raises(ProofError):
                    verify_inclusion(leaf_hash(leaf), i, n, p, root)


def test_every_consistency_proof_holds_and_no_other() -> None:
    """A tree is shown to be a prefix of a larger one; another root at the same size is not."""
    for size2 in range(1, 34):
        for size1 in range(1, size2 + 1):
            proof = _proof(consistency_spans(size1, size2))
            verify_consistency(size1, ROOTS[size1], size2, ROOTS[size2], proof)
            with pytest.raises(ProofError):
                verify_consistency(size1, ROOTS[size1 + 1], size2, ROOTS[size2], proof)
            if proof:
                with pytest.raises(ProofError):
                    verify_consistency(size1, ROOTS[size1], size2, ROOTS[size2], proof[:-1])


def test_nothing_is_consistent_with_an_empty_tree() -> None:
    """A proof from size 0 would say nothing, so it is refused."""
    with pytest.raises(ProofError):
        verify_consistency(0, EMPTY_ROOT, 5, ROOTS[5], [])


def test_a_range_grows_from_anywhere() -> None:
    """A compact range of [a, b) plus leaves up to c has the hashes of cover(a, c)."""
    for begin in range(20):
        for end in range(begin, 20):
            part = CompactRange(begin, end, _proof([(i << n, (i + 1) << n) for n, i in cover(begin, end)]))
            part.extend(LEAVES[end:20])
            assert part.hashes == _proof([(i << n, (i + 1) << n) for n, i in cover(begin, 20)])


def test_stored_nodes_are_the_complete_subtrees() -> None:
    """What growing reports as completed is exactly every full subtree of level 1 and up."""
    grown: list[tuple[int, int, bytes]] = []
    tree = CompactRange()
    tree.extend(LEAVES[:37], grown)
    assert {(n, i) for n, i, _ in grown} == {(n, i) for n in range(1, 6) for i in range(37 >> n)}
    assert all(h == root_of(LEAVES[i << n : (i + 1) << n]) for n, i, h in grown)
