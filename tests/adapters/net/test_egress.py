"""HTTP through the egress guard: where it may not go, and what a hostile receiver cannot do."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from mailward.adapters.net.egress import GuardedHttp
from mailward.base.errors import Invalid, MailwardError, Unavailable
from mailward.policy.egress import networks

LOCAL = networks(["127.0.0.1/32"])


@asynccontextmanager
async def server(
    answer: bytes, *, endless: bool = False, stall: bool = False
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A receiver that notes what it hears and answers with fixed bytes."""
    heard: list[bytes] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            heard.append(await reader.read(65536))
            writer.write(answer)
            await writer.drain()
            while endless:
                writer.write(b"x" * 65536)
                await writer.drain()
            if stall:
                await asyncio.sleep(60)
        except OSError:
            pass
        finally:
            writer.transport.abort() if endless or stall else writer.close()

    it = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield it.sockets[0].getsockname()[1], heard
    finally:
        it.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Names:
    """A resolver whose answer changes with every question (rebinding, TTL 0)."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@asynccontextmanager
async def guarded(names: Names, *, local: bool = False) -> AsyncIterator[GuardedHttp]:
    http = GuardedHttp(names, allow_networks=LOCAL if local else ())
    try:
        yield http
    finally:
        await http.close()


@pytest.mark.asvs("1.3.6")
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]",
     "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::127.0.0.1]", "0.0.0.0", "[::]", "0", "127.0.0.1.",
     "%31%32%37.0.0.1", "①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.0.0.1", "０x7f000001", "localhost", "example.test"],
)  # fmt: skip
async def test_every_spelling_of_loopback(host: str) -> None:
    """No spelling of a private address reaches the listener behind it; a name that resolves to one neither."""
    async with (
        server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (port, heard),
        guarded(Names(["127.0.0.1"])) as http,
    ):
        with pytest.raises(MailwardError):
            await http.post(f"http://{host}:{port}/", {}, b"{}", deadline=3)
    assert heard == []


@pytest.mark.parametrize("host", ["bücher.example", "xn--bcher-kva.example", "BÜCHER.example"])
async def test_an_internationalised_name_is_a_name(host: str) -> None:
    """A name beyond ASCII is asked for in A-labels, however it was given, and its address judged like any other."""
    async with (
        server(b"HTTP/1.1 204 No Content\r\n\r\n") as (port, heard),
        guarded(Names(["127.0.0.1"]), local=True) as http,
    ):
        answer = await http.post(f"http://{host}:{port}/", {}, b"{}", deadline=3)
    assert answer.status == 204
    assert f"Host: xn--bcher-kva.example:{port}".encode() in heard[0]


@pytest.mark.asvs("1.2.2", "1.3.6")
@pytest.mark.parametrize(
    "url",
    ["", "ftp://a.test/", "file:///etc/passwd", "http://", "http://u:p@a.test/", "http://a.test:0/", "http://a.test:99999/",
     "http://a.test/\r\nX: y", "http:\\\\127.0.0.1\\", "gopher://a.test", "//a.test/", "http://[fe80::1%25eth0]/"],
)  # fmt: skip
async def test_what_is_no_target(url: str) -> None:
    """Other schemes, credentials and malformed URLs are refused before DNS."""
    names = Names(["8.8.8.8"])
    async with guarded(names) as http:
        with pytest.raises(Invalid):
            await http.post(url, {}, b"", deadline=3)
    assert names.asked == 0


@pytest.mark.asvs("1.3.6")
async def test_connects_to_the_address_that_was_judged() -> None:
    """One question a post; a later answer is never used, and Host stays the name."""
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    async with (
        server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as (port, heard),
        guarded(names, local=True) as http,
    ):
        answer = await http.post(f"http://hook.test:{port}/x?y", {"X-A": "b"}, b"{}", deadline=3)
        assert (answer.status, answer.body) == (200, b"ok")
        assert names.asked == 1
        with pytest.raises(Invalid):
            await http.post(f"http://hook.test:{port}/", {}, b"{}", deadline=3)
    assert len(heard) == 1
    assert b"POST /x?y HTTP/1.1\r\nHost: hook.test:" in heard[0]
    assert b"Accept-Encoding: identity" in heard[0]


async def test_mixed_answers_use_only_the_public_part() -> None:
    """Of several addresses only those that were allowed are dialled."""
    async with (
        server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (port, heard),
        guarded(Names(["10.0.0.1", "::1", "127.0.0.1"]), local=True) as http,
    ):
        assert (await http.post(f"http://hook.test:{port}/", {}, b"", deadline=3)).status == 200
    assert len(heard) == 1


@pytest.mark.asvs("15.3.2")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirects(status: int) -> None:
    """A redirect is an answer like any other."""
    head = b"HTTP/1.1 %d Go\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n" % status
    async with server(head) as (port, heard), guarded(Names(["127.0.0.1"]), local=True) as http:
        assert (await http.post(f"http://hook.test:{port}/", {}, b"", deadline=3)).status == status
    assert len(heard) == 1


@pytest.mark.asvs("15.2.2")
async def test_endless_body_is_cut() -> None:
    """Only the bytes asked for are read, whatever comes."""
    async with (
        server(b"HTTP/1.1 200 OK\r\n\r\n", endless=True) as (port, _),
        guarded(Names(["127.0.0.1"]), local=True) as http,
    ):
        answer = await http.post(f"http://hook.test:{port}/", {}, b"", deadline=3, max_response=1024)
    assert answer.body == b"x" * 1024


@pytest.mark.asvs("15.2.2")
async def test_compressed_body_stays_compressed() -> None:
    """A gzip bomb is bytes to us."""
    bomb = gzip.compress(b"0" * 50_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    async with server(head + bomb) as (port, _), guarded(Names(["127.0.0.1"]), local=True) as http:
        answer = await http.post(f"http://hook.test:{port}/", {}, b"", deadline=3, max_response=1024)
    assert answer.body == bomb[:1024]


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", b"HTTP/1.1 100 Continue\r\n\r\n"],
)
async def test_stalling_receiver(answer: bytes) -> None:
    """The deadline covers connecting, headers and body."""
    async with server(answer, stall=True) as (port, _), guarded(Names(["127.0.0.1"]), local=True) as http:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await http.post(f"http://hook.test:{port}/", {}, b"", deadline=0.3)
        assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 999999 No\r\n\r\n",
    ],
)
async def test_malformed_answers(answer: bytes) -> None:
    """Too many or too long headers and garbage fail for now, without an exception of the library."""
    async with server(answer) as (port, _), guarded(Names(["127.0.0.1"]), local=True) as http:
        with pytest.raises(Unavailable):
            await http.post(f"http://hook.test:{port}/", {}, b"", deadline=3)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.asvs("15.2.2")
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" * 20_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 30_000,
        CHUNKED + b"1;ext=" + b"a" * 600_000,
        CHUNKED + b"0" * 600_000,
        b"\r\n" * 300_000,
    ],
    ids=["103", "100", "extension", "chunk size", "empty lines"],
)
async def test_what_is_no_answer_does_not_go_on(answer: bytes) -> None:
    """Interim answers and filling are read up to a bound, not until the deadline with nothing else being done."""
    async with server(answer, stall=True) as (port, _), guarded(Names(["127.0.0.1"]), local=True) as http:
        with pytest.raises(Unavailable) as failed:
            await http.post(f"http://hook.test:{port}/", {}, b"", deadline=30)
    assert failed.value.code == "target_failed"


@pytest.mark.parametrize(
    ("value", "low", "high"), [("120", 120, 120), ("999999999", 86400, 86400), ("soon", None, None)]
)
async def test_retry_after(value: str, low: float | None, high: float | None) -> None:
    """Retry-After is read in seconds and capped."""
    head = f"HTTP/1.1 429 No\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode()
    async with server(head) as (port, _), guarded(Names(["127.0.0.1"]), local=True) as http:
        answer = await http.post(f"http://hook.test:{port}/", {}, b"", deadline=3)
    assert answer.retry_after == low == high


def redirect(location: str, status: int = 307) -> bytes:
    return b"HTTP/1.1 %d X\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % (status, location.encode())


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed_where_that_is_asked_for(status: int) -> None:
    """Posted again with the same body, relative places included."""
    async with server(OK) as (last, heard_last):
        where = f"http://127.0.0.1:{last}/b"
        async with server(redirect(where, status)) as (first, heard), guarded(Names([]), local=True) as http:
            answer = await http.post(f"http://127.0.0.1:{first}/a", {}, b"body", deadline=5, redirects=3)
    assert (answer.status, answer.body) == (200, b"ok")
    assert len(heard) == 1
    assert heard_last[0].startswith(b"POST /b ")
    assert heard_last[0].endswith(b"body")


async def test_credentials_stay_with_their_origin() -> None:
    """Another host or port is not told what Authorization held; a signature may travel."""
    async with server(OK) as (last, heard_last):
        where = f"http://127.0.0.1:{last}/b"
        async with server(redirect(where)) as (first, heard), guarded(Names([]), local=True) as http:
            sent = {"Authorization": "Basic eDp5", "webhook-id": "evt_1"}
            await http.post(f"http://127.0.0.1:{first}/a", sent, b"", deadline=5, redirects=3)
    assert b"Basic eDp5" in heard[0]
    assert b"Basic" not in heard_last[0]
    assert b"webhook-id: evt_1" in heard_last[0]


async def test_a_loop_of_redirects_ends() -> None:
    """Three are followed; the answer to the fourth request is the answer."""
    async with server(redirect("/again")) as (port, heard), guarded(Names([]), local=True) as http:
        answer = await http.post(f"http://127.0.0.1:{port}/", {}, b"", deadline=5, redirects=3)
    assert answer.status == 307
    assert len(heard) == 4


@pytest.mark.asvs("1.3.6", "15.3.2")
@pytest.mark.parametrize(
    "where",
    [
        "http://10.0.0.1/", "http://169.254.169.254/latest", "http://0x7f.1/", "http://[::ffff:10.0.0.1]/",
        "https://127.0.0.1/", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "//10.1.2.3/x", "http://internal.example/",
    ],
)  # fmt: skip
async def test_each_redirect_is_judged_as_the_first(where: str) -> None:
    """Private addresses in every spelling, names that lead there, other schemes, credentials: refused, not asked."""
    names = Names(["10.9.8.7"])
    async with server(redirect(where)) as (port, heard), guarded(names, local=True) as http:
        with pytest.raises(Invalid):
            await http.post(f"http://127.0.0.1:{port}/", {}, b"", deadline=5, redirects=3)
    assert len(heard) == 1
