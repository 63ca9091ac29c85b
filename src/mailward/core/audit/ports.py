"""What the log needs from a store. There is no method that changes or removes an entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from mailward.core.audit.model import Head, LeafRow
from mailward.policy.access import Actor

Tell = Callable[[str, int, int], object]
"""What is being done, so much of it, out of so much: for whoever waits."""

TOLD_EVERY = 1000
"""Entries between two words of how far it came."""


def nobody(what: str, done: int, of: int) -> None:
    """Nobody waits."""


Node = tuple[int, int, bytes]
"""(level, index, hash) of a complete subtree: the root of leaves [index << level, (index + 1) << level)."""


class AuditRepo(Protocol):
    """The log. In a scoped transaction `workspace` must be the scope's own."""

    async def append(
        self, actor: Actor, act: str, target: str, facts: Mapping[str, str] | None = None, *, now: datetime
    ) -> str:
        """Record an act in this transaction: the entry's id.

        `act` is a dotted name ("domain.added"), `target` an id; whatever is personal
        belongs in `facts`. In the system scope the entry goes to the actor's workspace,
        or to the installation's log when the actor has none.
        """

    async def in_turn(self, workspace: str) -> None:
        """Wait for every act under way that has come this far or entered itself in that workspace's log, and have
        others wait until this transaction ends: what is read from here on still holds when it is committed.

        For acts that look first ("is there another manager?") and would otherwise both find what they look for. "" is
        the installation's log. Nothing where writers never overlap.
        """

    async def append_head(self, workspace: str, head: Head, *, now: datetime) -> None:
        """Record the head of a workspace's tree as a leaf of the installation's. System scope."""

    async def pending(self) -> list[bytes]:
        """Trees with entries that no head covers. System scope."""

    async def settled(self, workspace: bytes, size: int) -> None:
        """A head of that size was stored: the tree is no longer pending unless it grew meanwhile. System scope."""

    async def size(self, workspace: bytes) -> int:
        """How many entries there are."""

    async def leaves(self, workspace: bytes, first: int, end: int) -> Iterable[LeafRow]:
        """Entries first <= seq < end in order, with their facts."""

    async def leaf_bytes(self, workspace: bytes, first: int, end: int) -> Sequence[bytes]:
        """Only the leaves of that range, in order."""

    async def page(
        self,
        workspace: bytes,
        *,
        before: int | None,
        limit: int,
        act: str | None,
        since: int | None,
        until: int | None,
        actor: str | None = None,
        target: str | None = None,
    ) -> list[LeafRow]:
        """Newest first, below `before`; times in microseconds UTC, `until` excluded. `actor` and `target` are ids.

        An `act` that ends in a dot stands for all that begin with it.
        """

    async def span(self, workspace: bytes, since: int | None, until: int | None) -> tuple[int, int]:
        """The smallest range [first, end) that holds every entry of a period; (0, 0) when there is none."""

    async def node(self, workspace: bytes, level: int, index: int) -> bytes | None:
        """A stored node of level 1 and up."""

    async def nodes(self, workspace: bytes) -> Iterator[Node]:
        """Every stored node."""

    async def add_nodes(self, workspace: bytes, nodes: Sequence[Node]) -> None: ...

    async def add_head(self, workspace: bytes, head: Head) -> None: ...

    async def head(self, workspace: bytes, *, at_most: int | None = None) -> Head | None:
        """The newest head, or the newest one of at most that size."""

    async def heads(self, workspace: bytes) -> list[Head]:
        """Every head, smallest first."""

    async def head_leaf(self, workspace: str, size: int) -> int | None:
        """Where the installation's log records that head: the seq. Any scope may ask about its own workspace."""

    async def erase_facts(self, workspace: bytes, id: bytes) -> bool:
        """Remove the facts beside an entry; the leaf stays."""

    async def trees(self) -> list[bytes]:
        """Every tree with an entry or a head. System scope."""


class AuditTx(Protocol):
    """A transaction with the log."""

    @property
    def audit(self) -> AuditRepo: ...


class Signer(Protocol):
    """Signs heads. The private key stays behind it."""

    @property
    def log(self) -> str:
        """The log's name: the first line of the installation's checkpoints."""

    @property
    def public_key(self) -> bytes:
        """Ed25519, 32 raw bytes."""

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature, 64 bytes."""


JsonObject = dict[str, Any]
