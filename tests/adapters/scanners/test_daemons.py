"""ClamAV's daemon and rspamd, the real ones: what they find, and what their silence means."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from mailward.adapters.scanners.clamd import Clamd
from mailward.adapters.scanners.rspamd import Rspamd
from mailward.policy.scanning import Subject, Verdict
from tests.adapters.scanners.conftest import attached, forwarded, zipped
from tests.scenarios import scanners
from tests.scenarios.peers import free_port
from tests.scenarios.scanners import EICAR, GTUBE

SUBJECT = Subject("192.0.2.1", "client.test", "a@example.org", ("b@example.net",))
PLAIN = b"From: a@example.org\r\nSubject: x\r\n\r\nHello\r\n"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def daemon(handle: Handler) -> AsyncIterator[str]:
    """A server that answers as it likes."""
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "message",
    [attached(EICAR), attached(zipped({"e.com": EICAR})), forwarded(attached(EICAR)),
     forwarded(attached(zipped({"z.zip": zipped({"e.com": EICAR})})))],
    ids=["file", "zip", "message", "zip in zip in message"],
)  # fmt: skip
async def test_clamd_finds_eicar(clamd: scanners.Clamd, message: bytes) -> None:
    """The signature is found in a file, in zips and in messages inside the message, and named."""
    report = await Clamd(clamd.place, seconds=10).scan(message, SUBJECT)
    assert report.verdict is Verdict.INFECTED
    assert report.matches == ("Eicar-Test-Signature.UNOFFICIAL",)


async def test_clamd_finds_nothing_in_nothing(clamd: scanners.Clamd) -> None:
    """A plain message is clean, and so is an empty one."""
    for message in (PLAIN, b""):
        assert (await Clamd(clamd.place, seconds=10).scan(message, SUBJECT)).verdict is Verdict.CLEAN


async def test_a_message_over_clamd_s_limit_is_not_clean() -> None:
    """clamd refuses a stream over its limit: that is no verdict, so it counts as unavailable."""
    with scanners.Clamd(options={"StreamMaxLength": "1M"}) as small:
        report = await Clamd(small.place, seconds=10).scan(PLAIN + b"x" * 5_000_000, SUBJECT)
    assert report.verdict is Verdict.UNAVAILABLE


async def test_clamd_that_hangs_or_is_gone(tmp_path: Path) -> None:
    """A daemon that does not answer in time or is not there is unavailable, with the reason in words."""
    with scanners.Clamd() as paused:
        paused.pause(True)
        report = await Clamd(paused.place, seconds=0.3).scan(PLAIN, SUBJECT)
        assert (report.verdict, report.reason) == (Verdict.UNAVAILABLE, "clamd did not answer in 0.3 seconds")
        paused.pause(False)
        assert (await Clamd(paused.place, seconds=10).scan(PLAIN, SUBJECT)).verdict is Verdict.CLEAN
    report = await Clamd(str(tmp_path / "none.sock"), seconds=1).scan(PLAIN, SUBJECT)
    assert report.verdict is Verdict.UNAVAILABLE


@pytest.mark.parametrize("said", [b"stream: OK", b"FOUND\0", b"x" * 100_000 + b"\0", b"", b"stream: \0"])
async def test_nonsense_from_clamd_is_no_verdict(said: bytes) -> None:
    """An answer that is cut, endless or of another shape is never "clean"."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0\0\0\0")
        writer.write(said)
        writer.close()

    async with daemon(talk) as place:
        report = await Clamd(place, seconds=5).scan(PLAIN, SUBJECT)
    assert report.verdict is Verdict.UNAVAILABLE


async def test_rspamd_calls_gtube_spam(rspamd: scanners.Rspamd) -> None:
    """The test message is rejected with its score; a plain one has a score and no action."""
    report = await Rspamd(rspamd.url, seconds=10).scan(PLAIN + GTUBE + b"\r\n", SUBJECT)
    assert report.verdict is Verdict.SPAM
    assert report.score is not None and report.score >= 15
    report = await Rspamd(rspamd.url, seconds=10).scan(PLAIN, SUBJECT)
    assert report.verdict is Verdict.CLEAN
    assert report.score is not None


async def test_rspamd_that_is_gone() -> None:
    """Nobody there is unavailable."""
    report = await Rspamd(f"http://127.0.0.1:{free_port()}", seconds=1).scan(PLAIN, SUBJECT)
    assert report.verdict is Verdict.UNAVAILABLE


ANSWERS = {
    "not 200": b"HTTP/1.1 500 no\r\nContent-Length: 2\r\n\r\n{}",
    "not JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno",
    "no length": b"HTTP/1.1 200 OK\r\n\r\n{}",
    "huge": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
    "cut": b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"action": "no action"',
    "another shape": b'HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{"action":1,"score":2}',
}


@pytest.mark.parametrize("kind", list(ANSWERS))
async def test_nonsense_from_rspamd_is_no_verdict(kind: str) -> None:
    """An answer that cannot be read is never "clean"."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"Hello\r\n")
        writer.write(ANSWERS[kind])
        writer.close()

    async with daemon(talk) as place:
        report = await Rspamd(f"http://{place}", seconds=5).scan(PLAIN, SUBJECT)
    assert report.verdict is Verdict.UNAVAILABLE


@pytest.mark.asvs("1.3.3")
async def test_what_the_sender_says_adds_no_header_for_rspamd() -> None:
    """A line break in an envelope address would be a header of its own for rspamd: it is taken out."""
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{"action":"reject","score":16}')
        writer.close()

    hostile = SUBJECT._replace(mail_from="a\r\nSettings: {}\r\n@example.org")
    async with daemon(talk) as place:
        report = await Rspamd(f"http://{place}", seconds=5).scan(PLAIN, hostile)
    assert report.verdict is Verdict.SPAM
    assert b"\r\nSettings" not in seen[0]
    assert seen[0].count(b"\r\n") == 9
