"""Templates: written, looked at with their sample data, published, and gone back to."""

from __future__ import annotations

from html import escape
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Invalid, MailwardError, Refused
from mailward.edges.web.dashboard import mail_html
from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import FRAME_CSP, SECURITY_HEADERS, redirect
from mailward.edges.web.problems import status_of
from mailward.edges.web.schema.submission import Given
from mailward.edges.web.schema.templates import (
    ChangeTemplate,
    CreateTemplate,
    RenderTemplate,
    TemplateQuery,
    VersionQuery,
)
from mailward.policy.access import Permission

_MOST = {"subject": 998, "html": 500_000, "text": 200_000, "layout": 64, "description": 200}
_SAMPLE_MOST = 262_144


class Templates:
    """Mails written once and sent often."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """List, one, its frame, and the acts on one."""
        shows, acts = self._desk.shows, self._desk.acts
        reads, changes = Permission.TEMPLATE_READ, Permission.TEMPLATE_CHANGE
        return [
            Route("/templates", shows(self.list, reads), methods=["GET"]),
            Route("/templates", acts(self.create, changes), methods=["POST"]),
            Route("/templates/{name}", shows(self.one, reads), methods=["GET"]),
            Route("/templates/{name}", acts(self.save, changes), methods=["POST"]),
            Route("/templates/{name}/frame", shows(self.frame, reads), methods=["GET"]),
            Route("/templates/{name}/preview", acts(self.try_out, changes), methods=["POST"]),
            Route("/templates/{name}/publish", acts(self.publish, changes), methods=["POST"]),
            Route("/templates/{name}/rollback", acts(self.roll_back, changes), methods=["POST"]),
            Route("/templates/{name}/test", acts(self.test, Permission.MESSAGE_SEND), methods=["POST"]),
            Route("/templates/{name}/remove", acts(self.remove, changes), methods=["POST"]),
        ]

    async def list(self, request: Request, session: Session, error: str = "", code: int = 200) -> Response:
        """All of them, and the form to begin one."""
        query = TemplateQuery(limit=100, cursor=request.query_params.get("cursor"))
        page = await self._desk.platform.templates.list(session.actor, query)
        return self._desk.page(
            session, "templates.html", status=code, here="templates", templates=page.data, error=error,
            next=page.next_cursor or "",
        )  # fmt: skip

    async def create(self, request: Request, session: Session, form: Form) -> Response:
        """A draft with a place to begin."""
        asked = {"name": form.text("name", 64), "description": form.text("description", 200)}
        try:
            made = await self._desk.platform.templates.create(session.actor, msgspec.convert(asked, CreateTemplate))
        except msgspec.ValidationError:
            return await self.list(request, session, "A name has a-z, 0-9 and inner hyphens.", 422)
        except Refused as e:
            return await self.list(request, session, e.public, status_of(e))
        return redirect(f"/templates/{made.name}")

    async def one(self, request: Request, session: Session) -> Response:
        """The draft, how it looks, and what was published."""
        return await self._shown(session, request.path_params["name"])

    async def _shown(
        self, session: Session, name: str, *, error: str = "", told: str = "", typed: dict[str, str] | None = None,
        code: int = 200,
    ) -> Response:  # fmt: skip
        area, actor = self._desk.platform.templates, session.actor
        template = await area.get(actor, name)
        versions = await area.versions(actor, name, VersionQuery(limit=25))
        facts: dict[str, Any] = {"subject": "", "text": "", "fault": ""}
        try:
            mail = await area.preview(actor, name, RenderTemplate())
            facts |= {"subject": mail.subject, "text": mail.text}
        except MailwardError as e:
            facts["fault"] = e.public
        draft = typed or {
            "description": template.description,
            "subject": template.subject,
            "html": template.html,
            "text": template.text,
            "layout": template.layout,
            "sample": msgspec.json.format(msgspec.json.encode(template.sample), indent=2).decode(),
        }
        return self._desk.page(
            session, "template.html", status=code, here="templates", t=template, draft=draft, seen=facts,
            versions=versions.data, error=error, told=told,
        )  # fmt: skip

    async def save(self, request: Request, session: Session, form: Form) -> Response:
        """Keep the draft; what was typed is shown again when it cannot be kept."""
        name = request.path_params["name"]
        typed = _typed(form)
        try:
            change = _change(typed)
            await self._desk.platform.templates.change(session.actor, name, change)
        except msgspec.ValidationError as e:
            return await self._shown(session, name, error=str(e)[:200], typed=typed, code=422)
        except Refused as e:
            return await self._shown(session, name, error=e.public, typed=typed, code=status_of(e))
        return redirect(f"/templates/{name}#preview")

    async def frame(self, request: Request, session: Session) -> Response:
        """The draft's HTML with its sample, inert, under a policy that lets it load and run nothing."""
        try:
            mail = await self._desk.platform.templates.preview(
                session.actor, request.path_params["name"], RenderTemplate()
            )
            html = mail.html or "<p><em>This template has no HTML.</em></p>"
        except Invalid:
            html = "<p><em>It does not render.</em></p>"
        return _framed(html)

    async def try_out(self, request: Request, session: Session, form: Form) -> Response:
        """What is typed, rendered into the page's frame: subject, HTML, text, or why it does not render."""
        name = request.path_params["name"]
        try:
            mail = await self._desk.platform.templates.try_out(session.actor, name, _change(_typed(form)))
        except msgspec.ValidationError as e:
            return _framed(f"<p><strong>{escape(str(e)[:200])}</strong></p>")
        except Refused as e:
            return _framed(f"<p><strong>{escape(e.public)}</strong></p>")
        parts = [f"<p><strong>Subject:</strong> {escape(mail.subject)}</p><hr>", mail.html]
        return _framed("".join(parts) + f"<hr><pre>{escape(mail.text)}</pre>")

    async def publish(self, request: Request, session: Session, form: Form) -> Response:
        """The draft is what is sent."""
        name = request.path_params["name"]
        try:
            await self._desk.platform.templates.publish(session.actor, name)
        except Refused as e:
            return await self._shown(session, name, error=e.public, code=status_of(e))
        return redirect(f"/templates/{name}#versions")

    async def roll_back(self, request: Request, session: Session, form: Form) -> Response:
        """An earlier version is what is sent."""
        name = request.path_params["name"]
        number = form.text("version", 4)
        if not (number.isascii() and number.isdecimal()):
            raise Invalid("invalid_field", "A version is a number.", field="version")
        await self._desk.platform.templates.roll_back(session.actor, name, int(number))
        return redirect(f"/templates/{name}#versions")

    async def test(self, request: Request, session: Session, form: Form) -> Response:
        """Send the draft with its sample to one address, marked as a test."""
        name, desk = request.path_params["name"], self._desk
        sender, to = form.text("from", 320), form.text("to", 320)
        try:
            composed = await desk.platform.templates.trial(session.actor, name, sender, to)
            (outcome,) = await desk.platform.messages.submit(session.actor, [composed], atomic=False)
            if isinstance(outcome, MailwardError):
                raise outcome
        except Refused as e:
            return await self._shown(session, name, error=e.public, code=status_of(e))
        return redirect(f"/messages/{outcome.accepted.id}" if isinstance(outcome, Given) else f"/templates/{name}")

    async def remove(self, request: Request, session: Session, form: Form) -> Response:
        """With its versions."""
        name = request.path_params["name"]
        try:
            await self._desk.platform.templates.remove(session.actor, name)
        except Refused as e:
            return await self._shown(session, name, error=e.public, code=status_of(e))
        return redirect("/templates")


def _typed(form: Form) -> dict[str, str]:
    typed = {field: form.exact(field, most) for field, most in _MOST.items()}
    return {**typed, "sample": form.exact("sample", _SAMPLE_MOST)}


def _change(typed: dict[str, str]) -> ChangeTemplate:
    asked = {**typed, "layout": typed["layout"].strip(), "sample": _sample(typed["sample"])}
    return msgspec.convert(asked, ChangeTemplate)


def _framed(html: str) -> Response:
    """HTML of an author, inert, in a frame of ours alone."""
    headers = {
        **SECURITY_HEADERS,
        "content-security-policy": FRAME_CSP,
        "x-frame-options": "SAMEORIGIN",
        "referrer-policy": "no-referrer",
    }
    return Response(mail_html.document(html), headers=headers, media_type="text/html")


def _sample(text: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text or "{}", type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError) as e:
        raise Invalid("template_data_invalid", f"The sample is not a JSON object: {e}", field="sample") from None
    return found
