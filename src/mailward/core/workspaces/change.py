"""Create a workspace, rename it, change its settings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import structs

from mailward.base import ids
from mailward.base.errors import Invalid, NotFound
from mailward.base.ids import WorkspaceId
from mailward.base.sources import Entropy
from mailward.core.workspaces.model import Workspace, WorkspaceSettings
from mailward.core.workspaces.ports import TenantTx
from mailward.core.workspaces.retention import LONGEST_DAYS, Terms, terms
from mailward.policy import access
from mailward.policy.access import Actor, Permission

_LONGEST_NAME = 100


async def create(
    tx: TenantTx, actor: Actor, name: str, *, now: datetime, entropy: Entropy, id: WorkspaceId | None = None
) -> Workspace:
    """A new tenant with its settings row. System scope; `actor` acts in the workspace it is about to have."""
    access.require(actor, Permission.WORKSPACE_CHANGE)
    made = Workspace(id or new_id(now, entropy), good_name(name), now, WorkspaceSettings())
    await tx.workspaces.insert(made)
    await tx.audit.append(actor, "workspace.created", made.id, {"name": made.name}, now=now)
    return made


async def rename(tx: TenantTx, actor: Actor, name: str, *, now: datetime) -> Workspace:
    """Another name for the actor's workspace."""
    access.require(actor, Permission.WORKSPACE_CHANGE)
    before = await _own_in_turn(tx, actor)
    after = Workspace(before.id, good_name(name), before.created, before.settings)
    await tx.workspaces.rename(after.id, after.name)
    # Processes keep what pages say of a session until the epoch moves.
    await tx.revocations.bump()
    await tx.audit.append(actor, "workspace.renamed", after.id, {"from": before.name, "to": after.name}, now=now)
    return after


async def change_settings(tx: TenantTx, actor: Actor, settings: WorkspaceSettings, *, now: datetime) -> Workspace:
    """Replace the settings. Invalid when a period makes no sense."""
    access.require(actor, Permission.WORKSPACE_CHANGE)
    for field, days in (("messages_days", settings.messages_days), ("content_days", settings.content_days)):
        if days is not None and not 1 <= days <= LONGEST_DAYS:
            raise Invalid("bad_period", f"A period is from 1 to {LONGEST_DAYS} days.", field=field)
    before = await _own_in_turn(tx, actor)
    await tx.workspaces.change_settings(before.id, settings)
    # A setting may ask more of sessions than they have shown.
    await tx.revocations.bump()
    facts = {"messages_days": str(settings.messages_days), "content_days": str(settings.content_days)}
    await tx.audit.append(actor, "workspace.settings_changed", before.id, facts, now=now)
    return Workspace(before.id, before.name, before.created, settings)


async def change_retention(
    tx: TenantTx,
    actor: Actor,
    wanted: Callable[[WorkspaceSettings], WorkspaceSettings],
    default: Terms,
    *,
    now: datetime,
) -> Workspace:
    """Change the workspace's own terms, starting from those it has. `default` are the installation's.

    Invalid when the content would be asked to outlive its message: silently keeping it shorter
    would not be what was asked for.
    """
    access.require(actor, Permission.WORKSPACE_CHANGE)
    settings = wanted((await _own_in_turn(tx, actor)).settings)
    if settings.content_days is not None and settings.content_days > terms(settings, default).messages_days:
        text = "Content cannot be kept longer than its message."
        raise Invalid("content_outlives_message", text, field="content_days")
    return await change_settings(tx, actor, settings, now=now)


async def change_leak_response(tx: TenantTx, actor: Actor, revoke: bool, *, now: datetime) -> Workspace:
    """Whether a key that is reported as leaked is revoked at once, or its owner only warned."""
    access.require(actor, Permission.WORKSPACE_CHANGE)
    before = await _own_in_turn(tx, actor)
    settings = structs.replace(before.settings, revoke_leaked=revoke)
    await tx.workspaces.change_settings(before.id, settings)
    facts = {"revoke_leaked": "yes" if revoke else "no"}
    await tx.audit.append(actor, "workspace.settings_changed", before.id, facts, now=now)
    return Workspace(before.id, before.name, before.created, settings)


async def show(tx: TenantTx, actor: Actor) -> Workspace:
    """The actor's workspace."""
    access.require(actor, Permission.WORKSPACE_READ)
    return await _own(tx, actor)


async def _own_in_turn(tx: TenantTx, actor: Actor) -> Workspace:
    # Settings are written as a whole: of two who change one each, the second has to begin with what the first left.
    await tx.audit.in_turn(actor.workspace)
    return await _own(tx, actor)


async def _own(tx: TenantTx, actor: Actor) -> Workspace:
    found = await tx.workspaces.get(actor.workspace)
    if found is None:
        raise NotFound("not_found", "There is no such workspace.")
    return found


def new_id(now: datetime, entropy: Entropy) -> WorkspaceId:
    """An id for a workspace to be."""
    return WorkspaceId(ids.new("ws", now, entropy))


def good_name(name: str, *, field: str = "name") -> str:
    """A name people gave, trimmed; Invalid when it is empty, long, or holds control characters."""
    trimmed = name.strip()
    if not 0 < len(trimmed) <= _LONGEST_NAME or not trimmed.isprintable():
        raise Invalid("bad_name", f"A name has 1 to {_LONGEST_NAME} printable characters.", field=field)
    return trimmed
