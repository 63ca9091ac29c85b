"""Answers remembered for as long as their owner allows, within our bounds. No clock of its own."""

from __future__ import annotations

from collections import OrderedDict

from mailward.protocol.dns import DnsAnswer

MIN_TTL = 5  # a TTL of 0 must not make each message a question
MAX_TTL = 86_400
MAX_NEGATIVE_TTL = 3 * 3600  # RFC 2308 section 5 suggests one to three hours
FAILURE_TTL = 2  # RFC 9520 section 3.2: at least one second, so that a dead zone is not asked by every message


class AnswerCache:
    """A bounded map from (lower-case name, type) to an answer and the monotonic second it ends."""

    __slots__ = ("_entries", "_limit")

    def __init__(self, limit: int = 20_000) -> None:
        self._entries: OrderedDict[tuple[str, str], tuple[float, DnsAnswer]] = OrderedDict()
        self._limit = limit

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: tuple[str, str], now: float) -> DnsAnswer | None:
        """The remembered answer while it lasts."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= now:
            del self._entries[key]
            return None
        return entry[1]

    def put(self, key: tuple[str, str], answer: DnsAnswer, now: float) -> None:
        """Remember for `answer.ttl` seconds; the oldest entry gives way when the cache is full."""
        self._entries[key] = (now + answer.ttl, answer)
        self._entries.move_to_end(key)
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
