"""Running computations that need DNS side by side: questions are asked in rounds, each once, within a budget."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias, TypeVar

from mailward.protocol.dns import DnsAnswer, DnsQuery, Lookup

R = TypeVar("R")
Rounds: TypeAlias = Generator[tuple[DnsQuery, ...], tuple[DnsAnswer, ...], R]
"""A computation that yields questions by the round and is sent their answers in the same order."""

UNASKED = DnsAnswer("timeout")


class Book:
    """The answers one message has had, and how many more questions it may cause."""

    def __init__(self, budget: int) -> None:
        self._answers: dict[DnsQuery, DnsAnswer] = {}
        self._left = budget
        self.asked = 0
        self.exhausted = False

    def grant(self, more: int) -> None:
        """Allow `more` questions than are left now."""
        self._left += more

    def known(self, query: DnsQuery) -> DnsAnswer | None:
        """The answer, when it has been had."""
        return self._answers.get(_key(query))

    def ask(self, queries: Sequence[DnsQuery]) -> Rounds[None]:
        """One round. What the budget does not cover is answered as if nobody had known: never as "no such record"."""
        wanted = list(dict.fromkeys(_key(query) for query in queries))
        for query in wanted[self._left :]:
            self._answers[query] = UNASKED
            self.exhausted = True
        wanted = wanted[: self._left]
        self._left -= len(wanted)
        self.asked += len(wanted)
        if wanted:
            answers = yield tuple(wanted)
            self._answers.update(zip(wanted, answers, strict=True))


def _key(query: DnsQuery) -> DnsQuery:
    return DnsQuery(query.name.rstrip(".").lower(), query.type)


def together(lookups: Sequence[Lookup[Any]], book: Book) -> Rounds[list[Any]]:
    """The results of `lookups`, in their order."""
    results: list[Any] = [None] * len(lookups)
    waiting: dict[int, DnsQuery] = {}
    for index, lookup in enumerate(lookups):
        _step(index, lookup, None, waiting, results)
    while waiting:
        unknown = [query for query in waiting.values() if book.known(query) is None]
        if unknown:
            yield from book.ask(unknown)
        for index, query in list(waiting.items()):
            _step(index, lookups[index], book.known(query), waiting, results)
    return results


def _step(
    index: int, lookup: Lookup[Any], answer: DnsAnswer | None, waiting: dict[int, DnsQuery], results: list[Any]
) -> None:
    try:
        waiting[index] = next(lookup) if answer is None else lookup.send(answer)
    except StopIteration as end:
        waiting.pop(index, None)
        results[index] = end.value
