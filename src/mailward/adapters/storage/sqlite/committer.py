"""The committing process of the embedded store: one writer for the messages and outcomes of all workers.

SQLite forgets its page cache whenever another connection wrote, and a commit costs much
the same whatever its size. So the workers hand their items to one process: it commits
whatever arrived during the last sync, keeps its cache, and shares its interpreter with
nobody's event loop. It knows nothing of SMTP or HTTP and talks to nobody but the workers.

If it dies, workers commit by themselves until it is back; what was on the way is looked
up before it is tried again (`committing/link.py`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from mailward.adapters.storage.committing.crowd import Crowd
from mailward.adapters.storage.committing.frames import (
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
from mailward.adapters.storage.sqlite.group import GroupCommit, Job, end_process
from mailward.adapters.storage.sqlite.segments import SegmentWriter
from mailward.base.sources import Entropy

# Octets read from one worker before the others have their turn, and items of one commit at most.
_READ = 4 << 20
_MAX_GROUP = 2048
_HUNG_UP = select.EPOLLHUP | select.EPOLLRDHUP | select.EPOLLERR


class _Peer:
    """One worker's connection."""

    __slots__ = ("answers", "gone", "sock", "unframer", "unsent")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.unframer = Unframer.entries()
        self.answers: list[Answer] = []
        self.unsent = b""
        self.gone = False


class Committer:
    """Serves workers on a listening Unix socket. All on one thread, but for the segment's sync."""

    def __init__(
        self,
        folder: Path,
        key: bytes,
        verbs: Sequence[SharedVerb],
        *,
        worker: int,
        entropy: Entropy,
        monotonic: Callable[[], float],
        fatal: Callable[[str], None] = end_process,
    ) -> None:
        self._verbs = {v.name: (v.verb, msgspec.msgpack.Decoder(v.item)) for v in verbs}
        segments = SegmentWriter(folder / "segments", worker, entropy)
        self._group = GroupCommit(folder / "state.db", key, segments, cache_kib=8_192, fatal=fatal, beside=True)
        self._lock = os.open(folder / "state.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._peers: dict[int, _Peer] = {}
        self._poll = select.epoll()
        self._jobs: list[Job] = []
        self._crowd = Crowd()
        self._in_step = False
        self._monotonic = monotonic
        self._buffer = bytearray(1 << 20)
        self._view = memoryview(self._buffer)

    def serve(self, listener: socket.socket, stopping: Callable[[], bool]) -> None:
        """Until `stopping` says so; then what has been asked is committed and answered.

        Workers of other supervisors may still be there: they go on by themselves until one of
        those has started the next committing process.
        """
        listener.setblocking(False)
        self._poll.register(listener.fileno(), select.EPOLLIN)
        while not stopping():
            if not self._jobs:
                self._gather(listener, 0.5)
            while self._jobs and (rest := self._crowd.rest(_messages(self._jobs), self._monotonic())):
                self._gather(listener, rest)
            if self._jobs:
                self._commit(listener)
        self._gather(listener, 0)
        while self._jobs:
            self._commit(listener)

    def close(self) -> None:
        """Close the store."""
        for peer in self._peers.values():
            peer.sock.close()
        self._peers.clear()
        self._poll.close()
        self._group.close()
        os.close(self._lock)

    def _commit(self, listener: socket.socket) -> None:
        os.sched_yield()  # to workers that wait for this core with more to commit; nothing where nobody waits
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self._gather(listener, 0)  # what came while another process committed
            jobs, self._jobs = self._jobs[:_MAX_GROUP], self._jobs[_MAX_GROUP:]
            # A worker that is gone was not answered, and what it asked for must not happen behind its successor.
            jobs = [job for job in jobs if not job.future[0].gone]
            self._group.commit(jobs)
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)
        for job in jobs:
            peer, number = job.future
            if job.error is None:
                peer.answers.append(Answer(number, pack(job.result), None))
            else:
                peer.answers.append(Answer(number, NIL, fault_of(job.error)))
        for peer in list(self._peers.values()):
            if peer.answers:
                self._send(peer)
        carried = _messages(jobs)
        self._gather(listener, 0)
        self._crowd.answered(carried, _messages(self._jobs), self._monotonic())
        if self._crowd.in_step is not self._in_step:
            self._in_step = self._crowd.in_step
            for peer in self._peers.values():
                peer.answers.append(self._pace())  # it goes along with the next ones

    def _gather(self, listener: socket.socket, timeout: float) -> None:
        for fd, event in self._poll.poll(timeout):
            if fd == listener.fileno():
                self._meet(listener)
                continue
            peer = self._peers.get(fd)
            if peer is None:
                continue
            if event & _HUNG_UP:  # what it sent and was not answered for, it looks up and does alone
                self._lose(peer)
                continue
            if event & select.EPOLLIN:
                self._receive(peer)
            if event & select.EPOLLOUT and not peer.gone:
                self._send(peer)

    def _meet(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            sock, _ = listener.accept()
            sock.setblocking(False)
            # The socket outlives us, so a connection alone says nothing: a worker counts on us from this frame on.
            with contextlib.suppress(OSError):
                sock.send(frame([self._pace()]))
            self._peers[sock.fileno()] = _Peer(sock)
            self._poll.register(sock.fileno(), select.EPOLLIN | select.EPOLLRDHUP)

    def _receive(self, peer: _Peer) -> None:
        left = _READ
        while left > 0:
            try:
                # Into memory that is there: a fresh megabyte for each read would be mapped and unmapped each time.
                size = peer.sock.recv_into(self._buffer)
            except BlockingIOError:
                return
            except OSError:
                size = 0
            if not size:
                self._lose(peer)
                return
            left -= size
            for entry in peer.unframer.feed(self._view[:size]):
                self._jobs.append(self._job(peer, entry))

    def _pace(self) -> Answer:
        return Answer(IN_STEP, pack(self._in_step), None)

    def _job(self, peer: _Peer, entry: Entry) -> Job:
        verb, decoder = self._verbs[entry.verb]
        return Job(verb, entry.workspace, decoder.decode(entry.item), entry.record, (peer, entry.number))

    def _send(self, peer: _Peer) -> None:
        data = peer.unsent
        if peer.answers:
            data += frame(peer.answers)
            peer.answers = []
        try:
            sent = peer.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lose(peer)
            return
        waited = bool(peer.unsent)
        peer.unsent = data[sent:]
        if bool(peer.unsent) != waited:
            wanted = select.EPOLLIN | select.EPOLLRDHUP | (select.EPOLLOUT if peer.unsent else 0)
            self._poll.modify(peer.sock.fileno(), wanted)

    def _lose(self, peer: _Peer) -> None:
        peer.gone = True
        self._poll.unregister(peer.sock.fileno())
        del self._peers[peer.sock.fileno()]
        peer.sock.close()


def _messages(jobs: Sequence[Job]) -> int:
    """How many of them bring a message: what becomes of deliveries is nobody's next step."""
    return sum(job.body is not None for job in jobs)
