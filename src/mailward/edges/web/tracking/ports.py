"""What the tracking hosts need of the platform."""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Protocol

from mailward.protocol.tracking.tokens import Kind


class Visit(NamedTuple):
    """One request: the host it came to (lower case, no port), its token, and what it showed of who asks.

    `refuses`: the browser asks not to be tracked.
    """

    host: str
    token: str
    method: str
    agent: str
    purpose: str
    refuses: bool


class Answer:
    """Where to go on, "" for nowhere; or that the link is nobody's, or its message is no longer kept."""

    NOBODY: ClassVar[Answer]
    OVER: ClassVar[Answer]
    __slots__ = ("target",)

    def __init__(self, target: str) -> None:
        self.target = target


Answer.NOBODY = Answer("")
Answer.OVER = Answer("")


class Visits(Protocol):
    """Requests to tracked links."""

    async def visit(self, v: Visit, kind: Kind) -> Answer:
        """A click, or the image of a copy. Raises Unavailable."""

    async def opt_out(self, v: Visit, *, sure: bool) -> Answer:
        """The recipient does not want to be tracked. Raises Unavailable."""
