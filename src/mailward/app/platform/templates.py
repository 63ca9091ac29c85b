"""The templates area of the platform, and what sending needs of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET

from mailward.app.platform import views
from mailward.app.store import Store, Tx
from mailward.base.errors import Invalid
from mailward.base.sources import Clock, Entropy
from mailward.core.templates import change, publish, render
from mailward.core.templates.model import Rendered, Sources, Template, Version
from mailward.core.templates.ports import Renderer
from mailward.core.templates.render import Ready
from mailward.edges.web.api.compose import compose
from mailward.edges.web.schema import messages as message_schema
from mailward.edges.web.schema import templates as schema
from mailward.edges.web.schema.submission import Outgoing
from mailward.policy import access
from mailward.policy.access import Actor, Permission
from mailward.protocol.message import templated

_KEPT = 256


class Templates:
    """Implements `edges.web.ports.Templates`, and fills what the submission gate is handed.

    Sheets that are sent are kept in memory until the epoch of credentials moves (`forget`), which publishing, rolling
    back and removing make it do. `changed` has this worker look at once.
    """

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, renderer: Renderer, *, changed: Callable[[], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._renderer = renderer
        self._changed = changed
        self._kept: OrderedDict[tuple[str, str, int | None], Ready] = OrderedDict()
        self._age = 0

    # -- people ----------------------------------------------------------------------------------

    async def create(self, actor: Actor, request: schema.CreateTemplate) -> schema.Template:
        """A draft."""
        r = request
        sources = Sources(subject=r.subject, html=r.html, text=r.text, layout=r.layout, sample=_json(r.sample))
        made = await self._store.write(
            actor.workspace,
            lambda tx: change.create(
                tx, actor, r.name, sources,
                description=r.description, now=self._clock.now(), entropy=self._entropy,
            ),
        )  # fmt: skip
        return _template(made)

    async def list(self, actor: Actor, query: schema.TemplateQuery) -> schema.TemplatePage:
        """By name."""
        found = await self._store.read(
            actor.workspace, lambda tx: change.page(tx, actor, after=query.cursor or "", limit=query.limit + 1)
        )
        shown = found[: query.limit]
        more = shown[-1].name if len(found) > query.limit else None
        return schema.TemplatePage(data=[schema.TemplateSummary(**_summary(t)) for t in shown], next_cursor=more)

    async def get(self, actor: Actor, name: str) -> schema.Template:
        """One with its draft."""
        return _template(await self._store.read(actor.workspace, lambda tx: change.find(tx, actor, name)))

    async def change(self, actor: Actor, name: str, request: schema.ChangeTemplate) -> schema.Template:
        """What is given."""
        given = _given(request)

        async def act(tx: Tx) -> Template:
            before = await change.find(tx, actor, name)
            return await change.change(
                tx,
                actor,
                name,
                msgspec.structs.replace(before.draft, **given),
                description=before.description if request.description is UNSET else request.description,
                now=self._clock.now(),
            )

        return _template(await self._store.write(actor.workspace, act))

    async def remove(self, actor: Actor, name: str) -> None:
        """With its versions."""
        now = self._clock.now()
        await self._store.write(actor.workspace, lambda tx: change.remove(tx, actor, name, now=now))
        self._moved()

    async def publish(self, actor: Actor, name: str) -> schema.Template:
        """Tried with its sample first, outside of the transaction."""
        access.require(actor, Permission.TEMPLATE_CHANGE)

        async def look(tx: Tx) -> tuple[Sources, Ready]:
            template = await change.existing(tx, name)
            sheet = await render.sheet_of(tx, template.draft, drafts=False)
            return template.draft, Ready(sheet, render.DRAFT, template.draft.sample)

        draft, ready = await self._store.read(actor.workspace, look)
        await render.render(self._renderer, actor, ready, None)
        made = await self._store.write(
            actor.workspace, lambda tx: publish.publish(tx, actor, name, draft, now=self._clock.now())
        )
        self._moved()
        return _template(made)

    async def roll_back(self, actor: Actor, name: str, version: int) -> schema.Template:
        """An earlier version is what is sent."""
        made = await self._store.write(
            actor.workspace, lambda tx: publish.roll_back(tx, actor, name, version, now=self._clock.now())
        )
        self._moved()
        return _template(made)

    async def versions(self, actor: Actor, name: str, query: schema.VersionQuery) -> schema.VersionPage:
        """The newest first."""

        async def look(tx: Tx) -> tuple[int, list[Version]]:
            below = int(query.cursor) if query.cursor else None
            found = await publish.versions(tx, actor, name, below=below, limit=query.limit + 1)
            return (await change.existing(tx, name)).current, found

        current, found = await self._store.read(actor.workspace, look)
        shown = found[: query.limit]
        more = str(shown[-1].number) if len(found) > query.limit else None
        return schema.VersionPage(data=[_version(v, current) for v in shown], next_cursor=more)

    async def version(self, actor: Actor, name: str, number: int) -> schema.TemplateVersionView:
        """One as it was published."""

        async def look(tx: Tx) -> schema.TemplateVersionView:
            found = await publish.version(tx, actor, name, number)
            return _version(found, (await change.existing(tx, name)).current)

        return await self._store.read(actor.workspace, look)

    async def preview(self, actor: Actor, name: str, request: schema.RenderTemplate) -> schema.RenderedMail:
        """The draft or a version."""
        ready = await self._store.read(
            actor.workspace, lambda tx: render.gather_for_people(tx, actor, name, request.version)
        )
        data = None if request.data is None else _json(request.data)
        mail = await render.render(self._renderer, actor, ready, data)
        return schema.RenderedMail(version=ready.version or None, subject=mail.subject, html=mail.html, text=mail.text)

    async def try_out(self, actor: Actor, name: str, request: schema.ChangeTemplate) -> schema.RenderedMail:
        """The draft as it would be with what is given; it stays as it is."""
        given = _given(request)

        async def look(tx: Tx) -> render.Ready:
            before = await change.find(tx, actor, name)
            return await render.gather_unsaved(tx, actor, name, msgspec.structs.replace(before.draft, **given))

        mail = await render.render(self._renderer, actor, await self._store.read(actor.workspace, look), None)
        return schema.RenderedMail(version=None, subject=mail.subject, html=mail.html, text=mail.text)

    async def trial(self, actor: Actor, name: str, sender: str, to: str) -> Outgoing:
        """The draft with its sample, as a message that says it is a test."""
        mail = await self.preview(actor, name, schema.RenderTemplate())
        asked = message_schema.SendRequest(
            from_=sender,
            to=[to],
            subject=f"[Test] {mail.subject}"[:998],
            text=mail.text or None,
            html=mail.html or None,
            tags=["template-test"],
        )
        return compose(asked, self._clock.now(), self._entropy, None)

    # -- sending ---------------------------------------------------------------------------------

    async def filled(self, actor: Actor, request: message_schema.SendRequest) -> message_schema.SendRequest:
        """The request with the mail its template renders to."""
        if request.template is None:
            raise Invalid("template_missing", "Data and a version belong to a template; name it.", field="template")
        for field in ("subject", "text", "html"):
            if getattr(request, field):
                raise Invalid("template_and_content", "The template says what is sent.", field=field)
        mail = await self._rendered(actor, request.template, request.template_version, _json(request.data))
        return msgspec.structs.replace(
            request,
            subject=mail.subject,
            text=mail.text or None,
            html=mail.html or None,
            template=None,
            template_version=None,
            data={},
        )

    async def filled_raw(self, actor: Actor, content: bytes) -> bytes:
        """A finished message of the API: the same object when its header names no template."""
        if not _names_a_template(content):
            return content
        # As `compose_raw` does: lines that all end with a bare LF are given CRLF.
        return await self.fill(actor, content if b"\r" in content else content.replace(b"\n", b"\r\n"))

    async def fill(self, actor: Actor, content: bytes) -> bytes:
        """A message whose header names a template, with the mail it renders to. Raises Invalid and NotFound."""
        wanted = templated.asked(content)
        mail = await self._rendered(actor, wanted.template, wanted.version, wanted.data)
        return templated.filled(content, mail.subject, mail.text, mail.html, self._entropy)

    async def _rendered(self, actor: Actor, name: str, version: int | None, data: str) -> Rendered:
        access.require(actor, Permission.MESSAGE_SEND)
        return await render.render(self._renderer, actor, await self._ready(actor, name, version), data)

    async def _ready(self, actor: Actor, name: str, version: int | None) -> Ready:
        key = (actor.workspace, name, version)
        if (ready := self._kept.get(key)) is not None:
            return ready
        age = self._age
        ready = await self._store.read(actor.workspace, lambda tx: render.gather(tx, actor, name, version))
        if age == self._age:  # else it may be what was sent before the change
            self._kept[key] = ready
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return ready

    def forget(self) -> None:
        """What is kept may have changed."""
        self._age += 1
        self._kept.clear()

    def _moved(self) -> None:
        self.forget()
        self._changed()


def _names_a_template(content: bytes) -> bool:
    end = min((at for at in (content.find(b"\n\r\n"), content.find(b"\n\n")) if at >= 0), default=len(content))
    return any(name in content[:end].lower() for name in (templated.TEMPLATE, templated.DATA))


def _json(data: dict[str, Any]) -> str:
    return msgspec.json.encode(data).decode()


def _summary(t: Template) -> dict[str, Any]:
    return {
        "name": t.name,
        "description": t.description,
        "layout": t.draft.layout,
        "version": t.current or None,
        "created_at": views.at(t.created),
        "changed_at": views.at(t.changed),
    }


def _parts(sources: Sources) -> dict[str, Any]:
    return {
        "subject": sources.subject,
        "html": sources.html,
        "text": sources.text,
        "sample": msgspec.json.decode(sources.sample),
    }


def _template(t: Template) -> schema.Template:
    return schema.Template(**_summary(t), **_parts(t.draft))


def _version(v: Version, current: int) -> schema.TemplateVersionView:
    return schema.TemplateVersionView(
        version=v.number,
        published_at=views.at(v.at),
        by=v.by,
        current=v.number == current,
        layout=v.sources.layout,
        **_parts(v.sources),
    )


def _given(request: schema.ChangeTemplate) -> dict[str, str]:
    given: dict[str, str] = {}
    for field in ("subject", "html", "text", "layout"):
        if (value := getattr(request, field)) is not UNSET:
            given[field] = value
    if request.sample is not UNSET:
        given["sample"] = _json(request.sample)
    return given
