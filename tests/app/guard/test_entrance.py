"""Strange sign-ins are held and told, every one is told, and one that was not the owner's ends everything."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from mailward.app.guard.challenge import Challenges
from mailward.app.guard.entrance import Entrance
from mailward.app.guard.guard import SharedGuard
from mailward.app.guard.places import Places
from mailward.app.guard.watch import Watch
from mailward.app.letters import Letters
from mailward.app.sign_in_options import ChallengeSettings, Geo
from mailward.base import ids
from mailward.base.errors import ChallengeRequired, Forbidden, NotFound
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.audit.read import list_entries
from mailward.core.guard import tries
from mailward.core.guard.model import Digests
from mailward.core.identity import passwords
from mailward.core.identity.credentials import Wish, create_key
from mailward.core.identity.entry import Link
from mailward.core.identity.model import Factor, FactorKind, Member, User
from mailward.core.identity.sessions import create_session
from mailward.core.workspaces.model import Workspace, WorkspaceSettings
from mailward.policy.access import ROLE_PERMISSIONS, Actor, Permission, Role
from tests.app.guard.mmdb import write
from tests.conftest import MovingClock, SeededEntropy

embedded = pytest.mark.parametrize("store", ["embedded"], indirect=True)
HOME, MINE, STRANGE = "192.0.2.7", b"my browser", b"another"
PLACES = {
    "192.0.2.0/24": {"city": {"names": {"en": "Vienna"}}, "country": {"iso_code": "AT"},
                     "location": {"latitude": 48.2, "longitude": 16.4}},
    "203.0.113.0/24": {"country": {"iso_code": "AU"}, "location": {"latitude": -33.9, "longitude": 151.2}},
}  # fmt: skip


@dataclass
class Post:
    """Keeps letters."""

    sent: list[tuple[str, str, str, str]] = field(default_factory=list)
    works: bool = True

    async def send(self, to: str, subject: str, text: str, kind: str) -> bool:
        self.sent.append((to, subject, text, kind))
        return self.works

    async def able(self) -> bool:
        return self.works

    def link(self, what: str) -> str:
        """The token of the newest link of a kind."""
        found = re.findall(rf"/{what}/(mwt_\w+)", self.sent[-1][2])
        return str(found[0])


@dataclass
class House:
    """One person, at home in Vienna with a month of habits."""

    entrance: Entrance
    user: User
    post: Post
    store: Any
    clock: MovingClock

    async def comes(self, address: str = HOME, device: bytes | None = MINE, *, proven: bool = False) -> None:
        """Has shown the password: weighed, let in, told."""
        arrival = self.entrance.arrival(address, "Firefox on Linux", device)
        suspicion = await self.entrance.let_in(self.user, arrival, proven=proven)
        await self.entrance.began(self.user, arrival, suspicion)


@pytest.fixture
async def house(store: Any, clock: MovingClock, entropy: SeededEntropy, tmp_path: Path) -> House:
    """The person, their workspace and the entrance, on an embedded store."""
    now = clock.now()
    workspace = WorkspaceId(ids.new("ws", now, entropy))
    user = User(UserId(ids.new("usr", now, entropy)), "ada@example.com", "Ada", "a hash", now)

    async def begin(tx: Any) -> None:
        await tx.workspaces.insert(Workspace(workspace, "Home", now, WorkspaceSettings()))
        await tx.people.add_user(user)
        await tx.people.add_member(workspace, Member(user.id, user.email, user.name, Role.MANAGER, now))
        await create_session(tx, user.id, workspace, Role.MANAGER, device="x", address=HOME, now=now, entropy=entropy)

    await store.system_write(begin)
    (tmp_path / "hiding").write_text("198.51.100.0/24\n")
    places = Places(Geo(database=str(write(tmp_path / "c.mmdb", PLACES)), anonymisers=str(tmp_path / "hiding")))
    digests, post = Digests(bytes(32)), Post()
    watch = Watch(store, digests, entropy)
    guard = SharedGuard(
        store, digests, Challenges(bytes(32), entropy, ChallengeSettings()), watch, monotonic=clock.monotonic,
        anonymiser=places.hides, position=places.position,
    )  # fmt: skip
    entrance = Entrance(
        store, guard, digests, places, cast(Letters, post), clock, entropy, public_url="https://mail.example"
    )
    made = House(entrance, user, post, store, clock)
    for _ in range(12):
        await made.comes()
        clock.move(days=1)
    return made


async def _fails(house: House) -> None:
    tried = Digests(bytes(32)).tried(house.user.email, "10.9.9.9", None)
    for _ in range(10):
        await house.store.system_write(
            lambda tx: tries.count_try(tx, "password", tried, proven=True, now=house.clock.now())
        )


SIGNALS = {
    "new browser and network": ("203.0.113.9", "not been used", 0),
    "impossible travel": ("203.0.113.9", "km from where", 0),
    "anonymiser": ("198.51.100.9", "hides where people are", 0),
    "unusual hour": (HOME, "is not used as a rule", 9),
    "failures before": (HOME, "10 wrong passwords", 0),
}


@embedded
@pytest.mark.parametrize("signal", SIGNALS)
async def test_each_signal_is_held_and_told_and_the_confirmed_browser_is_not_asked_again(
    house: House, signal: str
) -> None:
    """The sign-in waits, the letter names address, place and reason; after its link the same browser gets in."""
    address, words, hours = SIGNALS[signal]
    house.clock.move(hours=hours)
    if signal == "impossible travel":
        await house.comes()
        house.clock.move(hours=1)
    if signal == "failures before":
        await _fails(house)
    with pytest.raises(Forbidden, match="sign_in_held"):
        await house.comes(address, STRANGE)
    to, _, text, kind = house.post.sent[-1]
    assert (to, kind) == ("ada@example.com", "sign-in-held")
    assert address in text and words in text and "Firefox on Linux" in text
    token = house.post.link("confirm")
    await house.entrance.confirm(token)
    await house.comes(address, STRANGE)
    assert house.post.sent[-1][3] == "sign-in-notice"
    with pytest.raises(NotFound):
        await house.entrance.confirm(token)


@embedded
async def test_every_sign_in_mails_time_address_place_and_browser(house: House) -> None:
    """Also the most usual one."""
    await house.comes()
    to, subject, text, _ = house.post.sent[-1]
    assert to == "ada@example.com" and HOME not in subject
    for words in (
        f"{house.clock.now():%Y-%m-%d %H:%M} UTC",
        HOME,
        "Vienna, AT",
        "Firefox on Linux",
        "/sign-in/not-me/",
    ):
        assert words in text


@embedded
async def test_another_browser_next_door_proves_that_it_is_no_program(house: House) -> None:
    """In the same network MEDIUM asks for a challenge, and lets in with one; at the owner's address it is told."""
    with pytest.raises(ChallengeRequired):
        await house.comes("192.0.2.8", STRANGE)
    await house.comes("192.0.2.8", STRANGE, proven=True)
    await house.comes(HOME, b"a third one")
    assert "not been used with the account" in house.post.sent[-1][2]


