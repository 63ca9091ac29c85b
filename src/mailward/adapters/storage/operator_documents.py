"""What operators' tables hold as documents: the register, a grant's wish, a review's items."""

from __future__ import annotations

from typing import Any

import msgspec

from mailward.adapters.storage.times import from_us, maybe_from_us, to_us
from mailward.base import ids
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.operators.model import Grant, GrantState, Item, Register, Review, Why, Wish

_register = msgspec.json.Decoder(Register)
_wish = msgspec.json.Decoder(Wish)
_items = msgspec.json.Decoder(tuple[Item, ...])
_encode = msgspec.json.Encoder(order="deterministic").encode

GRANT_COLUMNS = (
    "workspace, id, operator, wish, state, requested, ready, approver, approved, permitted, permitted_by, "
    "began, ends, ended, ended_by, why, told"
)
PROGRESS = (
    "state", "ready", "approver", "approved", "permitted", "permitted_by", "began", "ends", "ended", "ended_by", "why"
)  # fmt: skip
"""The columns of a grant that change."""
REVIEW_COLUMNS = "workspace, id, quarter, opened, items, escalated, suspended, closed, told"
INSTALLATION = b"\x00" * 16
"""Stands for the installation where a workspace's raw id would stand."""


def register_text(register: Register) -> str:
    """A register as JSON."""
    return _encode(register).decode()


def register_of(text: str | bytes) -> Register:
    """It again."""
    return _register.decode(text)


def wish_text(wish: Wish) -> str:
    """A wish as JSON, the same for the same wish."""
    return _encode(wish).decode()


def items_text(items: tuple[Item, ...]) -> str:
    """A review's items as JSON."""
    return _encode(items).decode()


def raw_workspace(workspace: WorkspaceId) -> bytes:
    """Its 16 octets; those of the installation for ""."""
    return ids.decode("ws", workspace) if workspace else INSTALLATION


def workspace_of(raw: bytes) -> WorkspaceId:
    """And back."""
    return WorkspaceId("" if raw == INSTALLATION else ids.encode("ws", raw))


def grant_of(r: Any, wish: str | bytes) -> Grant:
    """A grant from its columns in the order of GRANT_COLUMNS, with its wish opened."""
    return Grant(
        ids.encode("grt", r[1]),
        workspace_of(r[0]),
        UserId(ids.encode("usr", r[2])),
        _wish.decode(wish),
        GrantState(r[4]),
        from_us(r[5]),
        ready=maybe_from_us(r[6]),
        approver=UserId(ids.encode("usr", r[7])) if r[7] is not None else None,
        approved=maybe_from_us(r[8]),
        permitted=maybe_from_us(r[9]),
        permitted_by=r[10],
        began=maybe_from_us(r[11]),
        ends=maybe_from_us(r[12]),
        ended=maybe_from_us(r[13]),
        ended_by=r[14],
        why=Why(r[15]) if r[15] is not None else None,
        told=r[16],
    )


def progress_of(grant: Grant) -> tuple[Any, ...]:
    """The values of PROGRESS."""
    return (
        grant.state.value,
        to_us(grant.ready),
        ids.decode("usr", grant.approver) if grant.approver else None,
        to_us(grant.approved),
        to_us(grant.permitted),
        grant.permitted_by,
        to_us(grant.began),
        to_us(grant.ends),
        to_us(grant.ended),
        grant.ended_by,
        grant.why.value if grant.why else None,
    )


def review_of(r: Any, items: str | bytes) -> Review:
    """A review from its columns in the order of REVIEW_COLUMNS, with its items opened."""
    return Review(
        ids.encode("rev", r[1]),
        workspace_of(r[0]),
        r[2],
        from_us(r[3]),
        _items.decode(items),
        escalated=maybe_from_us(r[5]),
        suspended=maybe_from_us(r[6]),
        closed=maybe_from_us(r[7]),
        told=r[8],
    )
