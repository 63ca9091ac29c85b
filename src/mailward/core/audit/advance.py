"""advance(): the sequencer. Covers new entries with signed heads, one tree after the other, the installation's last."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mailward.base import ids
from mailward.base.errors import Corrupt
from mailward.core.audit.model import INSTALLATION, Fault, Head
from mailward.core.audit.ports import AuditTx, Node, Signer
from mailward.core.audit.subtrees import Subtrees
from mailward.protocol.merkle.checkpoint import Checkpoint, sign_checkpoint
from mailward.protocol.merkle.tree import CompactRange

# Entries covered in one call for each tree: bounds how long the transaction holds the writer.
_AT_ONCE = 5000


@dataclass(slots=True)
class Advance:
    """What a call did: heads by tree, and trees it refused to sign because stored nodes do not fit the last head."""

    heads: dict[str, Head] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


async def advance(tx: AuditTx, signer: Signer, *, now: datetime) -> Advance:
    """Sign heads over whatever was appended since the last call. System scope; cost grows with the new entries.

    Called every second or so, and before the log is exported; two at once take turns, for both
    would sign the head of the same size. A tree whose stored frontier no longer gives the root
    that was signed last gets no new head: signing would bless a forgery.
    """
    done = Advance()
    await tx.audit.in_turn("")
    for workspace in await tx.audit.pending():
        if workspace != INSTALLATION:
            await _advance_tree(tx, workspace, signer, done, now)
    await _advance_tree(tx, INSTALLATION, signer, done, now)
    return done


async def _advance_tree(tx: AuditTx, workspace: bytes, signer: Signer, done: Advance, now: datetime) -> None:
    last = await tx.audit.head(workspace)
    covered = last.size if last else 0
    end = min(await tx.audit.size(workspace), covered + _AT_ONCE)
    if end <= covered:
        await tx.audit.settled(workspace, covered)
        return
    name = tree_name(workspace)
    try:
        tree = CompactRange(0, covered, await Subtrees(tx, workspace).covering(0, covered))
    except Corrupt as e:
        done.faults.append(Fault(name, -1, e.detail))
        return
    if last is not None and tree.root() != last.root:
        done.faults.append(Fault(name, -1, f"stored nodes do not give the root signed at size {covered}"))
        return
    leaves = await tx.audit.leaf_bytes(workspace, covered, end)
    if len(leaves) != end - covered:
        done.faults.append(Fault(name, covered, "entries are missing"))
        return
    grown: list[Node] = []
    tree.extend(leaves, grown)
    root = tree.root()
    note = sign_checkpoint(Checkpoint(origin(signer.log, workspace), end, root), signer.public_key, signer.sign)
    head = Head(end, root, int(now.timestamp() * 1_000_000), note)
    await tx.audit.add_nodes(workspace, grown)
    await tx.audit.add_head(workspace, head)
    if workspace != INSTALLATION:
        await tx.audit.append_head(name, head, now=now)
    await tx.audit.settled(workspace, end)
    done.heads[name] = head


def tree_name(workspace: bytes) -> str:
    """The workspace's id, or "installation"."""
    return "installation" if workspace == INSTALLATION else ids.encode("ws", workspace)


def origin(log: str, workspace: bytes) -> str:
    """First line of a tree's checkpoints: the log's name, for a workspace followed by its id."""
    return log if workspace == INSTALLATION else f"{log}/{tree_name(workspace)}"
