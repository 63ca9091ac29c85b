"""A worker's end of the connection to the committing process.

Items of one turn of the event loop leave in one frame. While a crowd is in step (`crowd.py`), a commit waits for all of
it anyway: then the first item goes at once, and the others together when no client of this process has anything more
to say, for each frame wakes the committing process. Where somebody always has, or stays connected and says nothing,
that is in vain, and tried again only now and then. When the connection is lost, nobody knows what became of the items
on the way: each goes to the worker's own writer, which first looks whether it is recorded already (`SecondLook`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec

from mailward.adapters.storage.committing.crowd import PATIENCE, TRIED_AGAIN
from mailward.adapters.storage.committing.door import short
from mailward.adapters.storage.committing.frames import (
    GREETING,
    IN_STEP,
    MAX_RECORD,
    Answer,
    Entry,
    SharedVerb,
    Unframer,
    error_of,
    frame,
    pack,
)
from mailward.adapters.storage.records import Body, seal_record
from mailward.base.errors import MailwardError
from mailward.base.sources import Entropy

_RETRY_SECONDS = 0.2
# Octets of a body from which on it is not held: it takes its time on the way.
_LARGE = 128 * 1024
# Frames that leave at once after something was held in vain, at most.
_AT_MOST = 1024


@dataclass(frozen=True, slots=True)
class SecondLook:
    """A list verb for items whose first answer was lost: those that are recorded get their result, the others run.

    `whose` is the number that the lost process greeted with, or 0. What it had begun may still be going on in the
    database, where that is a server: then it has to be over before this looks.
    """

    shared: SharedVerb
    whose: int

    async def __call__(self, tx: Any, items: list[Any]) -> Sequence[Any]:
        """As every list verb: a result for each item."""
        shared = self.shared
        plain = [item[0] for item in items] if shared.bodied else items
        results = list(await shared.landed(tx, plain))
        open_items = [item for item, result in zip(items, results, strict=True) if result is None]
        fresh = iter(await shared.verb(tx, open_items) if open_items else ())
        return [next(fresh) if result is None else result for result in results]


class _Sent:
    """An item on the way."""

    __slots__ = ("future", "item", "record", "shared", "workspace")

    def __init__(
        self, shared: SharedVerb, workspace: bytes | None, item: Any, record: bytes | None, future: asyncio.Future[Any]
    ) -> None:
        self.shared = shared
        self.workspace = workspace
        self.item = item
        self.record = record
        self.future = future


Alone = Callable[[Any, bytes | None, Any, bytes | None, asyncio.Future[Any]], None]
"""Queue an item at the worker's own writer: verb, workspace, item, sealed body, who waits."""


class CommitterLink(asyncio.Protocol):
    """Keeps a connection to the committer while it can; `ready` says whether there is one now."""

    def __init__(
        self,
        path: Path,
        verbs: Sequence[SharedVerb],
        entropy: Entropy,
        alone: Alone,
        *,
        speaking: Callable[[], bool] = lambda: False,
        errors: Sequence[type[MailwardError]] = (),
    ) -> None:
        """`speaking`: whether somebody may bring more in a moment. `hushed` is called when that ends."""
        self._path = path
        self._entropy = entropy
        self._alone = alone
        self._speaking = speaking
        self._errors = {e.__name__: e for e in errors}
        self._verbs = {v.verb: v for v in verbs}
        self._decoders = {v.name: msgspec.msgpack.Decoder(v.result) for v in verbs}
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Transport | None = None
        self._unframer = Unframer.answers()
        self._whose = 0
        self._in_step = False
        self._holding: asyncio.TimerHandle | None = None
        # Frames that are not held any more, and how many it will be the next time.
        self._unheld = 0
        self._unheld_for = TRIED_AGAIN
        self._outbox: list[Entry] = []
        self._sent: dict[int, _Sent] = {}
        self._number = 0
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._keep())
        self._lost = asyncio.Event()
        self._up = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether somebody commits at the other end now."""
        return self._transport is not None

    async def first(self, seconds: float) -> bool:
        """Wait for the first connection for at most that long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._up.wait(), seconds)
        return self.ready

    async def close(self) -> None:
        """Give up the connection; what is on the way is committed alone."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if self._connecting is not None:
            self._connecting.abort()
            self._drop()

    def offer(
        self, verb: Any, workspace: bytes | None, item: Any, body: Body | None, future: asyncio.Future[Any]
    ) -> bool:
        """Take an item for the committer; False if it has to be committed here."""
        shared = self._verbs.get(verb)
        if shared is None or self._transport is None or (body is not None and len(body[3]) > MAX_RECORD):
            return False
        record = seal_record(body, self._entropy) if body is not None else None
        self._number = number = self._number + 1
        self._sent[number] = _Sent(shared, workspace, item, record, future)
        if not self._outbox:
            # The first after all were answered goes at once: it is what the others are waited for from.
            if self._in_step and not self._unheld and len(self._sent) > 1 and self._speaking():
                self._holding = self._loop.call_later(PATIENCE, self._in_vain)
            else:
                self._unheld = max(0, self._unheld - 1)
                self._loop.call_soon(self._flush)
        self._outbox.append(Entry(number, shared.name, workspace, pack(item), record))
        if record is not None and len(record) > _LARGE:
            self.hushed()
        return True

    def hushed(self) -> None:
        """Nobody speaks any more: what is held goes now."""
        if self._holding is not None:
            self._unheld_for = TRIED_AGAIN
            self._flush()

    def _in_vain(self) -> None:
        self._unheld = self._unheld_for
        self._unheld_for = min(2 * self._unheld_for, _AT_MOST)
        self._flush()

    def _flush(self) -> None:
        if self._holding is not None:
            self._holding.cancel()
            self._holding = None
        entries, self._outbox = self._outbox, []
        if self._transport is not None and entries:
            self._transport.write(frame(entries))

    # -- the transport's calls ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, perhaps only to the supervisor's socket: it is kept open while there is no committer."""
        self._connecting = cast(asyncio.Transport, transport)
        self._unframer = Unframer.answers()
        self._whose = 0
        self._in_step = False

    def data_received(self, data: bytes) -> None:
        """A greeting, which answers nothing, then answers."""
        if self._transport is None:
            self._transport = self._connecting
            self._up.set()
        for answer in self._unframer.feed(data):
            self._answered(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """The committer is gone, or we are stopping."""
        self._drop()
        self._lost.set()

    # -- inside -------------------------------------------------------------------------------

    def _answered(self, answer: Answer) -> None:
        if answer.number <= GREETING:
            self._told(answer)
            return
        sent = self._sent.pop(answer.number, None)
        if sent is None or sent.future.done():
            return
        if answer.fault is not None:
            sent.future.set_exception(error_of(answer.fault, self._errors))
        else:
            sent.future.set_result(self._decoders[sent.shared.name].decode(answer.result))

    def _told(self, unasked: Answer) -> None:
        if unasked.number == GREETING:
            self._whose = msgspec.msgpack.decode(unasked.result, type=int)
        elif unasked.number == IN_STEP:
            self._in_step = msgspec.msgpack.decode(unasked.result, type=bool)

    def _drop(self) -> None:
        self._transport = self._connecting = None
        self._outbox = []
        sent, self._sent = self._sent, {}
        for item in sent.values():
            if not item.future.done():
                look = SecondLook(item.shared, self._whose)
                self._alone(look, item.workspace, item.item, item.record, item.future)

    async def _keep(self) -> None:
        while True:
            self._lost.clear()
            try:
                with short(self._path) as name:
                    await self._loop.create_unix_connection(lambda: self, name)
            except OSError:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            await self._lost.wait()
