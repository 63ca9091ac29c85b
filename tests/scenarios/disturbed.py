"""Rounds of traffic on a cluster while its nodes and its database are disturbed, judged by the ledger.

Beside the kills of `soak` a node is cut off from the database, the database is crashed
and started again, and a replica is promoted. A duplicate is explained by a kill, as
there, or by a cut: the far end's 250 came while the cable was pulled, so the commit that
notes it could not, and after the bound another node took over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.scenarios.cluster import Cluster
from tests.scenarios.ledger import Arrival, LedgerSink
from tests.scenarios.soak import Duplicate, Kill, Round, Soak
from tests.scenarios.traffic import Sender


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
        self._plan: list[tuple[float, Callable[[], str]]] = []
        self.cuts: list[Cut] = []
        self.done: list[str] = []

    def run(self, number: int, messages: int, plan: Sequence[tuple[float, Callable[[], str]]]) -> Round:
        """A round with these disturbances: seconds to wait before each, and what to do."""
        self._plan = list(plan)
        return self.run_round(number, messages)

    def kill(self, node: str, what: str) -> Callable[[], str]:
        """A disturbance: kill -9 of a `worker`, a `supervisor`, or `supervisor and workers` of a node."""

        def act() -> str:
            self._kill(node, what, self._round)
            return f"killed {node} {what}"

        return act

    def cut(self, node: str, seconds: float) -> Callable[[], str]:
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
            self.done.append(act())
        while any(s.is_alive() for s in senders):
            time.sleep(0.1)
        for timer in self._timers:
            timer.join()

    def _explain(self, token: str, arrivals: list[Arrival], kills: Sequence[Kill]) -> Duplicate:
        found = super()._explain(token, arrivals, kills)
        during = [c for c in self.cuts if any(c.began - 1 <= a.at <= c.ended + 1 for a in arrivals[:-1])]
        if found.fault and during and found.recorded in (1, len(arrivals)):
            found.fault = ""
        return found
