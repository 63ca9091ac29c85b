"""export(): a file that proves itself: entries, signed checkpoints, and proofs that tie them together."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mailward.base import ids
from mailward.base.errors import NotFound, TooLarge
from mailward.base.ids import WorkspaceId
from mailward.core.audit.advance import origin
from mailward.core.audit.model import INSTALLATION, Head, LeafRow
from mailward.core.audit.ports import TOLD_EVERY, AuditTx, Signer, Tell, nobody
from mailward.core.audit.read import latest_head, micros
from mailward.core.audit.subtrees import Subtrees
from mailward.policy import access
from mailward.policy.access import Actor, Permission
from mailward.protocol.merkle.note import VerifierKey
from mailward.protocol.merkle.proofs import consistency_spans, inclusion_spans
from mailward.protocol.merkle.tree import leaf_hash

FORMAT = "mailward-audit-export/1"
_MOST_ENTRIES = 100_000
_DAY_US = 86_400_000_000


async def export(
    tx: AuditTx,
    actor: Actor,
    signer: Signer,
    *,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    since_size: int | None = None,
    tell: Tell = nobody,
) -> dict[str, Any]:
    """The log of the actor's workspace for a period (all of it by default) as a JSON object.

    It holds the entries up to the newest head, one more on each side of the period to
    show that none was left out at its ends, their inclusion proofs, earlier checkpoints
    with consistency proofs (and one from `since_size`, the size of a checkpoint you
    kept). Run the sequencer first to have the last second in it. Audited itself by the
    caller's next append. NotFound for an empty period, TooLarge above 100,000 entries.
    """
    access.require(actor, Permission.AUDIT_READ)
    workspace = ids.decode("ws", actor.workspace)
    head = await latest_head(tx, actor)
    first, end = await _range(tx, workspace, head.size, micros(since), micros(until))
    if end - first > _MOST_ENTRIES:
        raise TooLarge("export_too_large", f"At most {_MOST_ENTRIES} entries an export; choose a shorter period.")
    tree = Subtrees(tx, workspace)
    rows = list(await tx.audit.leaves(workspace, first, end))
    for row in rows:
        tree.remember(0, row.seq, leaf_hash(row.leaf))
    return {
        "format": FORMAT,
        "log": signer.log,
        "workspace": actor.workspace,
        "public_key": _b64(signer.public_key),
        "verifier_key": str(VerifierKey(origin(signer.log, workspace), signer.public_key)),
        "exported": now.isoformat(),
        "since": None if since is None else since.isoformat(),
        "until": None if until is None else until.isoformat(),
        "checkpoint": head.note,
        "first": first,
        "entries": await _entries(tree, rows, head.size, tell),
        "left": [_b64(h) for h in await tree.covering(0, first)],
        "right": [_b64(h) for h in await tree.covering(end, head.size)],
        "checkpoints": await _earlier(tx, tree, workspace, head),
        "consistency": await _since(tree, head, since_size),
    }


async def _range(tx: AuditTx, workspace: bytes, size: int, since: int | None, until: int | None) -> tuple[int, int]:
    if since is None and until is None:
        return 0, size
    first, end = await tx.audit.span(workspace, since, until)
    end = min(end, size)
    if first >= end:
        raise NotFound("no_entries", "There are no entries in this period.")
    return max(0, first - 1) if since is not None else 0, min(size, end + 1) if until is not None else size


async def _entries(tree: Subtrees, rows: Sequence[LeafRow], size: int, tell: Tell) -> list[dict[str, Any]]:
    made = []
    for n, row in enumerate(rows, 1):
        made.append(await _entry(tree, row, size))
        if n % TOLD_EVERY == 0 or n == len(rows):
            tell("entries", n, len(rows))
    return made


async def _entry(tree: Subtrees, row: LeafRow, size: int) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "leaf": row.leaf.decode(),
        "salt": None if row.salt is None else _b64(row.salt),
        "facts": row.facts,
        "inclusion": [_b64(h) for h in await tree.proof(inclusion_spans(row.seq, size))],
    }


async def _earlier(tx: AuditTx, tree: Subtrees, workspace: bytes, head: Head) -> list[dict[str, Any]]:
    """The last checkpoint of each day before the newest, with the proof that the log only grew since."""
    days: dict[int, Head] = {}
    for earlier in await tx.audit.heads(workspace):
        if earlier.size < head.size:
            days[earlier.at // _DAY_US] = earlier
    return [
        {"note": h.note, "consistency": [_b64(x) for x in await tree.proof(consistency_spans(h.size, head.size))]}
        for h in days.values()
    ]


async def _since(tree: Subtrees, head: Head, size: int | None) -> dict[str, Any] | None:
    if size is None or not 0 < size <= head.size:
        return None
    return {"size": size, "proof": [_b64(h) for h in await tree.proof(consistency_spans(size, head.size))]}


async def anchor(tx: AuditTx, workspace: WorkspaceId, size: int, signer: Signer) -> dict[str, Any] | None:
    """Proof that the installation's log recorded a workspace's head; None before it did. System scope.

    Shows nothing of other workspaces but hashes. Goes into the export as `anchor`.
    """
    seq = await tx.audit.head_leaf(workspace, size)
    head = await tx.audit.head(INSTALLATION)
    if seq is None or head is None or seq >= head.size:
        return None
    tree = Subtrees(tx, INSTALLATION)
    (leaf,) = await tx.audit.leaf_bytes(INSTALLATION, seq, seq + 1)
    return {
        "seq": seq,
        "leaf": leaf.decode(),
        "inclusion": [_b64(h) for h in await tree.proof(inclusion_spans(seq, head.size))],
        "checkpoint": head.note,
        "verifier_key": str(VerifierKey(signer.log, signer.public_key)),
    }


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
