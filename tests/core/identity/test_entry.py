"""Invitations, links to identities at other providers, networks, and several workspaces: on both stores."""

from __future__ import annotations

from typing import Any

import pytest

from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, LimitReached, NotFound, Unauthenticated
from mailward.base.ids import UserId
from mailward.core.identity import credentials, federation, invitations, people, restrictions, sessions
from mailward.core.identity.credentials import Wish
from mailward.core.identity.entry import INVITATIONS_KEPT, Identity
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.identity.model import User
from mailward.core.identity.passwords import NOBODY
from mailward.policy.access import ROLE_PERMISSIONS, Actor, Role

HOME, AWAY = "192.0.2.7", "198.51.100.9"


class World:
    """A workspace with its manager."""

    def __init__(self, store: Any, clock: Any, entropy: Any) -> None:
        self.store, self.clock, self.entropy = store, clock, entropy
        self.door = Doorkeeper(store)

    async def begin(self) -> World:
        self.owner = await self.person("owner@example.com")
        self.place = await self.system(
            lambda tx: people.found_workspace(tx, self.owner, "Acme", now=self.now, entropy=self.entropy)
        )
        self.actor = self.as_(self.owner.id, Role.MANAGER)
        return self

    @property
    def now(self) -> Any:
        return self.clock.now()

    async def system(self, verb: Any) -> Any:
        return await self.store.system_write(verb)

    async def own(self, verb: Any) -> Any:
        return await self.store.write(self.place.id, verb)

    def as_(self, user: str, role: Role) -> Actor:
        return Actor(self.place.id, "session", user, ROLE_PERMISSIONS[role], role)

    async def person(self, email: str) -> User:
        made = User(UserId(ids.new("usr", self.now, self.entropy)), email, "Somebody", "$none", self.now)
        await self.system(lambda tx: tx.people.add_user(made))
        return made

    async def member(self, email: str, role: Role) -> User:
        made = await self.person(email)
        await self.own(lambda tx: people.add_member(tx, self.actor, made, role, now=self.now))
        return made

    async def invite(self, email: str, role: Role = Role.MEMBER, actor: Actor | None = None) -> tuple[Any, str]:
        made, token = await self.own(
            lambda tx: invitations.invite(tx, actor or self.actor, email, role, now=self.now, entropy=self.entropy)
        )
        return made, token.reveal()

    async def session(self, user: User, address: str = HOME) -> tuple[Any, str]:
        made, token = await self.system(
            lambda tx: sessions.create_session(
                tx,
                user.id,
                self.place.id,
                Role.MEMBER,
                device="x",
                address=address,
                now=self.now,
                entropy=self.entropy,
            )
        )
        return made, token.reveal()

    async def acts(self) -> list[str]:
        workspace = ids.decode("ws", self.place.id)

        async def look(tx: Any) -> list[Any]:
            found: list[Any] = await tx.audit.page(workspace, before=None, limit=100, act=None, since=None, until=None)
            return found

        return [e.act for e in await self.store.read(self.place.id, look)]


@pytest.fixture
async def world(store: Any, clock: Any, entropy: Any) -> World:
    return await World(store, clock, entropy).begin()


async def accept_new(world: World, token: str) -> Any:
    return await world.system(
        lambda tx: invitations.accept_as_new(
            tx, token, name="New", password_hash="$x", now=world.now, entropy=world.entropy
        )
    )


@pytest.mark.asvs("2.3.1", "6.4.1")
async def test_an_invitation_gives_a_place_once(world: World) -> None:
    """Somebody new joins as invited; the link then works no more, and neither does one that is too old."""
    made, token = await world.invite("new@example.com", Role.ADMIN)
    assert "new@example.com" not in repr(made)
    user, member, _ = await accept_new(world, token)
    assert (user.email, member.role) == ("new@example.com", Role.ADMIN)
    with pytest.raises(NotFound):
        await accept_new(world, token)
    _, late = await world.invite("late@example.com")
    world.clock.move(days=7)
    with pytest.raises(NotFound):
        await accept_new(world, late)


