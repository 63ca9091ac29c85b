"""Reading an SMTP server's replies, with bounds (RFC 5321 sections 4.2 and 4.5.3.1.5).

A server we talk to is not our friend: it may send endless lines, wrong codes or replies
nobody asked for. The reader never holds more than one line and one reply, and says what
is wrong instead of guessing.
"""

from __future__ import annotations

import re

MAX_LINE = 4096  # RFC 5321 says 512; servers with long policy texts pass it, none that is honest passes this
MAX_LINES = 100

# RFC 5321 section 4.2 allows a second digit of 0 to 5, but section 4.3.2 has a client go by the first one when it does
# not know a code, and 571 is said in the field. One look-up validates.
_CODES = {b"%d" % code: code for code in range(200, 600)}
_KNOWN = frozenset((211, 214, 220, 221, 235, 250, 251, 252, 334, 354))
_ENHANCED = re.compile(rb"([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")


class ReplyReader:
    """Turns bytes into `(code, text)` pairs; text lines are joined by LF, without code and separator.

    After a malformed reply `bad` says why and nothing more is read: the stream cannot be
    trusted to be in step any more. `cut` is the reply that went beyond the bounds, as far as it was read.
    """

    __slots__ = ("_code", "_lines", "_tail", "bad", "cut")

    def __init__(self) -> None:
        self._tail = b""
        self._lines: list[bytes] = []
        self._code = 0
        self.bad = ""
        self.cut: tuple[int, bytes] | None = None

    @property
    def partial(self) -> bool:
        """Whether part of a reply waits for its rest."""
        return bool(self._tail or self._lines)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The replies that `data` completes, in order; look at `bad` afterwards."""
        replies: list[tuple[int, bytes]] = []
        if self.bad:
            return replies
        if self._tail:
            data = self._tail + data
        lines = data.split(b"\n")
        self._tail = lines.pop()
        for line in lines:
            if line[-1:] == b"\r":
                line = line[:-1]
            code = _CODES.get(line[:3])
            if code is None:
                self.bad = "reply without a valid code"
            elif self._lines and code != self._code:
                self.bad = "reply changes its code between lines"
            elif len(line) > MAX_LINE:
                self._too_long(line)
            if self.bad or code is None:
                break
            mark = line[3:4]
            if mark == b" " or not mark:
                if self._lines:
                    self._lines.append(line[4:])
                    replies.append((code, b"\n".join(self._lines)))
                    self._lines = []
                else:
                    replies.append((code, line[4:]))
            elif mark == b"-":
                self._code = code
                self._lines.append(line[4:])
                if len(self._lines) >= MAX_LINES:
                    self.bad = "reply has too many lines"
                    self.cut = code, self._lines[0]
                    break
            else:
                self.bad = "reply without a separator after its code"
                break
        if len(self._tail) > MAX_LINE and not self.bad:
            self._too_long(self._tail)
        if self.bad:
            self._tail = b""
        return replies

    def _too_long(self, line: bytes) -> None:
        self.bad = "reply line too long"
        code = _CODES.get(line[:3])
        if code is not None and line[3:4] in (b" ", b"-") and (not self._lines or code == self._code):
            self.cut = code, line[4:MAX_LINE]


def says(code: int, expected: int) -> bool:
    """Whether a reply is the expected one, or one that nobody knows of its kind (RFC 5321 section 4.3.2)."""
    return code == expected or (code // 100 == expected // 100 and code not in _KNOWN)


def enhanced_status(code: int, text: bytes) -> str:
    """The enhanced status code that opens the text (RFC 2034), or '' when absent or of another class."""
    match = _ENHANCED.match(text)
    if match is None or match[1] != b"%d" % (code // 100):
        return ""
    return match[0].decode("ascii")
