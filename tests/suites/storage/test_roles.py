"""Roles of a workspace's own on both stores: what they hold, who may give them, and what ends when they shrink."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, Invalid, NotFound
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.identity import granting, invitations, people
from mailward.core.identity.credentials import Wish, create_key
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.identity.model import User
from mailward.core.identity.sessions import create_session
from mailward.policy.access import IN_WORKSPACE, ROLE_PERMISSIONS, Actor, Permission, Role, Scope

P = Permission
SENDS_AND_KEYS = frozenset({P.MESSAGE_SEND, P.MESSAGE_READ, P.KEY_CHANGE, P.KEY_READ})


class Team:
    """A workspace with a manager and a member, and another workspace."""

    def __init__(self, store: Store, clock: Any, entropy: Any) -> None:
        self.store, self.clock, self.entropy = store, clock, entropy

    async def found(self, email: str) -> tuple[User, Actor]:
        """A person with a workspace."""
        user = self.person(email)

        async def act(tx: Tx) -> WorkspaceId:
            await tx.people.add_user(user)
            made = await people.found_workspace(tx, user, "Acme", now=self.clock.now(), entropy=self.entropy)
            return made.id

        workspace = await self.store.system_write(act)
        return user, Actor(workspace, "session", user.id, IN_WORKSPACE, Role.MANAGER)

    def person(self, email: str) -> User:
        """Somebody with an account."""
        return User(UserId(ids.new("usr", self.clock.now(), self.entropy)), email, "Somebody", "x", self.clock.now())

    async def join(self, actor: Actor, email: str) -> User:
        """A member of the actor's workspace."""
        user = self.person(email)

        async def act(tx: Tx) -> None:
            await tx.people.add_user(user)
            await people.add_member(tx, actor, user, Role.MEMBER, now=self.clock.now())

        await self.store.system_write(act)
        return user

    async def write(self, actor: Actor, verb: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """A verb in the actor's workspace."""
        return await self.store.write(
            actor.workspace, lambda tx: verb(tx, actor, *given, now=self.clock.now(), **named)
        )

    async def role(self, actor: Actor, name: str, permissions: frozenset[Permission]) -> Any:
        """A role of one's own."""
        return await self.write(actor, granting.make_role, name, permissions, entropy=self.entropy)

    async def signed_in(self, user: User, actor: Actor) -> str:
        """The token of a session of a member, as their place is now."""

        async def act(tx: Tx) -> str:
            member = await tx.people.member(actor.workspace, user.id)
            assert member is not None
            _, token = await create_session(
                tx, user.id, actor.workspace, member.role, device="d", address="192.0.2.1",
                now=self.clock.now(), entropy=self.entropy,
            )  # fmt: skip
            return token.reveal()

        return await self.store.system_write(act)

    async def actor(self, token: str) -> Actor:
        """Who the session stands for, asked as any process would."""
        found, _ = await Doorkeeper(self.store).authenticate_session(token, "192.0.2.1", now=self.clock.now())
        return found


@pytest.fixture
def team(store: Store, clock: Any, entropy: Any) -> Team:
    return Team(store, clock, entropy)


@pytest.mark.claim("AUTHZ-1")
async def test_a_role_of_ones_own_holds_what_it_lists_and_nothing_else(team: Team) -> None:
    """The session of a member who was given it may do exactly that; another workspace's role cannot be given."""
    _, manager = await team.found("ann@a.test")
    _, stranger = await team.found("eve@b.test")
    bob = await team.join(manager, "bob@a.test")
    role = await team.role(manager, "Shop", SENDS_AND_KEYS)
    with pytest.raises(NotFound):
        await team.write(stranger, granting.give_role, bob.id, role.id)
    theirs = await team.role(stranger, "Shop", frozenset({P.AUDIT_READ}))
    with pytest.raises(NotFound):
        await team.write(manager, granting.give_role, bob.id, theirs.id)
    await team.write(manager, granting.give_role, bob.id, role.id)
    actor = await team.actor(await team.signed_in(bob, manager))
    assert (actor.permissions, actor.role) == (SENDS_AND_KEYS, Role.CUSTOM)
    listed = await team.store.read(manager.workspace, lambda tx: granting.list_roles(tx, manager))
    assert [r.id for r in listed] == [role.id]


@pytest.mark.claim("AUTHZ-1")
async def test_nobody_makes_or_gives_a_role_above_themselves(team: Team) -> None:
    """Who may make roles makes them of what they hold; who may change members gives no more, and to nobody above."""
    owner, manager = await team.found("ann@a.test")
    bob = await team.join(manager, "bob@a.test")
    small = frozenset({P.ROLE_CHANGE, P.MEMBER_CHANGE, P.MEMBER_READ, P.MESSAGE_READ})
    lesser = Actor(manager.workspace, "session", bob.id, small, Role.CUSTOM)
    with pytest.raises(Forbidden):
        await team.role(lesser, "More", small | {P.MESSAGE_SEND})
    great = await team.role(manager, "Great", frozenset(IN_WORKSPACE))
    for verb, given in (
        (granting.give_role, (bob.id, great.id)),
        (granting.change_role, (great.id, "Great", small)),
        (granting.remove_role, (great.id,)),
        (people.remove_member, (owner.id,)),
    ):
        with pytest.raises(Forbidden):
            await team.write(lesser, verb, *given)
    await team.write(manager, granting.give_role, bob.id, great.id)
    with pytest.raises(Forbidden):
        await team.write(lesser, people.change_role, bob.id, Role.MEMBER)
    member = Actor(manager.workspace, "session", bob.id, ROLE_PERMISSIONS[Role.MEMBER], Role.MEMBER)
    with pytest.raises(Forbidden):
        await team.role(member, "Mine", frozenset({P.MESSAGE_READ}))


@pytest.mark.claim("AUTHN-9")
async def test_a_role_that_shrinks_ends_what_it_gave(team: Team) -> None:
    """The epoch moves, the session may do less at once, and the keys its holder made are revoked."""
    _, manager = await team.found("ann@a.test")
    bob = await team.join(manager, "bob@a.test")
    role = await team.role(manager, "Shop", SENDS_AND_KEYS)
    await team.write(manager, granting.give_role, bob.id, role.id)
    token = await team.signed_in(bob, manager)
    made = await team.write(
        await team.actor(token), create_key, Wish("k", frozenset({Scope.SEND})), entropy=team.entropy
    )
    before = await team.store.system_read(lambda tx: tx.revocations.current())
    await team.write(manager, granting.change_role, role.id, "Shop", frozenset({P.MESSAGE_READ}))
    assert await team.store.system_read(lambda tx: tx.revocations.current()) > before
    assert (await team.actor(token)).permissions == {P.MESSAGE_READ}
    found = await team.store.read(manager.workspace, lambda tx: tx.credentials.get(made.credential.id))
    assert found is not None
    assert found.revoked is not None


async def test_a_role_in_use_stays_and_the_last_manager_keeps_theirs(team: Team) -> None:
    """A role is removed when nobody has it; the last manager is given no other."""
    owner, manager = await team.found("ann@a.test")
    bob = await team.join(manager, "bob@a.test")
    role = await team.role(manager, "Shop", SENDS_AND_KEYS)
    with pytest.raises(Conflict):
        await team.role(manager, "shop", SENDS_AND_KEYS)
    with pytest.raises(Conflict):
        await team.write(manager, granting.give_role, owner.id, role.id)
    await team.write(manager, granting.give_role, bob.id, role.id)
    with pytest.raises(Conflict):
        await team.write(manager, granting.remove_role, role.id)
    await team.write(manager, people.change_role, bob.id, Role.MEMBER)
    await team.write(manager, granting.remove_role, role.id)
    assert await team.store.read(manager.workspace, lambda tx: granting.list_roles(tx, manager)) == []


@pytest.mark.claim("AUTHZ-1")
async def test_an_invitation_offers_a_role_of_ones_own(team: Team) -> None:
    """Who accepts may do what the role holds then; nobody invites above themselves or into another workspace's role,
    and a role that somebody may still join with stays."""
    _, manager = await team.found("ann@a.test")
    _, elsewhere = await team.found("eve@e.test")
    role = await team.role(manager, "Support", SENDS_AND_KEYS)
    foreign = await team.role(elsewhere, "Support", SENDS_AND_KEYS)
    lesser = replace(manager, permissions=frozenset({P.MEMBER_CHANGE, P.MESSAGE_READ}))
    wish = {"custom": role.id, "entropy": team.entropy}

    async def invite(actor: Actor, email: str, **named: Any) -> str:
        _, token = await team.write(actor, invitations.invite, email, Role.CUSTOM, **(wish | named))
        return str(token.reveal())

    with pytest.raises(Forbidden):
        await invite(lesser, "sue@a.test")
    for wrong in (foreign.id, "role_x", ""):
        with pytest.raises(Invalid):
            await invite(manager, "sue@a.test", custom=wrong)
    token = await invite(manager, "sue@a.test")
    with pytest.raises(Conflict):
        await team.write(manager, granting.remove_role, role.id)
    await team.write(manager, granting.change_role, role.id, "Readers", frozenset({P.MESSAGE_READ}))
    now = team.clock.now()
    sue, _, _ = await team.store.system_write(
        lambda tx: invitations.accept_as_new(tx, token, name="Sue", password_hash="x", now=now, entropy=team.entropy)
    )
    assert (await team.actor(await team.signed_in(sue, manager))).permissions == {P.MESSAGE_READ}
    (listed,) = await team.store.read(manager.workspace, lambda tx: tx.entry.invitations(10))
    assert (listed.place, listed.state(now)) == (role.id, "accepted")
    token = await invite(manager, "jo@a.test")
    team.clock.move(days=8)
    await team.write(manager, people.change_role, sue.id, Role.MEMBER)
    await team.write(manager, granting.remove_role, role.id)
    with pytest.raises(Conflict):
        await team.write(manager, invitations.resend, (await open_to(team, manager)).id, entropy=team.entropy)


async def open_to(team: Team, actor: Actor) -> Any:
    found = await team.store.read(actor.workspace, lambda tx: tx.entry.invitations(10))
    return next(i for i in found if i.accepted is None)
