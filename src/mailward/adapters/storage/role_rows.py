"""Rows of roles, alike on both stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailward.adapters.storage.times import from_us
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.identity.roles import CustomRole
from mailward.policy.access import Permission, Role

_KNOWN = frozenset(p.value for p in Permission)


def words(permissions: frozenset[Permission]) -> str:
    """As they are stored: names in order, with a space between."""
    return " ".join(sorted(permissions))


def role_in(place: str) -> Role:
    """The role of a place as it is stored: a role's name, or the id of one of the workspace's own."""
    return Role.CUSTOM if custom_in(place) else Role(place)


def custom_in(place: str) -> str:
    """The id in a stored place, "" for a role there has always been."""
    return place if place.startswith("role_") else ""


def role_of(row: Sequence[Any]) -> CustomRole:
    """A role from id, workspace, name, permissions, created, created_by.

    A permission that this version does not know is held by nobody: it was removed, or a newer version wrote it.
    """
    held = frozenset(Permission(word) for word in row[3].split() if word in _KNOWN)
    workspace = WorkspaceId(ids.encode("ws", row[1]))
    return CustomRole(ids.encode("role", row[0]), workspace, row[2], held, from_us(row[4]), row[5])