async def test_a_known_person_joins_under_the_invited_address_only(world: World) -> None:
    """Whoever is signed in under another address gets nothing from a forwarded link."""
    guest, other = await world.person("Guest@example.com"), await world.person("other@example.com")
    _, token = await world.invite("guest@EXAMPLE.com")
    with pytest.raises(Conflict):
        await accept_new(world, token)
    with pytest.raises(Forbidden):
        await world.system(lambda tx: invitations.accept_as(tx, token, other.id, now=world.now))
    member, _ = await world.system(lambda tx: invitations.accept_as(tx, token, guest.id, now=world.now))
    assert member.user == guest.id


async def test_an_invitation_is_sent_again_and_withdrawn(world: World) -> None:
    """Sending again ends the earlier link and is not possible at once; a withdrawn link is worth nothing."""
    made, first = await world.invite("new@example.com")
    with pytest.raises(Conflict):
        await world.invite("NEW@example.com")

    async def again() -> str:
        _, token = await world.own(
            lambda tx: invitations.resend(tx, world.actor, made.id, now=world.now, entropy=world.entropy)
        )
        return str(token.reveal())

    with pytest.raises(LimitReached):
        await again()
    world.clock.move(seconds=301)
    second = await again()
    for token in (first, "mwi_nothing"):
        with pytest.raises(NotFound):
            await world.system(lambda tx, t=token: invitations.look(tx, t, now=world.now))
    await world.own(lambda tx: invitations.revoke_invitation(tx, world.actor, made.id, now=world.now))
    with pytest.raises(NotFound):
        await accept_new(world, second)


async def test_nobody_grants_above_themselves(world: World) -> None:
    """An Admin neither invites, makes, lowers nor removes a Manager; a Member invites nobody."""
    admin = await world.member("admin@example.com", Role.ADMIN)
    acting = world.as_(admin.id, Role.ADMIN)
    await world.invite("fine@example.com", Role.ADMIN, acting)
    with pytest.raises(Forbidden):
        await world.invite("boss@example.com", Role.MANAGER, acting)
    with pytest.raises(Forbidden):
        await world.invite("more@example.com", Role.MEMBER, world.as_(admin.id, Role.MEMBER))
    for verb in (
        lambda tx: people.change_role(tx, acting, admin.id, Role.MANAGER, now=world.now),
        lambda tx: people.change_role(tx, acting, world.owner.id, Role.MEMBER, now=world.now),
        lambda tx: people.remove_member(tx, acting, world.owner.id, now=world.now),
    ):
        with pytest.raises(Forbidden):
            await world.own(verb)


async def test_the_last_manager_neither_leaves_nor_is_lowered(world: World) -> None:
    """With a second Manager it is possible."""
    leave = lambda tx: people.leave(tx, world.actor, now=world.now)  # noqa: E731
    with pytest.raises(Conflict):
        await world.own(leave)
    with pytest.raises(Conflict):
        await world.own(lambda tx: people.change_role(tx, world.actor, world.owner.id, Role.ADMIN, now=world.now))
    await world.member("second@example.com", Role.MANAGER)
    await world.own(leave)


async def test_who_is_removed_takes_nothing_along(world: World) -> None:
    """Sessions, keys and open invitations of a removed person end with their place."""
    admin = await world.member("admin@example.com", Role.ADMIN)
    acting = world.as_(admin.id, Role.ADMIN)
    key = await world.own(
        lambda tx: credentials.create_key(tx, acting, Wish("mine"), now=world.now, entropy=world.entropy)
    )
    _, invited = await world.invite("second-me@example.com", Role.ADMIN, acting)
    _, token = await world.session(admin)
    await world.door.authenticate_session(token, HOME, now=world.now)
    await world.own(lambda tx: people.remove_member(tx, world.actor, admin.id, now=world.now))
    await world.door.refresh()
    with pytest.raises(Unauthenticated):
        await world.door.authenticate_session(token, HOME, now=world.now)
    with pytest.raises(Unauthenticated):
        await world.door.authenticate_key(key.secret.reveal(), HOME, now=world.now)
    with pytest.raises(NotFound):
        await accept_new(world, invited)


