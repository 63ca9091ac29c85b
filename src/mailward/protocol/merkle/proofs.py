"""Inclusion and consistency proofs: checking them, and which nodes make one (RFC 6962 sections 2.1.1 and 2.1.2).

The checks follow RFC 9162 sections 2.1.3.2 and 2.1.4.2, which spell out the algorithm.
Builders say which subtrees they need; whoever keeps the nodes fetches them.
"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest

from mailward.protocol.merkle.tree import node_hash

_MAX = 1 << 63


class ProofError(ValueError):
    """The proof does not show what it claims."""


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Return when the leaf hash `leaf` stands at `index` in the tree of `size` and `root`; ProofError otherwise."""
    if not 0 <= index < size <= _MAX:
        raise ProofError("the index is not in the tree")
    _check_hashes(leaf, root, *proof)
    fn, sn, result = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            raise ProofError("the proof is too long")
        if fn & 1 or fn == sn:
            result = node_hash(sibling, result)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = node_hash(result, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn or not compare_digest(result, root):
        raise ProofError("the proof does not lead to the root")


def verify_consistency(size1: int, root1: bytes, size2: int, root2: bytes, proof: Sequence[bytes]) -> None:
    """Return when the tree of size1 and root1 is a prefix of that of size2 and root2; ProofError otherwise.

    Nothing can be said about an empty first tree, so `size1` of 0 is refused.
    """
    if not 0 < size1 <= size2 <= _MAX:
        raise ProofError("the sizes are not in order")
    if size1 == size2:
        if proof or not compare_digest(root1, root2):
            raise ProofError("two trees of one size differ")
        return
    _check_hashes(root1, root2, *proof)
    if not proof:
        raise ProofError("the proof is empty")
    nodes = list(proof) if size1 & (size1 - 1) else [root1, *proof]
    fn, sn = size1 - 1, size2 - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = nodes[0]
    for node in nodes[1:]:
        if sn == 0:
            raise ProofError("the proof is too long")
        if fn & 1 or fn == sn:
            first, second = node_hash(node, first), node_hash(node, second)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            second = node_hash(second, node)
        fn, sn = fn >> 1, sn >> 1
    if sn or not compare_digest(first, root1) or not compare_digest(second, root2):
        raise ProofError("the proof does not lead to the roots")


def _check_hashes(*hashes: bytes) -> None:
    if any(len(h) != 32 for h in hashes):
        raise ProofError("a hash has 32 bytes")


Span = tuple[int, int]
"""Leaves [first, end); its hash is the root of the tree over just these."""


def inclusion_spans(index: int, size: int) -> list[Span]:
    """The subtrees whose hashes prove that leaf `index` is in the tree of `size`, in the order of the proof."""
    if not 0 <= index < size:
        raise ProofError("the index is not in the tree")
    path: list[Span] = []
    first, end = 0, size
    while end - first > 1:
        split = first + _largest_power_below(end - first)
        if index < split:
            path.append((split, end))
            end = split
        else:
            path.append((first, split))
            first = split
    path.reverse()
    return path


def consistency_spans(size1: int, size2: int) -> list[Span]:
    """The subtrees whose hashes prove that the first tree is a prefix of the second, in the order of the proof."""
    if not 0 < size1 <= size2:
        raise ProofError("the sizes are not in order")
    path: list[Span] = []
    first, end, whole = 0, size2, True
    while size1 != end:
        split = first + _largest_power_below(end - first)
        if size1 <= split:
            path.append((split, end))
            end = split
        else:
            path.append((first, split))
            first, whole = split, False
    if not whole:
        path.append((first, end))
    path.reverse()
    return path


def _largest_power_below(n: int) -> int:
    return 1 << ((n - 1).bit_length() - 1)
