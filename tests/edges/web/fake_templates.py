"""Templates in memory: one that is published, `welcome`, whose mail says its data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from mailward.base.errors import Invalid, NotFound
from mailward.edges.web.schema import templates
from mailward.edges.web.schema.messages import SendRequest
from mailward.edges.web.schema.submission import Outgoing
from mailward.policy.access import Actor

_NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
_SUMMARY: dict[str, Any] = {"layout": "", "version": 1, "created_at": _NOW, "changed_at": _NOW}


class FakeTemplates:
    """Implements `edges.web.ports.Templates`. `text` is what stands in every field that an author writes."""

    def __init__(self, text: str = "") -> None:
        self.text = text

    async def create(self, actor: Actor, request: templates.CreateTemplate) -> templates.Template:
        return templates.Template(name=request.name, description=self.text, **_SUMMARY)

    async def list(self, actor: Actor, query: templates.TemplateQuery) -> templates.TemplatePage:
        return templates.TemplatePage(
            data=[templates.TemplateSummary(name="welcome", description=self.text, **_SUMMARY)]
        )

    async def get(self, actor: Actor, name: str) -> templates.Template:
        if name != "welcome":
            raise NotFound("template_not_found", "There is no template with that name.")
        return templates.Template(
            name=name, description=self.text, subject=self.text, html=self.text, text=self.text,
            sample={"x": self.text},
            **_SUMMARY,
        )  # fmt: skip

    async def change(self, actor: Actor, name: str, request: templates.ChangeTemplate) -> templates.Template:
        return await self.get(actor, name)

    async def remove(self, actor: Actor, name: str) -> None:
        await self.get(actor, name)

    async def publish(self, actor: Actor, name: str) -> templates.Template:
        return await self.get(actor, name)

    async def roll_back(self, actor: Actor, name: str, version: int) -> templates.Template:
        return await self.get(actor, name)

    async def versions(self, actor: Actor, name: str, query: templates.VersionQuery) -> templates.VersionPage:
        return templates.VersionPage(data=[await self.version(actor, name, 1)])

    async def version(self, actor: Actor, name: str, number: int) -> templates.TemplateVersionView:
        await self.get(actor, name)
        return templates.TemplateVersionView(
            version=number,
            published_at=_NOW,
            by="x",
            current=number == 2,
            subject=self.text,
            html="",
            text="",
            layout="",
            sample={},
        )

    async def preview(self, actor: Actor, name: str, request: templates.RenderTemplate) -> templates.RenderedMail:
        await self.get(actor, name)
        return templates.RenderedMail(version=None, subject=self.text, html=self.text, text=self.text)

    async def try_out(self, actor: Actor, name: str, request: templates.ChangeTemplate) -> templates.RenderedMail:
        return await self.preview(actor, name, templates.RenderTemplate())

    async def trial(self, actor: Actor, name: str, sender: str, to: str) -> Outgoing:
        await self.get(actor, name)
        return Outgoing(content=b"x", recipients=[to], header_from=sender, message_id="<1@x>")

    async def filled(self, actor: Actor, request: SendRequest) -> SendRequest:
        if request.template is None:
            raise Invalid("template_missing", "Name it.", field="template")
        await self.get(actor, request.template)
        if "bad" in request.data:
            raise Invalid("template_error", "The template does not render (html, line 3): no.", field="html")
        return msgspec.structs.replace(request, subject="Welcome", text=str(request.data), template=None, data={})

    async def filled_raw(self, actor: Actor, content: bytes) -> bytes:
        return content
