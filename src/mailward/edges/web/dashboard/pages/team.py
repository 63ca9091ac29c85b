"""The people of a workspace, invitations, going between workspaces, and the networks people may come from."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Conflict, Invalid, Refused
from mailward.edges.web.dashboard.desk import Desk, Form, client_ip
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import redirect
from mailward.edges.web.problems import status_of
from mailward.edges.web.schema.members import ChangeMember, ChangeNetworks, Invite
from mailward.edges.web.schema.roles import GiveRole
from mailward.policy.access import OWN, ROLE_PERMISSIONS, Permission, Role

ROLES = {
    Role.MEMBER: "Member",
    Role.ADMIN: "Workspace Admin",
    Role.MANAGER: "Workspace Manager",
}


class Team:
    """Who works here."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """The team, acts on its members and invitations, and a person's own way between workspaces."""
        shows, acts = self._desk.shows, self._desk.acts
        change = Permission.MEMBER_CHANGE
        return [
            Route("/team", shows(self.list, Permission.MEMBER_READ), methods=["GET"]),
            Route("/team/invitations", acts(self.invite, change), methods=["POST"]),
            Route("/team/invitations/{id}/resend", acts(self.resend, change), methods=["POST"]),
            Route("/team/invitations/{id}/revoke", acts(self.revoke, change), methods=["POST"]),
            Route("/team/{id}/role", acts(self.role, change, recent=True), methods=["POST"]),
            Route("/team/{id}/remove", acts(self.remove, change, recent=True), methods=["POST"]),
            Route("/workspaces", shows(self.workspaces, OWN), methods=["GET"]),
            Route("/workspaces", acts(self.found, OWN), methods=["POST"]),
            Route("/workspaces/switch", acts(self.switch, OWN), methods=["POST"]),
            Route("/workspaces/leave", acts(self.leave, OWN), methods=["POST"]),
            Route("/networks", shows(self.networks, OWN), methods=["GET"]),
            Route("/networks", acts(self.change_own_networks, OWN, recent=True), methods=["POST"]),
            Route(
                "/networks/workspace",
                acts(self.change_networks, Permission.WORKSPACE_CHANGE, recent=True),
                methods=["POST"],
            ),
        ]

    # -- members and invitations --------------------------------------------------------------

    async def list(
        self, request: Request, session: Session, error: str = "", email: str = "", code: int = 200
    ) -> Response:
        """Everybody, and the form to invite."""
        members = await self._desk.platform.members.list(session.actor)
        invitations = await self._desk.platform.members.invitations(session.actor)
        held = await self._desk.platform.roles.holders(session.actor)
        own = (await self._desk.platform.roles.list(session.actor)).data
        grantable = [(r.value, text) for r, text in ROLES.items() if _may_grant(session, r)]
        return self._desk.page(
            session,
            "team.html",
            status=code,
            here="team",
            members=members.data,
            invitations=[i for i in invitations.data if i.state in ("open", "expired")],
            roles=grantable,
            own_roles=[(r.id, r.name) for r in own if session.actor.permissions.issuperset(r.permissions)],
            # Where a member has a role of the workspace's own, their place says only that there is one.
            role_of={m.id: held.get(m.id, m.role) for m in members.data},
            role_names={r.value: text for r, text in ROLES.items()} | {r.id: r.name for r in own},
            me_id=session.actor.id,
            error=error,
            email=email,
        )

    async def invite(self, request: Request, session: Session, form: Form) -> Response:
        """Mail an invitation."""
        email = form.text("email", 254)
        try:
            wish = msgspec.convert({"email": email, "role": form.text("role", 40)}, Invite)
            made = await self._desk.platform.members.invite(session.actor, wish)
        except msgspec.ValidationError:
            return await self.list(request, session, "An invitation needs an address and a role.", email, 422)
        except Refused as e:
            return await self.list(request, session, e.public, email, status_of(e))
        if not made.mailed:
            return await self.list(request, session, "The invitation could not be mailed now. Send it again later.")
        return redirect("/team")

    async def resend(self, request: Request, session: Session, form: Form) -> Response:
        """Mail it again."""
        try:
            await self._desk.platform.members.resend(session.actor, request.path_params["id"])
        except Refused as e:
            return await self.list(request, session, e.public, code=status_of(e))
        return redirect("/team")

    async def revoke(self, request: Request, session: Session, form: Form) -> Response:
        """Withdraw it."""
        await self._desk.platform.members.revoke_invitation(session.actor, request.path_params["id"])
        return redirect("/team")

    async def role(self, request: Request, session: Session, form: Form) -> Response:
        """Another role for somebody; whoever changes their own has to sign in again."""
        try:
            role, member = form.text("role", 40), request.path_params["id"]
            if role.startswith("role_"):
                await self._desk.platform.roles.give(session.actor, role, GiveRole(member=member))
            else:
                wish = msgspec.convert({"role": role}, ChangeMember)
                await self._desk.platform.members.change(session.actor, member, wish)
        except msgspec.ValidationError:
            return await self.list(request, session, "Choose a role.", code=422)
        except Refused as e:
            return await self.list(request, session, e.public, code=status_of(e))
        return redirect("/team")

    async def remove(self, request: Request, session: Session, form: Form) -> Response:
        """Take somebody's place away."""
        try:
            await self._desk.platform.members.remove(session.actor, request.path_params["id"])
        except Refused as e:
            return await self.list(request, session, e.public, code=status_of(e))
        return redirect("/team")

    # -- workspaces of a person ---------------------------------------------------------------

    async def workspaces(self, request: Request, session: Session, error: str = "", code: int = 200) -> Response:
        """Where the person has a place; go there, found another, leave this one."""
        return self._desk.page(
            session, "workspaces.html", status=code, here="workspaces", error=error, name_is=session.workspace_name
        )

    async def found(self, request: Request, session: Session, form: Form) -> Response:
        """A new workspace; the session goes there."""
        try:
            token = await self._desk.platform.joining.found(session, form.text("name", 100), ip=client_ip(request))
        except Refused as e:
            return await self.workspaces(request, session, e.public, status_of(e))
        return self._desk.welcome(token)

    async def switch(self, request: Request, session: Session, form: Form) -> Response:
        """Another workspace of the person's, under another token."""
        to = form.text("workspace", 40)
        if to == session.actor.workspace:
            return redirect("/")
        return self._desk.welcome(await self._desk.platform.joining.switch(session, to, ip=client_ip(request)))

    async def leave(self, request: Request, session: Session, form: Form) -> Response:
        """Give up the place here; the workspace's name has to be typed."""
        if form.text("confirm", 100) != session.workspace_name:
            raise Invalid("not_confirmed", "Type the workspace's name to confirm that you want to leave.")
        await self._desk.platform.joining.leave(session)
        return redirect("/sign-in")

    # -- networks -----------------------------------------------------------------------------

    async def networks(
        self, request: Request, session: Session, error: str = "", code: int = 200, **typed: object
    ) -> Response:
        """Where the person, and the workspace's people, may come from."""
        known: dict[str, object] = {
            "own": "\n".join(await self._desk.platform.joining.own_networks(session)),
            "all": "\n".join((await self._desk.platform.members.networks(session.actor)).networks),
            "confirm": "",
        }
        return self._desk.page(
            session, "networks.html", status=code, here="networks", address=client_ip(request), error=error,
            **(known | typed),
        )  # fmt: skip

    async def change_own_networks(self, request: Request, session: Session, form: Form) -> Response:
        """The person's own."""
        text = form.text("networks", 4000)
        try:
            await self._desk.platform.joining.change_own_networks(
                session, _lines(text), ip=client_ip(request), confirmed=bool(form.text("confirmed", 8))
            )
        except Refused as e:
            confirm = "own" if isinstance(e, Conflict) else ""
            return await self.networks(request, session, e.public, status_of(e), own=text, confirm=confirm)
        return redirect("/networks")

    async def change_networks(self, request: Request, session: Session, form: Form) -> Response:
        """The workspace's."""
        text = form.text("networks", 4000)
        try:
            wish = msgspec.convert({"networks": _lines(text)}, ChangeNetworks)
            await self._desk.platform.members.change_networks(
                session.actor, wish, own=client_ip(request), confirmed=bool(form.text("confirmed", 8))
            )
        except msgspec.ValidationError:
            return await self.networks(request, session, "At most 50 networks.", 422, all=text)
        except Refused as e:
            confirm = "all" if isinstance(e, Conflict) else ""
            return await self.networks(request, session, e.public, status_of(e), all=text, confirm=confirm)
        return redirect("/networks")


def _lines(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _may_grant(session: Session, role: Role) -> bool:
    return ROLE_PERMISSIONS[role] <= session.actor.permissions
