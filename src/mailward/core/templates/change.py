"""Create, change and remove templates; each act is audited."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import msgspec

from mailward.base import ids
from mailward.base.errors import Conflict, Invalid, NotFound
from mailward.base.sources import Entropy
from mailward.core.templates import model
from mailward.core.templates.model import Sources, Template
from mailward.core.templates.ports import AuditedTemplateTx, TemplateTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission


async def find(tx: TemplateTx, actor: Actor, name: str) -> Template:
    """One by its name. Raises NotFound."""
    access.require(actor, Permission.TEMPLATE_READ)
    return await existing(tx, name)


async def existing(tx: TemplateTx, name: str) -> Template:
    """The same, for verbs that have judged the actor."""
    template = await tx.templates.get(name)
    if template is None:
        raise NotFound("template_not_found", "There is no template with that name.")
    return template


async def page(tx: TemplateTx, actor: Actor, *, after: str = "", limit: int = 25) -> list[Template]:
    """By name; `after` is the last name seen."""
    access.require(actor, Permission.TEMPLATE_READ)
    return await tx.templates.page(after=after, limit=limit)


async def create(
    tx: AuditedTemplateTx,
    actor: Actor,
    name: str,
    sources: Sources,
    *,
    description: str = "",
    now: datetime,
    entropy: Entropy,
) -> Template:
    """A new draft. Raises Invalid, Conflict when the name is taken or the workspace has 500."""
    access.require(actor, Permission.TEMPLATE_CHANGE)
    if not model.NAME_PATTERN.fullmatch(name):
        raise Invalid("invalid_name", "A name has 1 to 64 of a-z, 0-9 and inner hyphens.", field="name")
    _judge_description(description)
    judge_sources(name, sources)
    if await tx.templates.get(name) is not None:
        raise Conflict("name_taken", "There is a template with that name already.")
    if await tx.templates.count() >= model.TEMPLATES_MAX:
        raise Conflict("too_many_templates", f"A workspace has at most {model.TEMPLATES_MAX} templates.")
    at = _micros(now)
    template = Template(ids.new_raw(at // 1000, entropy), name, description, sources, 0, at, at)
    await tx.templates.insert(template)
    await tx.audit.append(actor, "template.created", name, {}, now=now)
    return template


async def change(
    tx: AuditedTemplateTx,
    actor: Actor,
    name: str,
    sources: Sources,
    *,
    description: str,
    now: datetime,
) -> Template:
    """Another draft. What is sent stays as it is until the draft is published."""
    access.require(actor, Permission.TEMPLATE_CHANGE)
    _judge_description(description)
    judge_sources(name, sources)
    template = replace(await existing(tx, name), draft=sources, description=description, changed=_micros(now))
    await tx.templates.update(template)
    await tx.audit.append(actor, "template.changed", name, {}, now=now)
    return template


async def remove(tx: AuditedTemplateTx, actor: Actor, name: str, *, now: datetime) -> None:
    """With every version. Conflict while another template has it for its layout."""
    access.require(actor, Permission.TEMPLATE_CHANGE)
    template = await existing(tx, name)
    for other in await tx.templates.page(after="", limit=model.TEMPLATES_MAX):
        if other.id != template.id and await _leans_on(tx, other, name):
            raise Conflict("template_in_use", f"The template '{other.name}' has it for its layout.")
    await tx.templates.delete(template.id)
    await tx.revocations.bump()
    await tx.audit.append(actor, "template.removed", name, {}, now=now)


async def _leans_on(tx: TemplateTx, other: Template, name: str) -> bool:
    if other.draft.layout == name:
        return True
    sent = await tx.templates.version(other.id, other.current) if other.current else None
    return sent is not None and sent.sources.layout == name


def judge_sources(name: str, sources: Sources) -> None:
    """Sizes, a subject of one line, a sample that is a JSON object. Raises Invalid with the field."""
    for field, most in (("subject", model.SUBJECT_MAX), ("html", model.HTML_MAX), ("text", model.TEXT_MAX)):
        if len(getattr(sources, field)) > most:
            raise Invalid("invalid_field", f"It has at most {most} characters.", field=field)
    if any(c in sources.subject for c in "\r\n\0"):
        raise Invalid("invalid_field", "A subject is one line.", field="subject")
    if sources.layout and (sources.layout == name or not model.NAME_PATTERN.fullmatch(sources.layout)):
        raise Invalid("invalid_field", "A layout is the name of another template.", field="layout")
    judge_data(sources.sample, "sample")


def judge_data(data: str, field: str) -> None:
    """A JSON object of at most 256 KiB. Raises Invalid."""
    if len(data.encode("utf-8", "surrogatepass")) > model.DATA_MAX:
        raise Invalid("template_data_too_large", "The data has at most 256 KiB of JSON.", field=field)
    try:
        if not isinstance(msgspec.json.decode(data), dict):
            raise Invalid("template_data_invalid", "The data is a JSON object: {...}.", field=field)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as e:
        raise Invalid("template_data_invalid", f"The data is not JSON: {str(e)[:200]}", field=field) from None


def _judge_description(description: str) -> None:
    if len(description) > model.DESCRIPTION_MAX:
        raise Invalid("invalid_field", "A description has at most 200 characters.", field="description")
    if any(c < " " and c not in "\t\r\n" for c in description):
        raise Invalid("invalid_field", "A description holds no control characters.", field="description")


def _micros(now: datetime) -> int:
    return int(now.timestamp() * 1_000_000)
