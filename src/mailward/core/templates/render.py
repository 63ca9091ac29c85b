"""What a rendering needs, brought together, and what came out of it, judged."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from mailward.base.errors import Invalid, NotFound
from mailward.core.templates import model
from mailward.core.templates.change import existing, judge_data, judge_sources
from mailward.core.templates.model import Rendered, Sheet, Sources
from mailward.core.templates.ports import Renderer, TemplateTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission

DRAFT = 0
_BREAKS = frozenset("\u2028\u2029\x85")


@dataclass(frozen=True, slots=True)
class Ready:
    """A sheet to be rendered, of which version it is (0: the draft), and the sample that belongs to it."""

    sheet: Sheet = field(repr=False)
    version: int
    sample: str = field(repr=False)


async def gather(tx: TemplateTx, actor: Actor, name: str, version: int | None = None) -> Ready:
    """A published version (None: the current one) under the published version of its layout.

    Part of sending, so MESSAGE_SEND is asked. Raises NotFound `template_not_found`, `template_version_not_found` and
    `template_not_published`.
    """
    access.require(actor, Permission.MESSAGE_SEND)
    template = await existing(tx, name)
    number = template.current if version is None else version
    if not number and version is None:
        raise NotFound("template_not_published", "That template was never published.")
    found = await tx.templates.version(template.id, number)
    if found is None:
        raise NotFound("template_version_not_found", "That template has no such version.")
    return Ready(await sheet_of(tx, found.sources, drafts=False), number, found.sources.sample)


async def gather_for_people(tx: TemplateTx, actor: Actor, name: str, version: int | None = None) -> Ready:
    """The same for a preview: None is the draft, under its layout's draft when that was never published."""
    access.require(actor, Permission.TEMPLATE_READ)
    template = await existing(tx, name)
    if version is None:
        return Ready(await sheet_of(tx, template.draft, drafts=True), DRAFT, template.draft.sample)
    found = await tx.templates.version(template.id, version)
    if found is None:
        raise NotFound("template_version_not_found", "That template has no such version.")
    return Ready(await sheet_of(tx, found.sources, drafts=True), version, found.sources.sample)


async def gather_unsaved(tx: TemplateTx, actor: Actor, name: str, sources: Sources) -> Ready:
    """The same for what an author is typing: for who may change the template, and nothing of it is kept."""
    access.require(actor, Permission.TEMPLATE_CHANGE)
    await existing(tx, name)
    judge_sources(name, sources)
    return Ready(await sheet_of(tx, sources, drafts=True), DRAFT, sources.sample)


async def sheet_of(tx: TemplateTx, sources: Sources, *, drafts: bool) -> Sheet:
    """Sources with those of their layout. Raises Invalid with field "layout"."""
    if not sources.layout:
        return Sheet(sources.subject, sources.html, sources.text)
    layout = await tx.templates.get(sources.layout)
    if layout is None:
        raise _layout(f"There is no template '{sources.layout}' to be the layout.")
    of = layout.draft
    if layout.current:
        version = await tx.templates.version(layout.id, layout.current)
        of = version.sources if version is not None else of
    elif not drafts:
        raise _layout(f"The layout '{sources.layout}' was never published.")
    if of.layout:
        raise _layout(f"The layout '{sources.layout}' has a layout itself; only one is applied.")
    for part in (of.html, of.text):
        if part and not model.CONTENT.search(part):
            raise _layout(f"The layout '{sources.layout}' has no place for {{{{ content }}}}.")
    return Sheet(sources.subject, sources.html, sources.text, of.html, of.text)


def _layout(what: str) -> Invalid:
    return Invalid("template_layout", what, field="layout")


async def render(renderer: Renderer, actor: Actor, ready: Ready, data: str | None) -> Rendered:
    """The mail, with the sample when `data` is None. Raises what the renderer raises, and `header_injection`."""
    if data is not None:
        judge_data(data, "data")
    made = await renderer.render(actor.workspace, ready.sheet, ready.sample if data is None else data)
    if any(c in _BREAKS or unicodedata.category(c) == "Cc" for c in made.subject):
        raise Invalid(
            "header_injection", "The rendered subject holds a line break or another control character.", field="subject"
        )
    if len(made.subject) > model.SUBJECT_MAX:
        raise Invalid("template_error", "The rendered subject has more than 998 characters.", field="subject")
    if not made.html and not made.text:
        raise Invalid("template_error", "The template renders to nothing: it needs HTML or text.", field="template")
    return made
