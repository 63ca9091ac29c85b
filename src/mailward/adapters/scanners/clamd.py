"""ClamAV's daemon: a message goes to it by INSTREAM, over a Unix socket or TCP (clamd(8))."""

from __future__ import annotations

import asyncio
import contextlib
import re

from mailward.policy.scanning import Report, Subject, Verdict, unavailable

_CHUNK = 131_072
_ANSWER_MAX = 4096
_FOUND = re.compile(r"stream: (.{1,200}) FOUND")


class Clamd:
    """One daemon. `place` is the path of its socket, or `address:port`; `seconds` the deadline for a whole message."""

    name = "clamd"

    def __init__(self, place: str, *, seconds: float) -> None:
        self._place = place
        self._seconds = seconds

    async def scan(self, content: bytes, subject: Subject) -> Report:
        """INFECTED with the signature's name, CLEAN, or UNAVAILABLE; what clamd's limits refuse is UNAVAILABLE, too."""
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._ask(content)
        except TimeoutError:
            return unavailable(self.name, f"clamd did not answer in {self._seconds:g} seconds")
        except OSError as e:
            return unavailable(self.name, f"clamd cannot be reached: {e.strerror or type(e).__name__}")
        if answer == "stream: OK":
            return Report(self.name, Verdict.CLEAN)
        if match := _FOUND.fullmatch(answer):
            return Report(self.name, Verdict.INFECTED, f"{match[1]} was found by ClamAV", (match[1],))
        return unavailable(self.name, f"clamd answered: {answer[:200]}" if answer else "clamd hung up")

    async def _ask(self, content: bytes) -> str:
        reader, writer = await self._connect()
        try:
            writer.write(b"zINSTREAM\0")
            view = memoryview(content)
            with contextlib.suppress(ConnectionError):  # past its StreamMaxLength it answers and hangs up
                for start in range(0, len(view), _CHUNK):
                    piece = view[start : start + _CHUNK]
                    writer.write(len(piece).to_bytes(4, "big") + piece)
                    await writer.drain()
                writer.write(bytes(4))
                await writer.drain()
            with contextlib.suppress(ConnectionError, asyncio.LimitOverrunError):
                return (await reader.readuntil(b"\0"))[:-1].decode("utf-8", "replace").strip()
            return ""
        except asyncio.IncompleteReadError:
            return ""
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._place.startswith("/"):
            return await asyncio.open_unix_connection(self._place, limit=_ANSWER_MAX)
        host, _, port = self._place.rpartition(":")
        return await asyncio.open_connection(host.strip("[]"), int(port), limit=_ANSWER_MAX)
