"""One connection on the event loop: octets between a transport and the machine, and questions between it and the gate.

No task per command and no timer per read: data_received runs the machine and writes once; only AUTH and a message's
acceptance wait for anything, and the listener's sweep watches the deadlines of all sessions.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable
from enum import IntEnum
from typing import Generic, cast

import structlog

from mailward.base.errors import MailwardError
from mailward.edges.smtpd.config import Mode
from mailward.edges.smtpd.house import House
from mailward.edges.smtpd.pace import Pace
from mailward.edges.smtpd.ports import MailParams, P, Peer, SessionFacts
from mailward.edges.smtpd.replies import (
    NO_ACCESS,
    REVOKED,
    translate,
    translate_auth,
    translate_connection,
)
from mailward.edges.smtpd.room import SMALL
from mailward.edges.smtpd.tls import TlsLayer
from mailward.protocol.smtp.questions import ASK, Accept, Admit, Authenticate, Question
from mailward.protocol.smtp.replies import BYE, NO_ROOM, SHUTTING_DOWN, TIMED_OUT, TOO_SLOW, reply
from mailward.protocol.smtp.server import Server

log = structlog.get_logger()


class Phase(IntEnum):
    """What happens to octets that arrive."""

    OPEN = 0  # the machine gets them, through TLS if it is up
    DEAF = 1  # dropped: the last word is said
    GONE = 2


class Session(asyncio.Protocol, Generic[P]):
    """An SMTP session; also the SessionPolicy of its machine, which it answers by asking the gate."""

    def __init__(self, house: House[P], peer: Peer | None = None) -> None:
        """`peer` is the far end where somebody we trust has said so; else it is the transport's."""
        self._house = house
        self._config = house.config
        self._gate = house.gate
        self._transport: asyncio.Transport | None = None
        self._machine: Server | None = None
        self._principal: P | None = None
        self._phase = Phase.DEAF
        self._said = peer
        self._peer = Peer("", 0, 0)
        self._counted = False
        self._asked: Question | None = None
        self._task: asyncio.Future[None] | None = None
        self._asking: Awaitable[None] | None = None
        self._layer: TlsLayer | None = None
        self._stalled = self._paused = self._hung_up = False
        # Deadlines, all on the loop's clock; the sweep compares, nothing here starts a timer.
        self._opened = self._progress = house.loop.time()
        self._steps = 0
        self._octets = 0
        self._pace: Pace | None = None  # of the message under way
        self._hurry: Pace | None = None  # while much is held over all sessions, and by this one
        self._kept = 0  # octets of content that the house's room counts for us
        self._ending: float | None = None

    # ---------------------------------------------------------------- the transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or turn away, or begin the handshake of an implicit TLS listener."""
        self._transport = cast(asyncio.Transport, transport)
        house = self._house
        house.enter(self)
        self._peer = self._said or peer_of(self._transport)
        implicit = self._config.mode is Mode.IMPLICIT
        refusal: bytes | None = None
        if house.draining:
            refusal = SHUTTING_DOWN
        else:
            try:
                self._gate.connection_opened(self._peer)
                self._counted = True
                if self._config.mode in (Mode.PRIVATE, Mode.MX):
                    self._principal = self._gate.network_principal(self._peer)
                    if self._principal is None:
                        refusal = NO_ACCESS
            except Exception as error:
                _report(error)
                refusal = translate_connection(error)
        self._phase = Phase.OPEN
        if refusal is not None:
            house.counters.turned_away += 1
            if implicit:  # nobody can read a reply before the handshake
                self.abort()
            else:
                self._transport.write(refusal)
                self._end()
        elif implicit:
            self._start_tls()
        else:
            self._greet(tls=False)

    def data_received(self, data: bytes) -> None:
        """Octets from the client."""
        if self._phase is not Phase.OPEN:
            return
        self._octets += len(data)
        if self._layer is not None:
            data = self._decrypt(self._layer, data)
        if data and self._machine is not None:
            self._machine.receive(data)
            self._turn(self._machine)

    def eof_received(self) -> bool:
        """The client will say no more. It may still listen (RFC 1122 section 4.2.2.13): what it asked is answered."""
        machine = self._machine
        if self._phase is not Phase.OPEN or machine is None or machine.question is None:
            return False
        self._hung_up = True
        return True

    def pause_writing(self) -> None:
        """The client does not read its replies: stop making more of them."""
        self._stalled = True
        self._flow()

    def resume_writing(self) -> None:
        """It reads again."""
        self._stalled = False
        self._flow()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone. A message being accepted stays accepted; a credential check is of no more use."""
        if self._phase is Phase.GONE:
            return
        self._phase = Phase.GONE
        if self._machine is not None and type(self._machine.question) is not Accept:
            self._let_go(0)  # a message being accepted is held until that is over
        self._machine = None
        if self._task is not None:
            self._task.cancel()
        self._house.leave(self)
        if self._counted:
            self._counted = False
            self._gate.connection_closed(self._peer)

    # ---------------------------------------------------------------- running

    def _greet(self, *, tls: bool) -> None:
        self._machine = Server(self._config.server, self, tls=tls, known=self._principal is not None)
        if self._house.draining:
            self._machine.drain()
        self._turn(self._machine)

    def _turn(self, machine: Server) -> None:
        """Write what the machine said, ask what it asks, until it needs more input or an answer that takes time."""
        while True:
            if self._kept > (kept := machine.kept):
                self._let_go(kept)
            if machine.out:
                self._write(b"".join(machine.out))
                last = machine.out[-1]
                machine.out.clear()
                if machine.closed:
                    self._end(polite=last is BYE)
                    return
            question = machine.question
            if question is None or question is self._asked:
                break
            self._asked = question
            if type(question) is Accept:
                self._accept(machine, question)
            elif type(question) is Admit:
                self._admit(machine, question)
            elif type(question) is Authenticate:
                self._task = self._house.loop.create_task(self._authenticate(machine, question))
            else:  # the 220 is written, in the clear; every octet after it belongs to the handshake
                self._start_tls()
                return
        if self._hung_up and machine.question is None:
            self._end(polite=True)
            return
        if self._stalled or self._paused or machine.held > self._config.held:
            self._flow()

    def _let_go(self, rest: int) -> None:
        """Hold no more content than this."""
        self._house.room.hold(self._kept, rest)
        self._kept = rest

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        if self._layer is not None:
            try:
                data = self._layer.seal(data)
            except ssl.SSLError:
                self.abort()
                return
        self._transport.write(data)

    def _flow(self) -> None:
        """Read from the network only while there is room for what it brings."""
        transport, machine = self._transport, self._machine
        if transport is None or machine is None or self._phase is not Phase.OPEN or transport.is_closing():
            return
        wanted = self._stalled or machine.held > self._config.held
        if wanted != self._paused:
            self._paused = wanted
            if wanted:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def _end(self, *, polite: bool = False) -> None:
        """Close after the last reply.

        Closing a socket that has unread input resets it, and the reset can overtake the reply. So unless the client
        said QUIT, its further input is read and dropped for `linger` seconds before the connection is closed.
        """
        transport = self._transport
        assert transport is not None
        if self._phase is not Phase.OPEN:
            return
        self._phase = Phase.DEAF
        if self._layer is not None and self._layer.ready:
            transport.write(self._layer.farewell())
        if polite or transport.is_closing():
            transport.close()
        else:
            transport.write_eof()
        if self._paused:
            self._paused = False
            if not transport.is_closing():
                transport.resume_reading()
        self._ending = self._house.loop.time()

    def abort(self) -> None:
        """Drop the connection without a word."""
        if self._transport is not None:
            self._transport.abort()
        else:
            self.connection_lost(None)

    # ---------------------------------------------------------------- what the sweep and the drain call

    def check(self, now: float) -> None:
        """End the session if one of its deadlines has passed."""
        config, machine = self._config, self._machine
        if self._ending is not None:
            if now - self._ending > config.linger:
                assert self._transport is not None
                if now - self._ending > 5 * config.linger:
                    self._transport.abort()
                else:
                    self._transport.close()
            return
        if machine is None or (self._layer is not None and not self._layer.ready):
            if now - self._progress > config.handshake:
                self._house.counters.tls_failures += 1
                self.abort()
            return
        if machine.steps != self._steps:
            self._steps = machine.steps
            self._progress = now
        if machine.question is not None:  # the client waits for us
            self._progress = now
            self._pace = self._hurry = None
        elif (late := self._late(machine, now)) is not None:
            self._house.counters.timeouts += 1
            machine.close(late)
            self._turn(machine)

    def _late(self, machine: Server, now: float) -> bytes | None:
        """The last word to a client that has run out of time."""
        config = self._config
        idle = config.content_idle if machine.in_content else config.command_idle
        if now - self._opened > config.session or now - self._progress > idle:
            return TIMED_OUT
        if not machine.in_message:
            self._pace = self._hurry = None
            return TIMED_OUT if self._principal is None and now - self._opened > config.login else None
        if self._pace is None:
            self._pace = Pace(config.content_grace, now, self._octets)
        pause = max(config.content_grace, config.content_idle)
        if self._pace.late(now, self._octets, config.content_rate, pause):
            return TIMED_OUT
        if self._kept <= SMALL or not self._house.room.tight:
            self._hurry = None
            return None
        if self._hurry is None:
            self._hurry = Pace(config.tight_pause, now, self._octets)
        return TOO_SLOW if self._hurry.late(now, self._octets, config.tight_rate, config.tight_pause) else None

    def drain(self) -> None:
        """Finish what is in hand, then 421 4.3.2."""
        if self._machine is not None and self._phase is Phase.OPEN:
            self._machine.drain()
            self._turn(self._machine)

    def dismiss(self) -> None:
        """421 4.3.2 and the end, whatever the client was in the middle of.

        Without a word where there is none to be heard: before the greeting, inside a handshake, with a client that
        reads nothing; and while a message waits for its commit, of which 421 would say what nobody knows yet.
        """
        machine, layer = self._machine, self._layer
        if self._phase is not Phase.OPEN:
            return  # the last word is said
        if machine is None or self._stalled or machine.question is not None or not (layer is None or layer.ready):
            self.abort()
            return
        machine.close(SHUTTING_DOWN)
        self._turn(machine)

    # ---------------------------------------------------------------- questions with answers that take time

    async def _authenticate(self, machine: Server, question: Authenticate) -> None:
        try:
            self._principal = await self._gate.authenticate(question.username, question.password, self._peer)
        except Exception as error:
            _report(error)
            self._house.counters.auth_failures += 1
            machine.not_authenticated(translate_auth(error))
        else:
            machine.authenticated()
        finally:
            self._task = None
        if self._phase is Phase.OPEN:
            self._turn(machine)

    def _accept(self, machine: Server, question: Accept) -> None:
        try:
            facts = self._facts(machine)
            answer = self._gate.accept(cast(P, self._principal), question.envelope, question.content, facts)
            future = asyncio.ensure_future(answer)
        except Exception as error:
            self._refused(machine, error)
            return
        self._house.hand_over(self)
        future.add_done_callback(self._accepted)

    def _facts(self, machine: Server) -> SessionFacts:
        version, cipher = self._layer.facts() if self._layer is not None else ("", "")
        return SessionFacts(machine.helo, self._peer.ip, version, cipher, self._config.name, machine.extended)

    def _admit(self, machine: Server, question: Admit) -> None:
        assert self._asking is not None
        future = asyncio.ensure_future(self._asking)
        self._asking = None
        self._task = future

        def answered(future: asyncio.Future[None]) -> None:
            self._task = None
            if self._machine is None or self._phase is not Phase.OPEN or machine.question is not question:
                return
            error = asyncio.CancelledError() if future.cancelled() else future.exception()
            if error is not None:
                _report(error)
            machine.admitted(question.recipient, None if error is None else translate(error))
            self._turn(machine)

        future.add_done_callback(answered)

    def _accepted(self, future: asyncio.Future[str]) -> None:
        self._house.answer(self)
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        machine = self._machine
        if self._phase is Phase.GONE:
            self._let_go(0)
        if machine is None or self._phase is not Phase.OPEN or type(machine.question) is not Accept:
            return  # the client left; what was accepted stays accepted
        if error is not None:
            self._refused(machine, error)
        else:
            self._house.counters.accepted += 1
            machine.settled(reply(250, "2.0.0", f"Queued as {future.result()}"))
        self._turn(machine)

    def _refused(self, machine: Server, error: BaseException) -> None:
        _report(error)
        self._house.counters.refused += 1
        machine.settled(translate(error))

    # ---------------------------------------------------------------- TLS

    def _start_tls(self) -> None:
        assert self._house.tls is not None
        self._progress = self._house.loop.time()
        try:
            self._layer = TlsLayer(self._house.tls())
        except Exception as error:  # a certificate that cannot be loaded must not end in a session without TLS
            _report(error)
            self.abort()

    def _decrypt(self, layer: TlsLayer, data: bytes) -> bytes:
        """Plaintext out of TLS; the session begins, or begins again, when the handshake is done."""
        assert self._transport is not None
        fresh = not layer.ready
        try:
            data = layer.feed(data)
        except ssl.SSLZeroReturnError:
            self._transport.close()
            return b""
        except ssl.SSLError:
            self._house.counters.tls_failures += fresh
            self._transport.write(layer.outgoing())  # the alert says why
            self._transport.close()
            self._phase = Phase.DEAF
            self._ending = self._house.loop.time()
            return b""
        if out := layer.outgoing():
            self._transport.write(out)
        if fresh and layer.ready:
            if self._machine is None:
                self._greet(tls=True)
            else:
                self._machine.tls_started()
                if self._house.draining:
                    self.drain()
        return data

    # ---------------------------------------------------------------- SessionPolicy, for the machine

    def still_valid(self) -> bytes | None:
        """Whether the session's credential still stands."""
        return None if self._gate.still_valid(cast(P, self._principal)) else REVOKED

    def sender(self, address: str, params: MailParams) -> bytes | None:
        """The gate's word on MAIL FROM, and whether there is room for a message of the size it tells (RFC 1870)."""
        try:
            if self._config.mode is Mode.MX and self._machine is not None:
                self._gate.introduce(cast(P, self._principal), self._facts(self._machine))
            self._gate.check_sender(cast(P, self._principal), address, params)
        except Exception as error:
            _report(error)
            return translate(error)
        return None if self._house.room.expects(params.size) else NO_ROOM

    def recipient(self, address: str) -> bytes | None:
        """The gate's word on RCPT TO."""
        try:
            self._asking = self._gate.check_recipient(cast(P, self._principal), address)
        except Exception as error:
            _report(error)
            return translate(error)
        return None if self._asking is None else ASK

    def hold(self, octets: int) -> bool:
        """Whether there is room for this much content of ours; what is kept no more is seen after the turn."""
        if not self._house.room.hold(self._kept, octets):
            return False
        self._kept = octets
        return True


def peer_of(transport: asyncio.Transport) -> Peer:
    """Both ends as the kernel reports them."""
    name = transport.get_extra_info("peername") or ("", 0)
    local = transport.get_extra_info("sockname") or ("", 0)
    ip = str(name[0]).partition("%")[0]
    if ip.startswith("::ffff:") and "." in ip:
        ip = ip[7:]
    return Peer(ip, name[1], local[1])


def _report(error: BaseException) -> None:
    """Errors of our own kind are answers; anything else is a fault of ours, logged without what the client sent."""
    if not isinstance(error, MailwardError | asyncio.CancelledError):
        log.error("smtp_internal_error", error=type(error).__name__)
