"""SMTP smuggling (SEC Consult, December 2023; CVE-2023-51764 and its relatives) and STARTTLS injection (CVE-2011-0411).

Every case goes over real sockets to the three kinds of listener.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from mailward.edges.smtpd.config import Mode
from tests.edges.smtpd.smtp_rig import PLAIN, Rig, rig

SECOND = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
# Spellings of the end of data that some server, somewhere, has taken for one.
ENDS = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r.\n", b"\n.\r", b"\n\n.\r\n", b"\n\n.\n",
    b"\r\r\n.\r\n", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\0\r\n.\0\r\n", b"\r\n.\n\r\n",
    b"\n\r.\r\n", b"\r\n\r.\r\n", b"\r\n.\r\0\n", b"\r\0\n.\r\n", b"\n.\r\r\n",
    b"\r\r.\r\r", b"\n\r\n.\n\r\n", b"\r\n.\r.\r\n",
]  # fmt: skip


@pytest.fixture(scope="module", params=list(Mode), ids=lambda mode: mode.value)
def running(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """A listener of each mode, shared by the cases."""
    with rig(request.param) as made:
        yield made


def test_there_are_25() -> None:
    """The list holds 25 different spellings."""
    assert len(set(ENDS)) == 25


@pytest.mark.asvs("1.3.11")
@pytest.mark.claim("INPUT-1")
@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_end_of_data_variants(running: Rig, end: bytes) -> None:
    """A false end of data is 550 5.6.0 and the end of the session: no message, no second command."""
    running.gate.accepted.clear()
    with running.logged_in() as wire:
        wire.envelope()
        wire.say(b"Subject: first\r\n\r\nx" + end + SECOND + b"QUIT\r\n")
        assert wire.reply().startswith(b"550 5.6.0")
        assert wire.rest() == b""
    assert running.gate.accepted == []


@pytest.mark.parametrize("end", ENDS[:6], ids=repr)
def test_end_of_data_variants_over_two_packets(running: Rig, end: bytes) -> None:
    """The same when the false end is split between packets at each place."""
    for cut in range(1, len(end)):
        running.gate.accepted.clear()
        with running.logged_in() as wire:
            wire.envelope()
            wire.say(b"Subject: first\r\n\r\nx" + end[:cut])
            time.sleep(0.01)
            wire.say(end[cut:] + SECOND)
            assert wire.reply().startswith(b"550 5.6.0")
            assert wire.rest() == b""
        assert running.gate.accepted == []


@pytest.mark.parametrize("bare", [b"a\nb\r\n", b"a\rb\r\n", b"a\0b\r\n", b"ab\r", b"\nab\r\n", b"ab\r\n\n"])
def test_chunks_are_no_way_around(running: Rig, bare: bytes) -> None:
    """BDAT content with a bare CR, a bare LF or a NUL is refused in the same way."""
    running.gate.accepted.clear()
    with running.logged_in() as wire:
        wire.say(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n")
        assert wire.reply().startswith(b"250")
        assert wire.reply().startswith(b"250")
        wire.say(b"BDAT %d LAST\r\n%b" % (len(bare), bare) + SECOND)
        assert wire.reply().startswith(b"550 5.6.0")
        assert wire.rest() == b""
    assert running.gate.accepted == []


def test_a_dot_inside_a_chunk_ends_nothing(running: Rig) -> None:
    """In BDAT, CRLF "." CRLF and what follows it is content."""
    running.gate.accepted.clear()
    content = b"Subject: x\r\n\r\n.\r\n" + SECOND
    with running.logged_in() as wire:
        wire.say(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nBDAT %d LAST\r\n" % len(content) + content)
        assert [wire.reply()[:3] for _ in range(3)] == [b"250"] * 3
    assert [accepted[1] for accepted in running.gate.accepted] == [content]


@pytest.mark.claim("TRANSIT-2")
@pytest.mark.parametrize(
    "injected", [b"NOOP\r\n", b"EHLO evil\r\nMAIL FROM:<a@example.org>\r\n", b"AUTH PLAIN " + PLAIN + b"\r\n"]
)
def test_starttls_injection(injected: bytes) -> None:
    """Commands pipelined behind STARTTLS are dropped, the session is new, and EHLO is needed again."""
    with rig(Mode.STARTTLS) as running, running.wire() as wire:
        wire.reply()
        wire.ask(b"EHLO client.test")
        wire.say(b"STARTTLS\r\n" + injected)
        assert wire.reply().startswith(b"220")
        wire.start_tls()
        assert wire.ask(b"MAIL FROM:<a@example.org>").startswith(b"503 5.5.1")
        assert wire.ask(b"EHLO client.test").startswith(b"250")
        assert wire.ask(b"MAIL FROM:<a@example.org>").startswith(b"530 5.7.0")
        assert running.gate.tried == []


def test_starttls_injection_in_a_packet_of_its_own() -> None:
    """Plaintext that arrives where the handshake belongs ends the connection unexecuted, and no reply leaks."""
    with rig(Mode.STARTTLS) as running, running.wire() as wire:
        wire.reply()
        wire.ask(b"EHLO client.test")
        assert wire.ask(b"STARTTLS").startswith(b"220")
        wire.say(b"EHLO evil\r\nNOOP\r\n")
        wire.sock.settimeout(5)
        seen = b""
        try:
            while more := wire.sock.recv(4096):
                seen += more
        except ConnectionError:
            pass
        assert b"250" not in seen
        assert running.gate.tried == []


@pytest.mark.claim("TRANSIT-2")
@pytest.mark.parametrize("line", [b"AUTH PLAIN " + PLAIN, b"AUTH LOGIN", b"MAIL FROM:<a@example.org>"])
def test_nothing_in_the_clear(line: bytes) -> None:
    """On 587 AUTH is not advertised before STARTTLS, and AUTH or MAIL gets 530; no credential is looked at."""
    with rig(Mode.STARTTLS) as running, running.wire() as wire:
        wire.reply()
        assert wire.ask(line).startswith(b"530 5.7.0")
        assert b"AUTH" not in wire.ask(b"EHLO client.test")
        assert wire.ask(line).startswith(b"530 5.7.0")
        assert running.gate.tried == []
