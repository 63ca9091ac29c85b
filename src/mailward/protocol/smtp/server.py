"""The receiving side of SMTP as a machine: octets in, replies out, and one question at a time for the platform.

    machine.receive(octets)          -> replies in `machine.out`, perhaps a `machine.question`, perhaps `machine.closed`
    machine.settled(reply) and so on -> the answer to the question; held input is then read on

What may be said when is TRANSITIONS, at the end of this file. The outcome depends on the octets only, never on how the
network cut them into pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TypeAlias

from mailward.protocol.smtp import auth, commands, replies
from mailward.protocol.smtp.commands import Rejected
from mailward.protocol.smtp.data import ChunkContent, Discard, DotContent
from mailward.protocol.smtp.model import NO_PARAMS, EnvelopeRecipient, MailParams, SmtpEnvelope
from mailward.protocol.smtp.questions import ASK, Accept, Admit, Authenticate, ServerConfig, SessionPolicy, StartTls
from mailward.protocol.smtp.reading import Reading

_LINE_MAX = 512  # RFC 5321 section 4.5.3.1.4, with CRLF
_LINE_MAXIMA = {b"MAIL": 2048, b"RCPT": 2048, b"AUTH": 12288}  # RFC 1870, 3461, 6531 and 4954 make these longer
# Recipients of a transaction under way that are told to come in another one (452): a list sent to us whole. So many
# between two messages are no refusals.
_EXCESS = 1000
_CRUMBS = 1000  # tiny chunks of one message; RFC 3030 sets no limit to a game of BDAT 0
# Without mail to show for it, these spend the budget for idle talk.
_JUNK = frozenset((b"NOOP", b"RSET", b"HELP", b"VRFY", b"EXPN", b"EHLO", b"HELO"))
# A browser made to speak to this port (cross-protocol attacks such as ALPACA): no second line is read.
_HTTP = frozenset((b"GET", b"POST", b"PUT", b"CONNECT", b"OPTIONS", b"DELETE", b"PATCH", b"HEAD", b"PRI"))


class State(IntEnum):
    """What is settled so far. HOME is no state of its own: it names the one that TLS, EHLO and AUTH have earned."""

    NEW_CLEAR = 0  # TLS is owed, no EHLO yet
    CLEAR = 1  # TLS is owed
    NEW = 2  # EHLO is owed
    STRANGER = 3  # authentication is owed
    READY = 4  # MAIL may come
    SENDER = 5  # MAIL was accepted
    RECIPIENTS = 6  # at least one RCPT was accepted
    CONTENT = 7  # octets after DATA
    CHUNKS = 8  # at least one BDAT was taken
    STAY = 9
    HOME = 10


class Server(Reading):
    """One session: what each verb does, and the answers of the platform."""

    __slots__ = (
        "_auth_failures",
        "_chunks",
        "_config",
        "_draining",
        "_excess",
        "_faults",
        "_junk",
        "_known",
        "_params",
        "_policy",
        "_recipients",
        "_refusals",
        "_row",
        "_sender",
        "_tls",
        "extended",
        "helo",
        "state",
    )

    def __init__(self, config: ServerConfig, policy: SessionPolicy, *, tls: bool, known: bool) -> None:
        """`known`: nobody has to authenticate (a network credential is established, or this is an MX)."""
        super().__init__(config.banner)
        self._config = config
        self._policy = policy
        self._tls = tls
        self._known = known
        self.helo = ""
        self.extended = False
        self._draining = False
        self._faults = self._refusals = self._excess = self._junk = self._auth_failures = 0
        self._chunks: ChunkContent | None = None
        self._sender = ""
        self._params: MailParams = NO_PARAMS
        self._recipients: list[EnvelopeRecipient] = []
        self._enter(State.HOME)

    # ---------------------------------------------------------------- what the edge calls

    def authenticated(self) -> None:
        """The answer to Authenticate: the credential verified."""
        self.question = None
        self._known = True
        self._auth_failures = 0
        self.out.append(replies.AUTHENTICATED)
        self._enter(State.HOME)
        self._resume()

    def not_authenticated(self, reply: bytes) -> None:
        """The answer to Authenticate: no, in the words of `reply`; a 421 closes."""
        self.question = None
        self._auth_failed(reply)
        self._resume()

    def admitted(self, recipient: EnvelopeRecipient, refusal: bytes | None) -> None:
        """The answer to Admit: None lets the recipient in, a reply refuses it; a 421 closes."""
        self.question = None
        if refusal is None:
            self._recipients.append(recipient)
            self._answer(replies.RECIPIENT_OK)
            self._enter(State.RECIPIENTS)
        else:
            self._answer(refusal)
            self._refused(refusal)
        self._resume()

    def settled(self, reply: bytes) -> None:
        """The answer to Accept: "250 ..." once the message is on disk, else why not; a 421 closes."""
        self.question = None
        self._answer(reply)
        if reply[0] == 0x32:
            self._junk = self._refusals = self._excess = self._faults = 0
        else:
            self._refused(reply)
        self._resume()
        if self._draining and not self.closed:
            self.drain()

    def tls_started(self) -> None:
        """The answer to StartTls. Everything known from before is forgotten (RFC 3207 section 4.2)."""
        self.question = None
        self._tls = True
        self.helo = ""
        self._buffer = b""
        self._forget()
        self._enter(State.HOME)

    @property
    def kept(self) -> int:
        """Octets of message content in memory, from the first until the message is answered."""
        if type(self.question) is Accept:
            return len(self.question.content)
        content = self._reader or self._chunks
        return content.kept if content is not None else 0

    @property
    def in_message(self) -> bool:
        """Whether content has begun and not ended; between two chunks nothing is read, and this still holds."""
        return self._reader is not None or self._chunks is not None

    def drain(self) -> None:
        """End with 421 4.3.2: at once if nothing is under way, else when content in hand is answered."""
        self._draining = True
        if self.question is None and self._reader is None and self._sasl is None and self.state <= State.READY:
            self.close(replies.SHUTTING_DOWN)

    # ---------------------------------------------------------------- one command

    def _line(self, line: bytes) -> None:
        self.steps += 1
        if b"\r" in line or b"\0" in line:
            self._sasl = None
            self._fault(replies.BAD_LINE)
            return
        if self._sasl is not None:
            self._sasl_line(line)
            return
        # RFC 5321 section 4.1.1: white space before the line's end is tolerated.
        verb, _, argument = line.rstrip(b" \t").partition(b" ")
        verb = verb.upper()
        if self._draining and verb != b"QUIT":
            self.close(replies.SHUTTING_DOWN)
            return
        if self.state >= State.READY and (gone := self._policy.still_valid()) is not None:
            self.close(gone)
            return
        step = self._row.get(verb)
        if step is None:
            if verb in _HTTP:
                self.close(replies.NOT_HTTP)
            else:
                self._fault(replies.UNKNOWN_COMMAND)
            return
        if len(line) > _LINE_MAX - 2 and len(line) > _LINE_MAXIMA.get(verb, _LINE_MAX) - 2:
            self._fault(replies.LONG_LINE)
            return
        if verb in _JUNK:
            self._junk += 1
            if self._junk > self._config.junk:
                self.close(replies.TOO_MANY_COMMANDS)
                return
        if isinstance(step, bytes):
            self._fault(step)
            return
        act, target = step
        try:
            answer = act(self, argument)
        except Rejected as rejected:
            self._fault(rejected.reply)
            return
        if answer is None:  # the act has answered, asked, or begun to read content
            return
        self._answer(answer)
        if answer[0] < 0x34:  # 2yz and 3yz move on, 4yz and 5yz stay
            if target is not State.STAY:
                self._enter(target)
        else:
            self._refused(answer)

    # ---------------------------------------------------------------- answering

    def _answer(self, reply: bytes) -> None:
        self.out.append(reply)
        if reply[:3] in (b"421", b"221"):
            self.closed = True

    def _fault(self, reply: bytes) -> None:
        self.out.append(reply)
        self._faults += 1
        if self._faults >= self._config.faults:
            self.close(replies.TOO_MANY_ERRORS)

    def _refused(self, reply: bytes) -> None:
        if reply[:3] == b"452" and self._recipients:
            # RFC 5321 section 4.5.3.1.10: the transaction goes on with the recipients it has.
            self._excess += 1
        else:
            self._refusals += 1
        if self._refusals >= self._config.refusals or self._excess >= _EXCESS:
            self.close(replies.TOO_MANY_ERRORS)

    def _auth_failed(self, reply: bytes) -> None:
        self._answer(reply)
        self._auth_failures += 1
        if self._auth_failures >= self._config.auth_failures and not self.closed:
            self.close(replies.TOO_MANY_ERRORS)

    def _enter(self, state: State) -> None:
        if state is State.HOME:
            if self._config.tls_required and not self._tls:
                state = State.CLEAR if self.helo else State.NEW_CLEAR
            elif not self.helo:
                state = State.NEW
            else:
                state = State.READY if self._known else State.STRANGER
        self.state = state
        self._row = TRANSITIONS[state]

    def _forget(self) -> None:
        """Drop the transaction, and nothing else."""
        self._sender = ""
        self._params = NO_PARAMS
        self._recipients = []
        self._chunks = None
        self._reader = None
        self._sasl = None

    # ---------------------------------------------------------------- the session's verbs

    def _ehlo(self, argument: bytes) -> bytes:
        self.helo = commands.hello(argument)
        self.extended = True
        self._forget()
        return self._config.ehlo_tls if self._tls else self._config.ehlo_clear

    def _helo(self, argument: bytes) -> bytes:
        self.helo = commands.hello(argument)
        self.extended = False
        self._forget()
        return self._config.helo

    def _starttls(self, argument: bytes) -> bytes | None:
        _none(argument)
        if self._tls:
            raise Rejected(replies.TLS_ALREADY)
        if not self._config.starttls:
            raise Rejected(replies.NO_TLS)
        self.out.append(replies.START_TLS)
        self.question = StartTls()
        return None

    def _rset(self, argument: bytes) -> bytes:
        _none(argument)
        self._forget()
        return replies.RESET

    def _noop(self, argument: bytes) -> bytes:
        return replies.OK

    def _help(self, argument: bytes) -> bytes:
        return replies.HELP

    def _vrfy(self, argument: bytes) -> bytes:
        return replies.CANNOT_VERIFY  # whatever was asked, so that it tells nothing

    def _expn(self, argument: bytes) -> bytes:
        raise Rejected(replies.NO_EXPANSION)

    def _quit(self, argument: bytes) -> bytes:
        _none(argument)
        return replies.BYE

    # ---------------------------------------------------------------- AUTH

    def _auth(self, argument: bytes) -> bytes | None:
        if not self._config.auth:
            raise Rejected(replies.NO_AUTH)
        mechanism, _, initial = argument.partition(b" ")
        mechanism = mechanism.upper()
        if mechanism not in (b"PLAIN", b"LOGIN"):
            raise Rejected(replies.BAD_MECHANISM if mechanism else replies.BAD_ARGUMENT)
        step = self._plain if mechanism == b"PLAIN" else self._login
        self._sasl = step
        if initial:
            self._sasl_line(initial)
            return None
        self.out.append(replies.CHALLENGE if mechanism == b"PLAIN" else replies.CHALLENGE_USERNAME)
        return None

    def _auth_again(self, argument: bytes) -> bytes:
        """AUTH when nobody has to: who sends a password in the clear is told so, whatever else is to be said."""
        if self._config.starttls and not self._tls:
            raise Rejected(replies.TLS_FIRST)
        raise Rejected(replies.AUTH_ALREADY if self._config.auth else replies.NO_AUTH)

    def _sasl_line(self, line: bytes) -> None:
        step, self._sasl = self._sasl, None
        assert step is not None
        if line == b"*":
            self._fault(replies.AUTH_CANCELLED)
            return
        try:
            challenge = step(line)
        except auth.BadResponse:
            self._fault(replies.BAD_SASL)
        except auth.WrongIdentity:
            self._auth_failed(replies.AUTH_REFUSED)
        else:
            if challenge is not None:
                self.out.append(challenge)

    def _plain(self, line: bytes) -> None:
        self.question = Authenticate(*auth.plain(line))

    def _login(self, line: bytes) -> bytes:
        name = auth.username(auth.decode(line))

        def password(line: bytes) -> None:
            self.question = Authenticate(name, auth.secret(auth.decode(line)))

        self._sasl = password
        return replies.CHALLENGE_PASSWORD

    # ---------------------------------------------------------------- the transaction's verbs

    def _mail(self, argument: bytes) -> bytes:
        sender, params = commands.mail(argument, tls=self._tls)
        if params.size > self._config.max_size:
            return replies.TOO_LARGE
        refusal = self._policy.sender(sender, params)
        if refusal is not None:
            return refusal
        self._sender = sender
        self._params = params
        return replies.SENDER_OK

    def _rcpt(self, argument: bytes) -> bytes | None:
        recipient = commands.rcpt(argument, smtputf8=self._params.smtputf8, postmaster=self._config.postmaster)
        if len(self._recipients) >= self._config.max_recipients:
            return replies.TOO_MANY_RECIPIENTS
        refusal = self._policy.recipient(recipient.address)
        if refusal is not None:
            if refusal is ASK:
                self.question = Admit(recipient)
                return None
            return refusal
        self._recipients.append(recipient)
        return replies.RECIPIENT_OK

    def _data(self, argument: bytes) -> bytes:
        _none(argument)
        self._reader = DotContent(self._config.max_size, self._config.drain)
        self._finish = Server._content_done
        return replies.START_CONTENT

    def _bdat(self, argument: bytes) -> bytes | None:
        chunk = self._chunk(argument)
        if chunk is None:
            return None
        octets, last = chunk
        chunks = self._chunks = self._chunks or ChunkContent()
        if chunks.size + octets > self._config.max_size:
            self._swallow(octets, replies.TOO_LARGE)
            return None
        chunks.expect(octets, last)
        if chunks.crumbs > _CRUMBS:
            self.close(replies.TOO_MANY_COMMANDS)
            return None
        self._reader = chunks
        self._finish = Server._chunk_done
        if not octets:
            self._read(b"", 0)
        return None

    def _bdat_astray(self, argument: bytes) -> bytes | None:
        """BDAT where it has no business: its octets follow all the same, and must not be read as commands."""
        chunk = self._chunk(argument)
        if chunk is not None:
            self._swallow(chunk[0], _ASTRAY[self.state])
        return None

    def _chunk(self, argument: bytes) -> tuple[int, bool] | None:
        chunk = commands.bdat(argument)
        if chunk is None:
            self.close(replies.BAD_CHUNK)
        elif chunk[0] > self._config.max_size + self._config.drain:
            self.close(replies.TOO_LARGE_CLOSING)
        else:
            return chunk
        return None

    # ---------------------------------------------------------------- content

    def _hold(self, octets: int) -> bool:
        return self._policy.hold(octets)

    def _let_go(self) -> None:
        reader = self._reader
        if type(reader) is DotContent:
            reader.drop()
        elif type(reader) is ChunkContent:
            self._swallow(reader.left, replies.NO_ROOM)

    def _swallow(self, octets: int, reply: bytes) -> None:
        """Read past a chunk, then refuse it. Chunks pipelined behind it find no transaction and end the same way."""

        def finish(self: Server) -> None:
            self._reader = None
            if self.state >= State.SENDER and reply in (replies.TOO_LARGE, replies.NO_ROOM):
                self._forget()
                self._enter(State.HOME)
            if reply is replies.NO_ROOM:
                self._answer(reply)
                self._refused(reply)
            else:
                self._fault(reply)

        self._chunks = None
        self._reader = Discard(octets)
        self._finish = finish
        if not octets:
            finish(self)

    def _content_done(self) -> None:
        reader = self._reader
        assert type(reader) is DotContent
        if reader.too_large or reader.dropped:
            reply = replies.TOO_LARGE if reader.too_large else replies.NO_ROOM
            self._forget()
            self._enter(State.HOME)
            self._answer(reply)
            self._refused(reply)
        else:
            self._submit(reader.content())

    def _chunk_done(self) -> None:
        chunks = self._reader
        assert type(chunks) is ChunkContent
        if chunks.last:
            self._submit(chunks.content())
        else:
            self._reader = None
            self._answer(replies.OK)
            self._enter(State.CHUNKS)

    def _submit(self, content: bytes) -> None:
        """Ask for the message to be accepted; the answer is the reply to the final dot or the last chunk."""
        if (gone := self._policy.still_valid()) is not None:  # revoked while the content was on its way
            self.close(gone)
            return
        params = self._params
        envelope = SmtpEnvelope(
            self._sender,
            tuple(self._recipients),
            params.ret,
            params.envid,
            params.body,
            params.smtputf8,
            params.requiretls,
            len(content),
        )
        self._forget()
        self._enter(State.HOME)
        self.question = Accept(envelope, content)


def _none(argument: bytes) -> None:
    """For a verb that takes no argument."""
    if argument:
        raise Rejected(replies.NO_ARGUMENT)


Act: TypeAlias = Callable[[Server, bytes], bytes | None]
Row: TypeAlias = dict[bytes, "tuple[Act, State] | bytes"]

_ALWAYS: Row = {
    b"EHLO": (Server._ehlo, State.HOME),
    b"HELO": (Server._helo, State.HOME),
    b"RSET": (Server._rset, State.HOME),
    b"NOOP": (Server._noop, State.STAY),
    b"HELP": (Server._help, State.STAY),
    b"VRFY": (Server._vrfy, State.STAY),
    b"EXPN": (Server._expn, State.STAY),
    b"QUIT": (Server._quit, State.STAY),
    b"STARTTLS": (Server._starttls, State.NEW),
    b"BDAT": (Server._bdat_astray, State.STAY),
}


def _refuse(verbs: bytes, reply: bytes) -> Row:
    return dict.fromkeys(verbs.split(), reply)


# The whole order of a session. A reply alone refuses the verb in that state; a pair names the act and the state that
# a 2yz or 3yz answer leads to (4yz and 5yz change nothing).
TRANSITIONS: dict[State, Row] = {
    State.NEW_CLEAR: {**_ALWAYS, **_refuse(b"AUTH MAIL RCPT DATA", replies.TLS_FIRST)},
    State.CLEAR: {**_ALWAYS, **_refuse(b"AUTH MAIL RCPT DATA", replies.TLS_FIRST)},
    State.NEW: {**_ALWAYS, **_refuse(b"AUTH MAIL RCPT DATA", replies.HELLO_FIRST)},
    State.STRANGER: {
        **_ALWAYS,
        **_refuse(b"MAIL RCPT DATA", replies.AUTH_FIRST),
        b"AUTH": (Server._auth, State.READY),
    },
    State.READY: {
        **_ALWAYS,
        **_refuse(b"RCPT DATA", replies.MAIL_FIRST),
        b"AUTH": (Server._auth_again, State.STAY),
        b"MAIL": (Server._mail, State.SENDER),
    },
    State.SENDER: {
        **_ALWAYS,
        **_refuse(b"AUTH STARTTLS", replies.NOT_NOW),
        b"MAIL": replies.ONE_SENDER,
        b"RCPT": (Server._rcpt, State.RECIPIENTS),
        b"DATA": replies.RECIPIENT_FIRST,
    },
    State.RECIPIENTS: {
        **_ALWAYS,
        **_refuse(b"AUTH STARTTLS", replies.NOT_NOW),
        b"MAIL": replies.ONE_SENDER,
        b"RCPT": (Server._rcpt, State.RECIPIENTS),
        b"DATA": (Server._data, State.CONTENT),
        b"BDAT": (Server._bdat, State.CHUNKS),
    },
    State.CONTENT: {},  # octets, not verbs
    State.CHUNKS: {
        **_ALWAYS,
        **_refuse(b"AUTH STARTTLS", replies.NOT_NOW),
        **_refuse(b"MAIL RCPT DATA", replies.NO_MIXING),
        b"BDAT": (Server._bdat, State.CHUNKS),
    },
}
# What a chunk is told that came in the wrong state, once its octets have gone by.
_ASTRAY = {
    State.NEW_CLEAR: replies.TLS_FIRST,
    State.CLEAR: replies.TLS_FIRST,
    State.NEW: replies.HELLO_FIRST,
    State.STRANGER: replies.AUTH_FIRST,
    State.READY: replies.MAIL_FIRST,
    State.SENDER: replies.RECIPIENT_FIRST,
}
