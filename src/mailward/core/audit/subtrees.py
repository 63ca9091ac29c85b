"""Hashes of parts of a tree, from stored nodes and leaves, each fetched once."""

from __future__ import annotations

from collections.abc import Iterable

from mailward.base.errors import Corrupt
from mailward.core.audit.ports import AuditTx
from mailward.protocol.merkle.proofs import Span
from mailward.protocol.merkle.tree import cover, join, leaf_hash


class Subtrees:
    """One tree of a transaction."""

    def __init__(self, tx: AuditTx, workspace: bytes) -> None:
        self._tx = tx
        self._workspace = workspace
        self._known: dict[tuple[int, int], bytes] = {}

    def remember(self, level: int, index: int, hash: bytes) -> None:
        """Spare a look-up: a hash the caller has computed."""
        self._known[level, index] = hash

    async def hash_of(self, level: int, index: int) -> bytes:
        """Hash of a complete subtree. Corrupt when it should be stored and is not."""
        known = self._known.get((level, index))
        if known is not None:
            return known
        if level:
            stored = await self._tx.audit.node(self._workspace, level, index)
        else:
            leaves = await self._tx.audit.leaf_bytes(self._workspace, index, index + 1)
            stored = leaf_hash(leaves[0]) if leaves else None
        if stored is None:
            raise Corrupt("audit_corrupt", "The audit log failed its check.", detail=f"node {level}/{index} is gone")
        self._known[level, index] = stored
        return stored

    async def covering(self, first: int, end: int) -> list[bytes]:
        """Hashes of `cover(first, end)`."""
        return [await self.hash_of(level, index) for level, index in cover(first, end)]

    async def proof(self, spans: Iterable[Span]) -> list[bytes]:
        """The root of each span, as a proof lists them."""
        return [join(await self.covering(first, end)) for first, end in spans]
