"""The list of messages, and one message explained."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Invalid, NotFound
from mailward.edges.web.dashboard import mail_html
from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import FRAME_CSP, SECURITY_HEADERS, redirect
from mailward.edges.web.schema.messages import (
    MessageDetail,
    MessagePage,
    MessageQuery,
    PauseSending,
    ReleaseHeld,
    ResumeSending,
)
from mailward.policy.access import Permission

_FILTERS = ("status", "to", "from", "subject", "tag", "stream", "id", "since", "until")
STATUSES = (
    *("queued", "sending", "scheduled", "held", "delivered", "bounced"),
    *("partly", "suppressed", "expired", "cancelled", "discarded"),
)
_OPEN = frozenset(("queued", "sending", "scheduled", "held"))
_MINUTES = len("2030-01-01T12:00")
_OWN_ID = re.compile(r"msg_[0-9a-z]{10,40}")
_VIEWS = ("html", "text", "headers")
_HEADERS_SHOWN = 64 * 1024


class Messages:
    """Pages about messages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """The list, one message, and what may be done to it."""
        shows, acts = self._desk.shows, self._desk.acts
        return [
            Route("/messages", shows(self.list, Permission.MESSAGE_READ), methods=["GET"]),
            Route("/messages/rows", shows(self.rows, Permission.MESSAGE_READ), methods=["GET"]),
            Route("/messages/{id}", shows(self.one, Permission.MESSAGE_READ), methods=["GET"]),
            Route("/messages/{id}/live", shows(self.live, Permission.MESSAGE_READ), methods=["GET"]),
            Route("/messages/{id}/frame", shows(self.frame, Permission.MESSAGE_CONTENT), methods=["GET"]),
            Route("/messages/{id}/raw", shows(self.raw, Permission.MESSAGE_CONTENT), methods=["GET"]),
            Route("/messages/{id}/cancel", acts(self.cancel, Permission.MESSAGE_CHANGE), methods=["POST"]),
            Route("/messages/{id}/erase", acts(self.erase, Permission.MESSAGE_ERASE, recent=True), methods=["POST"]),
            Route("/messages/sending", acts(self.switch_sending, Permission.MESSAGE_CHANGE), methods=["POST"]),
            Route("/messages/release-held", acts(self.release_held, Permission.MESSAGE_CHANGE), methods=["POST"]),
            Route("/messages/{id}/release", acts(self.release, Permission.MESSAGE_CHANGE), methods=["POST"]),
            Route("/messages/{id}/resend", acts(self.resend, Permission.MESSAGE_SEND), methods=["POST"]),
            Route("/messages/{id}/{view}", shows(self.content, Permission.MESSAGE_CONTENT), methods=["GET"]),
        ]

    async def list(self, request: Request, session: Session) -> Response:
        """Filters and a page of messages; the first page keeps itself up to date."""
        wanted = request.query_params.get("id", "").strip()
        if _OWN_ID.fullmatch(wanted):
            return redirect(f"/messages/{wanted}")
        chosen, page, error = await self._find(request, session)
        first = "cursor" not in request.query_params
        return self._desk.page(
            session,
            "messages.html",
            status=422 if error else 200,
            here="messages",
            error=error,
            chosen=chosen,
            filtered=any(chosen.values()),
            statuses=STATUSES,
            sending=await self._desk.platform.messages.sending(session.actor),
            messages=page.data,
            first=first,
            poll="/messages/rows?" + urlencode({k: v for k, v in chosen.items() if v}),
            next="/messages?" + urlencode({**{k: v for k, v in chosen.items() if v}, "cursor": page.next_cursor})
            if page.next_cursor
            else "",
        )

    async def rows(self, request: Request, session: Session) -> Response:
        """Only the rows, for the list that refreshes itself."""
        chosen, page, _ = await self._find(request, session)
        return self._desk.renderer.page("message_rows.html", messages=page.data, filtered=any(chosen.values()))

    async def _find(self, request: Request, session: Session) -> tuple[dict[str, str], MessagePage, str]:
        chosen = {name: request.query_params.get(name, "").strip() for name in _FILTERS}
        asked: dict[str, Any] = {k: v for k, v in chosen.items() if v and k != "id"}
        if chosen["id"]:
            asked["message_id"] = chosen["id"].strip("<>")
        for name in ("since", "until"):
            if name in asked:
                # What a datetime-local input holds is meant in UTC, as every time on these pages.
                asked[name] = f"{asked[name]}:00Z" if len(asked[name]) == _MINUTES else f"{asked[name].rstrip('Z')}Z"
        for name in ("cursor", "limit"):
            if value := request.query_params.get(name):
                asked[name] = value
        try:
            query = msgspec.convert(asked, MessageQuery, strict=False)
            return chosen, await self._desk.platform.messages.find(session.actor, query), ""
        except msgspec.ValidationError:
            return chosen, MessagePage(data=[]), "One of these filters does not have the right form."
        except Invalid as e:
            return chosen, MessagePage(data=[]), e.public

    async def one(self, request: Request, session: Session) -> Response:
        """One message: its timeline, and each delivery explained."""
        return self._desk.page(session, "message.html", **await self._told(request, session), view="story")

    async def live(self, request: Request, session: Session) -> Response:
        """The part of a message's page that changes while it is under way."""
        told = await self._told(request, session)
        return self._desk.renderer.page("message_story.html", **told)

    async def _told(self, request: Request, session: Session) -> dict[str, Any]:
        id = request.path_params["id"]
        detail = await self._desk.platform.messages.get(session.actor, id)
        explained = await self._desk.platform.messages.explain(session.actor, id)
        events = await self._desk.platform.messages.events(session.actor, id)
        return {"here": "messages", "m": detail, "explained": explained, "events": events.data, **_about(detail)}

    async def content(self, request: Request, session: Session) -> Response:
        """One reading of the content (each is audited): HTML in a frame, text, or the header fields."""
        id, view = request.path_params["id"], request.path_params["view"]
        if view not in _VIEWS:
            raise NotFound("not_found", "There is no such page.")
        detail = await self._desk.platform.messages.get(session.actor, id)
        facts: dict[str, Any] = {"text": "", "attachments": [], "headers": "", "defects": []}
        if view == "text":
            content = await self._desk.platform.messages.content(session.actor, id)
            facts |= {"text": content.text, "attachments": content.attachments, "defects": content.defects}
        elif view == "headers":
            raw = await self._desk.platform.messages.raw(session.actor, id)
            facts["headers"] = raw.partition(b"\r\n\r\n")[0][:_HEADERS_SHOWN].decode("utf-8", "replace")
        return self._desk.page(session, "message.html", here="messages", m=detail, view=view, **_about(detail), **facts)

    async def frame(self, request: Request, session: Session) -> Response:
        """The message's own HTML, inert, under a policy that lets it load and run nothing."""
        content = await self._desk.platform.messages.content(session.actor, request.path_params["id"])
        html = content.html or "<p><em>This message has no HTML part.</em></p>"
        headers = {
            **SECURITY_HEADERS,
            "content-security-policy": FRAME_CSP,
            "x-frame-options": "SAMEORIGIN",
            "referrer-policy": "no-referrer",
        }
        return Response(mail_html.document(html), headers=headers, media_type="text/html")

    async def raw(self, request: Request, session: Session) -> Response:
        """The message as it was stored, as a file."""
        id = request.path_params["id"]
        raw = await self._desk.platform.messages.raw(session.actor, id)
        name = "".join(c for c in id if c.isalnum() or c == "_")[:64]
        headers = {**SECURITY_HEADERS, "content-disposition": f'attachment; filename="{name}.eml"'}
        return Response(raw, headers=headers, media_type="message/rfc822")

    async def cancel(self, request: Request, session: Session, form: Form) -> Response:
        """Stop what still waits."""
        id = request.path_params["id"]
        await self._desk.platform.messages.cancel(session.actor, id)
        return redirect(f"/messages/{id}")

    async def release(self, request: Request, session: Session, form: Form) -> Response:
        """Send what is held."""
        id = request.path_params["id"]
        await self._desk.platform.messages.release(session.actor, id)
        return redirect(f"/messages/{id}")

    async def switch_sending(self, request: Request, session: Session, form: Form) -> Response:
        """Pause or resume a stream, or all of them."""
        asked = {"stream": form.text("stream", 20) or None}
        try:
            if form.text("to", 8) == "pause":
                change = msgspec.convert({**asked, "reason": form.text("reason", 200)}, PauseSending)
                await self._desk.platform.messages.pause(session.actor, change)
            else:
                await self._desk.platform.messages.resume(session.actor, msgspec.convert(asked, ResumeSending))
        except msgspec.ValidationError:
            raise Invalid("invalid_field", "There is no such stream.", field="stream") from None
        return redirect("/messages")

    async def release_held(self, request: Request, session: Session, form: Form) -> Response:
        """Send what is held, of one stream or of all: a thousand at a time."""
        stream = form.text("stream", 20)
        try:
            asked = msgspec.convert({"stream": stream or None}, ReleaseHeld)
        except msgspec.ValidationError:
            raise Invalid("invalid_field", "There is no such stream.", field="stream") from None
        await self._desk.platform.messages.release_held(session.actor, asked)
        return redirect("/messages?status=held")

    async def erase(self, request: Request, session: Session, form: Form) -> Response:
        """The message goes; the word has to be typed."""
        if form.text("confirm", 16) != "erase":
            raise Invalid("not_confirmed", "Type the word erase to confirm that this message should go.")
        await self._desk.platform.messages.erase(session.actor, request.path_params["id"])
        return redirect("/messages")

    async def resend(self, request: Request, session: Session, form: Form) -> Response:
        """Send the same content once more, as a new message."""
        accepted = await self._desk.platform.messages.resend(session.actor, request.path_params["id"])
        return redirect(f"/messages/{accepted.id}")


def _about(detail: MessageDetail) -> dict[str, Any]:
    held = any(d.status == "held" for d in detail.deliveries)
    waits = detail.status in ("queued", "scheduled", "held")
    return {"open": detail.status in _OPEN, "cancellable": waits, "releasable": held}