@embedded
async def test_this_was_not_me_ends_everything_and_starts_recovery(house: House) -> None:
    """Sessions end, no browser is known, the password is worth nothing, and a letter leads to another; once."""
    await house.comes()
    token = house.post.link("not-me")
    await house.entrance.disown(token)
    assert house.post.sent[-1][3] == "recovery" and "/reset/mwt_" in house.post.sent[-1][2]
    assert await house.store.system_read(lambda tx: tx.people.sessions(house.user.id)) == []
    user = await house.store.system_read(lambda tx: tx.people.user(house.user.id))
    assert user.password == passwords.NOBODY
    with pytest.raises(Forbidden, match="sign_in_held"):
        await house.comes("203.0.113.9", MINE)
    with pytest.raises(NotFound):
        await house.entrance.disown(token)


@pytest.mark.claim("AUTHN-8")
@embedded
async def test_what_a_disowned_sign_in_made_ends_with_it(house: House, entropy: SeededEntropy) -> None:
    """Keys, factors, recovery codes and links to providers made since that sign-in go; those from before stay."""
    store, user = house.store, house.user
    ((workspace, _),) = await store.system_read(lambda tx: tx.people.memberships(user.id))
    actor = Actor(workspace, "session", user.id, ROLE_PERMISSIONS[Role.MANAGER], Role.MANAGER)

    async def makes(name: str) -> str:
        now = house.clock.now()

        async def verb(tx: Any) -> str:
            factor = Factor(ids.new("fac", now, entropy), user.id, FactorKind.PASSKEY, name, b"", now, name.encode())
            await tx.factors.add(factor)
            await tx.entry.add_link(Link(user.id, name, f"https://{name}.example", "1", "", now, now))
            await tx.factors.set_recovery_codes(user.id, [name.encode() * 4], now)
            return (await create_key(tx, actor, Wish(name), now=now, entropy=entropy)).credential.id

        return str(await store.system_write(verb))

    before = await makes("mine")
    house.clock.move(hours=1)
    await house.comes()
    token = house.post.link("not-me")
    house.clock.move(minutes=5)
    after = await makes("stranger")
    await house.entrance.disown(token, "192.0.2.99")

    async def left(tx: Any) -> tuple[Any, ...]:
        keys = [(await tx.credentials.get(id)).revoked is None for id in (before, after)]
        names = [factor.name for factor in await tx.factors.of(user.id)]
        return (
            keys,
            names,
            [k.provider for k in await tx.entry.links(user.id)],
            await tx.factors.recovery_codes(user.id),
        )

    assert await store.system_read(left) == ([True, False], ["mine"], ["mine"], 0)
    reader = replace(actor, permissions=frozenset({Permission.AUDIT_READ}))
    told = await store.read(workspace, lambda tx: list_entries(tx, reader, limit=2))
    assert [(e.act, e.address) for e in told] == [
        ("sign_in.disowned", "192.0.2.99"), ("credential.revoked", "192.0.2.99")
    ]  # fmt: skip


@embedded
async def test_who_cannot_be_asked_by_mail_is_not_locked_out(house: House) -> None:
    """Where the installation cannot mail, nothing is held: a challenge is asked instead."""
    house.post.works = False
    with pytest.raises(ChallengeRequired):
        await house.comes("203.0.113.9", STRANGE)
    await house.comes("203.0.113.9", STRANGE, proven=True)


@pytest.mark.asvs("9.2.2")
@embedded
async def test_links_of_one_kind_do_not_serve_as_another(house: House) -> None:
    """The link that confirms cannot end everything, nor the other way round."""
    with pytest.raises(Forbidden):
        await house.comes("203.0.113.9", STRANGE)
    confirm, disown = house.post.link("confirm"), house.post.link("not-me")
    for call, token in ((house.entrance.disown, confirm), (house.entrance.confirm, disown)):
        with pytest.raises(NotFound):
            await call(token)
    with pytest.raises(NotFound):
        await house.entrance.look_at(confirm, "disown")
    await house.entrance.look_at(confirm, "confirm")
