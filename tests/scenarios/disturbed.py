"""Rounds of traffic on a cluster while its nodes and its database are disturbed, judged by the ledger.

Beside the kills of `soak` a node is cut off from the database, the database is crashed
and started again, and a replica is promoted. A duplicate is explained by a kill, as
there, or by a cut: the far end's 250 came while the cable was pulled, so the commit that
notes it could not, and after the bound another node took over.

`python -m tests.scenarios.disturbed` (part of `make soak`) runs 20 rounds of 5,000
messages on four nodes; in the last one the replica is promoted. Exit code 1 when anything
that was acknowledged is missing, or came twice without a reason.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import asyncpg

from tests.adapters.storage.objects.conftest import make_bucket, running_s3
from tests.postgres_server import PostgresServer, debian_binaries, running_server
from tests.scenarios.bucket import served
from tests.scenarios.cluster import ALL, Cluster
from tests.scenarios.ledger import Arrival, LedgerSink
from tests.scenarios.soak import WINDOW_SECONDS, Duplicate, Kill, Round, Soak, details, table
from tests.scenarios.traffic import Sender
from tests.scenarios.ways import Ways

Disturbance = Callable[[], str]


@dataclass(frozen=True)
class Cut:
    """From when to when a node was cut off, in seconds of the machine's clock."""

    node: str
    began: float
    ended: float


class Disturbed(Soak):
    """`disturb(chance)` is called again and again while there is traffic, and returns what it did, for people."""

    def __init__(self, cluster: Cluster, sink: LedgerSink, *, seed: int) -> None:
        super().__init__(cluster, sink, seed=seed)
        self._cluster = cluster
        self._plan: list[tuple[float, Disturbance]] = []
        self.cuts: list[Cut] = []
        self.outages: list[tuple[float, float]] = []
        self.done: list[str] = []

    def run(self, number: int, messages: int, plan: Sequence[tuple[float, Disturbance]]) -> Round:
        """A round with these disturbances: seconds to wait before each, and what to do."""
        self._plan = list(plan)
        return self.run_round(number, messages)

    def kill(self, node: str, what: str) -> Disturbance:
        """A disturbance: kill -9 of a `worker`, `committer`, `supervisor`, or `supervisor and workers` of a node."""

        def act() -> str:
            self._kill(node, what, self._round)
            return f"killed {node} {what}"

        return act

    def cut(self, node: str, seconds: float) -> Disturbance:
        """A disturbance: a node loses the database for so long, and others go on meanwhile."""

        def act() -> str:
            began = time.time()
            self._cluster.database_away(node, True)

            def mend() -> None:
                self._cluster.database_away(node, False)
                self.cuts.append(Cut(node, began, time.time()))

            timer = threading.Timer(seconds, mend)
            timer.start()
            self._timers.append(timer)
            return f"cut {node} off for {seconds:.0f} s"

        return act

    def _kill_while(self, senders: Sequence[Sender], round_: Round) -> None:
        self._round = round_
        self._timers: list[threading.Timer] = []
        for pause, act in self._plan:
            time.sleep(pause)
            began = time.time()
            self.done.append(act())
            if self.done[-1].startswith("database"):
                self.outages.append((began, time.time()))
        while any(s.is_alive() for s in senders):
            time.sleep(0.1)
        for timer in self._timers:
            timer.join()

    def _explain(self, token: str, arrivals: list[Arrival], kills: Sequence[Kill]) -> Duplicate:
        found = super()._explain(token, arrivals, kills)
        during = [c for c in self.cuts if any(self._began(c) - 1 <= a.at <= c.ended + 1 for a in arrivals[:-1])]
        if found.fault and found.recorded in (1, len(arrivals)) and (during or self._outage_then_kill(arrivals, kills)):
            found.fault = ""
        return found

    def _outage_then_kill(self, arrivals: list[Arrival], kills: Sequence[Kill]) -> bool:
        """What arrived while the database was away could not be recorded before a kill that came right after."""
        return all(
            any(
                began - 1 <= a.at <= ended + WINDOW_SECONDS
                and any(k.sends and a.at <= k.at <= ended + WINDOW_SECONDS for k in kills)
                for began, ended in self.outages
            )
            for a in arrivals[:-1]
        )

    def _began(self, cut: Cut) -> float:
        """When the node lost the database: with the cut, or with an outage that was just over when the cut came."""
        before = [began for began, ended in self.outages if began <= cut.began <= ended + WINDOW_SECONDS]
        return min([cut.began, *before])


