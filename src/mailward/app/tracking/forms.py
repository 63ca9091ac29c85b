"""The copies of a message whose opens or clicks are tracked: one for each recipient, made when its turn comes.

A link names the recipient's copy, so no two recipients can share one. Who opted out gets the message as it was
handed in, but for the address of the way out, should the sender have placed one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from urllib.parse import urlsplit

from mailward.core.delivery.attempt import Form
from mailward.core.delivery.model import Work
from mailward.core.messages.model import Tracked
from mailward.policy.tracking import Mode
from mailward.protocol.tracking import tokens
from mailward.protocol.tracking.rewrite import Links, Made, Survey
from mailward.protocol.tracking.tokens import Keys, Kind, Link

OptedOut = Callable[[Work], Awaitable[set[int]]]
"""Numbers of the copies whose recipients do not want to be tracked."""
# An address has to fit into a line of 998 octets with what stands around it; longer ones are left as they are.
_LONGEST = 940
# Half a second may go by over 2 MiB that were made to be slow to read: from here on a thread does it.
_LARGE = 200_000


class Forms:
    """Implements `core.delivery.attempt.Forms`. `keys` are those for a workspace; `failed` hears of faults of ours."""

    def __init__(
        self, opted_out: OptedOut, keys: Callable[[bytes], Keys], failed: Callable[[BaseException], None]
    ) -> None:
        self._opted_out = opted_out
        self._keys = keys
        self._failed = failed

    async def __call__(self, work: Work, content: bytes) -> Iterable[Form]:
        """Read once, then one form after the other. What cannot be tracked is sent as it is, and says why."""
        tracked = work.facts.tracking
        assert tracked is not None
        if not tracked.base:
            return (Form(work.copies, content, (f"not tracked: {tracked.why}",)),)
        without = await self._opted_out(work)
        try:
            if len(content) < _LARGE:
                survey = Survey(content, tracked.base)
            else:
                survey = await asyncio.to_thread(Survey, content, tracked.base)
        except Exception as e:  # a fault in reading must not keep mail from leaving
            self._failed(e)
            return (Form(work.copies, content, ("not tracked: it could not be read",)),)
        if survey.why:
            return (Form(work.copies, content, (f"not tracked: {survey.why}",)),)
        return self._each(work, content, tracked, survey, without)

    def _each(self, work: Work, content: bytes, tracked: Tracked, survey: Survey, without: set[int]) -> Iterator[Form]:
        keys = self._keys(work.workspace)
        for copy in work.copies:
            wanted = Mode.OFF if copy.n in without else Mode(tracked.mode)
            try:
                made = survey.made(links(work.id, copy.n, tracked.base, wanted, keys))
            except Exception as e:
                self._failed(e)
                yield Form((copy,), content, ("not tracked: it could not be rewritten",))
                continue
            yield Form((copy,), made.content, _notes(made, copy.n in without))


def links(message: bytes, n: int, base: str, mode: Mode, keys: Keys) -> Links:
    """How the links of one copy are written."""
    host = urlsplit(base).hostname or ""

    def address(kind: Kind, target: str = "", ending: str = "") -> str:
        return f"{base}/{kind.value}/{tokens.encode(Link(kind, message, n, target), host, keys)}{ending}"

    def click(target: str) -> str:
        if not mode.clicks or len(target) > tokens.MAX_TARGET:
            return ""
        made = address(Kind.CLICK, target)
        return made if len(made) <= _LONGEST else ""

    image = address(Kind.OPEN, ending=".gif") if mode.opens else ""
    return Links(click, image, address(Kind.OPT_OUT))


def _notes(made: Made, without: bool) -> tuple[str, ...]:
    said = [f"{made.clicks} link{'s' if made.clicks > 1 else ''}"] if made.clicks else []
    said += ["the image"] if made.images else []
    if without:
        return ("not tracked: the recipient opted out",)
    return (f"tracked: {' and '.join(said)}",) if said else ("not tracked: it has no links",)
