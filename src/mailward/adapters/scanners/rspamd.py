"""rspamd over its HTTP protocol (/checkv2): a score, what it is made of, and the action it advises."""

from __future__ import annotations

import asyncio
import math
from urllib.parse import urlsplit

import msgspec

from mailward.policy.scanning import Report, Subject, Verdict, unavailable

_ANSWER_MAX = 1_048_576
_HEADS_MAX = 16_384


class _Symbol(msgspec.Struct):
    score: float = 0.0


class _Answer(msgspec.Struct):
    action: str
    score: float
    required_score: float = 0.0
    symbols: dict[str, _Symbol] = {}
    is_skipped: bool = False


class Rspamd:
    """One normal worker at `url` (http://address:port); `seconds` is the deadline for a whole message.

    What it calls "reject" is spam. "soft reject", which asks for another try, and "greylist" are its own business with
    senders that it does not see here, and count as suspicious, as do "add header" and "rewrite subject".
    """

    name = "rspamd"

    def __init__(self, url: str, *, seconds: float) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"not an http:// address: {url}")
        self._host, self._port = parts.hostname, parts.port or 11333
        self._seconds = seconds

    async def scan(self, content: bytes, subject: Subject) -> Report:
        """SPAM, SUSPICIOUS or CLEAN with score and symbols, or UNAVAILABLE."""
        try:
            async with asyncio.timeout(self._seconds):
                answer = msgspec.json.decode(await self._post(content, subject), type=_Answer)
        except TimeoutError:
            return unavailable(self.name, f"rspamd did not answer in {self._seconds:g} seconds")
        except OSError as e:
            return unavailable(self.name, f"rspamd cannot be reached: {e.strerror or type(e).__name__}")
        except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return unavailable(self.name, "rspamd gave an answer that cannot be read")
        if not math.isfinite(answer.score):
            return unavailable(self.name, "rspamd gave an answer that cannot be read")
        verdict = Verdict.CLEAN
        if answer.action == "reject":
            verdict = Verdict.SPAM
        elif answer.action not in ("no action", ""):
            verdict = Verdict.SUSPICIOUS
        heaviest = sorted(answer.symbols.items(), key=lambda s: -abs(s[1].score))
        symbols = tuple(f"{name}({symbol.score:.2f})" for name, symbol in heaviest if symbol.score)
        reason = f"rspamd: {answer.action}, {answer.score:.1f} of {answer.required_score:.1f}"
        return Report(self.name, verdict, "" if verdict is Verdict.CLEAN else reason, (), answer.score, symbols)

    async def _post(self, content: bytes, subject: Subject) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=_HEADS_MAX)
        try:
            writer.write(self._head(content, subject) + content)
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            if not head.startswith(("http/1.1 200", "http/1.0 200")):
                raise ValueError("status")
            for line in head.split("\r\n")[1:]:
                name, _, value = line.partition(":")
                if name == "content-length":
                    size = int(value)
                    if not 0 <= size <= _ANSWER_MAX:
                        raise ValueError("length")
                    return await reader.readexactly(size)
            raise ValueError("no length")
        finally:
            writer.close()

    def _head(self, content: bytes, subject: Subject) -> bytes:
        """What rspamd is told of the session. Our machine allowed only characters here that cannot end a line."""
        lines = [
            "POST /checkv2 HTTP/1.1",
            f"Host: {self._host}",
            "Connection: close",
            f"Content-Length: {len(content)}",
            f"IP: {subject.ip}",
            f"Helo: {subject.helo}",
            f"From: {subject.mail_from}",
            *(f"Rcpt: {recipient}" for recipient in subject.recipients[:20]),
        ]
        clean = ["".join(c for c in line if c.isprintable()) for line in lines]
        return ("\r\n".join(clean) + "\r\n\r\n").encode("utf-8")
