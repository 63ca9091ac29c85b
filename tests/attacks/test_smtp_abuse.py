"""Abuse of the commands: credentials, addresses, relaying, chunks, sizes, floods, slow clients, forged peers."""

from __future__ import annotations

import base64
import contextlib
import resource
import socket
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mailward.edges.smtpd.config import Mode
from tests.edges.smtpd.smtp_rig import PLAIN, Rig, rig


@pytest.fixture
def private() -> Iterator[Rig]:
    """A listener where only the commands matter."""
    with rig(Mode.PRIVATE, faults=10_000) as made:
        yield made


def b64(raw: bytes) -> bytes:
    return base64.b64encode(raw)


# ---------------------------------------------------------------- AUTH


@pytest.mark.parametrize(
    "line",
    [
        b"AUTH PLAIN " + b64(b"\0ann\0secret\0"),
        b"AUTH PLAIN " + b64(b"\0an\0n\0secret"),
        b"AUTH PLAIN " + b64(b"bob\0ann\0secret"),
        b"AUTH PLAIN " + b64(b"\0*)(uid=*\0x"),
        b"AUTH PLAIN " + b64(b"\0' OR 1=1 --\0x"),
        b"AUTH PLAIN " + b64(b"\0ann\n\0secret"),
        b"AUTH PLAIN " + b64(b"\0ann\0" + b"x" * 5000),
        b"AUTH PLAIN " + b64(b"\0ann\0" + b"x" * 1_000_000),
        b"AUTH PLAIN " + b64(b"\0\0"),
        b"AUTH PLAIN =",
        b"AUTH PLAIN *",
        b"AUTH PLAIN " + PLAIN[:-1],
        b"AUTH PLAIN " + PLAIN + b"!",
        b"AUTH PLAIN " + b64(b"\0ann\0wrong"),
    ],
    ids=lambda line: line[:40].decode(),
)
def test_hostile_credentials(line: bytes) -> None:
    """Every malformed or wrong response is 501 or 535, nobody is logged in, and the right one still works after it."""
    with rig(Mode.IMPLICIT) as running, running.wire() as wire:
        wire.start_tls()
        wire.reply()
        wire.ask(b"EHLO client.test")
        assert wire.ask(line)[:3] in (b"501", b"535")
        assert wire.ask(b"MAIL FROM:<a@example.org>").startswith(b"530")
        assert wire.ask(b"AUTH PLAIN " + PLAIN).startswith(b"235")
        assert all("\0" not in name and "\n" not in name for name, _ in running.gate.tried)


def test_guessing_ends_the_session() -> None:
    """The third wrong password in a session is answered like the first, then 421."""
    with rig(Mode.IMPLICIT) as running, running.wire() as wire:
        wire.start_tls()
        wire.reply()
        wire.ask(b"EHLO client.test")
        answers = {wire.ask(b"AUTH PLAIN " + b64(b"\0user%d\0guess" % n)) for n in range(3)}
        assert len(answers) == 1
        assert wire.reply().startswith(b"421 4.7.0")
        assert wire.reply() == b""


# ---------------------------------------------------------------- addresses and relaying


@pytest.mark.asvs("1.3.11")
@pytest.mark.parametrize(
    "path",
    [
        b"a@example.org>\nRCPT TO:<v@example.net",
        b"a\0@example.org",
        b"a\r@example.org",
        b'"a b@example.org',
        b"@hop.example:a@example.org",
        "\u00e4@example.org".encode(),
        b"\xff@example.org",
        b"a" * 65 + b"@example.org",
        b"a@" + b"b" * 64 + b".org",
        b"a@xn--zzzzzzz99999999.org",
        b"a@example..org",
        b"a,b@example.org",
        b"a@example.org v@example.net",
        b"<a@example.org>",
    ],
)
@pytest.mark.parametrize("command", [b"MAIL FROM:<", b"RCPT TO:<"])
def test_hostile_addresses(private: Rig, command: bytes, path: bytes) -> None:
    """Each is refused with a 500 or 501 or 553, and never becomes a second command or another recipient."""
    with private.logged_in() as wire:
        if command.startswith(b"RCPT"):
            wire.ask(b"MAIL FROM:<a@example.org>")
        assert wire.ask(command + path + b">")[:3] in (b"500", b"501", b"553")
        assert wire.ask(b"DATA")[:3] in (b"503", b"")


@pytest.mark.asvs("1.1.1")
def test_percent_encoding_is_nothing_special(private: Rig) -> None:
    """`%0d%0a` is never decoded; a local part that holds it asks for relaying."""
    with private.logged_in() as wire:
        wire.ask(b"MAIL FROM:<a@example.org>")
        assert wire.ask(b"RCPT TO:<a%0d%0aRCPT@example.net>").startswith(b"550 5.7.1")


