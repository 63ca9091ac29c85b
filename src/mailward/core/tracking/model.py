"""The nouns: modes by scope, and what is kept of an open or a click."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from mailward.policy.tracking import Mode

OPENED, CLICKED = "opened", "clicked"
EVENTS = {OPENED: "message.opened", CLICKED: "message.clicked"}
"""What the timeline calls them, and the types endpoints are told."""
MOST = 200
"""So many are kept of one message. Who loads an image in a loop fills no store."""
STREAMS = ("transactional", "broadcast")


class Modes(NamedTuple):
    """What a workspace says: for itself, by stream, and by domain (raw id). None and absent: nothing."""

    workspace: Mode | None
    streams: Mapping[str, Mode]
    domains: Mapping[bytes, Mode]


class Change(NamedTuple):
    """Scopes to change, each to a mode, or to None: to say nothing any more."""

    scopes: Mapping[str, Mode | None]


WHOLE = ""


def stream_scope(stream: str) -> str:
    """The key of a stream's mode."""
    return f"s:{stream}"


def domain_scope(id: bytes) -> str:
    """The key of a domain's mode, by its raw id."""
    return f"d:{id.hex()}"


def of_scopes(rows: Mapping[str, Mode]) -> Modes:
    """The modes as they are kept, by meaning."""
    streams = {k[2:]: m for k, m in rows.items() if k.startswith("s:")}
    domains = {bytes.fromhex(k[2:]): m for k, m in rows.items() if k.startswith("d:")}
    return Modes(rows.get(WHOLE), streams, domains)


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the timeline keeps of one. `n` is the copy's number, `agent` a word for the kind of program."""

    n: int
    link: str = ""
    agent: str = ""
    machine: bool = False
    reasons: tuple[str, ...] = ()


FACTS = msgspec.json.Decoder(Facts)
