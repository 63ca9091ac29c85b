"""Sessions over real sockets: the three modes, clients no one here wrote, TLS, deadlines, drains."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import smtplib
import ssl
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace

import aiosmtplib
import pytest

from mailward.base.errors import Invalid, LimitReached, TooLarge, Unavailable
from mailward.edges.smtpd.config import Mode
from mailward.edges.smtpd.listener import serve
from tests.edges.smtpd.smtp_rig import Gate, client_context, config, rig, server_context

MESSAGE = b"From: a@example.org\r\nTo: b@example.net\r\nSubject: x\r\n\r\nHello\r\n..dots\r\n.\r\n"


@pytest.mark.parametrize("mode", list(Mode))
def test_a_message_in_each_mode(mode: Mode) -> None:
    """A message is accepted with its content unstuffed and the facts of its session, in every mode."""
    with rig(mode) as running, running.logged_in() as wire:
        wire.envelope()
        wire.say(MESSAGE)
        assert wire.reply() == b"250 2.0.0 Queued as msg_1\r\n"
        assert wire.ask(b"QUIT").startswith(b"221")
        assert wire.reply() == b""
        (envelope, content, facts) = running.gate.accepted[0]
        assert envelope.sender == "a@example.org"
        assert [r.address for r in envelope.recipients] == ["b@example.net"]
        assert content.endswith(b"Hello\r\n.dots\r\n")
        assert envelope.size == len(content)
        assert (facts.helo, facts.ip, facts.listener) == ("client.test", "127.0.0.1", mode.value)
        assert facts.tls_version == ("" if mode in (Mode.PRIVATE, Mode.MX) else "TLSv1.3")
        assert bool(facts.tls_cipher) is (mode not in (Mode.PRIVATE, Mode.MX))


def test_smtplib_sends() -> None:
    """The standard library's client sends over STARTTLS with AUTH."""
    with rig() as running, smtplib.SMTP("127.0.0.1", running.port, timeout=10) as client:
        client._host = "localhost"  # type: ignore[attr-defined]
        client.starttls(context=client_context())
        client.login("ann", "secret")
        assert client.sendmail("a@example.org", ["b@example.net", "c@example.net"], MESSAGE[:-3]) == {}
        assert len(running.gate.accepted[0][0].recipients) == 2


def test_smtplib_ssl_login_mechanism() -> None:
    """AUTH LOGIN works over implicit TLS, and a wrong password is 535."""
    with (
        rig(Mode.IMPLICIT) as running,
        smtplib.SMTP_SSL("localhost", running.port, timeout=10, context=client_context()) as client,
    ):
        client.ehlo()
        client.user, client.password = "ann", "wrong"
        assert client.auth_login is not None
        with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
            client.auth("LOGIN", client.auth_login)
        assert caught.value.smtp_code == 535
        client.password = "secret"
        assert client.auth("LOGIN", client.auth_login)[0] == 235


def test_aiosmtplib_sends() -> None:
    """aiosmtplib sends over STARTTLS with AUTH."""
    with rig() as running:

        async def send() -> None:
            async with aiosmtplib.SMTP(
                hostname="localhost",
                port=running.port,
                start_tls=True,
                tls_context=client_context(),
                username="ann",
                password="secret",
            ) as client:
                await client.sendmail("a@example.org", ["b@example.net"], MESSAGE[:-3])

        asyncio.run(send())
        assert len(running.gate.accepted) == 1


def test_swaks_sends() -> None:
    """swaks sends over STARTTLS with AUTH, from the command line."""
    swaks = shutil.which("swaks")
    assert swaks is not None, "swaks is installed by `make test`"
    with rig() as running:
        done = subprocess.run(
            [
                swaks,
                "--server",
                f"127.0.0.1:{running.port}",
                "--tls",
                "--auth",
                "PLAIN",
                "--auth-user",
                "ann",
                "--auth-password",
                "secret",
                "--from",
                "a@example.org",
                "--to",
                "b@example.net",
                "--helo",
                "client.test",
            ],
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stdout.decode()
        assert len(running.gate.accepted) == 1


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Unavailable("storage_unavailable", "Later."), b"451 4.3.0 Later.\r\n"),
        (LimitReached("rate", "Slow down.", retry_after=5), b"451 4.7.1 Slow down.\r\n"),
        (TooLarge("body_too_large", "Big."), b"552 5.3.4 Big.\r\n"),
        (Invalid("header_malformed", "Bad\r\n250 OK"), b"554-5.6.0 Bad?\r\n554 5.6.0 250 OK\r\n"),
        (Invalid("mail_loop", "Loop."), b"554 5.4.6 Loop.\r\n"),
        (RuntimeError("secret detail"), b"451 4.3.0 Internal error; try again later\r\n"),
    ],
)
def test_refused_content(failure: Exception, expected: bytes) -> None:
    """What the gate raises becomes its reply, never more than its public text, and the session goes on."""
    with rig(Mode.PRIVATE) as running, running.logged_in() as wire:
        running.gate.failure = failure
        wire.envelope()
        wire.say(MESSAGE)
        assert wire.reply() == expected
        running.gate.failure = None
        wire.envelope()
        wire.say(MESSAGE)
        assert wire.reply().startswith(b"250")


