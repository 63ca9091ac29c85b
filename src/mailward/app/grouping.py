"""Signatures are made together for the messages of one turn of the event loop.

Whoever needs one asks, and waits for a turn of the loop; deliveries of one commit begin in the
same turn (decision 0028), so their signatures meet here. A message that is alone loses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from mailward.protocol.dkim.keys import SigningKey
from mailward.protocol.dkim.sign import Unsigned


class SignsMany(Protocol):
    """Makes many signatures in less time than one after the other."""

    @property
    def refused(self) -> int:
        """How many it had to make again, since they were wrong."""
        ...

    def sign(self, jobs: Sequence[tuple[SigningKey, bytes]]) -> list[bytes]:
        """The raw signature of each (key, data), in their order."""
        ...


class SigningGroup:
    """What was asked since the last turn. `doubt` hears how many signatures the library had to make again."""

    def __init__(self, library: SignsMany, doubt: Callable[[int], None]) -> None:
        self._library = library
        self._doubt = doubt
        self._asked: list[tuple[list[Unsigned], asyncio.Future[bytes]]] = []

    def ask(self, unsigned: list[Unsigned]) -> asyncio.Future[bytes]:
        """The signed fields, one after another; whatever the library or a key raises comes from the future."""
        loop = asyncio.get_running_loop()
        if not self._asked:
            loop.call_soon(self._sign)
        future: asyncio.Future[bytes] = loop.create_future()
        self._asked.append((unsigned, future))
        return future

    def _sign(self) -> None:
        asked, self._asked = [(u, f) for u, f in self._asked if not f.done()], []
        before = self._library.refused
        try:
            made = iter(self._library.sign([(u.key, u.data) for unsigned, _ in asked for u in unsigned]))
            for unsigned, future in asked:
                future.set_result(b"".join([u.field(next(made)) for u in unsigned]))
        except Exception as e:
            for _, future in asked:
                if not future.done():
                    future.set_exception(e)
        if self._library.refused != before:
            self._doubt(self._library.refused - before)
