"""A message on its way over the pool of connections, and the pool's limits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mailward.adapters.net.courier_job import CourierJob, CourierResult
from mailward.base.outcome import Done, Outcome, PermFail, TempFail
from mailward.policy.elsewhere import outweighs
from mailward.protocol.smtp.client_mail import Dsn, Mail

Host = tuple[str, str, int]
"""Name, address, port."""


def endpoint(host: Host) -> str:
    """What a host that does not answer is remembered by: address and port."""
    return f"{host[1]} {host[2]}"


def refused(name: str, ip: str, failure: Outcome) -> str:
    """A host and why it did not work out, for people."""
    reason = failure.reason if isinstance(failure, TempFail | PermFail) else "taken"
    return f"{name} [{ip}]: {reason}, {failure.text}"[:300]


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """Times in seconds. `timeout_scale` shortens the waits of RFC 5321 section 4.5.3.2, which suit a queue of 1989.

    It does not shorten the wait for the answer to the final dot, which would make duplicates, nor that for the content
    to go on. Content that goes on is sent for `sending` seconds at most, at `slowest` octets a second on average.
    """

    connect_timeout: float = 30.0
    handshake_timeout: float = 30.0
    timeout_scale: float = 0.5
    final_dot: float = 600.0  # RFC 5321 section 4.5.3.2.6
    stall: float = 180.0  # RFC 5321 section 4.5.3.2.5
    slowest: float = 4096.0  # counted from `stall` on: a server that takes an octet a minute is none
    sending: float = 3600.0
    idle: float = 10.0
    max_messages: int = 200
    start_connections: float = 20.0
    max_connections: float = 50.0
    max_hold: float = 5.0  # a pause longer than this goes back to the queue
    max_wait: float = 10.0  # and so does a message for which no connection was free for so long
    turn_first: float = 15.0  # when the first of those comes again; the others follow at the pace of the destination
    turn_last: float = 1800.0  # and the last ones; then they are told how it goes
    go_on: float = 120.0  # for so long an attempt begins further transactions, for those the last one left
    transactions: int = 100  # and so many, at a server that takes few recipients at once
    refusals: int = 3  # hosts that may refuse a message for now, until it goes back to the queue
    soon: float = 5.0  # when recipients come again whom a server left out that took others
    cafile: str | None = None


class Sending:
    """How content that did not leave at once goes on: when that was last seen, and what is left of what there was."""

    __slots__ = ("all", "began", "left", "moved")

    def __init__(self, left: int, now: float) -> None:
        self.all = self.left = left
        self.began = self.moved = now

    def goes_on(self, left: int, now: float, options: PoolOptions) -> bool:
        """Whether it is worth waiting for, `left` octets being left now."""
        if left < self.left:
            self.left, self.moved = left, now
        took = now - self.began
        if now - self.moved > options.stall or took > options.sending:
            return False
        return took <= options.stall or self.all - left >= took * options.slowest


class Told(NamedTuple):
    """What stands for one recipient, and how many entries `Errand.tried` had then."""

    result: CourierResult
    tried: int


class Errand:
    """A job on its way: where it may still be tried, and what happened so far.

    `mail` is for the recipients that are open, `open` their numbers in the job. Once a transaction left some, `told`
    says what stands for each of the job, and `aside` who of them waits for the next host.
    """

    __slots__ = (
        "aside",
        "failure",
        "future",
        "host",
        "hosts",
        "job",
        "mail",
        "next",
        "open",
        "refusals",
        "started",
        "told",
        "transactions",
        "tried",
    )

    def __init__(self, job: CourierJob, mail: Mail, future: asyncio.Future[CourierResult], started: float) -> None:
        self.job = job
        self.mail = mail
        self.future = future
        self.started = started
        self.hosts: tuple[Host, ...] = job.hosts
        self.next = 0
        self.host: Host = ("", "", 0)
        self.tried: list[str] = []
        self.failure: TempFail | PermFail | None = None
        self.open: Sequence[int] = range(len(job.recipients))
        self.told: list[Told] | None = None
        self.aside: list[int] = []
        self.transactions = 1
        self.refusals = 0

    def keep(self, result: CourierResult) -> bool:
        """What a transaction said of the open recipients stands, where it outweighs what stood. Whether it ever did."""
        at = len(self.tried)
        each = [Told(result._replace(outcomes=(outcome,)), at) for outcome in result.outcomes]
        if self.told is None:
            self.told = each
            return True
        weighty = [
            (n, new)
            for n, new in zip(self.open, each, strict=True)
            if outweighs(new.result.outcomes[0], self.told[n].result.outcomes[0])
        ]
        for n, new in weighty:
            self.told[n] = new
        return bool(weighty)

    def stands(self, number: int) -> Outcome:
        """What stands for a recipient."""
        assert self.told is not None
        return self.told[number].result.outcomes[0]

    def go_on(self, numbers: Sequence[int]) -> None:
        """Only these recipients are open from now on."""
        self.open = numbers
        job = self.job
        dsn = job.dsn
        if dsn is not None:
            notify, orcpt = ([some[n] for n in numbers] if some else () for some in (dsn.notify, dsn.orcpt))
            dsn = Dsn(dsn.ret, dsn.envid, tuple(notify), tuple(orcpt))
        self.mail = self.mail._replace(recipients=tuple([job.recipients[n] for n in numbers]), dsn=dsn)

    def others(self, host: Host) -> tuple[Host, ...]:
        """The hosts that are left besides this one, its other addresses last."""
        left = [other for other in self.hosts[self.next :] if other != host]
        return tuple(sorted(left, key=lambda other: other[0] == host[0]))

    def ended(self, last: CourierResult) -> CourierResult:
        """How it went, given how the last transaction did: of each recipient what stands."""
        failure = next((o for o in last.outcomes if not isinstance(o, Done)), None)
        kept = self.keep(last)
        assert self.told is not None
        if failure is not None and last.dialogue:
            entry = refused(last.host, last.ip, failure)
            self.tried += [entry] if entry not in self.tried else []
        if not kept:
            last = self._shown(self.told[self.open[0]])
        each = tuple([self._shown(told) for told in self.told])
        return last._replace(outcomes=tuple([one.outcomes[0] for one in each]), each=each)

    def _shown(self, told: Told) -> CourierResult:
        """With what came after it, where that changed nothing."""
        result, since = told.result, self.tried[told.tried :]
        if not since or isinstance(result.outcomes[0], Done | PermFail):
            return result
        return result._replace(why=f"{result.why}; then: {'; '.join(since[:10])}")
