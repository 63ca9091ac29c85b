"""The workspace's own settings: how long messages and their content are kept, and what happens with a leaked key."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Invalid, Refused
from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import redirect
from mailward.edges.web.problems import status_of
from mailward.edges.web.schema.redaction import ChangeRedaction, ChangeRule, Redaction
from mailward.edges.web.schema.workspace import ChangeRetention
from mailward.policy.access import Permission


class WorkspaceSettings:
    """One page: what can be chosen, and what is so by itself."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """The page and its act."""
        return [
            Route("/settings", self._desk.shows(self.show, Permission.WORKSPACE_READ), methods=["GET"]),
            Route(
                "/settings/leaks",
                self._desk.acts(self.leaks, Permission.WORKSPACE_CHANGE, recent=True),
                methods=["POST"],
            ),
            Route(
                "/settings/redaction",
                self._desk.acts(self.redact, Permission.WORKSPACE_CHANGE, recent=True),
                methods=["POST"],
            ),
            Route(
                "/settings/retention",
                self._desk.acts(self.change, Permission.WORKSPACE_CHANGE, recent=True),
                methods=["POST"],
            ),
        ]

    async def show(self, request: Request, session: Session, error: str = "", code: int = 200) -> Response:
        """The terms in force, and the form to change them for those who may."""
        kept = await self._desk.platform.workspace.retention(session.actor)
        own = {"messages": kept.own_messages_days or "", "content": kept.own_content_days or ""}
        revokes = await self._desk.platform.workspace.revokes_leaked(session.actor)
        rules = await self._desk.platform.workspace.redaction(session.actor)
        return self._desk.page(
            session,
            "workspace.html",
            status=code,
            here="settings",
            r=kept,
            own=own,
            error=error,
            revokes=revokes,
            fields=_shown(rules),
        )

    async def leaks(self, request: Request, session: Session, form: Form) -> Response:
        """What happens with a key that somebody reports as leaked."""
        choice = form.text("leaked", 10)
        if choice not in ("revoke", "warn"):
            return await self.show(request, session, "Choose what happens with a leaked key.", 422)
        await self._desk.platform.workspace.change_leak_response(session.actor, choice == "revoke")
        return redirect("/settings")

    async def redact(self, request: Request, session: Session, form: Form) -> Response:
        """Other rules for what is not stored; an empty number of hours means at once."""
        try:
            wanted = {name: _rule(form, name) for name in _TITLES}
            await self._desk.platform.workspace.change_redaction(session.actor, ChangeRedaction(**wanted))
        except Refused as e:
            return await self.show(request, session, e.public, status_of(e))
        return redirect("/settings#redaction")

    async def change(self, request: Request, session: Session, form: Form) -> Response:
        """Other terms; an empty field means the installation's."""
        try:
            wanted = ChangeRetention(
                messages_days=_days(form, "messages_days"), content_days=_days(form, "content_days")
            )
            await self._desk.platform.workspace.change_retention(session.actor, wanted)
        except Refused as e:
            return await self.show(request, session, e.public, status_of(e))
        return redirect("/settings")


_TITLES = {
    "subject": "Subject",
    "addresses": "Addresses of senders and recipients",
    "ip": "Address (IP) of who sent what was received",
    "body": "Content",
}
_SAID = {"keep": "kept", "redact": "redacted when the message is done", "never": "never stored"}


def _shown(rules: Redaction) -> list[dict[str, object]]:
    """Each field as the page shows it."""
    out: list[dict[str, object]] = []
    for name, title in _TITLES.items():
        rule = getattr(rules, name)
        said = _SAID[rule.mode]
        if rule.after_hours:
            said += f", and {rule.after_hours} hours have passed"
        out.append({"name": name, "title": title, "said": said, "mode": rule.mode, "hours": rule.after_hours})
    return out


def _rule(form: Form, name: str) -> ChangeRule:
    mode, hours = form.text(name, 10), form.text(f"{name}_hours", 8)
    if mode not in _SAID:
        raise Invalid("bad_rule", "Choose what is done with each field.", field=name)
    if hours and not (hours.isascii() and hours.isdigit()):
        raise Invalid("bad_hours", "Hours are a whole number.", field=name)
    return ChangeRule(mode=mode, after_hours=int(hours or 0))  # type: ignore[arg-type]  # one of _SAID


def _days(form: Form, name: str) -> int | None:
    text = form.text(name, 8)
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise Invalid("bad_period", "A period is a whole number of days.", field=name)
    return int(text)