async def sync_state(primary: PostgresServer) -> list[str]:
    """How each replica follows."""
    db = await asyncpg.connect(primary.url("postgres", "postgres"), ssl=False)
    try:
        return [r[0] for r in await db.fetch("SELECT sync_state FROM pg_stat_replication")]
    finally:
        await db.close()


@contextmanager
def replica_of(primary: PostgresServer) -> Iterator[PostgresServer]:
    """A streaming replica; without it the primary, once it waits for one, commits nothing."""
    made = primary.standby()
    made.add("synchronous_standby_names=")
    try:
        made.start()
        yield made
    finally:
        made.remove()


def crash(server: PostgresServer) -> Disturbance:
    """The database is killed and started again."""

    def act() -> str:
        server.crash()
        server.start()
        return "database crashed and started"

    return act


def promote(primary: PostgresServer, replica: PostgresServer) -> Disturbance:
    """The database is lost for good, and its replica takes over."""

    def act() -> str:
        primary.crash()
        replica.promote()
        return "database lost, replica promoted"

    return act


def _plan(chance: random.Random, soak: Disturbed, nodes: Sequence[str], primary: PostgresServer) -> list[Disturbance]:
    """Every kind of disturbance once, in random order, on random nodes; one node is left alone by the long cut."""
    cut, *others = chance.sample(list(nodes), len(nodes))
    plan = [
        soak.kill(chance.choice(others), "worker"),
        soak.kill(chance.choice(others), "worker"),
        soak.kill(chance.choice(others), "committer"),
        soak.kill(chance.choice(others), "supervisor"),
        soak.kill(chance.choice(others), "supervisor and workers"),
        soak.cut(cut, chance.choice((3.0, 15.0, 35.0))),
        crash(primary),
    ]
    chance.shuffle(plan)
    return plan


def main() -> int:
    """The long form; 1 when anything was lost, failed, or came twice without a reason."""
    parser = argparse.ArgumentParser(prog="disturbed", description="Four nodes, disturbed under load, with a ledger.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--messages", type=int, default=5000, help="a round (default %(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    given, _ = parser.parse_known_args()
    print(f"seed {given.seed}", flush=True)
    chance = random.Random(given.seed)
    settings = ("synchronous_standby_names=standby", "max_connections=200")
    with (
        running_s3() as s3,
        running_server(debian_binaries(), settings) as primary,
        replica_of(primary) as replica,
        LedgerSink() as sink,
        Ways() as ways,
    ):
        make_bucket(s3, "soak")
        database = asyncio.run(primary.fresh_database())
        servers, route = [replica.port, primary.port], f"127.0.0.1:{sink.port}"
        with (
            served("soak", s3) as bucket,
            # Two workers each, so that each node has a committing process.
            Cluster([ALL] * 4, ways, bucket, database=database, servers=servers, route=route, workers=2) as cluster,
        ):
            assert asyncio.run(sync_state(primary)) == ["sync"]
            soak = Disturbed(cluster, sink, seed=given.seed)
            for number in range(1, given.rounds + 1):
                acts = _plan(chance, soak, list(cluster.nodes), primary)
                if number == given.rounds:
                    acts.append(promote(primary, replica))
                before = len(soak.done)
                round_ = soak.run(number, given.messages, [(chance.uniform(0.5, 4.0), act) for act in acts])
                print("\n".join([table([round_]).splitlines()[1], *details(round_)]), flush=True)
                print("      " + "; ".join(soak.done[before:]), flush=True)
                if round_.bad:
                    print(cluster.log[-6000:], file=sys.stderr)
    print("\n" + table(soak.rounds))
    bad = sum(r.bad for r in soak.rounds)
    print(f"seed {given.seed}: " + (f"{bad} rounds FAILED" if bad else "0 lost, every duplicate explained"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
