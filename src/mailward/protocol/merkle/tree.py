"""The tree: leaf and node hashes, and the complete subtrees a range of leaves falls into (RFC 6962 section 2.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves."""


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 || leaf). The prefix keeps a leaf from passing as a node."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def cover(first: int, end: int) -> Iterator[tuple[int, int]]:
    """(level, index) of the fewest complete subtrees that hold exactly the leaves first <= i < end, left to right.

    A subtree of level l and index i holds the leaves [i << l, (i + 1) << l).
    """
    while first < end:
        level = (end - first).bit_length() - 1
        if first:
            level = min(level, (first & -first).bit_length() - 1)
        yield level, first >> level
        first += 1 << level


class CompactRange:
    """The complete subtrees of leaves [begin, end), growing at its right edge in O(log n) memory.

    `grown` collects each (level, index, hash) of level 1 and up that a push completes,
    for whoever stores nodes.
    """

    __slots__ = ("_stack", "begin", "end")

    def __init__(self, begin: int = 0, end: int | None = None, hashes: Sequence[bytes] = ()) -> None:
        """`hashes` are those of `cover(begin, end)`. ValueError when their number is not right."""
        self.begin = begin
        self.end = begin if end is None else end
        places = list(cover(self.begin, self.end))
        if len(places) != len(hashes):
            raise ValueError("the hashes do not cover the range")
        self._stack = [(level, index, h) for (level, index), h in zip(places, hashes, strict=True)]

    def push(self, hash: bytes, grown: list[tuple[int, int, bytes]] | None = None) -> None:
        """Add the next leaf's hash."""
        self.push_subtree(0, hash, grown)

    def push_subtree(self, level: int, hash: bytes, grown: list[tuple[int, int, bytes]] | None = None) -> None:
        """Add the next complete subtree of that level. ValueError when none can begin here."""
        if self.end & ((1 << level) - 1):
            raise ValueError("no subtree of this size begins here")
        index = self.end >> level
        self.end += 1 << level
        stack = self._stack
        # An odd index completes its parent when the left sibling is in the range as a whole.
        while index & 1 and stack and stack[-1][0] == level and stack[-1][1] == index - 1:
            hash = node_hash(stack.pop()[2], hash)
            level, index = level + 1, index >> 1
            if grown is not None:
                grown.append((level, index, hash))
        stack.append((level, index, hash))

    def extend(self, leaves: Iterable[bytes], grown: list[tuple[int, int, bytes]] | None = None) -> None:
        """Add leaves (not hashes) in order."""
        for leaf in leaves:
            self.push(leaf_hash(leaf), grown)

    @property
    def hashes(self) -> list[bytes]:
        """The hashes of `cover(begin, end)`."""
        return [h for _, _, h in self._stack]

    @property
    def levels(self) -> list[int]:
        """The levels of `cover(begin, end)`."""
        return [level for level, _, _ in self._stack]

    def root(self) -> bytes:
        """Root of the tree of `end` leaves. ValueError unless the range begins at 0."""
        if self.begin:
            raise ValueError("a root needs the range from the first leaf")
        return join(self.hashes)


def join(hashes: Sequence[bytes]) -> bytes:
    """Root of subtrees given left to right, of falling size: the right ones are joined first."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Root over leaves in order."""
    tree = CompactRange()
    tree.extend(leaves)
    return tree.root()
