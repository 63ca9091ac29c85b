"""Tracking of opens and clicks: what is chosen for the workspace, its streams and domains, and who does not want it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Invalid, Refused
from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import redirect
from mailward.edges.web.problems import status_of
from mailward.edges.web.schema.tracking import ChangeTracking
from mailward.policy.access import Permission

_MODES: Mapping[str, str] = {
    "": "as above",
    "off": "off",
    "opens": "opens",
    "clicks": "clicks",
    "both": "opens and clicks",
}


class TrackingPages:
    """One page and its two acts."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """The page, the choice, and opting out for somebody who asked for it."""
        shows, acts = self._desk.shows, self._desk.acts
        return [
            Route("/settings/tracking", shows(self.show, Permission.DOMAIN_READ), methods=["GET"]),
            Route("/settings/tracking", acts(self.change, Permission.DOMAIN_CHANGE), methods=["POST"]),
            Route("/settings/tracking/opt-outs", acts(self.opt, Permission.SUPPRESSION_CHANGE), methods=["POST"]),
        ]

    async def show(
        self, request: Request, session: Session, error: str = "", said: str = "", code: int = 200
    ) -> Response:
        """What is said, what it comes to, and what is missing."""
        found = await self._desk.platform.tracking.settings(session.actor)
        return self._desk.page(
            session, "tracking.html", status=code, here="settings", t=found, modes=_MODES, error=error, said=said
        )

    async def change(self, request: Request, session: Session, form: Form) -> Response:
        """Every field of the form that names a mode; an empty one says nothing any more."""
        held = await self._desk.platform.tracking.settings(session.actor)
        try:
            wanted = ChangeTracking(
                workspace=_mode(form, "workspace"),
                streams={s: _mode(form, f"s.{s}") for s in held.streams},  # type: ignore[misc]  # the two there are
                domains={d.id: m for d in held.domains if (m := _mode(form, f"d.{d.id}")) != d.mode},
            )
            await self._desk.platform.tracking.change(session.actor, wanted)
        except Refused as e:
            return await self.show(request, session, e.public, code=status_of(e))
        return redirect("/settings/tracking")

    async def opt(self, request: Request, session: Session, form: Form) -> Response:
        """A recipient asked not to be tracked, or agrees again."""
        address, tracking = form.text("address", 320), self._desk.platform.tracking
        try:
            if form.text("what", 10) == "in":
                await tracking.opt_in(session.actor, address)
                said = "This recipient may be tracked again."
            else:
                await tracking.opt_out(session.actor, address)
                said = "This recipient is not tracked any more."
        except Refused as e:
            return await self.show(request, session, e.public, code=status_of(e))
        return await self.show(request, session, said=said)


def _mode(form: Form, name: str) -> Any:
    word = form.text(name, 10)
    if word not in _MODES:
        raise Invalid("bad_mode", "Choose what is tracked.", field=name)
    return word or None
