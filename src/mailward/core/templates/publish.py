"""Publish a draft, go back to an earlier version, and look at what was published."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mailward.base.errors import Conflict, NotFound
from mailward.core.templates import model
from mailward.core.templates.change import existing
from mailward.core.templates.model import Sources, Template, Version
from mailward.core.templates.ports import AuditedTemplateTx, TemplateTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission


async def publish(tx: AuditedTemplateTx, actor: Actor, name: str, tried: Sources, *, now: datetime) -> Template:
    """The draft becomes the next version, and current. The caller has rendered `tried` with its sample.

    Rendering takes place outside of the transaction; Conflict when the draft is another one by now.
    """
    access.require(actor, Permission.TEMPLATE_CHANGE)
    template = await existing(tx, name)
    if template.draft != tried:
        raise Conflict("template_changed", "The draft was changed meanwhile; look at it and publish again.")
    number = await tx.templates.last(template.id) + 1
    if number > model.VERSIONS_MAX:
        raise Conflict("too_many_versions", f"A template has at most {model.VERSIONS_MAX} versions.")
    await tx.templates.add_version(
        template.id, Version(number, int(now.timestamp() * 1_000_000), actor.id, template.draft)
    )
    return await _make_current(tx, actor, template, number, "template.published", now)


async def roll_back(tx: AuditedTemplateTx, actor: Actor, name: str, number: int, *, now: datetime) -> Template:
    """An earlier version is what is sent from now on; the draft stays. Raises NotFound."""
    access.require(actor, Permission.TEMPLATE_CHANGE)
    template = await existing(tx, name)
    await _version(tx, template, number)
    return await _make_current(tx, actor, template, number, "template.rolled_back", now)


async def _make_current(
    tx: AuditedTemplateTx, actor: Actor, template: Template, number: int, act: str, now: datetime
) -> Template:
    template = replace(template, current=number)
    await tx.templates.update(template)
    await tx.revocations.bump()  # every worker keeps sheets in memory
    await tx.audit.append(actor, act, template.name, {"version": str(number)}, now=now)
    return template


async def version(tx: TemplateTx, actor: Actor, name: str, number: int) -> Version:
    """One version as it was published. Raises NotFound."""
    access.require(actor, Permission.TEMPLATE_READ)
    return await _version(tx, await existing(tx, name), number)


async def _version(tx: TemplateTx, template: Template, number: int) -> Version:
    found = await tx.templates.version(template.id, number)
    if found is None:
        raise NotFound("template_version_not_found", "That template has no such version.")
    return found


async def versions(
    tx: TemplateTx, actor: Actor, name: str, *, below: int | None = None, limit: int = 25
) -> list[Version]:
    """The newest first."""
    access.require(actor, Permission.TEMPLATE_READ)
    template = await existing(tx, name)
    return await tx.templates.versions(template.id, below=below or model.VERSIONS_MAX + 1, limit=limit)
