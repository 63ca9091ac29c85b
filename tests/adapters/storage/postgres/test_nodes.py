"""Nodes, heartbeats and shared rates on PostgreSQL."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from mailward.adapters.host.seats import MachineSeats
from mailward.adapters.storage.postgres.migrate import MigrationError, available, keeps, migrate
from mailward.adapters.storage.postgres.nodes import PgNodes
from mailward.app.seats import SharedSeats
from mailward.base.errors import Unavailable
from mailward.core.nodes.model import Answer, Beat, Draw, Identity
from mailward.policy.seats import block_of, share_of
from tests.adapters.storage.postgres.conftest import OpenStore
from tests.adapters.storage.postgres.transactions import WS, Node, put
from tests.conftest import MovingClock
from tests.postgres_server import PostgresServer


def identity(node: int = 0, instance: bytes = b"i" * 16, name: str = "host-a") -> Identity:
    return Identity(node, instance, name, "zone-1", "1.0")


async def take_slot(node: Node, slot: int) -> int:
    async with node.begin(None) as tx:
        return (await tx.deliveries.take_slot(slot, 1))[0]


@pytest.mark.claim("AVAIL-1")
async def test_a_number_belongs_to_one_machine_at_a_time(open_store: OpenStore, admin: Any) -> None:
    """A second machine with a living node's number is refused by name; a dead or stopped one's number may be taken."""
    nodes = (await open_store()).nodes()
    await nodes.claim(identity())
    await nodes.claim(identity())
    with pytest.raises(Unavailable, match="node number 0 is in use by host-a"):
        await nodes.claim(identity(instance=b"j" * 16, name="host-b"))
    await admin.execute("UPDATE mailward.nodes SET seen = seen - 26000000")
    await nodes.claim(identity(instance=b"j" * 16, name="host-b"))
    await nodes.stopped()
    await nodes.claim(identity(instance=b"k" * 16, name="host-c"))
    assert [n.name for n in await nodes.known()] == ["host-c"]


@pytest.mark.claim("AVAIL-1")
async def test_of_two_machines_that_start_at_once_with_one_number_one_is_refused(open_store: OpenStore) -> None:
    """The row decides, not who looked first."""
    one, two = (await open_store()).nodes(), (await open_store()).nodes()
    results = await asyncio.gather(
        one.claim(identity()), two.claim(identity(instance=b"j" * 16)), return_exceptions=True
    )
    assert sorted(type(r).__name__ for r in results) == ["NoneType", "Unavailable"]


@pytest.mark.claim("AVAIL-1")
async def test_what_a_silent_worker_leased_is_due_again(open_store: OpenStore, node: Node) -> None:
    """Given up: its copies return and it learns so from its next beat; one that has beaten meanwhile keeps all."""
    nodes = (await open_store()).nodes()
    await nodes.claim(identity())
    dead, alive = await take_slot(node, 1), await take_slot(node, 2)
    async with node.begin(WS) as tx:
        await put(tx, 1, 2, state=1, lessee=dead)
        await put(tx, 3, state=1, lessee=alive)
    assert await nodes.beat(1, dead, roles="sender", for_node=True) == Answer(False, False)
    assert await nodes.beat(2, alive, roles="sender", for_node=False) == Answer(False, False)
    seen = {b.slot: b for b in await nodes.beats()}
    assert await nodes.beat(2, alive, roles="sender", for_node=False) == Answer(False, False)
    assert await nodes.give_up(list(seen.values()), 77) == 2
    assert await nodes.beat(1, dead, roles="sender", for_node=False) is None
    assert await nodes.beat(2, alive, roles="sender", for_node=False) == Answer(False, False)
    async with node.begin(None) as tx:
        rows = await tx.rows("SELECT state, due, lessee FROM open_deliveries ORDER BY message")
    assert [tuple(r) for r in rows[:2]] == [(0, 77, 0), (0, 77, 0)]
    assert (rows[2][0], rows[2][2]) == (1, alive)
    assert await nodes.give_up(list(seen.values()), 78) == 0
    assert await nodes.orphans() == 0
    async with node.begin(WS) as tx:
        await put(tx, 4, state=1, lessee=dead)
    assert await nodes.orphans() == 1
    assert await nodes.give_back(dead, 79) == 1
    assert await nodes.orphans() == 0


async def test_a_worker_of_the_version_before_is_not_given_up(open_store: OpenStore, node: Node) -> None:
    """It does not beat, so silence says nothing about it: its leases end by their own time."""
    nodes = (await open_store()).nodes()
    await take_slot(node, 4)
    assert await nodes.beats() == []
    assert await nodes.give_up([Beat(4, 1, 0)], 5) == 0


async def test_the_list_says_who_lives_and_who_rests(open_store: OpenStore, node: Node, admin: Any) -> None:
    """Up with its workers and roles; draining once told; gone when silent; stopped after a good end; then forgotten."""
    nodes = (await open_store()).nodes()
    await nodes.claim(identity())
    web, sender = await take_slot(node, 0), await take_slot(node, 200)
    await nodes.beat(0, web, roles="web", for_node=True)
    await nodes.beat(200, sender, roles="sender,upkeep", for_node=False)
    (seen,) = await nodes.known()
    assert (seen.state, seen.workers, seen.roles, seen.zone) == ("up", 2, ("sender", "upkeep", "web"), "zone-1")
    assert 0 <= seen.age < 5
    assert await nodes.rest(0, True)
    assert not await nodes.rest(9, True)
    assert await nodes.beat(0, web, roles="web", for_node=True) == Answer(True, False)
    assert (await nodes.known())[0].state == "draining"
    assert not await nodes.forget(0)
    await admin.execute("UPDATE mailward.nodes SET seen = seen - 30000000")
    await admin.execute("UPDATE mailward.worker_slots SET seen = seen - 30000000")
    assert (await nodes.known())[0].state == "gone"
    await nodes.stopped()
    assert (await nodes.known())[0].state == "stopped"
    assert await nodes.forget(0)
    assert await nodes.known() == []


@pytest.mark.claim("RATE-1")
async def test_a_rate_is_one_for_all_nodes(open_store: OpenStore) -> None:
    """Two nodes that draw as fast as they can get the quota together, not each; other keys have their own."""
    one, two = (await open_store()).nodes(), (await open_store()).nodes()

    async def draw_on(nodes: Any, key: str) -> int:
        return sum([(await nodes.draw([Draw("messages", key, 7, 100, 3600.0)]))[0].given for _ in range(20)])

    assert sum(await asyncio.gather(draw_on(one, "ws_a"), draw_on(two, "ws_a"))) == 100
    (refused, other) = await one.draw([Draw("messages", "ws_a", 5, 100, 3600.0), Draw("messages", "ws_b", 5, 100, 60)])
    assert (refused.given, refused.left) == (0, 0)
    assert 0 < refused.retry_after <= 36
    assert (other.given, other.left) == (5, 95)
    assert await one.forget_buckets() == 0


async def test_an_older_program_starts_on_a_newer_schema_that_keeps_it(open_store: OpenStore, admin: Any) -> None:
    """A migration that this version does not know is accepted when it names our level as kept, else refused."""
    level = available()[-1][0]
    add = "INSERT INTO mailward.schema_migrations(number, name, sha256, applied, keeps) VALUES ($1, 'new', 'x', 0, $2)"
    await admin.execute(add, level + 1, level)
    await open_store()
    await admin.execute(add, level + 2, level + 1)
    with pytest.raises(Unavailable) as refused:
        await open_store()
    assert "does not keep it working" in refused.value.public
    await admin.execute("UPDATE mailward.schema_migrations SET keeps = NULL WHERE number = $1", level + 2)
    with pytest.raises(Unavailable) as refused:
        await open_store()
    assert "does not keep it working" in refused.value.public
    await admin.execute("DELETE FROM mailward.schema_migrations WHERE number = $1", level + 2)
    await open_store()


async def test_a_migration_that_breaks_running_nodes_waits_until_they_are_stopped(
    open_store: OpenStore, postgres_server: PostgresServer, database: str, admin: Any
) -> None:
    """What does not name the level in use as kept is refused by the names of the nodes; one that keeps it runs."""
    nodes = (await open_store()).nodes()
    await nodes.claim(identity())
    last = max(number for number, _, sql in available() if keeps(sql) is None)
    await admin.execute("DELETE FROM mailward.schema_migrations WHERE number = $1", last)
    owner = await asyncpg.connect(postgres_server.url("mailward_owner", database), ssl=False)
    with pytest.raises(MigrationError, match=r"stop node 0 \(host-a\) first"):
        await migrate(owner, now_us=1)
    await nodes.stopped()
    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate(owner, now_us=1)  # it is taken up now: the tables are there already, only the note was struck
    await owner.close()


@pytest.mark.claim("AVAIL-1")
async def test_one_worker_leads_the_upkeep_of_all_nodes(open_store: OpenStore, node: Node, admin: Any) -> None:
    """The lowest living number among those with the role; the next one when it ends or falls silent."""
    nodes = (await open_store()).nodes()
    await nodes.claim(identity())
    slots = {slot: await take_slot(node, slot) for slot in (1, 300, 400)}

    async def leaders() -> list[int]:
        roles = {1: "web", 300: "sender,upkeep", 400: "upkeep"}
        answers = {s: await nodes.beat(s, g, roles=roles[s], for_node=False) for s, g in slots.items()}
        return [s for s, answer in answers.items() if answer is not None and answer.leads]

    assert await leaders() == [300]
    await admin.execute("UPDATE mailward.worker_slots SET seen = seen - 26000000 WHERE slot = 300")
    del slots[300]
    assert await leaders() == [400]


@pytest.mark.claim("RATE-1")
async def test_connections_at_once_are_one_count_over_nodes(
    open_store: OpenStore, node: Node, admin: Any, tmp_path: Path, clock: MovingClock
) -> None:
    """Three machines let a source have its limit together and no more than a block each beyond it; what one held whose
    heart stands still, the others may have."""
    most, block, alive = 64, block_of(64), 3
    seats: list[SharedSeats] = []
    for n in range(3):
        nodes = PgNodes(await open_store(), n)
        await nodes.claim(identity(n, bytes([n]) * 16, f"host-{n}"))
        generation = await take_slot(node, n * 10_000)
        assert await nodes.beat(0, generation, roles="mx", for_node=True) == Answer(False, False, n + 1)
        table = MachineSeats(tmp_path / f"connections-{n}")
        seats.append(SharedSeats(partial(nodes.seat, generation), table, lambda: alive, clock.monotonic, b"k"))

    async def fill(n: int) -> int:
        """Connections until one is refused, the store's answers waited for."""
        got = 0
        while seats[n].take("mx 192.0.2.1", most):
            got += 1
            await seats[n].answered()
        return got

    opened = [await fill(n) for n in range(3)]
    assert opened[0] > 2 * share_of(most, 3)  # a machine goes beyond its share while there is room
    assert most <= sum(opened) <= most + 3 * block
    assert not await admin.fetch("SELECT 1 FROM mailward.connection_seats WHERE key LIKE '%192.0.2%'")
    await admin.execute("UPDATE mailward.worker_slots SET seen = seen - 26000000 WHERE slot < 10000")
    alive = 2
    clock.move(seconds=2)
    opened[2] += await fill(2)
    opened[1] += await fill(1)
    assert most <= opened[1] + opened[2] <= most + 2 * block
    await admin.execute("DELETE FROM mailward.worker_slots WHERE slot < 10000")
    await nodes.forget_buckets()
    live = "(SELECT generation FROM mailward.worker_slots)"
    assert not await admin.fetch(f"SELECT 1 FROM mailward.connection_seats WHERE worker NOT IN {live}")