@pytest.mark.parametrize(
    "path",
    [
        b"a%b@example.org", b"a@b@example.org", b'"a@b"@example.org', b'"a%b"@example.org', b"b!a@example.org",
        b"a@[127.0.0.1]", b"a@[IPv6:::1]", b"a@[10.0.0.1]", b"b.example!a@example.org", b"a%b@[127.0.0.1]",
        b"a@example.org,v@example.net",
        b'"a@b"@[127.0.0.1]', b"a@b.example@[127.0.0.1]",
    ],
)  # fmt: skip
def test_open_relay(private: Rig, path: bytes) -> None:
    """The ways through an open relay are 550 5.7.1."""
    with private.logged_in() as wire:
        wire.ask(b"MAIL FROM:<a@example.org>")
        assert wire.ask(b"RCPT TO:<" + path + b">").startswith(b"550 5.7.1")
        assert wire.ask(b"DATA").startswith(b"503")


def test_no_enumeration(private: Rig) -> None:
    """VRFY and EXPN say the same to every name, in the same time."""
    with private.logged_in() as wire:
        times: dict[bytes, list[float]] = {b"root": [], b"nobody-such": []}
        answers = set()
        for _ in range(15):
            for name, spent in times.items():
                start = time.perf_counter()
                answers.add(wire.ask(b"VRFY " + name))
                spent.append(time.perf_counter() - start)
                answers.add(wire.ask(b"EXPN " + name))
        assert {a[:9] for a in answers} == {b"252 2.5.0", b"502 5.5.1"}
        assert len(answers) == 2
        medians = [statistics.median(spent) for spent in times.values()]
        assert abs(medians[0] - medians[1]) < 0.005


@pytest.mark.asvs("15.3.4")
@pytest.mark.parametrize(
    "line", [b"PROXY TCP4 8.8.8.8 127.0.0.1 1 25", b"XCLIENT ADDR=8.8.8.8", b"XFORWARD ADDR=8.8.8.8"]
)
def test_forged_peers(private: Rig, line: bytes) -> None:
    """PROXY, XCLIENT and XFORWARD are unknown commands; the recorded address is the socket's."""
    with private.wire() as wire:
        wire.reply()
        assert wire.ask(line)[:3] in (b"500", b"502")
        wire.ask(b"EHLO [8.8.8.8]")
        wire.envelope()
        wire.say(b"x\r\n.\r\n")
        assert wire.reply().startswith(b"250")
    assert private.gate.accepted[0][2].ip == "127.0.0.1"
    assert {peer.ip for peer in private.gate.peers} == {"127.0.0.1"}


def test_http_is_cut_off(private: Rig) -> None:
    """A browser made to post here gets one refusal, and its body is never a command."""
    with private.wire() as wire:
        wire.reply()
        wire.say(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<a@example.org>\r\n")
        assert wire.reply().startswith(b"500")
        assert wire.rest() == b""


# ---------------------------------------------------------------- BDAT


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        (b"BDAT 5\r\nhelloNOOP\r\n", [b"503", b"250"]),
        (b"MAIL FROM:<a@x.org>\r\nBDAT 5 LAST\r\nhelloNOOP\r\n", [b"250", b"503", b"250"]),
        (b"M R BDAT 3\r\nabcBDAT 0 LAST\r\nNOOP\r\n", [b"250"] * 5),
        (b"M R BDAT 0\r\nBDAT 0 LAST\r\nNOOP\r\n", [b"250"] * 5),
        (b"M R BDAT 3\r\nabcDATA\r\nRSET\r\nNOOP\r\n", [b"250", b"250", b"250", b"503", b"250", b"250"]),
        (b"M R BDAT 3\r\nabcRCPT TO:<c@x.org>\r\nBDAT 2 LAST\r\n\r\n", [b"250", b"250", b"250", b"503", b"250"]),
        (b"M R BDAT 3\r\nabcMAIL FROM:<a@x.org>\r\nRSET\r\n", [b"250", b"250", b"250", b"503", b"250"]),
        (b"M R BDAT 2000\r\n" + b"x" * 2000 + b"BDAT 3 LAST\r\nabcNOOP\r\n", [b"250", b"250", b"552", b"503", b"250"]),
        (b"M R BDAT 600\r\n" + b"x" * 600 + b"BDAT 600 LAST\r\n" + b"x" * 600 + b"NOOP\r\n",
         [b"250", b"250", b"250", b"552", b"250"]),
        (b"M R BDAT 9223372036854775808 LAST\r\nabcNOOP\r\n", [b"250", b"250", b"552"]),
        (b"M R BDAT 99999999999999999999 LAST\r\nabcNOOP\r\n", [b"250", b"250", b"552"]),
        (b"M R BDAT -1 LAST\r\nabcNOOP\r\n", [b"250", b"250", b"501"]),
        (b"M R BDAT\r\nabcNOOP\r\n", [b"250", b"250", b"501"]),
        (b"M R BDAT 3 FIRST\r\nabcNOOP\r\n", [b"250", b"250", b"501"]),
        (b"M R BDAT 0x3\r\nabcNOOP\r\n", [b"250", b"250", b"501"]),
    ],
)  # fmt: skip
def test_chunk_mistakes(said: bytes, codes: list[bytes]) -> None:
    """Wrong sizes, wrong places and missing LASTs are 503, 552 or 501; octets of a chunk are never commands."""
    with rig(Mode.PRIVATE, max_size=1000, drain=5000) as running, running.logged_in() as wire:
        said = said.replace(b"M R ", b"MAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\n")
        wire.say(said + b"QUIT\r\n")
        answers = [line[:3] for line in wire.rest().splitlines()]
        closed = codes[-1] in (b"501", b"552") and len(codes) == 3
        assert answers == codes + ([] if closed else [b"221"])


