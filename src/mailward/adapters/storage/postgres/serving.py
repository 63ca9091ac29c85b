"""The committing process of a machine whose store is PostgreSQL.

Workers hand it messages and outcomes over a Unix socket (`storage/committing`). It is one more user of the store, with
connections of its own: what several workers bring in is one transaction instead of several, and the answers of the
server are not waited for on a loop that is busy with sessions. If it dies, workers commit by themselves; what was on
the way is looked up before it is tried again.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import msgspec

from mailward.adapters.storage.committing.frames import (
    GREETING,
    IN_STEP,
    NIL,
    Answer,
    Entry,
    SharedVerb,
    Unframer,
    fault_of,
    frame,
    pack,
)
from mailward.adapters.storage.postgres.engine import PostgresStore


class Serving:
    """Serves workers on a listening Unix socket, by way of a store that is open."""

    def __init__(self, store: PostgresStore, verbs: Sequence[SharedVerb]) -> None:
        self.store = store
        self.verbs = {v.name: (v.verb, msgspec.msgpack.Decoder(v.item)) for v in verbs}
        self.peers: set[_Peer] = set()
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Begin to take what workers hand over."""
        self._server = await asyncio.get_running_loop().create_unix_server(lambda: _Peer(self), sock=listener)

    async def stop(self) -> None:
        """Take no more, answer what was taken, and part. Workers do what comes after it by themselves."""
        if self._server is not None:
            self._server.close()
        for peer in self.peers:
            peer.hear_no_more()
        while waiting := [f for peer in self.peers for f in peer.open]:
            await asyncio.wait(waiting)
        for peer in list(self.peers):
            peer.part()


class _Peer(asyncio.Protocol):
    """One worker's connection."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._unframer = Unframer.entries()
        self._transport: asyncio.Transport | None = None
        self._answers: list[Answer] = []
        self._in_step = False
        self.open: set[asyncio.Future[Any]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket outlives us, so a connection alone says nothing: a worker counts on us from this frame on."""
        self._transport = cast(asyncio.Transport, transport)
        self._serving.peers.add(self)
        self._transport.write(frame([Answer(GREETING, pack(self._serving.store.number), None)]))

    def data_received(self, data: bytes) -> None:
        """Items, each with its number."""
        for entry in self._unframer.feed(data):
            self._take(entry)

    def connection_lost(self, exc: Exception | None) -> None:
        """A worker that is gone was not answered: what it asked for must not happen behind its successor."""
        self._transport = None
        self._serving.peers.discard(self)
        for future in self.open:
            future.cancel()

    def hear_no_more(self) -> None:
        """Leave unread what comes from now on."""
        if self._transport is not None:
            self._transport.pause_reading()

    def part(self) -> None:
        """Send what there is to say, then close."""
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def _take(self, entry: Entry) -> None:
        verb, decoder = self._serving.verbs[entry.verb]
        try:
            future = self._serving.store.write_sealed(verb, entry.workspace, decoder.decode(entry.item), entry.record)
        except Exception as e:
            self._say(Answer(entry.number, NIL, fault_of(e)))
            return
        self.open.add(future)
        future.add_done_callback(partial(self._done, entry.number))

    def _done(self, number: int, future: asyncio.Future[Any]) -> None:
        self.open.discard(future)
        if future.cancelled():
            return
        if (error := future.exception()) is not None:
            self._say(Answer(number, NIL, fault_of(error)))
        else:
            self._say(Answer(number, pack(future.result()), None))

    def _say(self, answer: Answer) -> None:
        if not self._answers:
            asyncio.get_running_loop().call_soon(self._flush)
        self._answers.append(answer)

    def _flush(self) -> None:
        answers, self._answers = self._answers, []
        if self._serving.store.in_step is not self._in_step:
            self._in_step = not self._in_step
            answers.append(Answer(IN_STEP, pack(self._in_step), None))
        if self._transport is not None and answers:
            self._transport.write(frame(answers))