@pytest.mark.asvs("7.2.4")
async def test_a_session_moves_to_another_workspace_under_another_token(world: World) -> None:
    """The earlier token is worth nothing; a workspace without a place for the person does not exist for them."""
    held, token = await world.session(world.owner)
    other = await world.system(
        lambda tx: people.found_another(tx, world.actor, "Beta", now=world.now, entropy=world.entropy)
    )
    _, fresh = await world.system(
        lambda tx: sessions.switch_workspace(tx, held, other.id, address=HOME, now=world.now, entropy=world.entropy)
    )
    actor, _ = await world.door.authenticate_session(fresh.reveal(), HOME, now=world.now)
    assert actor.workspace == other.id
    with pytest.raises(Unauthenticated):
        await world.door.authenticate_session(token, HOME, now=world.now)
    stranger = await world.member("m@example.com", Role.MEMBER)
    theirs, _ = await world.session(stranger)
    with pytest.raises(NotFound):
        await world.system(
            lambda tx: sessions.switch_workspace(
                tx, theirs, other.id, address=HOME, now=world.now, entropy=world.entropy
            )
        )
    with pytest.raises(Forbidden):
        await world.system(
            lambda tx: people.found_another(
                tx, world.as_(stranger.id, Role.MEMBER), "Mine", now=world.now, entropy=world.entropy
            )
        )


IDENTITY = Identity("work", "https://id.example", "42", "owner@example.com", "Olive")


async def who(world: World, identity: Identity, **how: Any) -> Any:
    return await world.system(lambda tx: federation.person_of(tx, identity, now=world.now, **how))


@pytest.mark.asvs("6.8.1", "10.5.2")
async def test_a_verified_address_links_once_and_then_the_subject_counts(world: World) -> None:
    """After linking the address may change or vanish; another subject with that address is nobody."""
    unverified = Identity("work", "https://id.example", "42")
    with pytest.raises(Unauthenticated):
        await who(world, unverified)
    with pytest.raises(Unauthenticated):
        await who(world, IDENTITY, by_address=False)
    user, linked = await who(world, IDENTITY)
    assert (user.id, linked) == (world.owner.id, True)
    assert (await who(world, unverified))[1] is False
    with pytest.raises(Unauthenticated):
        await who(world, Identity("work", "https://id.example", "43", "owner@example.com"))
    assert "identity.linked" in await world.acts()


@pytest.mark.asvs("6.8.1")
async def test_linking_takes_nobody_elses_identity(world: World) -> None:
    """One identity, one person; one identity of an issuer for a person; removing it closes the way in."""
    other = await world.member("m@example.com", Role.MEMBER)
    acting = world.as_(other.id, Role.MEMBER)
    await world.system(lambda tx: federation.link(tx, world.actor, IDENTITY, now=world.now))
    with pytest.raises(Conflict):
        await world.system(lambda tx: federation.link(tx, acting, IDENTITY, now=world.now))
    [held] = await world.system(lambda tx: federation.list_links(tx, world.owner.id))
    id = federation.link_id(held)
    with pytest.raises(NotFound):
        await world.system(lambda tx: federation.unlink(tx, acting, id, now=world.now))
    await world.system(lambda tx: federation.unlink(tx, world.actor, id, now=world.now))
    with pytest.raises(Unauthenticated):
        await who(world, IDENTITY, by_address=False)


