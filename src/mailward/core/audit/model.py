"""Nouns of the log: entries, heads, faults; and the bytes of a leaf."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

INSTALLATION = b"\x00" * 16
"""Stands for the installation where a workspace's raw id would stand."""

HEAD_ACT = "audit.head"
ERASED_ACT = "audit.facts_erased"


@dataclass(frozen=True, slots=True)
class Entry:
    """One act, as a reader sees it. `facts` is None once they were erased, {} when there were none."""

    seq: int
    id: str
    at: datetime
    actor_kind: str
    actor: str
    act: str
    target: str
    facts: dict[str, str] | None
    leaf: bytes

    @property
    def address(self) -> str:
        """Where the request came from; "" for what the platform or the shell did, and once it was erased."""
        return (self.facts or {}).get("address", "")

    @property
    def outcome(self) -> str:
        """ "done", "refused", "held" or "failed", which the act's name says. What was not done changed nothing."""
        word = self.act.rpartition(".")[2]
        return word if word in ("refused", "held", "failed") else "done"

    @property
    def reason(self) -> str:
        """Why, where the act gives a reason; "" otherwise."""
        facts = self.facts or {}
        return facts.get("reason") or facts.get("why") or ""


@dataclass(frozen=True, slots=True)
class LeafRow:
    """An entry as it is stored: leaf bytes, and beside them the personal facts with their salt, if there are any."""

    seq: int
    id: bytes
    at: int
    act: str
    leaf: bytes
    salt: bytes | None = None
    facts: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """A signed state of a tree. `note` is the checkpoint in C2SP form, `at` microseconds UTC."""

    size: int
    root: bytes
    at: int
    note: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was written. `seq` is the entry, -1 where it is about the whole."""

    workspace: str
    seq: int
    what: str


def canonical(value: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys and no whitespace, UTF-8: one value, one sequence of bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def facts_by(address: str, facts: Mapping[str, str] | None) -> dict[str, str] | None:
    """The facts of an act with the address it came from, where one is known and the act itself names none."""
    if not address:
        return dict(facts) if facts else None
    return {"address": address, **(facts or {})}


def facts_hash(salt: bytes, facts: str) -> str:
    """Hex SHA-256 of salt and canonical facts. The 16 random bytes of salt keep short facts from being guessed."""
    return hashlib.sha256(salt + facts.encode()).hexdigest()


def encode_leaf(
    *,
    workspace: str,
    id: str,
    at: int,
    actor_kind: str,
    actor: str,
    act: str,
    target: str,
    facts: str | None,
    salt: bytes,
    extra: Mapping[str, Any] | None = None,
) -> bytes:
    """The bytes of a leaf, version 1. `at` is microseconds UTC; `facts` enter as their salted hash only."""
    leaf: dict[str, Any] = {
        "v": 1,
        "workspace": workspace,
        "id": id,
        "at": at,
        "actor": {"kind": actor_kind, "id": actor},
        "act": act,
        "target": target,
        "facts": None if facts is None else facts_hash(salt, facts),
    }
    if extra:
        leaf["head"] = dict(extra)
    return canonical(leaf)


def decode_leaf(leaf: bytes) -> dict[str, Any]:
    """The fields of a leaf. ValueError when it is not JSON of ours."""
    value = json.loads(leaf)
    if not isinstance(value, dict) or value.get("v") != 1:
        raise ValueError("not a leaf of version 1")
    return value


def to_entry(row: LeafRow) -> Entry:
    """The readable form of a stored entry."""
    leaf = decode_leaf(row.leaf)
    facts: dict[str, str] | None = {}
    if leaf["facts"] is not None:
        facts = None if row.facts is None else json.loads(row.facts)
    return Entry(
        row.seq,
        leaf["id"],
        datetime.fromtimestamp(leaf["at"] // 1_000_000, UTC).replace(microsecond=leaf["at"] % 1_000_000),
        leaf["actor"]["kind"],
        leaf["actor"]["id"],
        leaf["act"],
        leaf["target"],
        facts,
        row.leaf,
    )
