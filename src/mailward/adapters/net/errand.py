"""A message on its way over the pool of connections, and the pool's limits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from mailward.adapters.net.courier_job import CourierJob, CourierResult
from mailward.base.outcome import PermFail, TempFail
from mailward.protocol.smtp.client_mail import Mail

Host = tuple[str, str, int]
"""Name, address, port."""


def endpoint(host: Host) -> str:
    """What a host that does not answer is remembered by: address and port."""
    return f"{host[1]} {host[2]}"


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


class Errand:
    """A job on its way: where it may still be tried, and what happened so far."""

    __slots__ = ("failure", "future", "host", "job", "mail", "next", "started", "tried")

    def __init__(self, job: CourierJob, mail: Mail, future: asyncio.Future[CourierResult], started: float) -> None:
        self.job = job
        self.mail = mail
        self.future = future
        self.started = started
        self.next = 0
        self.host: Host = ("", "", 0)
        self.tried: list[str] = []
        self.failure: TempFail | PermFail | None = None