@pytest.mark.claim("AUTHN-4")
async def test_an_invitation_is_accepted_with_a_provider_that_vouches_for_its_address(world: World) -> None:
    """Somebody new gets a place and no password; another address, an unverified one, a known identity and a used link
    give nothing; the only way in is not removed."""
    _, token = await world.invite("new@example.com", Role.ADMIN)

    async def accept(subject: str, email: str) -> Any:
        identity = Identity("work", "https://id.example", subject, email, "New <b>")
        return await world.system(
            lambda tx: invitations.accept_with(tx, token, identity, now=world.now, entropy=world.entropy)
        )

    for email in ("", "other@example.com", "new@example.com.evil.test"):
        with pytest.raises(Forbidden):
            await accept("7", email)
    await world.system(lambda tx: federation.link(tx, world.actor, IDENTITY, now=world.now))
    with pytest.raises(Conflict):
        await accept(IDENTITY.subject, "new@example.com")
    user, member, _ = await accept("7", "NEW@example.com")
    assert (user.email, user.password, member.role) == ("new@example.com", NOBODY, Role.ADMIN)
    with pytest.raises(NotFound):
        await accept("8", "new@example.com")
    found, linked = await who(world, Identity("work", "https://id.example", "7"))
    assert (found.id, linked) == (user.id, False)
    [held] = await world.system(lambda tx: federation.list_links(tx, user.id))
    acting, id = world.as_(user.id, Role.ADMIN), federation.link_id(held)
    with pytest.raises(Conflict):
        await world.system(lambda tx: federation.unlink(tx, acting, id, now=world.now))
    await world.system(lambda tx: tx.people.set_password(user.id, "$x"))
    await world.system(lambda tx: federation.unlink(tx, acting, id, now=world.now))


@pytest.mark.parametrize(
    ("networks", "ip", "fits"),
    [
        ([], AWAY, True), (["192.0.2.0/24"], HOME, True), (["192.0.2.0/24"], AWAY, False),
        (["192.0.2.0/24"], f"::ffff:{HOME}", True), (["192.0.2.0/24"], f"::ffff:{AWAY}", False),
        (["2001:db8::/32"], "2001:db8::1", True), (["2001:db8::/32"], HOME, False), (["2001:db8::/32"], "", False),
        (["fe80::/10"], "fe80::1%eth0", True),
    ],
)  # fmt: skip
def test_a_network_is_what_it_says(networks: list[str], ip: str, fits: bool) -> None:
    """IPv4, IPv6, and IPv4 that arrived on an IPv6 socket."""
    assert restrictions.within(credentials.parse_networks(networks), ip) is fits


async def test_networks_bind_sessions_and_sign_ins(world: World) -> None:
    """The workspace's and the person's list each refuse a session and a sign-in from elsewhere, with one audit entry
    a minute; nobody locks themselves out without saying so."""
    _, token = await world.session(world.owner)
    places = [(world.place.id, Role.MANAGER)]

    async def restrict(own: str | None, confirmed: bool = False) -> None:
        await world.own(
            lambda tx: restrictions.restrict_workspace(
                tx, world.actor, ["192.0.2.0/24"], own=own, confirmed=confirmed, now=world.now
            )
        )

    with pytest.raises(Conflict):
        await restrict(AWAY)
    await restrict(HOME)
    await world.door.authenticate_session(token, HOME, now=world.now)
    before = (await world.acts()).count("session.refused")
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await world.door.authenticate_session(token, AWAY, now=world.now)
    assert (await world.acts()).count("session.refused") == before + 1
    await world.door.authenticate_session(token, None, now=world.now)
    with pytest.raises(Forbidden):
        await world.system(lambda tx: restrictions.admit(tx, world.owner.id, places, AWAY))
    mine = ["2001:db8::/32", HOME]
    await world.system(lambda tx: restrictions.restrict_person(tx, world.actor, mine, own=HOME, now=world.now))
    assert len(await world.system(lambda tx: tx.entry.networks(world.owner.id))) == 2
    with pytest.raises(Unauthenticated):
        await world.door.authenticate_session(token, "192.0.2.8", now=world.now)


async def test_an_invitation_that_ended_long_ago_is_forgotten(world: World) -> None:
    """What is over stays in the list for a while; what is open is never dropped."""
    await world.invite("old@example.com")
    world.clock.move(days=100)
    await world.invite("new@example.com")
    assert await world.system(lambda tx: tx.entry.forget_invitations(world.now - INVITATIONS_KEPT)) == 1
    [left] = await world.own(lambda tx: invitations.list_invitations(tx, world.actor))
    assert left.email == "new@example.com"
