"""One SMTP session over one socket, as the state machine of `protocol/smtp/client.py` leads it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import ssl
import sys
import termios
from collections.abc import Coroutine
from typing import Any, Protocol, cast

from cryptography.x509.verification import Store

from mailward.adapters.net import peer_tls
from mailward.adapters.net.errand import Errand, Host, PoolOptions, Sending, endpoint
from mailward.base.outcome import Outcome, PermFail, TempFail
from mailward.policy import bounces
from mailward.policy.retry import DeadHosts, DestinationState
from mailward.policy.tls import AfterFailure, TlsFacts, TlsPolicy, after_failed_handshake
from mailward.protocol.smtp.client import Exchange, SmtpClient, State, Step, TlsWish

# Failures of a session, not of a message: another host may do better.
_TRY_ELSEWHERE = frozenset(("connection_lost", "timeout", "server_busy", "tls_failure", "protocol_error"))


class Surroundings(Protocol):
    """What a connection uses of the pool it lives in."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def options(self) -> PoolOptions: ...

    @property
    def dead(self) -> DeadHosts: ...

    @property
    def store(self) -> Store | None: ...

    def context(self, policy: TlsPolicy) -> ssl.SSLContext:
        """The TLS context of a policy."""

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a step that must await."""

    def failed(self, error: BaseException) -> None:
        """Tell of a fault of ours."""


LARGE = 1 << 20
"""Octets of content from which another form of it is made in a thread."""
_FORMING = 120.0  # seconds for that


class Owner(Protocol):
    """The destination a connection belongs to, as the connection sees it."""

    @property
    def pool(self) -> Surroundings: ...

    @property
    def state(self) -> DestinationState: ...

    def freed(self, connection: Connection, now: float) -> None:
        """It finished its message and takes another."""

    def pump(self, now: float) -> None:
        """Something became free."""

    def dial(self, errand: Errand, now: float) -> None:
        """Open a connection to the errand's next host."""

    def open_to(self, errand: Errand, host: Host, wish: TlsWish, tls_failed: str = "") -> None:
        """Open a connection to this host."""

    def elsewhere(
        self, errand: Errand, failure: TempFail | PermFail, connection: Connection | None, now: float
    ) -> None:
        """This host did not work out."""

    def transacted(self, errand: Errand, outcomes: tuple[Outcome, ...], connection: Connection, now: float) -> bool:
        """What a transaction was answered; true when the connection is to begin the errand again."""

    def learn(self, outcomes: tuple[Outcome, ...], now: float) -> None:
        """What was answered."""

    def resolve(self, errand: Errand, outcomes: tuple[Outcome, ...], connection: Connection | None, now: float) -> None:
        """Tell the one who waits."""

    def release(self, connection: Connection) -> None:
        """It no longer counts against the limit."""

    def gone(self, connection: Connection) -> None:
        """Its socket is closed."""


