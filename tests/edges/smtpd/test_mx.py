"""An MX listener: TLS offered and not demanded, recipients asked about, load balancers believed only where listed."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network

import pytest

from mailward.edges.smtpd.config import ListenerConfig, Mode
from mailward.protocol.proxy import SIGNATURE
from tests.edges.smtpd.smtp_rig import rig

MESSAGE = b"From: a@example.org\r\nSubject: x\r\n\r\nHello\r\n.\r\n"
EXTENSIONS = (b"PIPELINING", b"SIZE 1000000", b"8BITMIME", b"SMTPUTF8", b"CHUNKING", b"DSN", b"ENHANCEDSTATUSCODES")


def proxied(source: str = "203.0.113.9", command: int = 0x21, tail: bytes = b"") -> bytes:
    """A PROXY version 2 header."""
    body = socket.inet_aton(source) + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 40000, 25) + tail
    return SIGNATURE + bytes([command, 0x11]) + struct.pack("!H", len(body)) + body


def behind(network: str) -> Callable[[ListenerConfig], ListenerConfig]:
    return lambda config: replace(config, proxies=(ip_network(network),), handshake=0.5)


def test_tls_is_offered_and_never_demanded() -> None:
    """EHLO lists STARTTLS and each extension, no AUTH, and a message in the clear is taken with empty TLS facts."""
    with rig(Mode.MX) as running, running.logged_in() as wire:
        hello = wire.ask(b"EHLO client.test")
        assert b"STARTTLS" in hello and b"AUTH" not in hello
        assert all(word in hello for word in EXTENSIONS)
        wire.envelope()
        wire.say(MESSAGE)
        assert wire.reply().startswith(b"250 2.0.0")
        assert wire.ask(b"AUTH PLAIN AGFubgBzZWNyZXQ=").startswith(b"530 5.7.0")
        assert running.gate.accepted[0][2].tls_version == ""


def test_what_came_over_tls_says_so() -> None:
    """After STARTTLS the facts of a message, and those known at MAIL, name version and cipher."""
    with rig(Mode.MX) as running, running.wire() as wire:
        wire.reply()
        wire.ask(b"EHLO client.test")
        assert wire.ask(b"STARTTLS").startswith(b"220")
        wire.start_tls()
        assert b"STARTTLS" not in wire.ask(b"EHLO client.test")
        wire.envelope()
        wire.say(MESSAGE)
        assert wire.reply().startswith(b"250 2.0.0")
        facts = running.gate.accepted[0][2]
        assert facts.tls_version == "TLSv1.3" and facts.tls_cipher.startswith("TLS_")
        assert running.gate.introduced == [facts]


def test_the_null_sender_and_postmaster() -> None:
    """MAIL FROM:<> is accepted, and a bare <Postmaster> is the postmaster of this host."""
    with rig(Mode.MX) as running, running.logged_in() as wire:
        assert wire.ask(b"MAIL FROM:<>").startswith(b"250")
        assert wire.ask(b"RCPT TO:<PostMaster>").startswith(b"250")
        assert wire.ask(b"DATA").startswith(b"354")
        wire.say(MESSAGE)
        assert wire.reply().startswith(b"250")
        envelope = running.gate.accepted[0][0]
        assert envelope.sender == ""
        assert [r.address for r in envelope.recipients] == ["postmaster@mail.test"]


def test_a_recipient_that_is_asked_about() -> None:
    """Pipelined commands wait while somebody is asked; yes lets the recipient in, no refuses that one alone."""
    with rig(Mode.MX) as running, running.logged_in() as wire:
        wire.say(
            b"MAIL FROM:<a@example.org>\r\nRCPT TO:<no@asked.example>\r\nRCPT TO:<yes@asked.example>\r\n"
            b"RCPT TO:<c@example.net>\r\nDATA\r\n"
        )
        answers = [wire.reply()[:9] for _ in range(5)]
        assert answers == [b"250 2.1.0", b"550 5.7.1", b"250 2.1.5", b"250 2.1.5", b"354 End d"]
        wire.say(MESSAGE)
        assert wire.reply().startswith(b"250")
        envelope = running.gate.accepted[0][0]
        assert [r.address for r in envelope.recipients] == ["yes@asked.example", "c@example.net"]


def test_one_that_leaves_while_somebody_is_asked() -> None:
    """A client that hangs up during the question costs nothing but the question."""
    with rig(Mode.MX) as running:
        running.gate.wait = asyncio.Event()
        with running.logged_in() as wire:
            wire.ask(b"MAIL FROM:<a@example.org>")
            wire.say(b"RCPT TO:<yes@asked.example>\r\n")
        running.loop.call_soon_threadsafe(running.gate.wait.set)
        for _ in range(200):
            if running.gate.open == 0:
                break
            running.call(asyncio.sleep(0.01))
        assert running.gate.open == 0


@pytest.mark.parametrize("bad", [b"a\rb", b"a\nb", b"a\0b", b"x\n.\nMAIL FROM:<b@x.org>"])
def test_bare_octets_are_refused(bad: bytes) -> None:
    """A bare CR, a bare LF or a NUL is 550 5.6.0 and the end of the session, never repaired."""
    with rig(Mode.MX) as running, running.logged_in() as wire:
        wire.envelope()
        wire.say(b"Subject: x\r\n\r\n" + bad + b"\r\n.\r\n")
        assert wire.rest().startswith(b"550 5.6.0")
        assert running.gate.accepted == []


def test_guessing_addresses_ends_the_session() -> None:
    """After fifty refused recipients the session is closed with 421."""
    with rig(Mode.MX) as running, running.logged_in() as wire:
        wire.ask(b"MAIL FROM:<a@example.org>")
        wire.say(b"".join(b"RCPT TO:<u%d@refused.example>\r\n" % n for n in range(60)))
        replies = wire.rest()
        assert replies.count(b"550 ") == 50
        assert replies.endswith(b"421 4.7.0 Too many errors; closing\r\n")


def test_a_listed_balancer_tells_whose_connection_it_is() -> None:
    """The address in a listed peer's header is the one that counts, and the session behind it is as any other."""
    with rig(Mode.MX, behind("127.0.0.0/8")) as running, running.wire() as wire:
        header = proxied(tail=b"\x04\x00\x02ab")
        wire.say(header[:9])
        wire.say(header[9:])
        assert wire.reply().startswith(b"220")
        wire.ask(b"EHLO client.test")
        wire.envelope()
        wire.say(MESSAGE)
        assert wire.reply().startswith(b"250")
        assert running.gate.accepted[0][2].ip == "203.0.113.9"
        assert [p.ip for p in running.gate.peers] == ["203.0.113.9"]


