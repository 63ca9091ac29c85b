"""People of a workspace in memory, for the edge's own tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.base.secret import Secret
from mailward.edges.web.dashboard.ports import Invited, Linked, Outcome, ProviderShown, Session
from mailward.edges.web.schema import members as types
from mailward.policy.access import Actor

T0 = datetime(2030, 1, 1, 12, tzinfo=UTC)
MEMBER = ids.encode("usr", bytes(15) + b"\x07")
INVITATION = ids.encode("inv", bytes(15) + b"\x08")


class FakeMembers:
    """One member, one invitation."""

    def __init__(self, text: str = "Olive") -> None:
        self.done: list[tuple[str, ...]] = []
        self.held = types.Networks(networks=[])
        self._member = types.Member(id=MEMBER, email="o@example.com", name=text, role="member", joined_at=T0)

    def _known(self, member: str) -> types.Member:
        if member != MEMBER:
            raise NotFound("not_found", "There is no such member.")
        return self._member

    def _invitation(self, id: str = INVITATION) -> types.Invitation:
        if id != INVITATION:
            raise NotFound("not_found", "There is no such invitation.")
        week = T0 + timedelta(days=7)
        return types.Invitation(
            id=id, email="n@example.com", role="member", state="open", created_at=T0, sent_at=T0, expires_at=week
        )

    async def list(self, actor: Actor) -> types.Members:
        return types.Members(data=[self._member])

    async def change(self, actor: Actor, member: str, request: types.ChangeMember) -> types.Member:
        self.done.append(("role", member, request.role))
        return self._known(member)

    async def remove(self, actor: Actor, member: str) -> None:
        self._known(member)
        self.done.append(("remove", member))

    async def invitations(self, actor: Actor) -> types.Invitations:
        return types.Invitations(data=[self._invitation()])

    async def invite(self, actor: Actor, request: types.Invite) -> types.Invitation:
        self.done.append(("invite", request.email, request.role))
        return self._invitation()

    async def resend(self, actor: Actor, invitation: str) -> types.Invitation:
        return self._invitation(invitation)

    async def revoke_invitation(self, actor: Actor, invitation: str) -> None:
        self._invitation(invitation)

    async def networks(self, actor: Actor) -> types.Networks:
        return self.held

    async def change_networks(
        self, actor: Actor, request: types.ChangeNetworks, *, own: str | None = None, confirmed: bool = False
    ) -> types.Networks:
        self.held = types.Networks(networks=request.networks)
        return self.held


class FakeJoining:
    """One invitation for somebody new; every workspace can be gone to."""

    async def look(self, token: str) -> Invited:
        if not token.startswith("mwi_"):
            raise NotFound("not_found", "This invitation does not work (any more).")
        return Invited("n@example.com", "Acme", "member", False)

    async def accept_as_new(self, token: str, *, name: str, password: str, ip: str, user_agent: str) -> Secret[str]:
        return Secret("new")

    async def accept_as(self, token: str, session: Session, *, ip: str) -> Secret[str]:
        return session.token

    async def switch(self, session: Session, workspace: str, *, ip: str) -> Secret[str]:
        return session.token

    async def found(self, session: Session, name: str, *, ip: str) -> Secret[str]:
        return session.token

    async def leave(self, session: Session) -> None:
        return None

    async def own_networks(self, session: Session) -> list[str]:
        return []

    async def change_own_networks(self, session: Session, networks: list[str], *, ip: str, confirmed: bool) -> None:
        return None


class FakeFederated:
    """No provider."""

    providers: Sequence[ProviderShown] = ()

    async def begin(self, provider: str, session: Session | None = None, *, invitation: str = "") -> tuple[str, str]:
        raise NotFound("not_found", "There is no such provider.")

    async def finish(self, provider: str, cookie: str, **facts: object) -> Outcome:
        raise NotFound("not_found", "There is no such provider.")

    async def links(self, session: Session) -> Sequence[Linked]:
        return []

    async def unlink(self, session: Session, link: str) -> None:
        raise NotFound("not_found", "There is no such link.")
