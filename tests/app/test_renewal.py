"""Orders against pebble, an ACME authority no one here wrote, proven by dynamic DNS updates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest

from mailward.adapters.net.acme_authority import OrderFailed
from mailward.app.acme_options import Acme, AcmeDns
from mailward.app.certificates import context_of
from mailward.app.installation import Installation
from mailward.app.renewal import Renewal, Shared
from mailward.app.settings import Server, Settings
from mailward.app.store import Tx
from mailward.app.stores import prepare_store
from mailward.base import ids
from mailward.base.errors import Conflict
from mailward.base.ids import WorkspaceId
from mailward.core.audit.model import INSTALLATION
from mailward.core.certificates import order
from mailward.core.certificates.model import Certificate
from mailward.core.domains.model import Domain, DomainState, Record, RecordCheck
from mailward.policy.boundaries import job_actor
from tests.conftest import MovingClock
from tests.scenarios.authority import Pebble, Zone
from tests.scenarios.peers import free_port

ACTOR = job_actor(WorkspaceId(""), "renewal")


@pytest.fixture(scope="module")
def zone() -> Iterator[Zone]:
    with Zone("mail.example.") as zone:
        yield zone


@pytest.fixture(scope="module")
def pebble(zone: Zone) -> Iterator[Pebble]:
    with Pebble(zone.address, free_port()) as pebble:
        yield pebble


@pytest.fixture
async def installation(tmp_path: Path, pebble: Pebble, zone: Zone) -> AsyncIterator[Installation]:
    """An installation whose clock the test moves, set to prove names in the zone."""
    acme = Acme(
        directory=pebble.directory,
        ca=pebble.ca,
        contact="hostmaster@mail.example",
        names=["mx.mail.example", "*.mail.example"],
        challenge="dns-01",
        agree_terms=True,
        dns=AcmeDns(server=zone.address, zone="mail.example", key=zone.key, secret=zone.secret, wait_seconds=0.0),
    )
    settings = Settings(server=Server(data=str(tmp_path)))
    settings.tls.acme = acme
    i = Installation(settings, worker=1)
    prepare_store(settings, i.vault, i.clock)
    await i.open()
    i.clock = MovingClock(i.clock.now())  # type: ignore[assignment]  # moved below
    yield i
    await i.close()


async def test_first_issue_and_renewal_by_dns(installation: Installation, zone: Zone) -> None:
    """Ordered when there is none, left alone until two thirds of its life, then renewed with another key.

    The wildcard is covered, records are gone afterwards, and nothing of the key is in the store's clear.
    """
    i = installation
    renewal, shared = Renewal(i, ACTOR), Shared(i)
    assert await shared.look() is None
    assert await renewal.run() == 1
    first = await shared.look()
    assert first is not None
    assert await shared.look() is None
    context_of(first)
    assert (zone.updates, zone.txt) == (2, [])
    assert await renewal.run() == 0
    held = await i.store.system_read(lambda tx: tx.certificates.newest())
    assert held is not None
    assert b"PRIVATE" not in held.sealed
    assert set(held.names) == {"mx.mail.example", "*.mail.example"}
    assert isinstance(i.clock, MovingClock)
    i.clock.move(seconds=(held.expires - held.issued).total_seconds() * 0.67)
    assert await renewal.run() == 1
    second = await shared.look()
    assert second is not None
    assert (second.key, second.leaf().serial_number) != (first.key, first.leaf().serial_number)
    acts = await i.store.system_read(
        lambda tx: tx.audit.page(INSTALLATION, before=None, limit=9, act="certificate.issued", since=None, until=None)
    )
    assert len(acts) == 2


async def test_a_refused_update_is_told_and_waits(installation: Installation, zone: Zone) -> None:
    """With another key the server refuses; the reason is kept, the next try waits, then it works again."""
    i = installation
    i.settings.tls.acme.dns.secret = "b3RoZXI="
    renewal = Renewal(i, ACTOR)
    assert await renewal.run() == 0
    standing = await i.store.system_read(order.standing)
    assert standing.failures == 1
    assert "DNS server" in standing.error
    i.settings.tls.acme.dns.secret = zone.secret
    assert not await renewal.due()
    assert isinstance(i.clock, MovingClock)
    i.clock.move(minutes=2)
    assert await renewal.run() == 1
    assert (await i.store.system_read(order.standing)).failures == 0


async def test_the_authority_sees_a_proof_that_is_missing(installation: Installation, zone: Zone) -> None:
    """What pebble finds wrong is told in its words: it validates, and a name outside the zone is never asked for."""
    i = installation
    i.settings.tls.acme.challenge = "http-01"
    i.settings.tls.acme.names = ["mx.mail.example"]
    with pytest.raises(OrderFailed, match=r"mx\.mail\.example"):
        await Renewal(i, ACTOR).order()
    i.settings.tls.acme.challenge = "dns-01"
    i.settings.tls.acme.names = ["elsewhere.test"]
    with pytest.raises(OrderFailed, match="not in the zone"):
        await Renewal(i, ACTOR).order()


async def test_only_one_orders(installation: Installation) -> None:
    """While another node has the order in hand this one does nothing, and says so to who asks."""
    i = installation
    now = i.clock.now()
    assert await i.store.system_write(lambda tx: order.begin(tx, b"another node", now=now))
    with pytest.raises(Conflict):
        await Renewal(i, ACTOR).order()
    assert await Renewal(i, ACTOR).run() == 0
    assert (await i.store.system_read(order.standing)).failures == 0


async def test_hosts_of_tracked_links_are_ordered_and_endanger_nothing(tmp_path: Path) -> None:
    """By http-01 customers' hosts follow our names, are left out where ours are due, and wait a day after a failure."""
    settings = Settings(server=Server(data=str(tmp_path)))
    settings.http.public_url = "https://mail.host-one.com"
    settings.tls.acme = Acme(directory="https://acme.invalid/", names=["mail.host-one.com"], agree_terms=True)
    i = Installation(settings, worker=1)
    prepare_store(settings, i.vault, i.clock)
    await i.open()
    now = i.clock.now()
    workspace = ids.new("ws", now, i.entropy)
    hosts = []
    for name in ("customer-a.com", "customer-b.com", "customer-c.com"):
        record = Record("tracking", "CNAME", f"mw-link.{name}", "mail.host-one.com", False)
        check = RecordCheck(record, "missing" if name == "customer-c.com" else "ok")
        domain = Domain(
            ids.new("dom", now, i.entropy), name, DomainState.VERIFIED, "t", now, now, verified_at=now, checks=(check,)
        )
        assert await i.store.write(workspace, partial(_insert, domain))
        hosts.append(record.name)
    own = ["mail.host-one.com"]
    renewal = Renewal(i, ACTOR)
    try:
        first, second = await renewal._attempts(now)
        assert (first[0], sorted(first[1:]), second) == (own[0], hosts[:2], own)
        why = "the authority could not see the proof: mw-link.customer-b.com: no such name"
        await i.store.system_write(lambda tx: order.fail(tx, ACTOR, why, now=now, spread=0.0))
        standing = msgspec.structs.replace(await i.store.system_read(order.standing), ask=2**62)
        await i.store.system_write(lambda tx: order.keep_standing(tx, standing))
        assert (await renewal._attempts(now))[0] == [*own, hosts[0]]
        held = Certificate(serial="1", names=(*own, hosts[0]), issued=now, expires=now + timedelta(days=90))
        await i.store.system_write(lambda tx: tx.certificates.add(held))
        assert not await renewal.due(paused=False)
        i.clock = MovingClock(now + timedelta(days=2))  # type: ignore[assignment]  # the day is over
        assert await renewal.due(paused=False)
        assert len(await renewal._attempts(i.clock.now())) == 1, "ours are covered, so there is nothing to save"
        settings.tls.acme.challenge = "dns-01"
        assert await renewal._attempts(i.clock.now()) == [own]
    finally:
        await i.close()


async def _insert(domain: Domain, tx: Tx) -> bool:
    return await tx.domains.insert(domain)