class Connection(asyncio.Protocol):
    """One SMTP session over one socket."""

    __slots__ = (
        "_client",
        "_destination",
        "_loop",
        "_sending",
        "_wire",
        "_wish",
        "deadline",
        "errand",
        "facts",
        "host",
        "served",
        "transport",
    )

    def __init__(self, destination: Owner, errand: Errand, host: Host, wish: TlsWish, tls_failed: str = "") -> None:
        self._destination = destination
        self._loop = destination.pool.loop
        self._wish = wish
        job = errand.job
        self._client = SmtpClient(
            job.helo, bounces.classify, at=self._loop.time(), tls=wish, auth=job.auth, tls_failed=tls_failed
        )
        self.errand: Errand | None = errand
        self.host = host
        self.facts: TlsFacts | None = None
        self.served = 0
        self.deadline = 0.0
        self.transport: asyncio.Transport | None = None
        self._wire: asyncio.Transport | None = None  # what lies under TLS, where all that is not sent yet waits
        self._sending: Sending | None = None

    @property
    def usable(self) -> bool:
        """Whether a message may be given to it."""
        return self._client.state is State.READY and self.transport is not None and not self.transport.is_closing()

    def fits(self, errand: Errand) -> bool:
        """Whether it leads where the message goes, as well protected as a new connection might be."""
        return self.host in errand.job.hosts and (not errand.mail.requiretls or self._client.verified)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = self._wire = cast(asyncio.Transport, transport)
        self._touch(self._loop.time())

    def data_received(self, data: bytes) -> None:
        now = self._loop.time()
        client = self._client
        try:
            before, heard = client.state, client.replies
            step = client.receive(data, now)
            # A server that drips octets has not answered: its time runs on (RFC 5321 section 4.5.3.2 awaits replies).
            if step is not Step.WAIT or client.replies != heard:
                self._act(step, before, now)
        except Exception as e:
            self._broke(e, now)

    def connection_lost(self, exc: Exception | None) -> None:
        now = self._loop.time()
        before = self._client.state
        try:
            # A handshake that was cut short is told to whoever awaits it.
            if before is not State.CLOSED and before is not State.HANDSHAKE:
                sending = before is State.CONTENT and self._sending is not None
                self._act(self._client.lost(now, type(exc).__name__ if exc else "", sending=sending), before, now)
            elif before is State.CLOSED and self.errand is not None:
                self._closed(before, now)
        except Exception as e:
            self._broke(e, now)
        self.transport = None
        self._destination.gone(self)

    def begin(self, errand: Errand, now: float) -> None:
        """Send a message on this connection."""
        self.errand = errand
        errand.host = self.host
        if errand.mail.content.size > LARGE and self._client.wants_another_form(errand.mail):
            self.deadline = now + _FORMING
            self._destination.pool.spawn(self._begin_with_form(errand))
        else:
            self._begin(errand, now)

    async def _begin_with_form(self, errand: Errand) -> None:
        """A large message takes time to put into seven bits: in a thread, and remembered by who made it."""
        assert errand.mail.seven_bit is not None
        with contextlib.suppress(Exception):  # it is raised again where it is told
            await asyncio.to_thread(errand.mail.seven_bit)
        if self.errand is errand and self.usable:
            self._begin(errand, self._loop.time())

    def _begin(self, errand: Errand, now: float) -> None:
        self.served += 1
        try:
            step = self._client.send(errand.mail, now)
            self._destination.state.started(now)
            if step is Step.FINISHED:
                self._loop.call_soon(self._unfit, now)  # not at once: a long queue would nest as deep
                return
            self._flush()
            self._touch(now)
        except Exception as e:
            self._broke(e, now)

    def keep(self, until: float) -> None:
        """Stay open without work."""
        self.deadline = until

    def expire(self, now: float) -> None:
        """The deadline passed: an idle connection says good-bye, a silent server is given up."""
        if self._client.state is State.READY and self.errand is None:
            self.bid_farewell(now)
            return
        if self._client.state is State.CLOSED or self._client.state is State.QUIT:
            if self.transport is not None:
                self.transport.abort()
            return
        before = self._client.state
        try:
            late = ""
            if before is State.CONTENT and (sending := self._sending) is not None:
                left = self._unsent() + self._unacknowledged()
                if not left:
                    self._sending = None
                    self._touch(now)
                    return
                if sending.goes_on(left, now, self._destination.pool.options):
                    self.deadline = now
                    return
                took = now - sending.began
                late = f"too slow while sending the content: {left} octets were left after {took:.0f} s"
            self._act(self._client.timed_out(now, late), before, now)
        except Exception as e:
            self._broke(e, now)

    def bid_farewell(self, now: float) -> None:
        """QUIT; the slot is free at once, the socket closes when the server answers or after seconds."""
        self._destination.release(self)
        if self.usable:
            self._client.quit(now)
            self._flush()
            self._touch(now)

    def give_up(self, failure: TempFail) -> None:
        """End whatever is under way."""
        if self._client.state is not State.CLOSED:
            before = self._client.state
            self._act(self._client.abort(failure), before, self._loop.time())

    def _flush(self) -> None:
        out = self._client.out
        if out:
            assert self.transport is not None
            if len(out) == 1:
                self.transport.write(out[0])
            else:
                self.transport.writelines(out)
            self._client.out = []

    def _touch(self, now: float) -> None:
        options = self._destination.pool.options
        if self._client.state is State.CONTENT:
            self.deadline = now + options.final_dot
        else:
            self.deadline = now + self._client.timeout * options.timeout_scale

    def _unsent(self) -> int:
        """Octets that wait in this process."""
        wire, transport = self._wire, self.transport
        if wire is None or transport is None:
            return 0
        waiting = wire.get_write_buffer_size()
        return waiting if transport is wire else waiting + transport.get_write_buffer_size()

    def _unacknowledged(self) -> int:
        """Octets that wait in the kernel; it takes megabytes from us at a time, which may need minutes to leave."""
        connected = self._wire.get_extra_info("socket") if self._wire is not None else None
        if connected is None:
            return 0
        try:
            return int.from_bytes(fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"), sys.byteorder)
        except (OSError, ValueError):
            return 0  # closed meanwhile

    def _act(self, step: Step, before: State, now: float) -> None:
        if step is Step.WAIT:
            self._flush()
            self._touch(now)
            if self._client.state is State.CONTENT:
                # Most content is in the kernel's hands by now. What is not is looked after at each sweep.
                self._sending = None
                if left := self._unsent():
                    self._sending = Sending(left + self._unacknowledged(), now)
                    self.deadline = now
        elif step is Step.FINISHED:
            self._finished(now)
        elif step is Step.READY:
            errand = self.errand
            if errand is not None:
                self._destination.pool.dead.answered(endpoint(self.host))
                self.begin(errand, now)
        elif step is Step.START_TLS:
            self._touch(now)
            self._destination.pool.spawn(self._upgrade())
        else:
            self._closed(before, now)

    def _finished(self, now: float) -> None:
        errand = self.errand
        client = self._client
        outcomes = cast("tuple[Outcome, ...]", tuple(client.outcomes))
        if self._sending is not None:
            if self._unsent() and client.state is State.READY:
                # It answered what it has not read: the next answer may be to the same content.
                client.abort(TempFail("protocol_error", "answered before the content was sent"))
            self._sending = None
        if errand is not None:
            again = self._destination.transacted(errand, outcomes, self, now)
            self.errand = None
            if again:
                self.begin(errand, now)
                return
        if client.state is State.READY:
            self._destination.freed(self, now)
        else:
            self._destination.release(self)
            self._shut(politely=True)
            self._destination.pump(now)  # its place is free for who waits

    def _unfit(self, now: float) -> None:
        """This host cannot take the message, by what it offers; nothing was said of it. Another host may do better."""
        errand, self.errand = self.errand, None
        failure = self._client.outcomes[0]
        if errand is not None and isinstance(failure, TempFail | PermFail):
            if errand.hosts[errand.next] != self.host:
                errand.next -= 1  # a connection that was open, to a host whose turn it was not
            self._destination.elsewhere(errand, failure, self, now)
        if self._client.state is State.READY:
            self._destination.freed(self, now)

    def _shut(self, *, politely: bool) -> None:
        """Close the socket. What a server that fails has not read by now it never will, nor answer TLS's good-bye."""
        if self.transport is None:
            return
        if not politely or self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _closed(self, before: State, now: float) -> None:
        """The session is over, perhaps with a message in it."""
        errand = self.errand
        failure = self._client.failure or TempFail("connection_lost", "the connection ended")
        destination = self._destination
        destination.release(self)
        self._shut(politely=before is State.QUIT)
        if errand is None:
            destination.pump(now)
            return
        outcomes = tuple(failure if o is None else o for o in self._client.outcomes)
        carried = before in (State.ENVELOPE, State.CONTENT, State.DISCARD)
        if before is State.CONTENT:
            # The server may have taken it (RFC 5321 section 4.2.5 leaves that open): not again in this attempt.
            destination.learn(outcomes, now)
            destination.resolve(errand, outcomes, self, now)
        elif carried and any(o is not failure for o in outcomes):
            destination.transacted(errand, outcomes, self, now)
        elif carried and self.served > 1:
            destination.dial(errand, now)  # a kept connection had gone stale: the same host, afresh
        elif failure.reason in _TRY_ELSEWHERE or not carried:
            destination.elsewhere(errand, failure, self, now)
        else:
            destination.resolve(errand, outcomes, self, now)
        self.errand = None
        destination.pump(now)

    def _broke(self, error: Exception, now: float) -> None:
        """A fault of ours: the session ends, and nobody waits for it in vain. What was answered stands."""
        destination = self._destination
        destination.pool.failed(error)
        errand, self.errand = self.errand, None
        failure = TempFail("internal", "an internal fault of the sender ended the session")
        if self._client.state is not State.CLOSED:
            self._client.abort(failure)
        destination.release(self)
        if self.transport is not None:
            self.transport.abort()
        if errand is not None:
            count = len(errand.mail.recipients)
            told = self._client.outcomes if len(self._client.outcomes) == count else [None] * count
            destination.resolve(errand, tuple(failure if o is None else o for o in told), self, now)
        destination.pump(now)

    async def _upgrade(self) -> None:
        pool = self._destination.pool
        errand = self.errand
        if errand is None or self.transport is None:
            return
        policy = errand.job.tls_policy
        name = self.host[0] or self.host[1]
        try:
            transport = await pool.loop.start_tls(
                self.transport,
                self,
                pool.context(policy),
                server_hostname=name,
                ssl_handshake_timeout=pool.options.handshake_timeout,
            )
            if transport is None or self.transport is None:
                raise ConnectionError("closed during the handshake")
            self.facts = peer_tls.facts(transport.get_extra_info("ssl_object"), name, policy, pool.store)
        except Exception as e:
            if not isinstance(e, OSError | ssl.SSLError | ValueError):
                pool.failed(e)
            try:
                self._handshake_failed(policy, e)
            except Exception as fault:
                self._broke(fault, self._loop.time())
            return
        self.transport = transport
        now = self._loop.time()
        before = self._client.state
        try:
            if before is State.HANDSHAKE:
                self._act(self._client.tls_started(now, verified=self.facts.verified), before, now)
        except Exception as e:
            self._broke(e, now)

    def _handshake_failed(self, policy: TlsPolicy, e: Exception) -> None:
        now = self._loop.time()
        errand = self.errand
        text = getattr(e, "verify_message", "") or getattr(e, "reason", "") or type(e).__name__
        failure = TempFail("tls_failure", f"the TLS handshake failed: {text}")
        if self._client.state is not State.CLOSED:
            self._client.abort(failure)
        if self.transport is not None:
            self.transport.abort()
        self._destination.gone(self)  # a handshake that was cut short tells nobody else
        if errand is None:
            pass
        elif after_failed_handshake(policy) is AfterFailure.RETRY_IN_CLEAR and not errand.mail.requiretls:
            errand.tried.append(f"{self.host[0]}: {failure.text}; again in clear")
            self._destination.open_to(errand, self.host, "never", failure.text)
        else:
            self._destination.elsewhere(errand, failure, self, now)
        self.errand = None
        self._destination.pump(now)

    @property
    def rewritten(self) -> tuple[str, ...]:
        """What of the current message's content was changed for this server."""
        return self._client.rewritten

    @property
    def tls_failed(self) -> str:
        """Why it is in clear although the server offers TLS, or ""."""
        return self._client.tls_failed

    def dialogue(self) -> tuple[Exchange, ...]:
        """What was said for the current message."""
        return self._client.dialogue()