def test_refused_addresses() -> None:
    """The gate's word on sender and recipient is the reply; the rest of the transaction stands."""
    with rig(Mode.PRIVATE) as running, running.logged_in() as wire:
        assert wire.ask(b"MAIL FROM:<a@evil.example>") == b"550 5.7.1 This domain is not yours.\r\n"
        assert wire.ask(b"MAIL FROM:<a@broken.example>") == b"451 4.3.0 Internal error; try again later\r\n"
        assert wire.ask(b"MAIL FROM:<>").startswith(b"250")
        assert wire.ask(b"RCPT TO:<x@refused.example>").startswith(b"550 5.7.1")
        assert wire.ask(b"RCPT TO:<x@example.net>").startswith(b"250")


def test_revoked_in_session() -> None:
    """A credential revoked while a session is open ends it at the next command, and at the final dot."""
    with rig() as running:
        with running.logged_in() as wire:
            running.gate.valid = False
            assert wire.ask(b"MAIL FROM:<a@example.org>").startswith(b"421 4.7.0")
            assert wire.reply() == b""
        running.gate.valid = True
        with running.logged_in() as wire:
            wire.envelope()
            running.gate.valid = False
            wire.say(MESSAGE)
            assert wire.reply().startswith(b"421 4.7.0")
        assert running.gate.accepted == []


@pytest.mark.parametrize(("known", "reply"), [(True, b"554 5.7.1"), (False, b"421 4.3.0")])
def test_network_without_credential(known: bool, reply: bytes) -> None:
    """A private listener turns away a source network that is no credential; one that cannot say whose it is asks to
    come back, since to turn away is for good."""
    with rig(Mode.PRIVATE) as running:
        running.gate.network, running.gate.knows_networks = None, known
        with running.wire() as wire:
            assert wire.reply().startswith(reply)
            assert wire.reply() == b""


def test_connection_cap_and_count() -> None:
    """Past the cap a connection hears 421 4.7.0, and every connection that was counted is given back."""
    with rig() as running:
        running.gate.most = 1
        with running.wire() as first:
            assert first.reply().startswith(b"220")
            with running.wire() as second:
                assert second.reply().startswith(b"421 4.7.0")
        _until(lambda: running.gate.open == 0)
        with running.wire() as third:
            assert third.reply().startswith(b"220")


def test_certificate_swap() -> None:
    """A renewed certificate serves the next handshake while an older session goes on."""
    with rig() as running, running.logged_in() as old:
        assert isinstance(old.sock, ssl.SSLSocket)
        running.contexts.append(server_context())
        with running.logged_in() as new:
            assert isinstance(new.sock, ssl.SSLSocket)
            assert new.sock.getpeercert(True) != old.sock.getpeercert(True)
            assert old.ask(b"NOOP").startswith(b"250")


def test_pipelining_across_messages() -> None:
    """Commands pipelined behind a message wait for its answer and are answered in order."""
    with rig(Mode.PRIVATE) as running, running.logged_in() as wire:
        one = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n" + MESSAGE
        wire.say(one * 3 + b"QUIT\r\n")
        codes = [line[:3] for line in wire.rest().splitlines()]
        assert codes == [b"250", b"250", b"354", b"250"] * 3 + [b"221"]
        assert len(running.gate.accepted) == 3


@pytest.mark.parametrize(
    ("said", "slow"),
    [
        (b"", b""),
        (b"EHLO client.test\r\n", b"N"),
        (b"EHLO client.test\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n", b"x"),
    ],
)
def test_deadlines(said: bytes, slow: bytes) -> None:
    """Silence, a command that trickles and content that trickles all end in 421 4.4.2."""

    with (
        rig(
            Mode.PRIVATE, lambda c: replace(c, command_idle=0.3, content_idle=0.5, content_grace=0.4, content_rate=1e6)
        ) as running,
        running.wire() as wire,
    ):
        wire.sock.settimeout(0.05)
        wire.say(said)
        seen, end = b"", time.monotonic() + 5
        while b"421 4.4.2" not in seen and time.monotonic() < end:
            try:
                if slow:
                    wire.say(slow)
                seen += wire.sock.recv(4096)
            except TimeoutError:
                continue
        assert b"421 4.4.2" in seen


