"""Reading the log: entries, the newest checkpoint, proofs, and erasing what is personal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailward.base import ids
from mailward.base.errors import Invalid, NotFound
from mailward.core.audit.model import ERASED_ACT, Entry, Head, to_entry
from mailward.core.audit.ports import AuditTx
from mailward.core.audit.subtrees import Subtrees
from mailward.policy import access
from mailward.policy.access import Actor, Permission
from mailward.protocol.merkle.proofs import consistency_spans, inclusion_spans
from mailward.protocol.merkle.tree import leaf_hash


@dataclass(frozen=True, slots=True)
class Proof:
    """Hashes in the order of RFC 6962 section 2.1, towards the tree of `size`."""

    size: int
    hashes: list[bytes]
    leaf_hash: bytes | None = None


def _own(actor: Actor) -> bytes:
    access.require(actor, Permission.AUDIT_READ)
    return ids.decode("ws", actor.workspace)


async def list_entries(
    tx: AuditTx,
    actor: Actor,
    *,
    before: int | None = None,
    limit: int = 50,
    act: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    by: str | None = None,
    target: str | None = None,
) -> list[Entry]:
    """Entries of the actor's workspace, newest first, below index `before`; `until` is excluded.

    `by` is the id of who acted, `target` that of what was acted on; an `act` that ends in a dot stands for its area.
    """
    workspace = _own(actor)
    low, high = micros(since), micros(until)
    rows = await tx.audit.page(
        workspace, before=before, limit=limit, act=act, since=low, until=high, actor=by, target=target
    )
    return [to_entry(row) for row in rows]


async def latest_head(tx: AuditTx, actor: Actor) -> Head:
    """The newest signed head. NotFound before the first one, a second or so after the first entry."""
    head = await tx.audit.head(_own(actor))
    if head is None:
        raise NotFound("no_checkpoint", "There is no checkpoint yet; one follows within seconds of the first entry.")
    return head


async def prove_inclusion(tx: AuditTx, actor: Actor, index: int, size: int | None = None) -> Proof:
    """That entry `index` is in the tree of `size` (default: the newest head)."""
    workspace = _own(actor)
    size = await _size(tx, actor, size)
    if not 0 <= index < size:
        raise Invalid("bad_index", f"The index must be below the size of the tree, {size}.", field="index")
    hashes = await Subtrees(tx, workspace).proof(inclusion_spans(index, size))
    (leaf,) = await tx.audit.leaf_bytes(workspace, index, index + 1)
    return Proof(size, hashes, leaf_hash(leaf))


async def prove_consistency(tx: AuditTx, actor: Actor, first: int, size: int | None = None) -> Proof:
    """That the tree of `first` entries is a prefix of the tree of `size` (default: the newest head)."""
    workspace = _own(actor)
    size = await _size(tx, actor, size)
    if not 0 < first <= size:
        raise Invalid("bad_size", f"The first size must be from 1 to {size}.", field="first")
    return Proof(size, await Subtrees(tx, workspace).proof(consistency_spans(first, size)))


async def _size(tx: AuditTx, actor: Actor, size: int | None) -> int:
    covered = (await latest_head(tx, actor)).size
    if size is not None and not 0 < size <= covered:
        raise Invalid("bad_size", f"The size must be from 1 to {covered}.", field="size")
    return size or covered


async def erase_facts(tx: AuditTx, actor: Actor, entry: str, *, now: datetime) -> None:
    """Remove the personal facts beside an entry. The leaf stays, the log still verifies, and the erasure is an entry.

    Raises NotFound when there is nothing to erase.
    """
    access.require(actor, Permission.WORKSPACE_CHANGE)
    if not await tx.audit.erase_facts(ids.decode("ws", actor.workspace), ids.decode("aud", entry)):
        raise NotFound("not_found", "There is no entry with that id that still has facts.")
    await tx.audit.append(actor, ERASED_ACT, entry, now=now)


def micros(when: datetime | None) -> int | None:
    """Microseconds UTC."""
    return None if when is None else int(when.timestamp() * 1_000_000)
