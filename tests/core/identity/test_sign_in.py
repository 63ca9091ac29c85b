"""The setup link, passwords, sessions, members."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from mailward.core.identity import passwords, tokens
from mailward.core.identity.factors import sign_out
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.identity.model import Arrival, User
from mailward.core.identity.people import (
    add_member,
    change_role,
    disable_user,
    list_members,
    new_setup_link,
    remove_member,
)
from mailward.core.identity.sessions import list_sessions, revoke_all_sessions, revoke_session
from mailward.core.identity.sign_in import SignedIn, SignIn
from mailward.core.workspaces.model import Workspace
from mailward.policy.access import Actor, Permission, Role
from tests.raw import dump, raw
from tests.signing import means

EMAIL, PASSWORD = "owner@example.com", "violet tractor hums quietly"


class World:
    """An installation with its owner."""

    def __init__(self, store: Store, clock: Any, entropy: Any) -> None:
        self.store, self.clock, self.entropy = store, clock, entropy
        self.people = SignIn(store, means(entropy))
        self.door = Doorkeeper(store)

    async def link(self) -> str | None:
        now = self.clock.now()
        token = await self.store.system_write(lambda tx: new_setup_link(tx, now=now, entropy=self.entropy))
        return None if token is None else token.reveal()

    async def set_up(self, token: str, password: str = PASSWORD) -> tuple[User, Workspace]:
        return await self.people.set_up(
            token, email=EMAIL, name="Olive", password=password, workspace="Acme", now=self.clock.now()
        )

    async def owner(self) -> tuple[User, Workspace]:
        token = await self.link()
        assert token is not None
        return await self.set_up(token)

    async def sign_in(self, email: str = EMAIL, password: str = PASSWORD) -> SignedIn:
        signed = await self.people.by_password(email, password, Arrival("192.0.2.1", "Firefox"), now=self.clock.now())
        assert isinstance(signed, SignedIn)
        return signed

    async def who(self, signed: SignedIn) -> Actor:
        return (await self.door.authenticate_session(signed.token.reveal(), "192.0.2.7", now=self.clock.now()))[0]


@pytest.fixture
def world(store: Store, clock: Any, entropy: Any) -> World:
    return World(store, clock, entropy)


@pytest.mark.asvs("6.3.2", "6.4.1", "11.4.2")
@pytest.mark.claim("AUTHN-1")
async def test_the_setup_link_makes_the_owner_once(world: World) -> None:
    """It works once; then there is an owner with a workspace, and no other link is made."""
    token = await world.link()
    assert token is not None
    user, workspace = await world.set_up(token)
    assert (user.email, workspace.name) == (EMAIL, "Acme")
    assert user.password.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    with pytest.raises(Unauthenticated):
        await world.set_up(token)
    assert await world.link() is None
    actor = (await world.sign_in()).actor
    assert (actor.role, actor.workspace, actor.id) == (Role.MANAGER, workspace.id, user.id)
    assert (await world.store.read(workspace.id, lambda tx: tx.workspaces.get(workspace.id))) == workspace


@pytest.mark.asvs("6.4.1")
async def test_a_setup_link_expires_and_is_replaced(world: World) -> None:
    """An old link, one of 24 hours ago, and a wrong one are refused; a weak password does not use the link up."""
    first, second = await world.link(), await world.link()
    assert first is not None
    assert second is not None
    for bad in (first, second[:-1] + "x", "", "mwl_"):
        with pytest.raises(Unauthenticated):
            await world.set_up(bad)
    with pytest.raises(Invalid):
        await world.set_up(second, password="password1234")
    world.clock.move(hours=24)
    with pytest.raises(Unauthenticated):
        await world.set_up(second)
    third = await world.link()
    assert third is not None
    await world.set_up(third)


@pytest.mark.asvs("6.2.1")
@pytest.mark.claim("AUTHN-1")
@pytest.mark.parametrize(
    "password", ["password1234", "qwertyuiop12", "aaaaaaaaaaaaaaaa", "letmein", "", "owner@example.com", "x" * 1025]
)
def test_weak_passwords_are_refused_with_advice(password: str) -> None:
    """Common, repeated, short, personal and over-long ones, with a sentence that helps."""
    with pytest.raises(Invalid) as refusal:
        passwords.judge(password, about=(EMAIL,))
    assert refusal.value.field == "password"
    assert len(refusal.value.public) > 20


@pytest.mark.asvs("11.4.2")
@pytest.mark.claim("AUTHN-1")
async def test_old_parameters_are_upgraded_at_sign_in(world: World, entropy: Any) -> None:
    """A hash made with weaker parameters is replaced when its owner signs in, and still matches."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    user, _ = await world.owner()
    weak = Argon2id(salt=bytes(16), length=32, iterations=1, lanes=1, memory_cost=64)
    old = weak.derive_phc_encoded(PASSWORD.encode())
    await world.store.system_write(lambda tx: tx.people.set_password(user.id, old))
    await world.sign_in()
    stored = await world.store.system_read(lambda tx: tx.people.user(user.id))
    assert stored is not None
    assert not passwords.needs_rehash(stored.password)
    await world.sign_in()


