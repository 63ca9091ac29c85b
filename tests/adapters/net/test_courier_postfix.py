"""The courier against a real Postfix: TLS, what it offers, what it refuses at each stage, and what we make of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trustme

from mailward.adapters.net.courier import CourierResult
from mailward.base.outcome import Done, Outcome, PermFail, TempFail
from mailward.policy.tls import TlsPolicy
from mailward.protocol.smtp.client_mail import wire_content
from tests.adapters.net.courier_rig import courier, job
from tests.scenarios.peers import Postfix, SmtpSink, wait_until

REFUSALS = {
    "grey@b.test": "450 4.2.0 Greylisted, try again in 300 seconds",
    "nobody@b.test": "550 5.1.1 User unknown",
    "full@b.test": "552 5.2.2 Over quota",
    "moved@b.test": "450 4.1.1 unverified",
}


class Peer:
    """Postfix with its certificate, and the smtp-sink it relays to."""

    def __init__(self, postfix: Postfix, sink: SmtpSink, cafile: str) -> None:
        self.postfix, self.sink, self.cafile = postfix, sink, cafile
        self.port = postfix.port

    async def deliver(
        self, port: int = 0, seconds: float = 60, options: object = None, **changes: object
    ) -> CourierResult:
        """One message by a courier of its own."""
        more = options if isinstance(options, dict) else {}
        async with courier(cafile=self.cafile or None, **more) as it:
            return await asyncio.wait_for(it.deliver(job(port or self.port, **changes)), seconds)

    def arrived(self, marker: bytes) -> bytes:
        """The message with this marker as it came out of Postfix."""
        wait_until(lambda: any(marker in content for _, content in self.sink.messages()), "the message", 60)
        return next(content for _, content in self.sink.messages() if marker in content)


def _inline(table: dict[str, str]) -> str:
    return "inline:{ " + ", ".join(f"{{ {key} = {value} }}" for key, value in table.items()) + " }"


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    folder = tmp_path_factory.mktemp("postfix-tls")
    folder.chmod(0o755)
    authority = trustme.CA()
    certificate = authority.issue_cert("mx.b.test")
    pem, cafile = folder / "smtpd.pem", folder / "ca.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(str(pem))
    authority.cert_pem.write_to_path(str(cafile))
    extra = {
        "smtpd_tls_chain_files": str(pem),
        "smtpd_tls_security_level": "may",
        "smtpd_recipient_restrictions": f"check_recipient_access {_inline(REFUSALS)}, "
        f"check_recipient_access {_inline({'slow@b.test': 'sleep 4'})}, permit_mynetworks, reject",
        "smtpd_delay_reject": "yes",
        "message_size_limit": "8000000",
    }
    with SmtpSink(keep=True) as sink, Postfix(sink.port, extra=extra) as postfix:
        yield Peer(postfix, sink, str(cafile))


def kinds(outcomes: tuple[Outcome, ...]) -> list[tuple[type, str]]:
    """Each outcome's class and reason."""
    return [(type(o), "" if isinstance(o, Done) else o.reason) for o in outcomes]


async def test_starttls_pipelining_and_chunking_are_offered(peer: Peer) -> None:
    """A message goes over verified TLS 1.3, its envelope in one write, to a Postfix that also offers CHUNKING."""
    content = b"From: a@a.test\r\nSubject: marker-tls\r\n\r\n.dot\r\n..\r\nlast\r\n"
    result = await peer.deliver(content=content, tls_policy=TlsPolicy.VERIFY)
    assert kinds(result.outcomes) == [(Done, "")], result
    assert result.tls is not None and result.tls.verified and result.tls.version == "TLSv1.3"
    said = [(who, text) for _, who, text in result.dialogue]
    assert any("CHUNKING" in text and "PIPELINING" in text for who, text in said if who == "S")
    assert any(text.startswith("MAIL FROM:") and "RCPT TO:" in text and text.endswith("DATA") for _, text in said)
    assert b"\n\n.dot\n..\nlast\n" in peer.arrived(b"marker-tls")


@pytest.mark.parametrize(
    ("recipient", "kind", "reason", "code"),
    [
        ("grey@b.test", TempFail, "greylisted", 450),
        ("nobody@b.test", PermFail, "bad_mailbox", 550),
        ("full@b.test", PermFail, "mailbox_full", 552),
        ("moved@b.test", TempFail, "bad_mailbox", 450),
    ],
)
async def test_refused_recipients_are_understood(
    peer: Peer, recipient: str, kind: type, reason: str, code: int
) -> None:
    """A greylist, an unknown user, a full mailbox and an unverified one each have their own reason."""
    result = await peer.deliver(recipients=(recipient,))
    assert kinds(result.outcomes) == [(kind, reason)], result
    (outcome,) = result.outcomes
    assert isinstance(outcome, TempFail | PermFail) and outcome.code == code
    if isinstance(outcome, TempFail) and reason == "greylisted":
        assert outcome.retry_after == 300


async def test_one_of_three_recipients_is_refused(peer: Peer) -> None:
    """A 5xx for the middle one is its own; the other two get the message, once."""
    content = b"From: a@a.test\r\nSubject: marker-three\r\n\r\nx\r\n"
    result = await peer.deliver(content=content, recipients=("one@b.test", "nobody@b.test", "three@b.test"))
    assert kinds(result.outcomes) == [(Done, ""), (PermFail, "bad_mailbox"), (Done, "")]
    peer.arrived(b"marker-three")
    found = [head for head, text in peer.sink.messages() if b"marker-three" in text]
    assert sorted(r for head in found for r in head["X-Rcpt-Args"]) == [
        "<one@b.test> ORCPT=rfc822;one@b.test",
        "<three@b.test> ORCPT=rfc822;three@b.test",
    ]


