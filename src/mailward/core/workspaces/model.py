"""Nouns of a workspace: the tenant, its settings, its data keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.base.ids import WorkspaceId
from mailward.policy.redaction import Redaction

_EPOCH = date(1970, 1, 1).toordinal()


class WorkspaceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a workspace decides for itself. None means: as the installation says."""

    messages_days: int | None = None
    """How long metadata of messages is kept, in days."""
    content_days: int | None = None
    """How long content is kept, in days; never longer than the metadata."""
    revoke_leaked: bool = False
    """A key that somebody reports as leaked is revoked at once; else its owner is told and it goes on working."""
    second_factor: bool = False
    """Its people need a second factor; who has none is led to add one before anything else."""
    networks: tuple[str, ...] = ()
    """Where its people may come from, in CIDR form; empty: from anywhere."""
    redaction: Redaction = Redaction()
    """Which fields of its mail are taken out of what is stored, or never stored."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What the operator set for one workspace, each a number a minute: 0 means no limit, None as the installation says.

    `api` is for reads and for sends, each; writes have a tenth of it.
    """

    api: int | None = None
    messages: int | None = None


@dataclass(frozen=True, slots=True)
class Workspace:
    """A tenant."""

    id: WorkspaceId
    name: str
    created: datetime
    settings: WorkspaceSettings


@dataclass(frozen=True, slots=True)
class Notice:
    """What an owner is to be told by mail. `kind` says what of, `about` is the id of the thing."""

    id: str
    workspace: WorkspaceId
    at: datetime
    kind: str
    about: str


@dataclass(frozen=True, slots=True)
class DataKey:
    """An unwrapped data key of one workspace and UTC day. `day` counts from 1970-01-01."""

    day: int
    version: int
    aead: AESGCM


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it is stored. `wrapped` is None once it was destroyed; it is never made anew."""

    workspace: bytes
    day: int
    version: int
    wrapped: bytes | None


def day_of(when: datetime) -> int:
    """Days since 1970-01-01 of a time in UTC; the period of a data key."""
    return when.toordinal() - _EPOCH
