"""Roles of the workspace's own: what there is, making and changing them, and giving them on the team's page."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Refused
from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import redirect
from mailward.edges.web.problems import status_of
from mailward.edges.web.schema.roles import WriteRole
from mailward.policy.access import IN_WORKSPACE, Permission


class RolePages:
    """One page. Whoever may not change roles reads it; nobody ticks what they do not hold themselves."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """The page, and its acts; each gives or takes access, so each asks for a fresh proof."""
        shows, acts = self._desk.shows, self._desk.acts
        change = Permission.ROLE_CHANGE
        return [
            Route("/team/roles", shows(self.show, Permission.MEMBER_READ), methods=["GET"]),
            Route("/team/roles", acts(self.create, change, recent=True), methods=["POST"]),
            Route("/team/roles/{role}/change", acts(self.change, change, recent=True), methods=["POST"]),
            Route("/team/roles/{role}/remove", acts(self.remove, change, recent=True), methods=["POST"]),
        ]

    async def show(
        self, request: Request, session: Session, error: str = "", code: int = 200, **typed: object
    ) -> Response:
        """Each role with what it permits and who has it."""
        actor = session.actor
        roles = (await self._desk.platform.roles.list(actor)).data
        held = await self._desk.platform.roles.holders(actor)
        people = {m.id: m.email for m in (await self._desk.platform.members.list(actor)).data}
        own = {p.value for p in actor.permissions}
        return self._desk.page(
            session,
            "roles.html",
            status=code,
            here="team",
            error=error,
            roles=roles,
            mine=[r.id for r in roles if own.issuperset(r.permissions)],
            holders={r.id: [people[m] for m, role in held.items() if role == r.id and m in people] for r in roles},
            permissions=sorted(p.value for p in IN_WORKSPACE & actor.permissions),
            **({"name": "", "ticked": []} | typed),
        )

    async def create(self, request: Request, session: Session, form: Form) -> Response:
        """A new one; what was typed stays when it is refused."""
        try:
            await self._desk.platform.roles.create(session.actor, _wish(form))
        except msgspec.ValidationError:
            text = "A role needs a name and at least one permission."
            return await self.show(request, session, text, 422, **_typed(form))
        except Refused as e:
            return await self.show(request, session, e.public, status_of(e), **_typed(form))
        return redirect("/team/roles")

    async def change(self, request: Request, session: Session, form: Form) -> Response:
        """Another name, other permissions; they hold for its members at once."""
        try:
            await self._desk.platform.roles.change(session.actor, request.path_params["role"], _wish(form))
        except msgspec.ValidationError:
            return await self.show(request, session, "A role needs a name and at least one permission.", 422)
        except Refused as e:
            return await self.show(request, session, e.public, status_of(e))
        return redirect("/team/roles")

    async def remove(self, request: Request, session: Session, form: Form) -> Response:
        """Out of the list, once nobody has it."""
        try:
            await self._desk.platform.roles.remove(session.actor, request.path_params["role"])
        except Refused as e:
            return await self.show(request, session, e.public, status_of(e))
        return redirect("/team/roles")


def _wish(form: Form) -> WriteRole:
    return msgspec.convert({"name": form.text("name", 100), "permissions": form.all("permissions")}, WriteRole)


def _typed(form: Form) -> dict[str, object]:
    return {"name": form.text("name", 100), "ticked": form.all("permissions")}
