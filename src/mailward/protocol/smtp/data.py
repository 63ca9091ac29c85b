"""Message content on its way in: after DATA until CRLF "." CRLF, after BDAT for a counted number of octets.

There is exactly one end of data. Every other spelling of it (LF "." LF, CR "." CR, with NULs, split over packets)
contains a bare CR, a bare LF or a NUL, and any of those anywhere in content condemns the whole session as soon as it
is seen. It is never repaired: two servers that repair differently see two different messages, which is smuggling.

All work is done by C operations on whole chunks.
"""

from __future__ import annotations

from enum import IntEnum

from mailward.protocol.newlines import only_crlf

_END = b"\r\n.\r\n"
_DOT = b"\r\n."
# Proper prefixes of the end of data, longest first. Held back, so that a piece never ends inside one of them.
_PREFIXES = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")
_FEW = 64  # pieces kept as they come
_SMALL = 4096
_CRUMB = 512  # a chunk of less brings hardly more than its command costs


class Progress(IntEnum):
    """What the receiver says after each feed."""

    MORE = 0
    DONE = 1
    BARE = 2  # a bare CR, a bare LF or a NUL: 550 and close
    OVERRUN = 3  # past the drain allowance: 552 and close


def is_bare(piece: bytes) -> bool:
    """Whether a piece holds a bare CR, a bare LF or a NUL. It starts on the boundary of a CRLF pair."""
    return b"\0" in piece or not only_crlf(piece)


def _collect(parts: list[bytes | bytearray], piece: bytes) -> None:
    """Keep a piece. Past the first few, small ones share a buffer: an object for each would weigh far more than it."""
    if len(parts) < _FEW or len(piece) >= _SMALL:
        parts.append(piece)
    elif type(last := parts[-1]) is bytearray:
        last += piece
    else:
        parts.append(bytearray(piece))


class DotContent:
    """Content after DATA (RFC 5321 section 4.5.2). Memory stays under `limit` however much arrives.

    `limit` is the largest content in octets after unstuffing; `drain` is how many octets more than that are read and
    thrown away before giving up, so that an honest client learns "552" instead of a broken connection.
    """

    __slots__ = ("_allowance", "_limit", "_parts", "_tail", "dropped", "size")

    def __init__(self, limit: int, drain: int) -> None:
        self._limit = limit
        self._allowance = limit + drain
        self._parts: list[bytes | bytearray] = []
        # The line before the content ended in CRLF: a lone dot on the first line ends an empty message.
        self._tail = b"\r\n"
        self.size = -2  # the CRLF just assumed is no content
        self.dropped = False

    def feed(self, data: bytes, start: int) -> tuple[Progress, int]:
        """Take octets of `data` from `start`; answers with the position of the first octet not taken."""
        stop = start + self._allowance
        fresh = data if not start and stop >= len(data) else data[start:stop]
        self._allowance -= len(fresh)
        held = len(self._tail)
        chunk = self._tail + fresh
        # In most messages the first line that starts with a dot is the last one: one search answers both questions.
        at = chunk.find(_DOT)
        stuffed = at >= 0 and chunk[at + 3 : at + 5] != b"\r\n"
        if stuffed:
            at = chunk.find(_END, at)
        if at >= 0:
            progress = self._keep(chunk[: at + 2], stuffed)
            return Progress.DONE if progress is Progress.MORE else progress, start + at + 5 - held
        tail = b""
        for prefix in _PREFIXES:
            if chunk.endswith(prefix):
                tail = prefix
                chunk = chunk[: -len(prefix)]
                break
        self._tail = tail
        progress = self._keep(chunk, stuffed)
        if progress is Progress.MORE and not self._allowance:
            progress = Progress.OVERRUN
        return progress, start + len(fresh)

    def _keep(self, piece: bytes, stuffed: bool) -> Progress:
        if is_bare(piece):
            self._parts.clear()
            return Progress.BARE
        # A piece never ends within CRLF ".", so each stuffed dot is whole inside one piece.
        if stuffed:
            piece = piece.replace(b"\r\n.", b"\r\n")
        self.size += len(piece)
        if self.size > self._limit or self.dropped:
            self._parts.clear()
        else:
            _collect(self._parts, piece)
        return Progress.MORE

    @property
    def kept(self) -> int:
        """Octets in memory."""
        return 0 if self.dropped or self.size > self._limit else max(0, self.size)

    def drop(self) -> None:
        """Keep nothing of it, and read on to its end."""
        self.dropped = True
        self._parts.clear()

    @property
    def too_large(self) -> bool:
        """Whether the content has passed the limit; what was kept is already gone."""
        return self.size > self._limit

    def content(self) -> bytes:
        """The message, each line ended by CRLF, dots unstuffed."""
        parts = self._parts
        return bytes(parts[0])[2:] if len(parts) == 1 else b"".join(parts)[2:]


class ChunkContent:
    """Content over one or more BDAT chunks (RFC 3030). A CRLF may be split between two chunks; nothing is unstuffed."""

    __slots__ = ("_parts", "_tail", "crumbs", "last", "left", "size")

    def __init__(self) -> None:
        self._parts: list[bytes | bytearray] = []
        self._tail = b""
        self.left = 0  # octets of the present chunk that are still to come
        self.size = 0
        self.crumbs = 0  # chunks that brought next to nothing
        self.last = False

    def expect(self, octets: int, last: bool) -> None:
        """The next `octets` octets are a chunk, the final one if `last`."""
        self.left = octets
        self.size += octets
        self.crumbs += octets < _CRUMB
        self.last = last

    def feed(self, data: bytes, start: int) -> tuple[Progress, int]:
        """Take octets of the present chunk; answers with the position of the first octet not taken."""
        fresh = data[start : start + self.left]
        self.left -= len(fresh)
        piece = self._tail + fresh
        done = not self.left
        if piece.endswith(b"\r") and not (done and self.last):
            self._tail = b"\r"
            piece = piece[:-1]
        else:
            self._tail = b""
        if is_bare(piece):
            self._parts.clear()
            return Progress.BARE, start + len(fresh)
        if piece:
            _collect(self._parts, piece)
        return Progress.DONE if done else Progress.MORE, start + len(fresh)

    @property
    def kept(self) -> int:
        """Octets in memory."""
        return self.size - self.left

    def content(self) -> bytes:
        """The message. A final line without CRLF is given one: the next hop, by DATA, could not say it otherwise."""
        whole = b"".join(self._parts)
        return whole if not whole or whole.endswith(b"\r\n") else whole + b"\r\n"


class Discard:
    """Octets of a chunk that is refused: counted, so that the session stays in step, and not kept."""

    __slots__ = ("_left",)
    kept = 0

    def __init__(self, octets: int) -> None:
        self._left = octets

    def feed(self, data: bytes, start: int) -> tuple[Progress, int]:
        """Take octets of the refused chunk; answers with the position of the first octet not taken."""
        taken = min(self._left, len(data) - start)
        self._left -= taken
        return (Progress.MORE if self._left else Progress.DONE), start + taken