def test_login_deadline_and_stalled_handshakes() -> None:
    """A stranger who does not authenticate, and one who never finishes the handshake, lose their connection."""
    with rig(Mode.STARTTLS, lambda c: replace(c, login=0.3)) as running, running.wire() as wire:
        wire.reply()
        assert wire.reply().startswith(b"421 4.4.2")
    with rig(Mode.IMPLICIT, lambda c: replace(c, handshake=0.3)) as running, running.wire() as wire:
        assert wire.sock.recv(10) == b""
        _until(lambda: running.gate.open == 0)


def test_drain() -> None:
    """Draining ends idle sessions with 421 4.3.2, finishes a message in hand, and takes nothing new."""
    with rig(Mode.PRIVATE) as running, running.logged_in() as idle, running.logged_in() as busy:
        assert running.listener is not None
        busy.envelope()
        draining = asyncio.run_coroutine_threadsafe(running.listener.drain(5), running.loop)
        assert idle.reply().startswith(b"421 4.3.2")
        busy.say(MESSAGE)
        assert busy.reply().startswith(b"250")
        assert busy.reply().startswith(b"421 4.3.2")
        draining.result(10)
        assert running.gate.open == 0
        with pytest.raises(ConnectionRefusedError), running.wire():
            pass


@pytest.mark.parametrize("mode", [Mode.PRIVATE, Mode.IMPLICIT])
def test_the_deadline_of_a_drain(mode: Mode) -> None:
    """Who is still in the middle of a message at the deadline gets a last 421 4.3.2, then the connection ends."""
    with rig(mode) as running, running.logged_in() as busy, running.logged_in() as dictating:
        assert running.listener is not None
        busy.envelope()
        dictating.envelope()
        dictating.say(b"Subject: half a mess")
        started = time.monotonic()
        draining = asyncio.run_coroutine_threadsafe(running.listener.drain(0.3), running.loop)
        for wire in (busy, dictating):
            assert wire.reply().startswith(b"421 4.3.2")
            assert wire.rest() == b""
            wire.sock.close()
        draining.result(10)
        assert 0.25 < time.monotonic() - started < 2.5
        assert running.gate.open == 0 and not running.gate.accepted


def test_the_deadline_says_nothing_of_a_message_that_may_be_committed() -> None:
    """While acceptance is under way there is no 421: the connection ends without a word, and the message may stand."""
    with rig(Mode.PRIVATE) as running:
        assert running.listener is not None
        running.gate.wait = running.call(_event())
        with running.logged_in() as wire:
            wire.envelope()
            wire.say(MESSAGE)
            time.sleep(0.1)
            running.call(running.listener.drain(0.2))
            with contextlib.suppress(ConnectionResetError):
                assert wire.sock.recv(100) == b""
        running.loop.call_soon_threadsafe(running.gate.wait.set)
        _until(lambda: len(running.gate.accepted) == 1)


def test_client_gone_during_accept() -> None:
    """A client that leaves before its answer does not stop the message from being accepted."""
    with rig(Mode.PRIVATE) as running:
        running.gate.wait = running.call(_event())
        with running.logged_in() as wire:
            wire.envelope()
            wire.say(MESSAGE)
            time.sleep(0.1)
        running.loop.call_soon_threadsafe(running.gate.wait.set)
        _until(lambda: len(running.gate.accepted) == 1)
        _until(lambda: running.gate.open == 0)


@pytest.mark.parametrize("last", [b"", b"QUIT\r\n", b"NOOP\r\nNO"])
def test_a_client_that_has_said_everything_hears_its_answers(last: bytes) -> None:
    """One that closes its side only (RFC 1122 section 4.2.2.13) learns that its message was taken: no second one."""
    with rig(Mode.PRIVATE) as running:
        running.gate.wait = running.call(_event())
        with running.logged_in() as wire:
            wire.envelope()
            wire.say(MESSAGE + last)
            time.sleep(0.05)
            wire.hang_up()
            time.sleep(0.05)
            running.loop.call_soon_threadsafe(running.gate.wait.set)
            codes = [line[:3] for line in wire.rest().splitlines()]
        assert codes == [b"250", *([b"221"] if last == b"QUIT\r\n" else [b"250"] if last else [])]
        _until(lambda: running.gate.open == 0)


def test_a_client_that_never_reads() -> None:
    """Replies nobody reads stop the reading of commands instead of filling memory."""
    with rig(Mode.PRIVATE, junk=10**9) as running, running.wire() as wire:
        wire.sock.settimeout(1)
        with pytest.raises(TimeoutError):
            wire.say(b"NOOP\r\n" * 10_000_000)


async def _event() -> asyncio.Event:
    return asyncio.Event()


def _until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_needs_tls() -> None:
    """A public mode without a certificate does not start."""
    with pytest.raises(ValueError, match="needs TLS"):
        asyncio.run(serve([], Gate(), config(Mode.STARTTLS)))
