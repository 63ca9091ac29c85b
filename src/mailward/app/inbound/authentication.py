"""Judges received mail with real DNS: asks each round's questions at once, and gives up in time.

When the time is over, what stayed open is answered "timeout", which every verdict reads as
a temporary error: mail is then deferred or marked by policy, never passed because DNS was slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple, Protocol

from mailward.protocol.authentication.judge import judge
from mailward.protocol.authentication.model import Received, Verdicts
from mailward.protocol.authentication.results import results
from mailward.protocol.authentication.together import UNASKED, Rounds
from mailward.protocol.authres.build import build
from mailward.protocol.authres.read import strip
from mailward.protocol.dns import DnsAnswer, DnsQuery
from mailward.protocol.message import headers
from mailward.protocol.message.headers import Parsed
from mailward.protocol.spf.model import Address

TIME_BUDGET = 20.0
"""Seconds for one message. RFC 7208 section 4.6.4 asks for at least 20; a client waits ten minutes."""

LARGE_BODY = 1024 * 1024
"""Octets from which the body is hashed in a thread: other sessions do not wait for it."""


class Answers(Protocol):
    """The caching resolver."""

    def cached(self, query: DnsQuery) -> DnsAnswer | None:
        """What is remembered, without asking."""
        ...

    async def resolve(self, query: DnsQuery, *, fresh: bool = False) -> DnsAnswer:
        """The answer; failures are values."""
        ...


class Authenticated(NamedTuple):
    """A judged message. `field` is our Authentication-Results, with CRLF; `fields` the header without forged ones."""

    verdicts: Verdicts
    field: bytes
    fields: list[tuple[bytes, bytes]]
    forged: int


class Authenticator:
    """One a process. `hostname` is our authserv-id; `former` are names we have used or other hosts of ours use."""

    def __init__(
        self,
        resolver: Answers,
        *,
        hostname: str,
        former: Collection[str] = (),
        trusted_sealers: Collection[str] = (),
        time_budget: float = TIME_BUDGET,
    ) -> None:
        self._resolver = resolver
        self._hostname = hostname
        self._ours = frozenset((hostname.lower(), *(name.lower() for name in former)))
        self._trusted = frozenset(name.lower() for name in trusted_sealers)
        self._time_budget = time_budget

    async def authenticate(
        self, content: bytes, *, client: Address, helo: str, mail_from: str, now: datetime, parsed: Parsed | None = None
    ) -> Authenticated:
        """Judge a message in canonical CRLF. `mail_from` without angle brackets, "" for the null path.

        Raises Invalid for a header beyond the caps of `headers.split`, which the door refuses before.
        """
        parsed = parsed or headers.split(content, tolerant=True)
        body = content[parsed.body_offset :]
        received = Received(client, helo, mail_from, parsed.fields, body, now, self._hostname)
        verdicts = await self._drive(received)
        kept = strip(parsed.fields, self._ours)
        field = build(results(verdicts, received, self._hostname))
        return Authenticated(verdicts, field, kept, len(parsed.fields) - len(kept))

    async def _drive(self, received: Received) -> Verdicts:
        deadline = asyncio.get_running_loop().time() + self._time_budget
        rounds = judge(received, trusted_sealers=self._trusted)
        try:
            if len(received.body) > LARGE_BODY:
                step = await asyncio.to_thread(_step, rounds, None)
            else:
                step = _step(rounds, None)
            while not isinstance(step, Verdicts):
                step = _step(rounds, await self._round(step, deadline))
            return step
        finally:
            with suppress(ValueError):  # cancelled while a thread still hashes: it ends by itself
                rounds.close()

    async def _round(self, queries: tuple[DnsQuery, ...], deadline: float) -> tuple[DnsAnswer, ...]:
        """The answers in order, those that do not come in time as "timeout"."""
        known = [self._resolver.cached(query) for query in queries]
        loop = asyncio.get_running_loop()
        tasks = {
            index: loop.create_task(self._resolver.resolve(queries[index]))
            for index, answer in enumerate(known)
            if answer is None
        }
        try:
            if tasks:
                await asyncio.wait(tasks.values(), timeout=max(0.0, deadline - loop.time()))
            for index, task in tasks.items():
                known[index] = task.result() if task.done() else None
        finally:
            for task in tasks.values():
                task.cancel()
        return tuple(answer or UNASKED for answer in known)


def _step(rounds: Rounds[Verdicts], answers: tuple[DnsAnswer, ...] | None) -> tuple[DnsQuery, ...] | Verdicts:
    """The next questions, or the verdicts. The first step hashes the body."""
    try:
        return next(rounds) if answers is None else rounds.send(answers)
    except StopIteration as end:
        verdicts: Verdicts = end.value
        return verdicts
