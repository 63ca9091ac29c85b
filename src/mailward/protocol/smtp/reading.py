"""From octets to lines and content, in order, whatever the network did to their cutting.

A line ends at CRLF and nowhere else. Of a line that is too long only as much is kept as its reply needs, so the buffer
is bounded by the longest line there is. While a question is open nothing is read on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mailward.protocol.smtp import replies
from mailward.protocol.smtp.data import ChunkContent, Discard, DotContent, Progress
from mailward.protocol.smtp.questions import Question, StartTls

_LONGEST = 12288
_SKIP_MAX = 4_194_304  # a line past this ends the session


def _nothing(reading: object) -> None:
    """What follows content that nobody reads."""


class Reading:
    """The reading half of a session. The edge writes and empties `out`; `steps` grows with each sign of life."""

    __slots__ = (
        "_buffer",
        "_finish",
        "_head",
        "_reader",
        "_sasl",
        "_skipped",
        "closed",
        "out",
        "question",
        "steps",
    )

    def __init__(self, banner: bytes) -> None:
        self.out: list[bytes] = [banner]
        self.question: Question | None = None
        self.closed = False
        self.steps = 0
        self._buffer = b""
        self._head = b""
        self._skipped = 0
        # `_finish` is a function and not a bound method: a machine that held itself would keep its last message in
        # memory until the collector comes by.
        # Who gets the next line, if it belongs to an AUTH exchange; who gets the next octets, if they are content.
        self._sasl: Callable[[bytes], bytes | None] | None = None
        self._reader: DotContent | ChunkContent | Discard | None = None
        self._finish: Callable[[Any], None] = _nothing

    def receive(self, data: bytes) -> None:
        """Take octets from the network. While a question is open they are held, or dropped before a TLS handshake."""
        if self.closed:
            return
        if self.question is not None:
            # Plaintext sent ahead of the handshake is never executed (RFC 3207 section 4.2 and its injection attacks).
            if type(self.question) is not StartTls:
                self._buffer += data
            return
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        self._run(data)

    @property
    def held(self) -> int:
        """Octets waiting for an answer; the edge stops reading when they are many."""
        return len(self._buffer)

    @property
    def in_content(self) -> bool:
        """Whether message octets are being read."""
        return self._reader is not None

    def close(self, reply: bytes) -> None:
        """Say a last word (a timeout, a limit) and end."""
        self.out.append(reply)
        self.closed = True
        self._buffer = b""
        self._forget()

    def _resume(self) -> None:
        data, self._buffer = self._buffer, b""
        if data and not self.closed:
            self._run(data)

    def _run(self, data: bytes) -> None:
        pos, end = 0, len(data)
        while pos < end and not self.closed:
            if self.question is not None:
                if type(self.question) is not StartTls:
                    self._buffer = data[pos:]
                return
            if self._reader is not None:
                pos = self._read(data, pos)
                continue
            feed = data.find(b"\n", pos)
            if feed < 0:
                self._partial(data[pos:] if pos else data)
                return
            # A lone LF never ends a command; what follows it must not become one either, so there is no going on.
            if not feed or data[feed - 1] != 0x0D or feed == pos:
                self.close(replies.BARE_LINE)
                return
            line = data[pos : feed - 1]
            pos = feed + 1
            if self._skipped or len(line) > _LONGEST - 2:
                self._overlong(line)
            else:
                self._line(line)

    def _partial(self, rest: bytes) -> None:
        """Keep the beginning of a line; of one that is already too long keep only what the reply depends on."""
        if self._skipped or len(rest) > _LONGEST:
            if not self._skipped:
                self._head = rest[:5]
            self._skipped += len(rest) - 1
            rest = rest[-1:]  # it may be the CR of the CRLF
            if self._skipped > _SKIP_MAX:
                self.close(replies.LONG_LINE)
                return
        self._buffer = rest

    def _overlong(self, line: bytes) -> None:
        head = self._head if self._skipped else line[:5]
        total = self._skipped + len(line)
        self._skipped = 0
        if total > _SKIP_MAX:
            self.close(replies.LONG_LINE)
        elif self._sasl is not None or head.upper() == b"AUTH ":
            self._sasl = None
            self._fault(replies.LONG_SASL)
        else:
            self._fault(replies.LONG_LINE)

    def _read(self, data: bytes, pos: int) -> int:
        reader = self._reader
        assert reader is not None
        progress, pos = reader.feed(data, pos)
        self.steps += 1
        if progress <= Progress.DONE and (kept := reader.kept) and not self._hold(kept):
            self._let_go()
            if self._reader is not reader:
                return pos
        if progress is Progress.DONE:
            self._finish(self)
        elif progress is Progress.BARE:
            self.close(replies.BARE_CONTENT)
        elif progress is Progress.OVERRUN:
            self.close(replies.TOO_LARGE_CLOSING)
        return pos

    # ---------------------------------------------------------------- what the session makes of it

    def _line(self, line: bytes) -> None:
        """A whole line of proper length, without its CRLF."""
        raise NotImplementedError

    def _hold(self, octets: int) -> bool:
        """Whether this much content may be kept."""
        raise NotImplementedError

    def _let_go(self) -> None:
        """Keep nothing of the content that is being read, and refuse it at its end."""
        raise NotImplementedError

    def _fault(self, reply: bytes) -> None:
        """Answer a protocol error, and count it."""
        raise NotImplementedError

    def _forget(self) -> None:
        """Drop the transaction."""
        raise NotImplementedError
