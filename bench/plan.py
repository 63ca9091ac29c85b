"""How much a run does, and what it found."""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass, field

from bench.meter import Spent


@dataclass(frozen=True)
class Plan:
    """How much to do."""

    messages: int = 3000
    rounds: int = 5
    only: tuple[str, ...] = ("postfix", "haraka", "mailward")
    cases: tuple[str, ...] = ("accept", "relay", "signed", "secure", "http", "lone", "inbound")
    large: bool = False
    large_messages: int = 1_000_000
    large_rounds: int = 5
    limit: float = 180.0
    """Seconds any one load may take."""
    stored: int = 0
    """So many messages in PostgreSQL beside another with 10,000; 0 leaves that out."""
    fillers: int = 2
    """Processes that fill PostgreSQL at once."""
    nodes: bool = False
    """Also one node against two over one PostgreSQL."""
    neighbours: float = 0.0
    """Seconds of each part in which one tenant floods, or does not, beside another; 0 leaves that out."""

    def parts(self) -> set[str]:
        """What this run is about: servers by name, and the long cases."""
        return set(self.only) | {
            part
            for part, asked in (
                ("large", self.large),
                ("stored", self.stored > 0),
                ("nodes", self.nodes),
                ("neighbours", self.neighbours > 0),
            )
            if asked
        }


def servers(store: str, *, bucket: bool) -> tuple[str, ...]:
    """Who runs beside whom, for a store of Mailward's."""
    if store == "embedded":
        return Plan().only
    return ("postfix", "haraka", "mailward-pg", *(("mailward-s3",) if bucket else ()))


@dataclass
class Results:
    """Samples by (server, case, measure), over all rounds; and what went wrong."""

    samples: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What a reader of the figures has to know of this run."""

    def add(self, server: str, case: str, measure: str, *values: float) -> None:
        """Keep one or more samples."""
        self.samples.setdefault((server, case, measure), []).extend(values)

    def add_cpu(self, server: str, case: str, spent: Spent, messages: int) -> None:
        """Seconds of CPU for 1,000 messages: all of it, and what the database had of that where there is one."""
        self.add(server, case, "cpu_per_1000", spent.all * 1000 / messages)
        if spent.database is not None:
            self.add(server, case, "database_cpu_per_1000", spent.database * 1000 / messages)

    def median(self, server: str, case: str, measure: str) -> float | None:
        """The median, None when nothing was measured."""
        values = self.samples.get((server, case, measure))
        return statistics.median(values) if values else None

    def p99(self, server: str, case: str, measure: str) -> float | None:
        """The 99th percentile of all samples of all rounds."""
        values = sorted(self.samples.get((server, case, measure), ()))
        return values[min(len(values) - 1, int(len(values) * 0.99))] if values else None

    def highest(self, server: str, measure: str) -> float | None:
        """The largest sample of any case."""
        values = [max(v) for (s, _, m), v in self.samples.items() if s == server and m == measure and v]
        return max(values) if values else None


def say(text: str) -> None:
    """Progress, on standard error."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
