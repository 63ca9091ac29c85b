"""The parent's side of examinations: messages are taken apart in limited children."""

from __future__ import annotations

import msgspec

from mailward.adapters.confined.children import Cause, Children, Exhausted
from mailward.adapters.scanners.frames import Examination, Terms
from mailward.base.errors import Unavailable


class Unexaminable(Exception):
    """The message broke the process that read it, or needed more than its limits. The reason is for people."""


class Examiner:
    """Takes messages apart out of harm's way. Belongs to one event loop."""

    def __init__(self, terms: Terms, count: int, *, seconds: float) -> None:
        """`count` children; `seconds` is the longest a message may stay in one, whatever it does there."""
        self._seconds = seconds
        self._children = Children(
            "mailward.adapters.scanners.child",
            msgspec.msgpack.encode(terms),
            Examination,
            count=count,
            seconds=seconds,
            away=_away,
        )

    @property
    def replaced(self) -> int:
        """How many children had to be replaced."""
        return self._children.replaced

    async def start(self) -> None:
        """Have the first child ready, so that rules which do not compile are known at once. Raises Unavailable."""
        await self._children.start()

    async def examine(self, content: bytes) -> Examination:
        """What is in a message. Raises Unexaminable for its own fault, Unavailable when there is nobody to ask."""
        try:
            return await self._children.ask(content)
        except Exhausted as e:
            raise Unexaminable(self._words(e.cause)) from None

    async def close(self) -> None:
        """End all children."""
        await self._children.close()

    def _words(self, cause: Cause) -> str:
        match cause:
            case Cause.SECONDS:
                return f"it took longer than {self._seconds:g} seconds to read"
            case Cause.CPU:
                return "reading it takes more CPU time than a message may use"
            case Cause.MEMORY:
                return "reading it takes more memory than a message may use"
            case Cause.BROKE:
                return "the process that read it broke"


def _away(detail: str) -> Unavailable:
    return Unavailable("examiner_down", "Messages cannot be examined now.", detail=detail)