async def test_too_large_is_known_before_a_word_is_said(peer: Peer) -> None:
    """Postfix names its limit in EHLO, so a message over it is not begun."""
    result = await peer.deliver(content=b"Subject: x\r\n\r\n" + b"x" * 70 * 120_000 + b"\r\n")
    assert kinds(result.outcomes) == [(PermFail, "message_too_large")]
    assert not any(text.startswith("MAIL") for _, _, text in result.dialogue)


async def test_a_slow_server_is_waited_for_and_then_given_up(peer: Peer) -> None:
    """Within the time RFC 5321 grants, slowness is no failure; past it, the attempt ends as a timeout."""
    started = asyncio.get_running_loop().time()
    patient = await peer.deliver(recipients=("slow@b.test",))
    assert kinds(patient.outcomes) == [(Done, "")]
    assert asyncio.get_running_loop().time() - started >= 4
    impatient = await peer.deliver(recipients=("slow@b.test",), options={"timeout_scale": 0.005})
    assert kinds(impatient.outcomes) == [(TempFail, "timeout")], impatient


def _carry(source: socket.socket, target: socket.socket, octets: int) -> None:
    """Copy at most that many octets; ends early when either side does."""
    with contextlib.suppress(OSError):
        while octets > 0 and (data := source.recv(min(octets, 65536))):
            octets -= len(data)
            target.sendall(data)


@contextmanager
def cut(port: int, octets: int) -> Iterator[int]:
    """A way to a port that breaks once the client has sent that many octets. One connection at a time, on threads."""
    listener = socket.create_server(("127.0.0.1", 0))
    unlimited = 1 << 40

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            with near, socket.create_connection(("127.0.0.1", port)) as far:
                back = threading.Thread(target=_carry, args=(far, near, unlimited))
                back.start()
                _carry(near, far, octets)
                for end in (near, far):  # a reset, as when a line goes dead, not a polite end
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
                back.join()

    server = threading.Thread(target=serve)
    server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        server.join()


@pytest.mark.parametrize("policy", [TlsPolicy.NONE, TlsPolicy.ENCRYPT])
async def test_a_connection_cut_in_the_content(peer: Peer, policy: TlsPolicy) -> None:
    """A cut in the middle of the content is connection_lost and tried again later; nothing half-sent is kept."""
    content = b"Subject: marker-cut\r\n\r\n" + b"x" * 70 + b"\r\n" * 1 + (b"y" * 70 + b"\r\n") * 60_000
    with cut(peer.port, 1_000_000) as port:
        result = await peer.deliver(port, content=content, tls_policy=policy)
    assert kinds(result.outcomes) == [(TempFail, "connection_lost")], result
    # The kernel may have taken all of it by then.
    assert any(where in result.outcomes[0].text for where in ("while sending the content", "after the final dot"))
    wait_until(lambda: peer.postfix.queued() == 0, "an empty queue", 60)
    assert not any(b"marker-cut" in text for _, text in peer.sink.messages())


SEVEN_BITS = {"smtpd_discard_ehlo_keywords": "8bitmime, smtputf8, size, pipelining", "message_size_limit": "100000"}


@pytest.fixture(scope="module")
def seven_bits() -> Iterator[Peer]:
    with (
        SmtpSink(keep=True) as sink,
        Postfix(sink.port, extra=SEVEN_BITS) as postfix,
    ):
        yield Peer(postfix, sink, "")


async def test_a_postfix_of_seven_bits_gets_seven_bits(seven_bits: Peer) -> None:
    """Where 8BITMIME is not offered the other form goes out, and the result says that it did."""
    form = wire_content(b"Subject: marker-seven\r\n\r\n=C3=BC\r\n")._replace(rewritten=("it was rewritten",))
    async with courier() as it:
        result = await it.deliver(
            job(seven_bits.port, content="Subject: marker-eight\r\n\r\nü\r\n".encode(), seven_bit=lambda: form)
        )
    assert kinds(result.outcomes) == [(Done, "")]
    assert result.rewritten == ("it was rewritten",)
    assert b"\n\n=C3=BC\n" in seven_bits.arrived(b"marker-seven")


async def test_internationalised_mail_needs_the_extension(seven_bits: Peer) -> None:
    """Without SMTPUTF8 at the server, such a message ends with 5.6.7."""
    async with courier() as it:
        result = await it.deliver(job(seven_bits.port, recipients=("jürgen@b.test",), smtputf8=True))
    (outcome,) = result.outcomes
    assert isinstance(outcome, PermFail) and (outcome.reason, outcome.enhanced) == ("smtputf8_unsupported", "5.6.7")


async def test_a_552_after_the_content(seven_bits: Peer) -> None:
    """Where no SIZE was offered, the refusal comes after the final dot: final for every recipient, by its reason."""
    content = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 3_000
    result = await seven_bits.deliver(content=content, recipients=("one@b.test", "two@b.test"))
    assert kinds(result.outcomes) == [(PermFail, "message_too_large")] * 2, result
    assert any(text.startswith("552 5.3.4") for _, who, text in result.dialogue if who == "S")
