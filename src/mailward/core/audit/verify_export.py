"""verify_export(): judge an export offline, with nothing but the file, a public key and perhaps an older checkpoint."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from mailward.core.audit.export import FORMAT
from mailward.core.audit.model import ERASED_ACT, decode_leaf, facts_hash
from mailward.core.audit.ports import TOLD_EVERY, Tell, nobody
from mailward.protocol.merkle.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from mailward.protocol.merkle.note import NoteError, VerifierKey, split_note
from mailward.protocol.merkle.proofs import verify_consistency, verify_inclusion
from mailward.protocol.merkle.tree import CompactRange, join, leaf_hash


@dataclass(slots=True)
class Report:
    """What was found. The export is good when `faults` is empty."""

    faults: list[str] = field(default_factory=list)
    workspace: str = ""
    entries: int = 0
    first: int = 0
    size: int = 0
    root: str = ""
    erased: int = 0
    anchored: bool = False
    key_given: bool = False
    """Whether the caller brought the public key; with the key in the file alone, whoever made the file vouches."""

    @property
    def good(self) -> bool:
        """Nothing is wrong."""
        return not self.faults


def parse_public_key(text: str) -> bytes:
    """32 raw bytes from a verifier key (`name+id+base64`) or from base64 alone; ValueError otherwise."""
    text = text.strip()
    # Base64 of 32 bytes has 44 characters; a verifier key is longer by its name and id.
    raw = base64.b64decode(text, validate=True) if len(text) == 44 else VerifierKey.parse(text).public
    if len(raw) != 32:
        raise ValueError("a public key has 32 bytes")
    return raw


def verify_export(
    data: bytes, *, public_key: bytes | None = None, checkpoint: str | None = None, tell: Tell = nobody
) -> Report:
    """Every way in which the file does not prove itself. Never raises for bad input: that is a fault too.

    With `checkpoint`, a note kept from before, the log must contain all that it covered.
    """
    report = Report(key_given=public_key is not None)
    try:
        content = _read(data)
        _Check(content, public_key, report, tell).run(checkpoint)
    except ValueError as e:
        report.faults.append(f"the file is not an intact export: {e}")
    return report


def parse_kept(text: str) -> str:
    """A checkpoint kept from before, as it is; ValueError when the text is none, whoever signed it."""
    try:
        parse_checkpoint(split_note(text)[0])
    except NoteError as e:
        raise ValueError(f"this is no checkpoint as `mailward audit checkpoint` prints it ({e})") from e
    return text


class _Entry(msgspec.Struct):
    seq: int
    leaf: str
    facts: str | None
    salt: str | None
    inclusion: list[str]


class _Earlier(msgspec.Struct):
    note: str
    consistency: list[str]


class _Proof(msgspec.Struct):
    size: int
    proof: list[str]


class _Anchor(msgspec.Struct):
    checkpoint: str
    seq: int
    leaf: str
    inclusion: list[str]


class _Shape(msgspec.Struct):
    """What an export has, whatever else is in it."""

    log: str
    workspace: str
    public_key: str
    checkpoint: str
    first: int
    since: datetime | None
    until: datetime | None
    entries: list[_Entry]
    left: list[str]
    right: list[str]
    checkpoints: list[_Earlier]
    consistency: _Proof | None = None
    anchor: _Anchor | None = None


class _LeafShape(msgspec.Struct):
    id: str
    workspace: str
    act: str
    target: str
    at: int
    facts: str | None


def _read(data: bytes) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(data)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError("it is not an audit export of this version")
        msgspec.convert(content, _Shape)
    except msgspec.ValidationError as e:
        said, _, where = str(e).partition(" - at `$.")
        raise ValueError(f"{where.strip('`') or 'it'}: {said}") from e
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise ValueError(f"it is not JSON ({e})") from e
    except RecursionError as e:
        raise ValueError("it is nested too deeply") from e
    return content


def _leaf(text: str) -> dict[str, Any]:
    """The fields of an entry's leaf; ValueError when they are not those of one."""
    try:
        leaf = decode_leaf(text.encode())
        msgspec.convert(leaf, _LeafShape)
    except RecursionError as e:
        raise ValueError("an entry is nested too deeply") from e
    except json.JSONDecodeError as e:
        raise ValueError(f"an entry is not JSON ({e})") from e
    except msgspec.ValidationError as e:
        raise ValueError(f"an entry is none of this log ({e})") from e
    return leaf