# ---------------------------------------------------------------- sizes and floods


def test_size_lies(private: Rig) -> None:
    """A declared size past the limit is 552 at MAIL; a lie is found out by counting."""
    with private.logged_in() as wire:
        assert wire.ask(b"MAIL FROM:<a@example.org> SIZE=1000000000000").startswith(b"552 5.3.4")
    with rig(Mode.PRIVATE, max_size=10_000) as small, small.logged_in() as wire:
        assert wire.ask(b"MAIL FROM:<a@example.org> SIZE=10").startswith(b"250")
        wire.ask(b"RCPT TO:<b@example.net>")
        wire.ask(b"DATA")
        wire.say(b"x" * 78 + b"\r\n" + (b"x" * 78 + b"\r\n") * 200 + b".\r\n")
        assert wire.reply().startswith(b"552 5.3.4")
        assert wire.ask(b"NOOP").startswith(b"250")
        assert small.gate.accepted == []


def test_endless_content_keeps_memory_flat() -> None:
    """Content without end is cut off at the drain allowance, and is not kept."""
    with rig(Mode.PRIVATE, max_size=100_000, drain=200_000_000) as running, running.logged_in() as wire:
        wire.envelope()
        block = (b"x" * 78 + b"\r\n") * 12_500
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with contextlib.suppress(ConnectionError):
            for _ in range(220):
                wire.say(block)
        assert wire.reply().startswith(b"552 5.3.4")
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 32_000  # kB; 220 MB went through


@pytest.mark.asvs("2.4.1")
@pytest.mark.parametrize(
    ("line", "limit"),
    [(b"NOOP", 101), (b"RSET", 101), (b"EHLO x", 101), (b"VRFY x", 101), (b"HELP", 101), (b"WAT", 21), (b"MAIL", 21)],
)
def test_floods(line: bytes, limit: int) -> None:
    """A flood of commands that bring no mail, or of errors, ends in 421 after a few."""
    with rig(Mode.PRIVATE) as running, running.logged_in() as wire:
        with contextlib.suppress(ConnectionError):
            wire.say((line + b"\r\n") * 100_000)
        answers = [a for a in wire.rest().splitlines() if a[3:4] == b" "]
        assert answers[-1].startswith(b"421 4.7.0")
        assert len(answers) <= limit


def test_a_hundred_thousand_recipients() -> None:
    """Past the limit 452 4.5.3, then 421; never more in memory than the limit."""
    with rig(Mode.PRIVATE, max_recipients=100) as running, running.logged_in() as wire:
        wire.ask(b"MAIL FROM:<a@example.org>")
        with contextlib.suppress(ConnectionError):
            wire.say(b"".join(b"RCPT TO:<r%d@example.net>\r\n" % n for n in range(100_000)))
        answers = wire.rest().splitlines()
        assert [a[:3] for a in answers[:100]] == [b"250"] * 100
        assert answers[100].startswith(b"452 4.5.3")
        assert answers[-1].startswith(b"421 4.7.0")
        assert len(answers) == 100 + 1000 + 1


def test_a_list_sent_whole_goes_on_with_those_who_were_taken() -> None:
    """RFC 5321 section 4.5.3.1.10: recipients past the limit are no faults; the message is taken for the first ones."""
    with rig(Mode.PRIVATE, max_recipients=100) as running, running.logged_in() as wire:
        for _ in range(2):
            wire.ask(b"MAIL FROM:<a@example.org>")
            answers = [wire.ask(b"RCPT TO:<r%d@example.net>" % n)[:3] for n in range(500)]
            assert answers == [b"250"] * 100 + [b"452"] * 400
            assert wire.ask(b"DATA").startswith(b"354")
            assert wire.ask(b"Subject: x\r\n\r\nx\r\n.").startswith(b"250")
        assert [len(e.recipients) for e, _, _ in running.gate.accepted] == [100, 100]


def test_slowloris() -> None:
    """Hundreds of clients that trickle octets lose their connections by the deadline; nobody else waits for them."""
    with rig(Mode.STARTTLS, lambda c: replace(c, login=2.0, handshake=1.0)) as running:
        slow = [socket.create_connection(("127.0.0.1", running.port), timeout=10) for _ in range(300)]
        try:
            for _ in range(3):
                for sock in slow:
                    sock.sendall(b"N")
                start = time.perf_counter()
                with running.logged_in() as wire:
                    assert wire.ask(b"QUIT").startswith(b"221")
                assert time.perf_counter() - start < 1.0
            end = time.monotonic() + 10
            while running.gate.open and time.monotonic() < end:
                time.sleep(0.05)
            assert running.gate.open == 0
        finally:
            for sock in slow:
                sock.close()
