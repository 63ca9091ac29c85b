"""verify_store(): recompute every tree from its leaves and compare with everything else that is stored."""

from __future__ import annotations

from collections.abc import Iterable

from mailward.base import ids
from mailward.core.audit.advance import origin, tree_name
from mailward.core.audit.model import ERASED_ACT, HEAD_ACT, INSTALLATION, Fault, Head, LeafRow, decode_leaf, facts_hash
from mailward.core.audit.ports import AuditTx, Node, Tell, nobody
from mailward.protocol.merkle.checkpoint import Checkpoint, open_checkpoint
from mailward.protocol.merkle.note import NoteError
from mailward.protocol.merkle.tree import CompactRange

_CHUNK = 5000


async def verify_store(
    tx: AuditTx, public_key: bytes, log: str, *, checkpoints: Iterable[str] = (), tell: Tell = nobody
) -> list[Fault]:
    """Everything in the log that is not as it was written; empty when all is. System scope.

    `checkpoints` are notes kept elsewhere (exported, or signed by a witness): with them,
    cutting the tail of everything is found too. Reads each entry once.
    """
    faults: list[Fault] = []
    kept = _sort(checkpoints, public_key, faults)
    trees = {*await tx.audit.trees(), INSTALLATION}
    recorded: dict[tuple[str, int], str] = {}
    heads: dict[tuple[str, int], str] = {}
    for n, workspace in enumerate(sorted(trees), 1):
        check = _TreeCheck(tx, workspace, origin(log, workspace), public_key, faults)
        await check.run(kept.pop(origin(log, workspace), []))
        recorded.update(check.recorded_heads)
        if workspace != INSTALLATION:
            heads.update({(check.name, h.size): h.root.hex() for h in check.heads})
        tell("logs", n, len(trees))
    for place in recorded.keys() - heads.keys():
        faults.append(Fault(place[0], -1, f"the head of size {place[1]} is gone, and perhaps entries with it"))
    for place, root in heads.items():
        if recorded.get(place) != root:
            faults.append(Fault(place[0], -1, f"the head of size {place[1]} is not the one the installation recorded"))
    for name in kept:
        faults.append(Fault(name, -1, "a checkpoint was given of a tree that is not here"))
    return faults


def _sort(notes: Iterable[str], public_key: bytes, faults: list[Fault]) -> dict[str, list[Checkpoint]]:
    found: dict[str, list[Checkpoint]] = {}
    for note in notes:
        try:
            checkpoint = open_checkpoint(note, public_key)
        except NoteError as e:
            faults.append(Fault("", -1, f"a checkpoint that was given: {e}"))
            continue
        found.setdefault(checkpoint.origin, []).append(checkpoint)
    return found


class _TreeCheck:
    """One tree, read once from its first leaf to its last."""

    def __init__(self, tx: AuditTx, workspace: bytes, origin: str, public_key: bytes, faults: list[Fault]) -> None:
        self._tx = tx
        self._workspace = workspace
        self._origin = origin
        self._public_key = public_key
        self._faults = faults
        self.name = tree_name(workspace)
        self.heads: list[Head] = []
        self.recorded_heads: dict[tuple[str, int], str] = {}
        self._without_facts: dict[str, int] = {}
        self._erased: set[str] = set()

    def _fault(self, seq: int, what: str) -> None:
        self._faults.append(Fault(self.name, seq, what))

    async def run(self, kept: list[Checkpoint]) -> None:
        self.heads = await self._tx.audit.heads(self._workspace)
        claims = [(h.size, h.root, "the signed head") for h in self.heads]
        claims += [(c.size, c.root, "a checkpoint kept elsewhere") for c in kept]
        wanted: dict[int, list[tuple[bytes, str]]] = {}
        for size, root, whose in claims:
            wanted.setdefault(size, []).append((root, whose))
        for head in self.heads:
            self._check_note(head)
        tree = CompactRange()
        grown: list[Node] = []
        size = await self._tx.audit.size(self._workspace)
        for first in range(0, size, _CHUNK):
            for row in await self._tx.audit.leaves(self._workspace, first, min(first + _CHUNK, size)):
                if row.seq != tree.end:
                    self._fault(tree.end, "entries are missing")
                    return
                self._check_row(row)
                tree.extend([row.leaf], grown)
                self._check_roots(tree, wanted.pop(tree.end, []))
        for missing, claimed in wanted.items():
            for _, whose in claimed:
                self._fault(-1, f"{whose} covers {missing} entries and there are {tree.end}: the tail was cut")
        for id, seq in self._without_facts.items():
            if id not in self._erased:
                self._fault(seq, "its facts are gone, and no entry says that they were erased")
        covered = self.heads[-1].size if self.heads else 0
        await self._check_nodes({(n, i): h for n, i, h in grown if (i + 1) << n <= covered})

    def _check_roots(self, tree: CompactRange, claimed: list[tuple[bytes, str]]) -> None:
        for root, whose in claimed:
            if tree.root() != root:
                self._fault(-1, f"the first {tree.end} entries do not give the root in {whose}")

    def _check_note(self, head: Head) -> None:
        try:
            said = open_checkpoint(head.note, self._public_key, origin=self._origin)
        except NoteError as e:
            self._fault(-1, f"the head of size {head.size}: {e}")
            return
        if (said.size, said.root) != (head.size, head.root):
            self._fault(-1, f"the head of size {head.size} does not say what was signed")

    def _check_row(self, row: LeafRow) -> None:
        try:
            leaf = decode_leaf(row.leaf)
            same = (leaf["workspace"], leaf["at"], leaf["act"]) == (self.name, row.at, row.act)
            same = same and leaf["id"] == ids.encode("aud", row.id)
            expected, act, target = leaf["facts"], leaf["act"], leaf["target"]
        except (ValueError, KeyError, TypeError):
            self._fault(row.seq, "the entry is not readable")
            return
        if not same:
            self._fault(row.seq, "the columns beside the entry do not match it")
        if act == ERASED_ACT:
            self._erased.add(target)
        if act == HEAD_ACT and self._workspace == INSTALLATION:
            self.recorded_heads[target, leaf["head"]["size"]] = leaf["head"]["root"]
        if row.facts is None or row.salt is None:
            if expected is not None:
                self._without_facts[leaf["id"]] = row.seq
        elif expected != facts_hash(row.salt, row.facts):
            self._fault(row.seq, "its facts were changed")

    async def _check_nodes(self, expected: dict[tuple[int, int], bytes]) -> None:
        for level, index, hash in await self._tx.audit.nodes(self._workspace):
            if expected.pop((level, index), None) != hash:
                self._fault(-1, f"the stored node {level}/{index} is wrong")
        for level, index in expected:
            self._fault(-1, f"the stored node {level}/{index} is gone")
