"""One node on one core against two nodes on one core each, over one PostgreSQL.

A node is a `mailward up` with one worker whose whole process tree is pinned to a core. The database
and the load are no node: on a machine with more than two cores they get the others, on a machine
with two they share the nodes' cores, and the ratio of the rates then says as much about them as
about the nodes. So the CPU is told apart: `cpu_per_1000` is the nodes' own with the database's,
`database_cpu_per_1000` the database's, `load_cpu_per_1000` the clients'.

The question is what a second node adds for twice the clients, so each node has its own 20 or 90
sessions. The same 20 over two nodes would make each commit half as large, and measure that.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bench import load, meter
from bench.plan import Plan, Results, say
from bench.postgres import Database
from bench.servers import DOMAIN, ROLES
from tests.scenarios.peers import PeerFailed, SmtpSink
from tests.scenarios.platform import Platform, toml

SESSIONS = (20, 90)
"""Of each node, in turn."""
_FROM_FIRST = ("server.hostname", "delivery.resolvers")


class Node(Platform):
    """The first node makes keys, credentials and the domain; the others take its keys and find the rest stored.

    Bodies of all nodes lie in one folder, as on a file system that they share.
    """

    def __init__(self, number: int, sink: SmtpSink, database: Database, *, hold: bool, first: Node | None) -> None:
        own = {"server.roles": list(ROLES), "storage.node": number}
        super().__init__(
            domain="" if first else DOMAIN,
            route=f"127.0.0.1:{sink.port}",
            paused=hold,
            sign=True,
            settings=own | database.settings,
            workers=1,
        )
        self._first = first

    def start(self) -> None:
        """Start it; the first has made what the others need by then."""
        if self._first is None:
            super().start()
            return
        shutil.copytree(self._first.data / "keys", self.data / "keys")
        (self.data / "segments").symlink_to(self._first.data / "segments")
        self._values |= {name: self._first._values[name] for name in _FROM_FIRST}
        self.config.write_text(toml(self._values))
        self.launch()


@contextlib.contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """What this thread starts inside, and all that it starts in turn, runs on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def layout(cores: set[int]) -> tuple[tuple[int, int], set[int]]:
    """The two nodes' cores, and those of the rest: the others, or with two cores the same. PeerFailed with one."""
    if len(cores) < 2:
        raise PeerFailed("two nodes on a core each need two cores")
    one, two, *others = sorted(cores)
    return (one, two), set(others) or {one, two}


def sentence(cores: set[int]) -> str:
    """What a reader of the ratio has to know of this machine."""
    nodes, others = layout(cores)
    if others & set(nodes):
        return (
            f"nodes: {len(cores)} cores: PostgreSQL, smtp-source and smtp-sink share the nodes' cores. The ratio of "
            "the rates is what this machine gives; 'nodes alone' says from the nodes' own CPU what two would do beside "
            "one with the database and the load elsewhere. It does not see nodes wait for each other in the database."
        )
    return f"nodes: on the cores {nodes[0]} and {nodes[1]}; PostgreSQL and the load on {len(others)} others."


def nodes(plan: Plan, results: Results) -> None:
    """Accepting, and in and out signed: one node, then two, the order turning round each time."""
    where, others = layout(os.sched_getaffinity(0))
    results.notes.append(sentence(os.sched_getaffinity(0)))
    with pinned(others):
        for number in range(plan.rounds):
            for count in (1, 2) if number % 2 == 0 else (2, 1):
                for sessions in SESSIONS:
                    for kind, hold in (("accept", True), ("relay", False)):
                        case = f"nodes_{kind}_{sessions}"
                        say(f"round {number + 1}/{plan.rounds}: {case}: {count}")
                        _measure(plan, results, case, where[:count], sessions, hold=hold)
    if others & set(where):
        results.notes += filter(None, (at_most(results, case, len(where)) for case in CASES))


CASES = tuple(f"nodes_{kind}_{sessions}" for sessions in SESSIONS for kind in ("accept", "relay"))


def at_most(results: Results, case: str, cores: int) -> str:
    """What the ratio of the rates could be on these cores, if two nodes spent no more on a message than one."""
    rate = results.median("1 node", case, "rate")
    ours, clients = (results.median("1 node", case, f"{name}cpu_per_1000") for name in ("", "load_"))
    if rate is None or ours is None or clients is None:
        return ""
    return (
        f"{case}: nodes, database and clients spend {ours + clients:.2f} s on 1,000 messages, so {cores} cores "
        f"can do at most {cores * 1000 / (ours + clients) / rate:.2f} times what one node on one of them did."
    )


def _measure(plan: Plan, results: Results, case: str, cores: tuple[int, ...], sessions: int, *, hold: bool) -> None:
    name = f"{len(cores)} node{'s' * (len(cores) > 1)}"
    with SmtpSink() as sink, Database() as database, contextlib.ExitStack() as stack:
        started: list[Node] = []
        for number, core in enumerate(cores):
            with pinned({core}):
                node = Node(number, sink, database, hold=hold, first=started[0] if started else None)
                started.append(stack.enter_context(node))
        warm = max(100, plan.messages // 10)
        _load(started, warm, sessions, plan)
        if not hold and not sink.wait_for(warm, plan.limit):
            raise PeerFailed(f"warm-up: {sink.count} of {warm} arrived")
        cost = _Cost(started, database)
        before, arrived, clients = meter.settled(cost), sink.count, _clients()
        began = time.perf_counter()
        _load(started, plan.messages, sessions, plan)
        ended = time.perf_counter()
        clients = _clients() - clients
        if not hold:
            if not sink.wait_for(arrived + plan.messages, plan.limit):
                raise PeerFailed(f"{sink.count - arrived} of {plan.messages} arrived")
            ended = sink.last_at
        spent = meter.settled(cost) - before
        results.add(name, case, "rate", plan.messages / (ended - began))
        results.add_cpu(name, case, spent, plan.messages)
        results.add(name, case, "node_cpu_per_1000", (spent.all - (spent.database or 0)) * 1000 / plan.messages)
        results.add(name, case, "load_cpu_per_1000", clients * 1000 / plan.messages)


class _Cost:
    """The nodes and their database, as `meter` asks."""

    def __init__(self, nodes: list[Node], database: Database) -> None:
        self._nodes, self._database = nodes, database

    def roots(self) -> list[int]:
        return [node.pid for node in self._nodes]

    def database(self) -> list[int]:
        return self._database.roots()


def _load(nodes: list[Node], messages: int, sessions: int, plan: Plan) -> None:
    """Two clients at once, with that many sessions for each node."""
    ports = [nodes[n % len(nodes)].private_port for n in range(2)]
    with ThreadPoolExecutor(2) as pool:
        tries = [
            pool.submit(
                load.smtp_source,
                port,
                sessions=sessions * len(nodes) // 2,
                messages=messages // 2 + n * (messages % 2),
                size=10_000,
                limit=plan.limit,
            )
            for n, port in enumerate(ports)
        ]
        for attempt in tries:
            attempt.result()


def _clients() -> float:
    """Seconds of CPU of children that have ended: around a load, those of smtp-source."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
