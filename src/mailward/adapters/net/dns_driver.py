"""Runs a sans-I/O computation that asks DNS by `yield`."""

from __future__ import annotations

from typing import Protocol, TypeVar

from mailward.protocol.dns import DnsAnswer, DnsQuery, Lookup

R = TypeVar("R")


class Answers(Protocol):
    """Whatever can answer a question."""

    async def resolve(self, query: DnsQuery, *, fresh: bool = False) -> DnsAnswer:
        """The answer; failures are values, too."""
        ...


async def drive(lookup: Lookup[R], resolver: Answers, *, fresh: bool = False) -> R:
    """Answer each question the computation asks, in order, and return its result.

    The computation bounds its own questions. When this is cancelled the generator is closed.
    """
    try:
        query = next(lookup)
        while True:
            query = lookup.send(await resolver.resolve(query, fresh=fresh))
    except StopIteration as end:
        result: R = end.value
        return result
    finally:
        lookup.close()
