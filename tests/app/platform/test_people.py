"""People on the real store: the setup link, signing in, the session of a cookie, signing out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from mailward.adapters.host.hashing import HashingThreads
from mailward.app.platform.people import People
from mailward.base.errors import Invalid, NotFound, Unauthenticated
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.identity.people import new_setup_link

PASSWORD = "plum-kettle-orbit-seven"


class Reception:
    """The verbs, and a link that was just made."""

    def __init__(self, people: People, link: str) -> None:
        self.people, self.link = people, link

    async def set_up(self, link: str | None = None, **over: str) -> str:
        facts = {"email": "ann@example.com", "password": PASSWORD, "workspace_name": "Acme", **over}
        token = await self.people.setup(link or self.link, ip="192.0.2.1", user_agent="Test/1", **facts)
        return token.reveal()


@pytest.fixture
async def reception(store: Any, clock: Any, entropy: Any) -> AsyncIterator[Reception]:
    threads = HashingThreads(threads=1)
    people = People(store, clock, entropy, threads, Doorkeeper(store))
    link = await store.system_write(lambda tx: new_setup_link(tx, now=clock.now(), entropy=entropy))
    yield Reception(people, link.reveal())
    threads.close()


async def test_the_link_makes_an_owner_who_is_signed_in(reception: Reception) -> None:
    """The session knows the person, the workspace's name and a manager's permissions; the link is used up."""
    token = await reception.set_up()
    session = await reception.people.resolve(token, ip="192.0.2.1")
    assert (session.email, session.workspace_name) == ("ann@example.com", "Acme")
    assert "key.change" in {p.value for p in session.actor.permissions}
    with pytest.raises(NotFound):
        await reception.people.setup_open(reception.link)
    with pytest.raises(NotFound):
        await reception.set_up()


async def test_a_wrong_link_or_weak_password_leaves_the_link_usable(reception: Reception) -> None:
    """Refusals use nothing up."""
    with pytest.raises(NotFound):
        await reception.set_up("nonsense")
    with pytest.raises(Invalid):
        await reception.set_up(password="password1234")
    await reception.people.setup_open(reception.link)
    assert await reception.set_up()


async def test_signing_out_ends_that_session_only(reception: Reception) -> None:
    """Another browser stays signed in; the cookie that signed out is refused."""
    first = await reception.set_up()
    second = (await reception.people.sign_in("ann@example.com", PASSWORD, ip="192.0.2.2", user_agent="Test/2")).reveal()
    await reception.people.sign_out(await reception.people.resolve(first, ip=""))
    with pytest.raises(Unauthenticated):
        await reception.people.resolve(first, ip="")
    assert (await reception.people.resolve(second, ip="")).email == "ann@example.com"


async def test_wrong_password_and_unknown_person_read_the_same(reception: Reception) -> None:
    """The same code and the same sentence."""
    await reception.set_up()
    said = []
    for email, password in (("ann@example.com", "wrong-wrong-wrong"), ("bob@example.com", PASSWORD)):
        with pytest.raises(Unauthenticated) as refusal:
            await reception.people.sign_in(email, password, ip="", user_agent="")
        said.append((refusal.value.code, refusal.value.public))
    assert said[0] == said[1]