async def test_every_failed_sign_in_answers_alike(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown address, wrong password, over-long password, disabled person: one code, one hash each."""
    user, workspace = await world.owner()
    seen = set()
    for email, password in ((EMAIL, "wrong"), ("nobody@example.com", PASSWORD), (EMAIL, "x" * 5000), ("", "")):
        with pytest.raises(Unauthenticated) as refusal:
            await world.sign_in(email, password)
        seen.add((refusal.value.code, refusal.value.public))
    operator = Actor(workspace.id, "cli", "cli", frozenset(Permission))
    await world.store.system_write(lambda tx: disable_user(tx, operator, user.id, now=world.clock.now()))
    with pytest.raises(Unauthenticated) as refusal:
        await world.sign_in()
    assert seen == {(refusal.value.code, refusal.value.public)}
    verified: list[str] = []

    def watch(password: str, stored: str) -> bool:
        verified.append(stored)
        return False

    monkeypatch.setattr(passwords, "verify_password", watch)
    with pytest.raises(Unauthenticated):
        await world.sign_in("nobody@example.com")
    assert verified == [passwords.NOBODY]
    assert not passwords.needs_rehash(passwords.NOBODY)


@pytest.mark.asvs("7.3.1", "7.3.2", "7.6.1")
@pytest.mark.claim("AUTHN-2")
async def test_a_session_ends_when_idle_or_old(world: World) -> None:
    """12 idle hours end it; use keeps it, but not beyond 14 days."""
    await world.owner()
    idle, used = await world.sign_in(), await world.sign_in()
    for _ in range(27):
        world.clock.move(hours=11)
        await world.who(used)
    for gone in (idle,):
        with pytest.raises(Unauthenticated):
            await world.who(gone)
    for _ in range(4):
        world.clock.move(hours=10)
        if world.clock.now() - used.session.created >= timedelta(days=14):
            break
        await world.who(used)
    with pytest.raises(Unauthenticated):
        await world.who(used)


@pytest.mark.asvs("7.4.1")
@pytest.mark.claim("AUTHN-2")
async def test_sessions_are_listed_and_revoked(world: World) -> None:
    """One by one, or all but the one in use; the next request is refused; another's session is not found."""
    await world.owner()
    signed = [await world.sign_in() for _ in range(4)]
    actor, now = signed[0].actor, world.clock.now()
    ws = actor.workspace
    listed = await world.store.read(ws, lambda tx: list_sessions(tx, actor))
    assert {s.id for s in listed} == {s.session.id for s in signed}
    assert (listed[0].device, listed[0].address) == ("Firefox", "192.0.2.1")
    await world.store.write(ws, lambda tx: revoke_session(tx, actor, signed[1].session.id, now=now))
    with pytest.raises(Unauthenticated):
        await world.who(signed[1])
    with pytest.raises(NotFound):
        await world.store.write(ws, lambda tx: revoke_session(tx, actor, signed[1].session.id, now=now))
    keep = signed[0].session.id
    ended = await world.store.write(ws, lambda tx: revoke_all_sessions(tx, actor, keep=keep, now=now))
    assert ended == 2
    await world.who(signed[0])
    for gone in signed[2:]:
        with pytest.raises(Unauthenticated):
            await world.who(gone)


@pytest.mark.asvs("13.3.1")
@pytest.mark.claim("AUTHN-2")
async def test_a_stolen_store_holds_no_token(world: World) -> None:
    """Neither session nor setup token is in any row."""
    token = await world.link()
    assert token is not None
    await world.set_up(token)
    signed = await world.sign_in()

    text = await dump(world.store)
    for secret in (token, signed.token.reveal(), PASSWORD):
        assert secret[4:] not in text
        assert secret not in repr(signed)


@pytest.mark.asvs("6.2.2", "6.2.3", "7.4.3")
async def test_changing_the_password_ends_the_other_sessions(world: World) -> None:
    """The old one must be proved; the session in use stays, the others end."""
    await world.owner()
    mine, other = await world.sign_in(), await world.sign_in()
    new = "seven copper lanterns drift"
    with pytest.raises(Unauthenticated):
        await world.people.change_password(mine.actor, mine.session, "wrong", new, now=world.clock.now())
    await world.people.change_password(mine.actor, mine.session, PASSWORD, new, now=world.clock.now())
    await world.who(mine)
    with pytest.raises(Unauthenticated):
        await world.who(other)
    with pytest.raises(Unauthenticated):
        await world.sign_in()
    await world.sign_in(password=new)


async def _second(world: World, email: str, role: Role, actor: Actor) -> User:
    from mailward.base import ids
    from mailward.base.ids import UserId

    hashed = passwords.hash_password(PASSWORD, world.entropy)
    now = world.clock.now()
    user = User(UserId(ids.new("usr", now, world.entropy)), email, "Second", hashed, now)
    await world.store.system_write(lambda tx: tx.people.add_user(user))
    await world.store.write(actor.workspace, lambda tx: add_member(tx, actor, user, role, now=now))
    return user


async def test_removing_a_member_ends_their_session(world: World) -> None:
    """At the next request; a changed role ends it too, and the last manager can be neither removed nor lowered."""
    owner, _ = await world.owner()
    boss = (await world.sign_in()).actor
    ws, now = boss.workspace, world.clock.now()
    user = await _second(world, "second@example.com", Role.MEMBER, boss)
    assert len(await world.store.read(ws, lambda tx: list_members(tx, boss))) == 2
    signed = await world.sign_in("SECOND@example.com")
    assert (await world.who(signed)).role is Role.MEMBER
    await world.store.write(ws, lambda tx: change_role(tx, boss, user.id, Role.ADMIN, now=now))
    with pytest.raises(Unauthenticated):
        await world.who(signed)
    signed = await world.sign_in("second@example.com")
    await world.store.write(ws, lambda tx: remove_member(tx, boss, user.id, now=now))
    with pytest.raises(Unauthenticated):
        await world.who(signed)
    with pytest.raises(Unauthenticated):
        await world.sign_in("second@example.com")
    with pytest.raises(Conflict):
        await world.store.write(ws, lambda tx: remove_member(tx, boss, owner.id, now=now))
    with pytest.raises(Conflict):
        await world.store.write(ws, lambda tx: change_role(tx, boss, owner.id, Role.MEMBER, now=now))


async def test_nobody_gives_a_role_above_their_own(world: World) -> None:
    """A member adds nobody; an operator's role is no role in a workspace; nobody joins twice."""
    await world.owner()
    boss = (await world.sign_in()).actor
    await _second(world, "second@example.com", Role.MEMBER, boss)
    member = (await world.sign_in("second@example.com")).actor
    with pytest.raises(Forbidden):
        await _second(world, "third@example.com", Role.MEMBER, member)
    with pytest.raises(Invalid):
        await _second(world, "fourth@example.com", Role.SUPER_ADMIN, boss)


@pytest.mark.asvs("16.3.1")
async def test_acts_on_access_are_in_the_log(world: World) -> None:
    """Set-up, sign-in, refusal and revocation each leave an entry, personal facts outside the leaf."""
    await world.owner()
    actor = (await world.sign_in()).actor
    with pytest.raises(Unauthenticated):
        await world.sign_in(password="wrong")
    await world.store.write(actor.workspace, lambda tx: revoke_all_sessions(tx, actor, now=world.clock.now()))

    own = ids.decode("ws", actor.workspace)
    found = await raw(world.store, "SELECT act, leaf FROM t_audit WHERE workspace = ? ORDER BY seq", own)
    assert [act for act, _ in found] == [
        "workspace.created",
        "member.added",
        "setup_link.used",
        "session.created",
        "session.refused",
        "session.all_revoked",
    ]
    assert not any(b"example.com" in leaf or b"Olive" in leaf or b"192.0.2.1" in leaf for _, leaf in found)


@pytest.mark.asvs("7.4.2", "7.4.5")
@pytest.mark.parametrize("end", [disable_user, None])
async def test_who_holds_the_machine_ends_what_somebody_has_open(world: World, end: Any) -> None:
    """Signed out everywhere, or disabled, which ends the same and lets nobody in again."""
    user, workspace = await world.owner()
    open_ones = [await world.sign_in(), await world.sign_in()]
    operator = Actor(workspace.id, "cli", "cli", frozenset(Permission))
    now = world.clock.now()
    if end is None:
        assert await world.store.system_write(lambda tx: sign_out(tx, operator, user, now=now)) == 2
    else:
        await world.store.system_write(lambda tx: end(tx, operator, user.id, now=now))
    for gone in open_ones:
        with pytest.raises(Unauthenticated):
            await world.who(gone)
    if end is None:
        await world.sign_in()
    else:
        with pytest.raises(Unauthenticated):
            await world.sign_in()


@pytest.mark.asvs("7.2.2", "7.2.3", "11.5.1")
async def test_each_session_has_a_token_of_its_own(world: World) -> None:
    """256 random bits, drawn when somebody signs in; the store keeps their hash, and another character is nobody."""
    await world.owner()
    signed = [await world.sign_in() for _ in range(5)]
    found = {s.token.reveal() for s in signed}
    assert len(found) == 5
    asked: list[int] = []

    class Watched:
        def bytes(self, n: int) -> bytes:
            asked.append(n)
            return bytes(world.entropy.bytes(n))

    for prefix in (tokens.SESSION, tokens.API_KEY, tokens.SMTP_PASSWORD, tokens.SETUP_LINK, tokens.TICKET):
        tokens.new_token(prefix, Watched())
    assert asked == [32] * 5
    for token in found:
        other = token[:20] + ("a" if token[20] != "a" else "b") + token[21:]
        with pytest.raises(Unauthenticated):
            await world.door.authenticate_session(other, None, now=world.clock.now())


@pytest.mark.asvs("6.2.1", "6.2.5", "6.2.9", "6.2.4")
def test_any_characters_make_a_password_when_there_are_enough() -> None:
    """One kind of letter, spaces, other scripts, 64 and 1,024 characters; never seven, and none of the most common."""
    long = "".join(chr(ord("a") + n * n % 26) for n in range(1024))
    for good in (
        "violet tractor hums quietly", "xkvqwzjfpmtb", "83650927416358", "!?%&)(=;:_~#+*", "длинный лесной вечер",
        "violet tractor " * 4 + "home", long,
    ):  # fmt: skip
        passwords.judge(good)
    for bad in ("xkvqwzj", "password", "iloveyou", "dragon123"):
        with pytest.raises(Invalid):
            passwords.judge(bad)


@pytest.mark.asvs("6.2.8", "6.2.9")
async def test_a_password_is_compared_as_it_came(world: World) -> None:
    """Nothing is cut, trimmed or folded: neither case, nor blanks, nor what stands behind the 72nd octet."""
    password = "Violet tractor hums quietly " * 4 + "ä"
    token = await world.link()
    assert token is not None
    await world.set_up(token, password)
    await world.sign_in(password=password)
    for other in (password.lower(), password.strip("ä"), password + " ", password[:72], password[:-1] + "a\u0308"):
        with pytest.raises(Unauthenticated):
            await world.sign_in(password=other)


@pytest.mark.asvs("6.2.10")
async def test_a_password_does_not_grow_old(world: World) -> None:
    """After ten years it still signs its owner in, and nobody asks for another."""
    await world.owner()
    world.clock.move(days=3653)
    assert (await world.who(await world.sign_in())).permissions


@pytest.mark.asvs("6.2.11")
@pytest.mark.parametrize(
    "bad", ["mailward-admin", "Mailward2026!", "MAILWARD mailward", "postmaster-smtp-1", "admindashboard"]
)
def test_words_of_the_place_make_no_password(bad: str) -> None:
    """They are not counted, however they are written; beside a good password they do no harm."""
    with pytest.raises(Invalid):
        passwords.judge(bad)
    passwords.judge(f"violet tractor hums quietly {bad}")