def test_a_health_check_of_a_balancer() -> None:
    """A LOCAL header stands for the balancer's own connection."""
    with rig(Mode.MX, behind("127.0.0.0/8")) as running, running.wire() as wire:
        wire.say(proxied(command=0x20))
        assert wire.reply().startswith(b"220")
        assert [p.ip for p in running.gate.peers] == ["127.0.0.1"]


@pytest.mark.parametrize(
    "opening",
    [b"EHLO client.test\r\n", SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12), SIGNATURE + b"\x21\x11\xff\xff", b""],
    ids=["no header", "version 1", "too long", "nothing"],
)
def test_a_listed_balancer_without_a_proper_header(opening: bytes) -> None:
    """A listed peer that sends no version 2 header, or none in time, gets no session."""
    with rig(Mode.MX, behind("127.0.0.0/8")) as running, running.wire() as wire:
        wire.say(opening)
        assert wire.rest() == b""
        assert running.gate.peers == []


def test_a_header_from_a_stranger_is_not_believed() -> None:
    """From an unlisted peer the header is no command: the session ends, and the address in it is never recorded."""
    with rig(Mode.MX, behind("198.51.100.0/24")) as running, running.wire() as wire:
        assert wire.reply().startswith(b"220")
        wire.say(proxied())
        assert wire.rest().startswith(b"500 5.5.")
        assert [p.ip for p in running.gate.peers] == ["127.0.0.1"]
