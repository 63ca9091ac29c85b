"""Whose mail is taken: what stands behind an address while its domain is not what it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mailward.app.inbound.directory import MailDirectory
from mailward.base import ids
from mailward.base.errors import Unavailable
from mailward.core.domains.add import EPOCH
from mailward.core.domains.model import Domain, DomainState
from tests.core.inbound.inbound_rig import OTHER, OTHER_RAW, RAW, World


@pytest.fixture
def world(store: Any, clock: Any, entropy: Any) -> World:
    return World(store, clock, entropy)


async def become(world: World, state: DomainState | None, *, workspace: bytes = RAW, name: str = "example.com") -> None:
    """A workspace's domain in that state; None takes it away."""

    async def verb(tx: Any) -> None:
        found = await tx.domains.by_name(name)
        if state is None:
            await tx.domains.delete(found.id)
        elif found is not None:
            await tx.domains.update(replace(found, state=state))
        else:
            now = world.clock.now()
            id = ids.encode("dom", ids.new_raw(world.us() // 1000, world.entropy))
            await tx.domains.insert(
                Domain(id=id, name=name, state=state, created=now, token="t", subdomains=True, next_check=now)
            )
        await tx.counters.bump(EPOCH)

    await world.store.write(ids.encode("ws", workspace), verb)


async def test_mail_waits_while_a_domain_fails(world: World) -> None:
    """Records that are gone come back, mostly: who writes to a route meanwhile is asked to come again, and not told
    that nobody is there. Other addresses are as unknown as ever; a domain that was removed has none."""
    directory = MailDirectory(world.store, "mailward.test")
    route = await world.route()
    await become(world, DomainState.VERIFIED)
    await directory.refresh()
    place = directory.place("help@in.example.com")
    assert place is not None and place.routes == (route,)
    await become(world, DomainState.FAILING)
    assert await directory.refresh()
    with pytest.raises(Unavailable):
        directory.place("help@in.example.com")
    assert directory.place("nobody@in.example.com") is None
    await become(world, DomainState.VERIFIED)
    await directory.refresh()
    assert directory.place("help@in.example.com") == place
    await become(world, None)
    await directory.refresh()
    assert directory.place("help@in.example.com") is None


async def test_who_proved_a_failing_name_elsewhere_has_its_mail(world: World) -> None:
    """It is theirs from then on, whoever had it."""
    directory = MailDirectory(world.store, "mailward.test")
    await world.route()
    theirs = await world.route(actor=OTHER)
    await become(world, DomainState.FAILING)
    await become(world, DomainState.VERIFIED, workspace=OTHER_RAW)
    await directory.refresh()
    place = directory.place("help@in.example.com")
    assert place is not None and place.routes == (theirs,)
