"""How much of everything: bytes, seconds, requests. Each limit answers with its own code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from mailward.base.errors import LimitReached, TooLarge, Unavailable
from mailward.edges.web.problems import Answer
from mailward.policy.gcra import Decision, Rate, decide

MB = 1024 * 1024
SEND_BODY = 40 * MB
BODY = 1 * MB
MAX_HEADERS = 64
SMALL = 64 * 1024

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class RateClass(StrEnum):
    """Which bucket an operation draws from: each tenant has one of the first three, each source of the next three.

    KEY is drawn from beside the tenant's, by the credential.
    """

    SEND = "send"
    READ = "read"
    WRITE = "write"
    PUBLIC = "public"
    AUTH_FAILURE = "auth-failure"
    REPORT = "report"
    KEY = "key"


def default_rates() -> dict[RateClass, Rate | None]:
    """Reads are generous, writes strict, failed credentials (by source address) strictest."""
    return {
        RateClass.SEND: Rate("send", 60_000, 60),
        RateClass.READ: Rate("read", 6_000, 60),
        RateClass.WRITE: Rate("write", 600, 60),
        RateClass.PUBLIC: Rate("public", 6_000, 60),
        RateClass.AUTH_FAILURE: Rate("auth-failure", 30, 60),
        RateClass.REPORT: Rate("report", 30, 60),
        RateClass.KEY: None,
    }


@dataclass(frozen=True, slots=True)
class WebLimits:
    """Times in seconds, sizes in bytes. `in_flight` bounds the request bodies held by one process together.
    A rate of None is no limit. `own` gives the rates of a workspace that differ from `rates`.
    """

    body_seconds: float = 60.0
    handler_seconds: float = 30.0
    in_flight: int = 256 * MB
    rates: Mapping[RateClass, Rate | None] = field(default_factory=default_rates)
    own: Callable[[str], Mapping[RateClass, Rate | None]] = lambda workspace: {}

    def rate(self, kind: RateClass, key: str) -> Rate | None:
        """The rate of a class for a workspace, a source, or a credential."""
        own = self.own(key)
        return own[kind] if kind in own else self.rates[kind]


class Limiter(Protocol):
    """Counts requests per key. An adapter that is away must raise Unavailable: closed, not open."""

    async def take(self, key: str, rate: Rate, cost: int = 1) -> Decision: ...


class LocalLimiter:
    """Buckets of this process. `monotonic` is the clock's steady reading in seconds."""

    __slots__ = ("_buckets", "_capacity", "_monotonic")

    def __init__(self, monotonic: Callable[[], float], *, capacity: int = 50_000) -> None:
        self._monotonic = monotonic
        self._buckets: dict[tuple[str, str], float] = {}
        self._capacity = capacity

    async def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        """Draw `cost` from the bucket of this key and rate."""
        return self.spend(key, rate, cost)

    def spend(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        """The same, at once."""
        now = self._monotonic()
        slot = (rate.name, key)
        tat, decision = decide(rate, self._buckets.get(slot, 0.0), now, cost)
        if len(self._buckets) >= self._capacity and slot not in self._buckets:
            self._forget_idle(now)
        self._buckets[slot] = tat
        return decision

    spend_now = spend

    def give_back(self, key: str, rate: Rate, cost: int = 1) -> None:
        """What was drawn was not used."""
        if (slot := (rate.name, key)) in self._buckets:
            self._buckets[slot] -= cost * rate.spacing

    def _forget_idle(self, now: float) -> None:
        # A full bucket equals no bucket. If an attacker fills the table with live ones, the oldest half goes:
        # better than growing without end or refusing everyone.
        self._buckets = {k: t for k, t in self._buckets.items() if t > now}
        if len(self._buckets) >= self._capacity:
            for stale in list(self._buckets)[: self._capacity // 2]:
                del self._buckets[stale]


def rate_headers(rate: Rate, decision: Decision) -> list[tuple[bytes, bytes]]:
    """RateLimit-Policy and RateLimit as structured fields (draft-ietf-httpapi-ratelimit-headers)."""
    return [
        (b"ratelimit-policy", f'"{rate.name}";q={rate.quota};w={int(rate.window)}'.encode()),
        (b"ratelimit", f'"{rate.name}";r={decision.remaining};t={int(decision.reset) + 1}'.encode()),
    ]


def limit_reached(decision: Decision) -> LimitReached:
    """The refusal that goes with a decision."""
    seconds = max(1, int(decision.retry_after + 0.999))
    return LimitReached(
        "rate_limited", f"Too many requests. Try again in {seconds} s.", retry_after=decision.retry_after
    )


class InFlight:
    """Bytes of request bodies held at this moment; past the limit new ones are told to wait."""

    __slots__ = ("_held", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    def hold(self, size: int) -> None:
        """Count `size` bytes more, or raise Unavailable."""
        if self._held + size > self._limit:
            raise Unavailable("busy", "The server holds as much request data as it may. Try again in a moment.")
        self._held += size

    def release(self, size: int) -> None:
        """Give `size` bytes back."""
        self._held -= size


def declared_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Content-Length as a number, None when absent; ambiguous framing is refused (RFC 9112 section 6.3)."""
    lengths = [value for name, value in headers if name == b"content-length"]
    if not lengths:
        return None
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > 18:
        raise Answer("request_ambiguous")
    return int(lengths[0])


async def read_body(receive: Receive, length: int | None, limit: int, seconds: float, in_flight: InFlight) -> bytes:
    """The whole body, refused as soon as it is known to pass `limit` bytes or to take longer than `seconds`.

    What is counted in `in_flight` while reading is given back on return: from then on the
    handler's own structures hold it, for a bounded time.
    """
    if length is not None and length > limit:
        raise TooLarge("body_too_large", f"The body may have {limit // MB} MB.")
    held = 0
    chunks: list[bytes] = []
    try:
        async with asyncio.timeout(seconds):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Answer("request_incomplete")
                more = message.get("more_body", False)
                if chunk := message.get("body", b""):
                    in_flight.hold(len(chunk))
                    held += len(chunk)
                    if held > limit:
                        raise TooLarge("body_too_large", f"The body may have {limit // MB} MB.")
                    chunks.append(chunk)
    except TimeoutError:
        raise Answer("request_timeout") from None
    finally:
        in_flight.release(held)
    # The server reports a body that broke off as one that ended; half a message must not pass for a whole one.
    if length is not None and held != length:
        raise Answer("request_incomplete")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