class _Check:
    def __init__(self, content: dict[str, Any], public_key: bytes | None, report: Report, tell: Tell) -> None:
        self._content = content
        self._report = report
        self._tell = tell
        self._key = public_key or _raw(content["public_key"])
        self._log = "mailward.audit/" + hashlib.sha256(self._key).hexdigest()[:16]
        report.workspace = content["workspace"]

    def _fault(self, what: str) -> None:
        self._report.faults.append(what)

    def run(self, kept: str | None) -> None:
        content, report = self._content, self._report
        head = open_checkpoint(content["checkpoint"], self._key, origin=f"{self._log}/{report.workspace}")
        leaves = [e["leaf"].encode() for e in content["entries"]]
        report.first, report.entries, report.size = content["first"], len(leaves), head.size
        report.root = head.root.hex()
        if content["log"] != self._log or _raw(content["public_key"]) != self._key:
            self._fault("the file names another key than the one that signed")
        self._check_tree(head, leaves)
        self._check_entries(head)
        self._check_period(head)
        for earlier in content["checkpoints"]:
            note = open_checkpoint(earlier["note"], self._key, origin=head.origin)
            verify_consistency(note.size, note.root, head.size, head.root, _hashes(earlier["consistency"]))
        if kept is not None:
            self._check_kept(kept, head, leaves)
        if content.get("anchor") is not None:
            self._check_anchor(content["anchor"], head)

    def _check_tree(self, head: Checkpoint, leaves: list[bytes]) -> None:
        first, end = self._content["first"], self._content["first"] + len(leaves)
        if not 0 <= first <= end <= head.size:
            raise ValueError("the entries do not fit the checkpoint")
        tree = CompactRange(0, first, _hashes(self._content["left"]))
        tree.extend(leaves)
        right = CompactRange(end, head.size, _hashes(self._content["right"]))
        if not right.hashes:
            root = tree.root()
        else:
            root = _join_ranges(tree, right)
        if root != head.root:
            self._fault("the entries do not give the signed root: something was changed, dropped, added or reordered")

    def _check_entries(self, head: Checkpoint) -> None:
        without: dict[str, int] = {}
        erased: set[str] = set()
        for offset, entry in enumerate(self._content["entries"]):
            seq = self._content["first"] + offset
            if entry["seq"] != seq:
                self._fault(f"entry {seq}: the file numbers it {entry['seq']}")
            leaf = _leaf(entry["leaf"])
            if leaf["workspace"] != self._report.workspace:
                self._fault(f"entry {seq}: it is of another workspace")
            verify_inclusion(leaf_hash(entry["leaf"].encode()), seq, head.size, _hashes(entry["inclusion"]), head.root)
            if leaf["act"] == ERASED_ACT:
                erased.add(leaf["target"])
            if entry["facts"] is None:
                if leaf["facts"] is not None:
                    without[leaf["id"]] = seq
            elif entry["salt"] is None or leaf["facts"] != facts_hash(_raw(entry["salt"]), entry["facts"]):
                self._fault(f"entry {seq}: its facts were changed")
            if offset % TOLD_EVERY == 0 or offset + 1 == self._report.entries:
                self._tell("entries", offset + 1, self._report.entries)
        self._report.erased = len(without)
        # An erasure may lie outside the period; in a whole log it must be there.
        if self._content["first"] == 0 and len(self._content["entries"]) == head.size:
            for id, seq in without.items():
                if id not in erased:
                    self._fault(f"entry {seq}: its facts are gone, and no entry says that they were erased")

    def _check_period(self, head: Checkpoint) -> None:
        content, entries = self._content, self._content["entries"]
        since, until = content["since"], content["until"]
        if content["first"] > 0 and (since is None or _at(entries[0]) >= _us(since)):
            self._fault("entries at the beginning of the period were left out")
        if content["first"] + len(entries) < head.size and (until is None or _at(entries[-1]) < _us(until)):
            self._fault("entries at the end of the period were left out")

    def _check_kept(self, note: str, head: Checkpoint, leaves: list[bytes]) -> None:
        try:
            kept = open_checkpoint(note, self._key, origin=head.origin)
        except NoteError as e:
            self._fault(f"the checkpoint that was kept is none of this log: {e}")
            return
        first = self._content["first"]
        if kept.size > head.size:
            self._fault(f"the log is shorter than the checkpoint: {kept.size} entries then, {head.size} now")
        elif first <= kept.size <= first + len(leaves):
            tree = CompactRange(0, first, _hashes(self._content["left"]))
            tree.extend(leaves[: kept.size - first])
            if tree.root() != kept.root:
                self._fault(f"the first {kept.size} entries are not those that the checkpoint covered")
        elif (proof := self._content.get("consistency")) is not None and proof["size"] == kept.size:
            verify_consistency(kept.size, kept.root, head.size, head.root, _hashes(proof["proof"]))
        else:
            self._fault(
                f"this export cannot be compared with a checkpoint of {kept.size} entries: export from there on"
            )

    def _check_anchor(self, anchor: dict[str, Any], head: Checkpoint) -> None:
        installation = open_checkpoint(anchor["checkpoint"], self._key, origin=self._log)
        raw = anchor["leaf"].encode()
        verify_inclusion(
            leaf_hash(raw), anchor["seq"], installation.size, _hashes(anchor["inclusion"]), installation.root
        )
        leaf = decode_leaf(raw)
        if (leaf.get("target"), leaf.get("head")) != (
            self._report.workspace,
            {"size": head.size, "root": head.root.hex()},
        ):
            self._fault("the installation recorded another head of this log")
        self._report.anchored = True


def _join_ranges(left: CompactRange, right: CompactRange) -> bytes:
    """Root over two ranges that meet: subtrees of the left one complete with those of the right one."""
    whole = CompactRange(0, left.end, left.hashes)
    for level, hash in zip(right.levels, right.hashes, strict=True):
        whole.push_subtree(level, hash)
    return join(whole.hashes)


def _raw(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as e:
        raise ValueError("a key, a salt or a hash in it is not base64") from e


def _hashes(texts: list[str]) -> list[bytes]:
    return [_raw(t) for t in texts]


def _at(entry: dict[str, Any]) -> int:
    return int(_leaf(entry["leaf"])["at"])


def _us(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1_000_000)
