"""The SMTP client as a machine: bytes in, bytes out, no socket (RFC 5321, RFC 2920, RFC 3207).

    GREETING -> EHLO -> (STARTTLS -> HANDSHAKE -> EHLO) -> (AUTH) -> READY
    READY -> ENVELOPE -> CONTENT -> READY            one message
    ENVELOPE -> DISCARD -> READY                     354 although no recipient was accepted

The driver writes what lies in `out`, feeds `receive()`, `lost()` and `timed_out()`, and acts
on the Step each returns. How a reply is understood is an argument (`classify`), so the table
of reasons stays in policy. Per recipient the result is Done, TempFail or PermFail.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from enum import Enum
from typing import Literal, TypeAlias

from mailward.base.outcome import Done, Outcome, PermFail, TempFail
from mailward.base.secret import Secret
from mailward.protocol.smtp.client_mail import NO_CAPABILITIES, Mail, capabilities, envelope
from mailward.protocol.smtp.client_replies import ReplyReader, enhanced_status, says

Stage: TypeAlias = Literal[
    "connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "end_of_data", "end_of_data_for_all", "idle"
]
Classify: TypeAlias = Callable[[Stage, int, str, str], TempFail | PermFail]
"""(stage, code, enhanced status, text) of a 4xx or 5xx reply -> what it means."""

TlsWish: TypeAlias = Literal["never", "offered", "required"]
Exchange: TypeAlias = tuple[int, str, str]
"""(milliseconds since the start, "C" or "S", text): one group of commands or replies."""


class Step(Enum):
    """What the driver does next, after writing `out`."""

    WAIT = "wait"  # read on
    START_TLS = "start_tls"  # upgrade, then call tls_started()
    READY = "ready"  # the session is open: call send()
    FINISHED = "finished"  # `outcomes` hold the message's result; usable if `state` is READY
    CLOSED = "closed"  # the session is over: `failure` says why, `outcomes` are filled if a message was under way


class State(Enum):
    """Where the session is."""

    GREETING = "greeting"
    EHLO = "ehlo"
    HELO = "helo"
    STARTTLS = "starttls"
    HANDSHAKE = "handshake"
    AUTH = "auth"
    READY = "ready"
    ENVELOPE = "envelope"
    CONTENT = "content"
    DISCARD = "discard"
    QUIT = "quit"
    CLOSED = "closed"


_S = State
TRANSITIONS: dict[State, frozenset[State]] = {
    _S.GREETING: frozenset((_S.EHLO, _S.CLOSED)),
    _S.EHLO: frozenset((_S.HELO, _S.STARTTLS, _S.AUTH, _S.READY, _S.CLOSED)),
    _S.HELO: frozenset((_S.READY, _S.CLOSED)),
    _S.STARTTLS: frozenset((_S.HANDSHAKE, _S.AUTH, _S.READY, _S.CLOSED)),
    _S.HANDSHAKE: frozenset((_S.EHLO, _S.CLOSED)),
    _S.AUTH: frozenset((_S.READY, _S.CLOSED)),
    _S.READY: frozenset((_S.ENVELOPE, _S.QUIT, _S.CLOSED)),
    _S.ENVELOPE: frozenset((_S.CONTENT, _S.DISCARD, _S.READY, _S.CLOSED)),
    _S.CONTENT: frozenset((_S.READY, _S.CLOSED)),
    _S.DISCARD: frozenset((_S.READY, _S.CLOSED)),
    _S.QUIT: frozenset((_S.CLOSED,)),
    _S.CLOSED: frozenset(),
}

# Seconds to wait in each state (RFC 5321 section 4.5.3.2; EHLO and the rest as for commands). That of CONTENT begins
# when the final dot is on its way.
TIMEOUTS: dict[State, float] = {
    _S.GREETING: 300,
    _S.EHLO: 300,
    _S.HELO: 300,
    _S.STARTTLS: 120,
    _S.HANDSHAKE: 60,
    _S.AUTH: 120,
    _S.READY: 300,
    _S.ENVELOPE: 300,
    _S.CONTENT: 600,
    _S.DISCARD: 120,
    _S.QUIT: 5,
    _S.CLOSED: 0,
}

_STAGES: dict[State, Stage] = {
    _S.GREETING: "connect",
    _S.EHLO: "ehlo",
    _S.HELO: "ehlo",
    _S.STARTTLS: "starttls",
    _S.HANDSHAKE: "starttls",
    _S.AUTH: "auth",
    _S.CONTENT: "end_of_data",
    _S.DISCARD: "data",
}
_WHERE = {"end_of_data": "after the final dot", "idle": "while idle"}
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_MAX_EXCHANGES = 60
_MAX_TEXT = 2000


class SmtpClient:
    """One session with one server. All times (`at`) are seconds on any steady clock."""

    __slots__ = (
        "_accepted",
        "_adrift",
        "_auth",
        "_base",
        "_classify",
        "_commands",
        "_cursor",
        "_dialogue",
        "_helo",
        "_mail",
        "_needs_reset",
        "_reader",
        "_tls_away",
        "_tls_wish",
        "encrypted",
        "failure",
        "messages",
        "offered",
        "out",
        "outcomes",
        "replies",
        "rewritten",
        "state",
        "tls_failed",
        "verified",
    )

    def __init__(
        self,
        helo: str,
        classify: Classify,
        *,
        at: float,
        tls: TlsWish = "offered",
        auth: tuple[str, Secret[str]] | None = None,
        tls_failed: str = "",
    ) -> None:
        """`tls_failed` says why this session is in clear, where the server's TLS failed in another one just now."""
        self._helo = helo.encode("ascii")
        if not re.fullmatch(rb"[!-~]+", self._helo):
            raise ValueError("the name for HELO has a space or a control character")
        self._classify = classify
        self._tls_wish = tls
        self._tls_away: TempFail | None = None  # TLS is offered, but not to be had now
        self._auth = auth
        self._reader = ReplyReader()
        self._mail: Mail | None = None
        self._commands: list[bytes] = []
        self._cursor = 0
        self._accepted = 0
        self._needs_reset = False
        self._adrift = False  # an answer made no sense, so the next one may belong to another question
        self._base = at
        self._dialogue: list[Exchange] = []
        self.state = State.GREETING
        self.offered = NO_CAPABILITIES
        self.encrypted = False
        self.tls_failed = tls_failed
        self.verified = False
        self.messages = 0
        self.replies = 0  # whole ones: octets that make none are no sign of life
        self.rewritten: tuple[str, ...] = ()
        self.out: list[bytes] = []
        self.outcomes: list[Outcome | None] = []
        self.failure: TempFail | PermFail | None = None

    @property
    def timeout(self) -> float:
        """Seconds the server may take now, before `timed_out()`."""
        return TIMEOUTS[self.state]

    @property
    def stage(self) -> Stage:
        """The stage a failure now would belong to."""
        if self.state is State.ENVELOPE and self._mail is not None:
            return "mail" if self._cursor <= 0 else "rcpt" if self._cursor <= len(self._mail.recipients) else "data"
        return _STAGES.get(self.state, "idle")

    def dialogue(self) -> tuple[Exchange, ...]:
        """The exchanges since the session opened or, from the second message on, since `send()`."""
        return tuple(self._dialogue)

    def send(self, mail: Mail, at: float) -> Step:
        """Begin a message in state READY. FINISHED at once when this peer cannot take it."""
        if self.messages:
            self._dialogue = []
            self._base = at
        self.messages += 1
        self._mail = mail
        self.outcomes = [None] * len(mail.recipients)
        self.rewritten = ()
        fit = self._fitted(mail)
        if not isinstance(fit, Mail):
            self._settle(fit)
            return Step.FINISHED
        self._mail = mail = fit
        self.rewritten = mail.content.rewritten
        commands = envelope(mail, self.offered)
        self._accepted = 0
        self._cursor = 0
        if self._needs_reset:
            commands.insert(0, b"RSET\r\n")
            self._cursor = -1
            self._needs_reset = False
        self._go(State.ENVELOPE)
        if "PIPELINING" in self.offered.names:
            self._commands = []
            self._say(b"".join(commands), at)
        else:
            commands.reverse()
            self._commands = commands
            self._say(commands.pop(), at)
        return Step.WAIT

    def receive(self, data: bytes, at: float) -> Step:
        """Bytes from the server."""
        state = self.state
        if state is State.HANDSHAKE:
            # Nothing said in clear after STARTTLS counts, nor before our EHLO (response injection, RFC 3207 section 6).
            self._note(at, "S", f"<{len(data)} bytes before the handshake ended, dropped>")
            return Step.WAIT
        if state is State.CLOSED:
            return Step.CLOSED
        self._hear(data, at)
        step = Step.WAIT
        replies = self._reader.feed(data)
        self.replies += len(replies)
        for i, (code, text) in enumerate(replies):
            step = self._reply(code, text, at)
            if step is Step.CLOSED:
                return step
            if self.state is State.HANDSHAKE or (step is not Step.WAIT and i + 1 < len(replies)):
                return self._surplus(step, at)
        reader = self._reader
        if reader.cut is not None and self.state is State.CONTENT:
            # The final dot is answered, however much is said beside: who takes it for lost sends it twice.
            step = self._reply(*reader.cut, at)
            return self._surplus(step, at) if step is Step.FINISHED else step
        if reader.bad and step is Step.WAIT:
            return self._close(TempFail("protocol_error", reader.bad))
        if (reader.bad or reader.partial) and (step is not Step.WAIT or self.state is State.READY):
            return self._surplus(step, at)
        return step

    def _surplus(self, step: Step, at: float) -> Step:
        """More bytes came than we asked for: the answers are out of step with the questions."""
        self._reader = ReplyReader()
        if self.state is State.HANDSHAKE:
            return step
        if step is not Step.FINISHED:
            return self._close(TempFail("protocol_error", "reply without a command"))
        # The message's result stands; the session does not.
        self._note(at, "S", "<reply without a command>")
        if self.state is not State.CLOSED:  # `_over()` has closed it already when an answer made no sense
            self._go(State.CLOSED)
        return step

    def tls_started(self, at: float, *, verified: bool) -> Step:
        """The handshake is done: start over with EHLO, forgetting what was said in clear (RFC 3207 section 4.2)."""
        self.encrypted = True
        self.verified = verified
        self._reader = ReplyReader()
        self._go(State.EHLO)
        self._say(b"EHLO " + self._helo + b"\r\n", at)
        return Step.WAIT

    def lost(self, at: float, text: str = "", *, sending: bool = False) -> Step:
        """The connection ended; `sending`: before all of the content was on its way."""
        if self.state in (State.QUIT, State.CLOSED):
            self.state = State.CLOSED
            return Step.CLOSED
        where = "while sending the content" if sending else _WHERE.get(self.stage, f"at stage {self.stage}")
        self._note(at, "S", "<connection lost>")
        return self._close(TempFail("connection_lost", f"connection lost {where}{': ' + text if text else ''}"))

    def timed_out(self, at: float, text: str = "") -> Step:
        """The server was silent for too long, or `text` says what else took too long."""
        self._note(at, "S", "<timeout>")
        where = _WHERE.get(self.stage, f"at stage {self.stage}")
        return self._close(TempFail("timeout", text or f"no reply {where}"))

    def abort(self, failure: TempFail | PermFail) -> Step:
        """The driver gives up (a handshake failed, the process drains)."""
        return self._close(failure)

    def quit(self, at: float) -> None:
        """Say good-bye in state READY."""
        self._go(State.QUIT)
        self._say(b"QUIT\r\n", at)

    # Replies, one method a state.

    def _reply(self, code: int, text: bytes, at: float) -> Step:
        state = self.state
        if code == 421 and state is not State.QUIT:
            return self._close(self._refusal(code, text))
        if state is State.ENVELOPE:
            return self._on_envelope(code, text, at)
        if state is State.CONTENT:
            return self._on_end_of_data(code, text)
        if state is State.DISCARD:
            return self._over()
        if state is State.GREETING:
            if says(code, 220):
                self._go(State.EHLO)
                self._say(b"EHLO " + self._helo + b"\r\n", at)
                return Step.WAIT
            return self._close(self._refusal(code, text))
        if state is State.EHLO or state is State.HELO:
            return self._on_hello(code, text, at)
        if state is State.STARTTLS:
            return self._on_starttls(code, text, at)
        if state is State.AUTH:
            if says(code, 235):
                self._go(State.READY)
                return Step.READY
            return self._close(self._refusal(code, text))
        if state is State.QUIT:
            self._go(State.CLOSED)
            return Step.CLOSED
        return self._close(TempFail("protocol_error", "reply without a command"))

    def _on_hello(self, code: int, text: bytes, at: float) -> Step:
        if says(code, 250):
            self.offered = capabilities(text) if self.state is State.EHLO else NO_CAPABILITIES
            if not self.encrypted and self._tls_wish != "never" and "STARTTLS" in self.offered.names:
                self._go(State.STARTTLS)
                self._say(b"STARTTLS\r\n", at)
                return Step.WAIT
            return self._authenticate(at)
        if code >= 500 and self.state is State.EHLO:
            self._go(State.HELO)  # RFC 5321 section 3.2: an old server knows HELO only
            self._say(b"HELO " + self._helo + b"\r\n", at)
            return Step.WAIT
        return self._close(self._refusal(code, text))

    def _on_starttls(self, code: int, text: bytes, at: float) -> Step:
        if says(code, 220):
            self._go(State.HANDSHAKE)
            return Step.START_TLS
        if self._tls_wish == "required":
            return self._close(
                TempFail("tls_failure", _text(text), code, enhanced_status(code, text)),
            )
        self.tls_failed = f"STARTTLS was answered {code} {_text(text)}"[:200].rstrip()
        if code < 500:
            self._tls_away = TempFail("tls_failure", _text(text), code, enhanced_status(code, text))
        return self._authenticate(at)

    def _authenticate(self, at: float) -> Step:
        if self._tls_wish == "required" and not self.encrypted:
            return self._close(TempFail("tls_failure", "the server does not offer STARTTLS, and TLS is required"))
        if self._auth is None:
            self._go(State.READY)
            return Step.READY
        if not self.encrypted or "PLAIN" not in self.offered.auth:
            return self._close(TempFail("auth_unavailable", "the server offers no AUTH PLAIN over TLS"))
        user, password = self._auth
        token = base64.b64encode(f"\0{user}\0{password.reveal()}".encode())
        self._go(State.AUTH)
        self.out.append(b"AUTH PLAIN " + token + b"\r\n")
        self._note(at, "C", "AUTH PLAIN ***")
        return Step.WAIT

    def _on_envelope(self, code: int, text: bytes, at: float) -> Step:
        mail = self._mail
        assert mail is not None
        cursor = self._cursor
        self._cursor = cursor + 1
        count = len(mail.recipients)
        if cursor > count:
            return self._on_data(code, text, at)
        if 200 <= code < 300:
            if cursor == 0:
                self._needs_reset = True
            elif cursor > 0 and self.outcomes[cursor - 1] is None:
                self._accepted += 1
        elif cursor > 0:
            if self.outcomes[cursor - 1] is None:
                self.outcomes[cursor - 1] = self._refusal(code, text, "rcpt")
        elif cursor < 0:
            # RSET failed, which says nothing of this message: it goes over another session.
            return self._close(TempFail("protocol_error", f"RSET was answered {code}"))
        else:
            # MAIL failed. What was pipelined behind it is still answered, and must be read.
            self._settle(self._refusal(code, text, "mail"))
        if not self._commands:
            return Step.WAIT
        if self._accepted == 0 and (cursor == count or self.outcomes.count(None) == 0):
            return self._over()  # one command at a time: DATA was never said
        self._say(self._commands.pop(), at)
        return Step.WAIT

    def _on_data(self, code: int, text: bytes, at: float) -> Step:
        mail = self._mail
        assert mail is not None
        if says(code, 354):
            if self._accepted:
                self._go(State.CONTENT)
                self.out.extend(mail.content.chunks)
                self._note(at, "C", f"<{mail.content.size} bytes>")
            else:
                # Pipelined DATA was accepted although no recipient was: send nothing (RFC 2920 section 3.1).
                self._go(State.DISCARD)
                self._say(b".\r\n", at)
            return Step.WAIT
        self._settle(self._refusal(code, text, "data"))
        return self._over()

    def _on_end_of_data(self, code: int, text: bytes) -> Step:
        self._needs_reset = False
        if 200 <= code < 300:
            done: Outcome = Done(_text(text), code, enhanced_status(code, text))
        else:
            done = self._refusal(code, text, "end_of_data" if self._accepted == 1 else "end_of_data_for_all")
        self._settle(done)
        return self._over()

    def _over(self) -> Step:
        """The message has its result. Nothing more is said on a session whose answers cannot be told apart."""
        self._mail = None
        self._go(State.CLOSED if self._adrift else State.READY)
        return Step.FINISHED

    # Results.

    def wants_another_form(self, mail: Mail) -> bool:
        """Whether `send` will ask for the 7-bit form of this message."""
        return mail.content.eight_bit and mail.seven_bit is not None and "8BITMIME" not in self.offered.names

    def _fitted(self, mail: Mail) -> Mail | PermFail | TempFail:
        """The message in the form this peer takes, or why it cannot take it; known before a word is said."""
        names = self.offered.names
        limit = self.offered.size
        if mail.smtputf8 and "SMTPUTF8" not in names:
            return PermFail("smtputf8_unsupported", "the server does not take internationalised mail", 553, "5.6.7")
        if mail.requiretls and not (self.encrypted and self.verified and "REQUIRETLS" in names):
            if self._tls_away is not None:
                return self._tls_away
            return PermFail("requiretls_unsupported", "REQUIRETLS cannot be kept on this hop", 530, "5.7.30")
        if mail.content.eight_bit and "8BITMIME" not in names:
            # RFC 6152 section 3: convert it, or give it back. 8-bit content never goes out unannounced.
            if mail.seven_bit is None:
                return PermFail("eight_bit_unsupported", "the server does not take 8-bit content", 554, "5.6.3")
            form = mail.seven_bit()
            if isinstance(form, PermFail | TempFail):
                return form
            mail = mail._replace(content=form)
        if limit and mail.content.size > limit:
            text = f"the message has {mail.content.size} bytes, the server takes {limit}"
            return PermFail("message_too_large", text, 552, "5.3.4")
        return mail

    def _refusal(self, code: int, text: bytes, stage: Stage | None = None) -> TempFail | PermFail:
        if code < 400:
            self._adrift = True
            return TempFail("protocol_error", f"unexpected reply {code} at stage {self.stage}", code)
        found = self._classify(stage or self.stage, code, enhanced_status(code, text), _text(text))
        if self.tls_failed and found.reason == "encryption_required":
            # It asks for what it could not give just now; that passes.
            return TempFail("tls_failure", found.text, found.code, found.enhanced)
        return found

    def _settle(self, outcome: Outcome) -> None:
        self.outcomes = [outcome if earlier is None else earlier for earlier in self.outcomes]

    def _close(self, failure: TempFail | PermFail) -> Step:
        if self.state is State.CLOSED:
            return Step.CLOSED
        self.failure = failure
        if self._mail is not None and self.state in (State.ENVELOPE, State.CONTENT, State.DISCARD):
            self._settle(failure)
        self._go(State.CLOSED)
        return Step.CLOSED

    def _go(self, state: State) -> None:
        if state not in TRANSITIONS[self.state]:
            raise RuntimeError(f"no way from {self.state.value} to {state.value}")
        self.state = state

    # Dialogue.

    def _say(self, data: bytes, at: float) -> None:
        self.out.append(data)
        self._note(at, "C", data.decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n"))

    def _hear(self, data: bytes, at: float) -> None:
        text = data[:_MAX_TEXT].decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n")
        if _CONTROL.search(text):
            text = _CONTROL.sub("?", text)
        self._note(at, "S", text)

    def _note(self, at: float, who: str, text: str) -> None:
        if len(self._dialogue) < _MAX_EXCHANGES:
            self._dialogue.append((int((at - self._base) * 1000), who, text[:_MAX_TEXT]))


def _text(text: bytes) -> str:
    """Reply text for people: bounded, on one line, without control characters."""
    return _CONTROL.sub("?", text[:1000].decode("utf-8", "replace").replace("\n", " "))
