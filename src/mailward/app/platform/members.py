"""The people of a workspace: list, invite, change, remove, and the networks they may come from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from mailward.app.letters import Letters
from mailward.app.letters.invitations import SUBJECT, invitation_text
from mailward.app.store import Store, Tx
from mailward.base.errors import Conflict
from mailward.base.ids import UserId
from mailward.base.secret import Secret
from mailward.base.sources import Clock, Entropy
from mailward.core.identity import entry, invitations, people, restrictions
from mailward.core.identity.model import Member
from mailward.edges.web.schema import members as types
from mailward.policy.access import Actor, Role

Changed = Callable[[], None]


class Members:
    """Implements `edges.web.ports.Members`. `changed` tells this process that access was taken away."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, letters: Letters, *, public_url: str, changed: Changed
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._letters = letters
        self._public_url = public_url.rstrip("/")
        self._changed = changed

    async def list(self, actor: Actor) -> types.Members:
        """The first to join first."""
        found = await self._store.read(actor.workspace, lambda tx: people.list_members(tx, actor))
        return types.Members(data=[member_view(m) for m in found])

    async def change(self, actor: Actor, member: str, request: types.ChangeMember) -> types.Member:
        """Another role, at once."""
        now = self._clock.now()
        changed = await self._store.write(
            actor.workspace,
            lambda tx: people.change_role(tx, actor, UserId(member), Role(request.role), now=now),
        )
        self._changed()
        return member_view(changed)

    async def remove(self, actor: Actor, member: str) -> None:
        """With sessions, keys and invitations."""
        now = self._clock.now()
        await self._store.write(actor.workspace, lambda tx: people.remove_member(tx, actor, UserId(member), now=now))
        self._changed()

    # -- invitations --------------------------------------------------------------------------

    async def invitations(self, actor: Actor) -> types.Invitations:
        """Whatever became of them."""
        now = self._clock.now()
        found = await self._store.read(actor.workspace, lambda tx: invitations.list_invitations(tx, actor))
        return types.Invitations(data=[invitation_view(i, now) for i in found])

    async def invite(self, actor: Actor, request: types.Invite) -> types.Invitation:
        """Made, then mailed. Conflict when this installation has no domain to mail from."""
        now = self._clock.now()
        role, custom = invitations.offered(request.role)
        return await self._mail(
            actor,
            lambda tx: invitations.invite(
                tx, actor, request.email, role, custom=custom, now=now, entropy=self._entropy
            ),
            now,
        )

    async def resend(self, actor: Actor, invitation: str) -> types.Invitation:
        """Another link in another mail."""
        now = self._clock.now()
        return await self._mail(
            actor, lambda tx: invitations.resend(tx, actor, invitation, now=now, entropy=self._entropy), now
        )

    async def _mail(
        self, actor: Actor, verb: Callable[[Tx], Awaitable[tuple[entry.Invitation, Secret[str]]]], now: datetime
    ) -> types.Invitation:
        if not await self._letters.able():
            raise Conflict("no_sender", "Invitations are mailed: verify a domain that may send first.")
        made, token = await self._store.write(actor.workspace, verb)

        async def who(tx: Tx) -> tuple[str, str, str]:
            inviter = await tx.people.user(UserId(actor.id)) if actor.kind == "session" else None
            workspace = await tx.workspaces.get(actor.workspace)
            own = await tx.roles.get(made.custom) if made.custom else None
            role = own.name if own is not None else made.role.value.replace("_", " ")
            return inviter.email if inviter else "", workspace.name if workspace else "", role

        inviter, workspace, role = await self._store.system_read(who)
        text = invitation_text(
            workspace=workspace,
            inviter=inviter,
            role=role,
            url=f"{self._public_url}/invitation/{token.reveal()}",
            days=entry.INVITATION_LIFE.days,
        )
        mailed = await self._letters.send(made.email, SUBJECT, text, "invitation")
        return invitation_view(made, now, mailed=mailed)

    async def revoke_invitation(self, actor: Actor, invitation: str) -> None:
        """Its link stops working."""
        now = self._clock.now()
        await self._store.write(
            actor.workspace, lambda tx: invitations.revoke_invitation(tx, actor, invitation, now=now)
        )

    # -- networks -----------------------------------------------------------------------------

    async def networks(self, actor: Actor) -> types.Networks:
        """The workspace's."""
        found = await self._store.read(actor.workspace, lambda tx: restrictions.workspace_networks(tx, actor))
        return types.Networks(networks=[str(n) for n in found])

    async def change_networks(
        self, actor: Actor, request: types.ChangeNetworks, *, own: str | None = None, confirmed: bool = False
    ) -> types.Networks:
        """The workspace's; `own` is the address of a person who asks, who is not to lock themselves out."""
        now = self._clock.now()
        found = await self._store.write(
            actor.workspace,
            lambda tx: restrictions.restrict_workspace(
                tx, actor, request.networks, own=own, confirmed=confirmed, now=now
            ),
        )
        self._changed()
        return types.Networks(networks=[str(n) for n in found])


def member_view(m: Member) -> types.Member:
    """As the API shows it."""
    return types.Member(id=m.user, email=m.email, name=m.name, role=m.role.value, joined_at=m.joined)


def invitation_view(i: entry.Invitation, now: datetime, *, mailed: bool = True) -> types.Invitation:
    """As the API shows it: never with its token."""
    return types.Invitation(
        id=i.id,
        email=i.email,
        role=i.place,
        state=i.state(now),
        created_at=i.created,
        sent_at=i.sent,
        expires_at=i.expires,
        mailed=mailed,
    )
