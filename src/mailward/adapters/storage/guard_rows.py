"""The parts of the guard's rows that are read as one: where a sign-in came from, and what an alert says."""

from __future__ import annotations

from typing import Any

import msgspec

from mailward.adapters.storage.times import from_us, maybe_from_us
from mailward.base import ids
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.guard.model import Alert, Link, LinkKind, SignedIn
from mailward.policy.detection import Kind, Observed
from mailward.policy.lockout import Bucket
from mailward.policy.suspicion import Level

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple).decode

INSTALLATION = b"\x00" * 16
"""Stands for the installation where an alert's workspace would stand."""


def to_bucket(row: tuple[Any, ...]) -> Bucket:
    """From tries, until, tat, at; times in microseconds."""
    return Bucket(int(row[0]), row[1] / 1e6, row[2] / 1e6, row[3] / 1e6)


def of_bucket(b: Bucket) -> tuple[int, int, int, int]:
    """The same as it is stored."""
    return b.tries, round(b.until * 1e6), round(b.tat * 1e6), round(b.at * 1e6)


def pack_sign_in(s: SignedIn) -> bytes:
    """Address, device, place and why."""
    return _encode((s.address, s.device, s.device_hash, s.place, s.network, s.position, s.reasons))


def to_sign_in(user: bytes, id: bytes, at: int, level: int, began: int, details: bytes) -> SignedIn:
    """From a row with its details opened."""
    address, device, device_hash, place, network, position, reasons = _decode(details)
    return SignedIn(
        id,
        UserId(ids.encode("usr", user)),
        from_us(at),
        Level(level),
        bool(began),
        address,
        device,
        device_hash,
        place,
        network,
        None if position is None else (position[0], position[1]),
        tuple(reasons),
    )


def pack_link(link: Link) -> bytes:
    """Where the sign-in came from."""
    return _encode((link.address, link.device, link.device_hash, link.place, link.network))


def to_link(kind: str, user: bytes, expires: int, details: bytes) -> Link:
    """From a row with its details opened."""
    return Link(LinkKind(kind), UserId(ids.encode("usr", user)), from_us(expires), *_decode(details))


def pack_alert(alert: Alert) -> bytes:
    """Whom it is about, and the sentence."""
    return _encode((alert.subject, alert.sentence))


def to_alert(
    workspace: bytes, id: bytes, at: int, rule: str, severity: str, details: bytes, acknowledged: int | None, by: str
) -> Alert:
    """From a row with its details opened."""
    subject, sentence = _decode(details)
    where = None if workspace == INSTALLATION else WorkspaceId(ids.encode("ws", workspace))
    seen = maybe_from_us(acknowledged)
    return Alert(ids.encode("alr", id), where, from_us(at), rule, severity, subject, sentence, seen, by)


def to_observed(rows: list[tuple[str, bytes, str, bytes, int, int, int]]) -> list[Observed]:
    """From (kind, subject, name, workspace, slot, count, items) in order of kind and subject."""
    found: dict[tuple[str, bytes], tuple[str, bytes, dict[int, tuple[int, int]]]] = {}
    for kind, subject, name, workspace, slot, count, items in rows:
        held = found.setdefault((kind, subject), (name, workspace, {}))
        held[2][slot] = (count, items)
    return [Observed(Kind(k), s, name, workspace, slots) for (k, s), (name, workspace, slots) in found.items()]
