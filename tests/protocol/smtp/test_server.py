"""The machine by itself: the table of states, parameters, limits, and that the cutting of input changes nothing."""

from __future__ import annotations

import base64
import gc
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailward.protocol.smtp.model import MailParams
from mailward.protocol.smtp.questions import Accept, Authenticate, ServerConfig, StartTls
from mailward.protocol.smtp.server import TRANSITIONS, Server, State

HELLO = b"EHLO client.test\r\n"
OPEN: dict[str, Any] = {"tls_required": False, "auth": False}


@dataclass
class Policy:
    """Says yes, except to evil senders and refused recipients."""

    valid: bool = True
    seen: list[MailParams] = field(default_factory=list)
    room: int = 1 << 30

    def hold(self, octets: int) -> bool:
        return octets <= self.room

    def still_valid(self) -> bytes | None:
        return None if self.valid else b"421 4.7.0 gone\r\n"

    def sender(self, address: str, params: MailParams) -> bytes | None:
        self.seen.append(params)
        return b"550 5.7.1 no\r\n" if address.startswith("evil") else None

    def recipient(self, address: str) -> bytes | None:
        return b"550 5.7.1 no\r\n" if address.startswith("refused") else None


@dataclass
class Driver:
    """Feeds a machine and answers its questions: ann's password is "secret", every message is accepted."""

    config: ServerConfig
    tls: bool = False
    known: bool = True
    policy: Policy = field(default_factory=Policy)
    messages: list[Accept] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.machine = Server(self.config, self.policy, tls=self.tls, known=self.known)
        self.machine.out.clear()
        self.upgrades = 0

    def feed(self, data: bytes) -> bytes:
        """The replies to `data`, questions answered on the way (TLS only when upgrade() is called)."""
        self.machine.receive(data)
        while (question := self.machine.question) is not None and type(question) is not StartTls:
            if type(question) is Accept:
                self.messages.append(question)
                self.machine.settled(b"250 2.0.0 Queued\r\n")
            elif type(question) is Authenticate:
                if (question.username, question.password.reveal()) == ("ann", "secret"):
                    self.machine.authenticated()
                else:
                    self.machine.not_authenticated(b"535 5.7.8 no\r\n")
        out = b"".join(self.machine.out)
        self.machine.out.clear()
        return out

    def ask(self, line: str) -> bytes:
        return self.feed(line.encode() + b"\r\n")


def driver(*, tls: bool = False, known: bool = True, **config: Any) -> Driver:
    return Driver(ServerConfig("mail.test", **{**OPEN, **config}), tls=tls, known=known)


def ready(**config: Any) -> Driver:
    made = driver(**config)
    made.feed(HELLO)
    return made


def with_recipient(**config: Any) -> Driver:
    made = ready(**config)
    assert made.ask("MAIL FROM:<a@example.org>").startswith(b"250")
    assert made.ask("RCPT TO:<b@example.net>").startswith(b"250")
    return made


def codes(replies: bytes) -> list[bytes]:
    """The code and enhanced code of each reply's last line."""
    lines = [line for line in replies.split(b"\r\n") if line and line[3:4] == b" "]
    return [b" ".join(line.split(b" ")[:2]) if line[:1] in b"245" else line[:3] for line in lines]


def test_every_verb_has_an_answer_in_every_state() -> None:
    """Outside content no state is without a word on any verb, so nothing depends on chance."""
    verbs = set().union(*TRANSITIONS.values())
    for state, row in TRANSITIONS.items():
        if state is State.CONTENT:
            assert row == {}
        elif state in {State.NEW_CLEAR, State.CLEAR, State.NEW, State.STRANGER, State.READY}:
            assert verbs - set(row) <= set()
        else:
            assert verbs == set(row)


@pytest.mark.parametrize(
    "verb", ["AUTH PLAIN x", "AUTH LOGIN", "MAIL FROM:<a@example.org>", "RCPT TO:<b@x.org>", "DATA"]
)
@pytest.mark.parametrize("hello", [b"", HELLO, b"HELO client.test\r\n"])
def test_tls_first(hello: bytes, verb: str) -> None:
    """Where TLS is required, AUTH and mail before STARTTLS get 530 5.7.0, whether or not a hello came first."""
    made = driver(known=False, tls_required=True, auth=True)
    assert b"AUTH" not in made.feed(hello)
    assert made.ask(verb).startswith(b"530 5.7.0")


def test_capabilities() -> None:
    """AUTH and REQUIRETLS are advertised over TLS only, STARTTLS only in the clear, BINARYMIME never."""
    clear = driver(known=False, tls_required=True, auth=True).feed(HELLO)
    inside = driver(tls=True, known=False, tls_required=True, auth=True).feed(HELLO)
    for word in (
        b"PIPELINING",
        b"SIZE 26214400",
        b"8BITMIME",
        b"SMTPUTF8",
        b"CHUNKING",
        b"DSN",
        b"ENHANCEDSTATUSCODES",
    ):
        assert b"-" + word in clear or b" " + word in clear
        assert word in inside
    assert b"STARTTLS" in clear
    assert b"STARTTLS" not in inside
    assert b"AUTH PLAIN LOGIN" in inside
    assert b"REQUIRETLS" in inside
    assert b"REQUIRETLS" not in clear
    assert b"BINARYMIME" not in inside


@pytest.mark.parametrize(
    ("said", "answers"),
    [
        ("MAIL FROM:<a@example.org>", [b"503 5.5.1"]),
        ("EHLO", [b"501 5.5.4"]),
        ("EHLO a(b)", [b"501 5.5.4"]),
        ("EHLO [127.0.0.1]|RCPT TO:<b@example.net>", [b"250 STARTTLS", b"503 5.5.1"]),
        ("HELO x|DATA", [b"250 mail.test", b"503 5.5.1"]),
        ("HELO x|MAIL FROM:<a@x.org>|DATA", [b"250 mail.test", b"250 2.1.0", b"503 5.5.1"]),
        ("HELO x|MAIL FROM:<a@x.org>|MAIL FROM:<a@x.org>", [b"250 mail.test", b"250 2.1.0", b"503 5.5.1"]),
        (
            "HELO x|MAIL FROM:<a@x.org>|RSET|RCPT TO:<b@x.org>",
            [b"250 mail.test", b"250 2.1.0", b"250 2.0.0", b"503 5.5.1"],
        ),
        (
            "HELO x|MAIL FROM:<a@x.org>|HELO x|RCPT TO:<b@x.org>",
            [b"250 mail.test", b"250 2.1.0", b"250 mail.test", b"503 5.5.1"],
        ),
        ("HELO x|MAIL FROM:<evil@x.org>|RCPT TO:<b@x.org>", [b"250 mail.test", b"550 5.7.1", b"503 5.5.1"]),
        ("HELO x|AUTH PLAIN", [b"250 mail.test", b"530 5.7.0"]),
        (
            "NOOP|NOOP x|HELP|VRFY a|VRFY|EXPN a",
            [b"250 2.0.0", b"250 2.0.0", b"214 2.0.0", b"252 2.5.0", b"252 2.5.0", b"502 5.5.1"],
        ),
        ("DATA x|QUIT x|QUIT", [b"503 5.5.1", b"501 5.5.4", b"221 2.0.0"]),
        ("WAT|XCLIENT ADDR=1.2.3.4|PROXY TCP4 1.2.3.4 1.2.3.4 1 2", [b"500 5.5.1"] * 3),
        ("GET / HTTP/1.1|NOOP", [b"500 5.5.1"]),
    ],
)
def test_sequences(said: str, answers: list[bytes]) -> None:
    """Commands out of order, unknown or misshapen are answered by code, and do not move the session."""
    made = driver()
    assert codes(b"".join(made.ask(line) for line in said.split("|"))) == answers


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("MAIL FROM:<>", b"250 2.1.0"),
        ("MAIL FROM: <a@example.org>", b"250 2.1.0"),
        ("mail from:<a@example.org> size=1000 body=8bitmime ret=hdrs envid=QQ+2B1", b"250 2.1.0"),
        ("MAIL FROM:<a@example.org> AUTH=<>", b"250 2.1.0"),
        ("MAIL FROM:<a@example.org> AUTH=ann+40example.org", b"250 2.1.0"),
        ("MAIL FROM:<\u00e4@example.org> SMTPUTF8", b"250 2.1.0"),
        ("MAIL FROM:<\u00e4@example.org>", b"553 5.6.7"),
        ("MAIL FROM:a@example.org", b"501 5.1.7"),
        ("MAIL FROM:<a@example.org", b"501 5.1.7"),
        ("MAIL FROM:<a@example.org>SIZE=1", b"501 5.1.7"),
        ("MAIL FROM:<a%b@example.org>", b"553 5.1.7"),
        ("MAIL FROM:<@x:a@example.org>", b"553 5.1.7"),
        ("MAIL TO:<a@example.org>", b"501 5.5.4"),
        ("MAIL", b"501 5.5.4"),
        ("MAIL FROM:<a@example.org> SIZE=26214401", b"552 5.3.4"),
        ("MAIL FROM:<a@example.org> SIZE=1000000000000", b"552 5.3.4"),
        ("MAIL FROM:<a@example.org> SIZE=-1", b"501 5.5.4"),
        ("MAIL FROM:<a@example.org> SIZE", b"501 5.5.4"),
        ("MAIL FROM:<a@example.org> SIZE=" + "9" * 21, b"501 5.5.4"),
        ("MAIL FROM:<a@example.org> SIZE=1 SIZE=1", b"501 5.5.4"),
        ("MAIL FROM:<a@example.org> BODY=BINARYMIME", b"555 5.5.4"),
        ("MAIL FROM:<a@example.org> BODY=9BIT", b"501 5.5.4"),
        ("MAIL FROM:<a@example.org> RET=SOME", b"501 5.5.4"),
        ("MAIL FROM:<a@example.org> ENVID=a+0D+0Ab", b"501 5.5.4"),
        ("MAIL FROM:<a@example.org> ENVID=a+4", b"501 5.5.4"),
        ("MAIL FROM:<a@example.org> ENVID=" + "a" * 101, b"501 5.5.4"),
        ("MAIL FROM:<a@example.org> AUTH=a+0Db", b"501 5.5.4"),
        ("MAIL FROM:<a@example.org> SMTPUTF8=1", b"501 5.5.4"),
        ("MAIL FROM:<a@example.org> REQUIRETLS", b"555 5.5.4"),
        ("MAIL FROM:<a@example.org> XYZ=1", b"555 5.5.4"),
        ("MAIL FROM:<a@example.org>  SIZE=1", b"501 5.5.4"),
        ("MAIL FROM:<a@example.org> " + "X=" + "a" * 2048, b"500 5.5.2"),
    ],
)
def test_mail(line: str, answer: bytes) -> None:
    """MAIL takes what RFC 5321, 1870, 6152, 3461, 4954, 6531 and 8689 define, and each mistake has its code."""
    assert codes(ready().ask(line)) == [answer]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("RCPT TO:<b@example.net> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;b+2Bx@example.net", b"250 2.1.5"),
        ("RCPT TO:<b@example.net> NOTIFY=NEVER", b"250 2.1.5"),
        ("RCPT TO:<b@example.net> ORCPT=utf-8;b\\x{E4}@example.net", b"250 2.1.5"),
        ("RCPT TO:<b@example.net> NOTIFY=NEVER,SUCCESS", b"501 5.5.4"),
        ("RCPT TO:<b@example.net> NOTIFY=SUCCESS,SUCCESS", b"501 5.5.4"),
        ("RCPT TO:<b@example.net> NOTIFY=", b"501 5.5.4"),
        ("RCPT TO:<b@example.net> ORCPT=b@example.net", b"501 5.5.4"),
        ("RCPT TO:<b@example.net> ORCPT=rfc822;a+0Ab", b"501 5.5.4"),
        ("RCPT TO:<b@example.net> ORCPT=utf-8;a\\x{0A}b", b"501 5.5.4"),
        ("RCPT TO:<b@example.net> SIZE=1", b"555 5.5.4"),
        ("RCPT TO:<>", b"501 5.1.3"),
        ("RCPT TO:<postmaster>", b"501 5.1.3"),
        ("RCPT TO:<refused@example.net>", b"550 5.7.1"),
        ("RCPT TO:<\u00e4@example.net>", b"553 5.6.7"),
    ],
)
def test_rcpt(line: str, answer: bytes) -> None:
    """RCPT takes NOTIFY and ORCPT; the null path is for MAIL only."""
    made = ready()
    made.ask("MAIL FROM:<a@example.org>")
    assert codes(made.ask(line)) == [answer]


def test_parameters_reach_the_envelope() -> None:
    """What MAIL and RCPT said is in the envelope, decoded."""
    made = driver(tls=True)
    made.feed(HELLO)
    made.ask("MAIL FROM:<a@example.org> RET=FULL ENVID=Q+2B1 BODY=8BITMIME SMTPUTF8 REQUIRETLS SIZE=5")
    made.ask("RCPT TO:<b@example.net> NOTIFY=FAILURE,DELAY ORCPT=RFC822;old+2B@example.net")
    made.ask("DATA")
    made.feed(b"hi\r\n.\r\n")
    envelope = made.messages[0].envelope
    assert envelope[:1] + envelope[2:] == ("a@example.org", "FULL", "Q+1", "8BITMIME", True, True, 4)
    assert envelope.recipients == (("b@example.net", "FAILURE,DELAY", "rfc822;old+@example.net"),)


def test_a_line_limit_each() -> None:
    """512 octets for most lines, 2048 for MAIL and RCPT, 12288 for AUTH; the session goes on after each refusal."""
    made = ready(faults=100)
    assert codes(made.ask("NOOP " + "x" * 505)) == [b"250 2.0.0"]
    assert codes(made.ask("NOOP " + "x" * 506)) == [b"500 5.5.2"]
    assert codes(made.ask("NOOP " + "x" * 200_000)) == [b"500 5.5.2"]
    assert codes(made.ask("AUTH PLAIN " + "x" * 200_000)) == [b"501 5.5.6"]
    assert codes(made.ask("NOOP")) == [b"250 2.0.0"]
    for _ in range(100):
        made.machine.receive(b"x" * 65_536)
        assert made.machine.held < 20_000
    assert made.machine.closed


def test_auth_dialogues() -> None:
    """PLAIN and LOGIN, with and without an initial response; cancelled; after success no second AUTH."""
    ok = base64.b64encode(b"\0ann\0secret").decode()
    bad = base64.b64encode(b"\0ann\0wrong").decode()
    user, password = base64.b64encode(b"ann").decode(), base64.b64encode(b"secret").decode()

    def stranger() -> Driver:
        made = driver(tls=True, known=False, tls_required=True, auth=True)
        made.feed(HELLO)
        assert codes(made.ask("MAIL FROM:<a@example.org>")) == [b"530 5.7.0"]
        return made

    for dialogue in (
        [f"AUTH PLAIN {ok}"],
        ["AUTH PLAIN", ok],
        ["auth login", user, password],
        [f"AUTH LOGIN {user}", password],
    ):
        made = stranger()
        answers = [made.ask(line) for line in dialogue]
        assert all(a.startswith(b"334") for a in answers[:-1])
        assert codes(answers[-1]) == [b"235 2.7.0"]
        assert codes(made.ask(f"AUTH PLAIN {ok}")) == [b"503 5.5.1"]
        assert codes(made.ask("MAIL FROM:<a@example.org>")) == [b"250 2.1.0"]
        assert codes(made.ask(f"AUTH PLAIN {ok}")) == [b"503 5.5.1"]
    for dialogue, answer in (
        (["AUTH PLAIN", "*"], b"501 5.7.0"),
        (["AUTH LOGIN", user, "*"], b"501 5.7.0"),
        (["AUTH PLAIN *"], b"501 5.7.0"),
        (["AUTH CRAM-MD5"], b"504 5.5.4"),
        (["AUTH"], b"501 5.5.4"),
        (["AUTH PLAIN ="], b"501 5.5.2"),
        (["AUTH PLAIN !!!"], b"501 5.5.2"),
        ([f"AUTH PLAIN {bad}"], b"535 5.7.8"),
        (["AUTH PLAIN", ""], b"501 5.5.2"),
        (["AUTH PLAIN " + base64.b64encode(b"bob\0ann\0secret").decode()], b"535 5.7.8"),
        (["AUTH LOGIN", base64.b64encode(b"a\0b").decode()], b"501 5.5.2"),
        (["AUTH PLAIN " + base64.b64encode(b"\0ann\0sec\0ret").decode()], b"501 5.5.2"),
        (["AUTH PLAIN " + base64.b64encode(b"\0ann\0" + b"x" * 1025).decode()], b"501 5.5.2"),
        (["AUTH PLAIN " + base64.b64encode(b"\0\xff\0secret").decode()], b"501 5.5.2"),
        (["AUTH PLAIN", "x" * 200_000], b"501 5.5.6"),
    ):
        made = stranger()
        assert codes([made.ask(line) for line in dialogue][-1]) == [answer]
        assert codes(made.ask(f"AUTH PLAIN {ok}")) == [b"235 2.7.0"]
    made = stranger()
    assert codes(b"".join(made.ask(f"AUTH PLAIN {bad}") for _ in range(3))) == [b"535 5.7.8"] * 3 + [b"421 4.7.0"]


def test_starttls_forgets() -> None:
    """What is pipelined behind STARTTLS is never executed, and the session starts anew after the handshake."""
    made = driver(known=False, tls_required=True, auth=True)
    made.feed(HELLO)
    assert codes(made.feed(b"STARTTLS\r\nEHLO evil\r\nNOOP\r\n")) == [b"220 2.0.0"]
    assert made.feed(b"RSET\r\n") == b""
    made.machine.tls_started()
    assert made.feed(b"") == b""
    assert made.machine.helo == ""
    assert codes(made.ask("MAIL FROM:<a@example.org>")) == [b"503 5.5.1"]
    assert codes(made.ask("STARTTLS")) == [b"503 5.5.1"]


@pytest.mark.parametrize("data", [b"NOOP\n", b"\n", b"MAIL FROM:<a@x.org>\nRCPT TO:<b@x.org>\r\n", b"NOOP\n\r\n"])
def test_bare_lf_in_commands(data: bytes) -> None:
    """A command that ends in LF alone closes the session; what follows is not a command."""
    made = ready()
    assert codes(made.feed(data + b"NOOP\r\n")) == [b"500 5.5.2"]
    assert made.machine.closed


@pytest.mark.parametrize(
    "data", [b"NO\rOP\r\n", b"NOOP\0\r\n", b"MAIL FROM:<a@x.org\0>\r\n", b"\rNOOP\r\n", b"NOOP\r\r\n"]
)
def test_controls_in_commands(data: bytes) -> None:
    """A bare CR or a NUL in a command is one error, and the session goes on."""
    assert codes(ready().feed(data + b"NOOP\r\n")) == [b"500 5.5.2", b"250 2.0.0"]


def test_recipient_limit() -> None:
    """Past the limit each RCPT is 452 4.5.3, far past it the session ends; the accepted ones stand until then."""
    made = with_recipient(max_recipients=5)
    for n in range(4):
        assert made.ask(f"RCPT TO:<b{n}@example.net>").startswith(b"250")
    assert codes(made.ask("RCPT TO:<c@example.net>")) == [b"452 4.5.3"]
    many = [made.ask("RCPT TO:<c@example.net>") for _ in range(1000)]
    assert made.machine.closed
    assert codes(b"".join(many))[-1] == b"421 4.7.0"


def test_budgets() -> None:
    """Idle talk and errors end a session with 421 4.7.0; an accepted message gives the budget back."""
    for line, budget in (("NOOP", "junk"), ("RSET", "junk"), ("EHLO x", "junk"), ("WAT", "faults")):
        made = ready(**{budget: 10})
        said = codes(b"".join(made.ask(line) for _ in range(50)))
        assert said[-1] == b"421 4.7.0"
        assert len(said) <= 11
    made = ready(junk=10)
    for _ in range(5):
        for _ in range(8):
            made.ask("NOOP")
        made.feed(b"MAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\nx\r\n.\r\n")
    assert not made.machine.closed


@pytest.mark.parametrize("chunk", [b"BDAT 0\r\n", b"BDAT 2\r\nab"])
def test_chunks_that_bring_nothing(chunk: bytes) -> None:
    """A thousand tiny chunks may make a message; whoever goes on is sent away."""
    made = with_recipient()
    assert codes(made.feed(chunk * 1000)) == [b"250 2.0.0"] * 1000
    assert codes(made.feed(chunk * 50)) == [b"421 4.7.0"]
    assert made.machine.closed


@pytest.mark.parametrize(
    ("tls", "starttls", "answer"),
    [(False, True, b"530 5.7.0"), (False, False, b"502 5.5.1"), (True, True, b"502 5.5.1")],
)
def test_auth_where_nobody_has_to(tls: bool, starttls: bool, answer: bytes) -> None:
    """At a door without AUTH a password in the clear is told of TLS first, and any other that nobody asks for it."""
    made = driver(tls=tls, auth=False, starttls=starttls)
    made.feed(HELLO)
    assert codes(made.ask("AUTH PLAIN AGFubgBzZWNyZXQ=")) == [answer]
    assert made.machine.question is None


def test_growing_beyond_the_limit() -> None:
    """Content past the size limit is drained and refused with 552; past the drain allowance the session ends."""
    made = with_recipient(max_size=1000, drain=5000)
    made.ask("DATA")
    made.feed((b"x" * 70 + b"\r\n") * 20)
    assert codes(made.feed(b".\r\nNOOP\r\n")) == [b"552 5.3.4", b"250 2.0.0"]
    assert made.messages == []
    made.feed(b"MAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n")
    assert codes(made.feed((b"x" * 70 + b"\r\n") * 1000)) == [b"552 5.3.4"]
    assert made.machine.closed


TEXT = (b"x" * 70 + b"\r\n") * 20
REFUSED = b"452 4.3.1"


@pytest.mark.parametrize("cut", [1, 100, 10_000])
def test_content_there_is_no_room_for(cut: int) -> None:
    """Content that may not be kept is read to its end and refused for now, however it is cut; the session goes on."""
    envelope = b"MAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\n"
    for sent, answers in (
        (b"DATA\r\n" + TEXT + b".\r\n", [b"354", REFUSED]),
        (b"BDAT 1440 LAST\r\n" + TEXT, [REFUSED]),
        (b"BDAT 72\r\n" + TEXT[:72] + b"BDAT 1368 LAST\r\n" + TEXT[72:], [b"250 2.0.0", REFUSED]),
        (b"BDAT 1440\r\n" + TEXT + b"BDAT 72 LAST\r\n" + TEXT[:72], [REFUSED, b"503 5.5.1"]),
    ):
        made = ready()
        made.policy.room = 1000
        stream = envelope + sent + b"NOOP\r\n" + envelope + b"BDAT 720 LAST\r\n" + TEXT[:720]
        said = b"".join(made.feed(stream[at : at + cut]) for at in range(0, len(stream), cut))
        expected = [b"250 2.1.0", b"250 2.1.5", *answers, b"250 2.0.0", b"250 2.1.0", b"250 2.1.5", b"250 2.0.0"]
        assert codes(said) == expected
        assert [m.content for m in made.messages] == [TEXT[:720]]
        assert made.machine.kept == 0


def test_what_is_kept() -> None:
    """Octets of content count from the first until the message is answered, also between two chunks."""
    made = with_recipient()
    made.feed(b"BDAT 100\r\n" + TEXT[:72])
    assert made.machine.kept == 72
    made.feed(TEXT[72:100])
    assert made.machine.kept == 100
    assert made.machine.in_message
    made.machine.receive(b"BDAT 44 LAST\r\n" + TEXT[100:144])
    assert made.machine.kept == 144
    made.machine.settled(b"250 2.0.0 Queued\r\n")
    assert made.machine.kept == 0
    assert not made.machine.in_message


def test_drain() -> None:
    """A drain ends an idle session at once, a busy one at its next command after the message is answered."""
    idle = ready()
    idle.machine.drain()
    assert codes(idle.feed(b"")) == [b"421 4.3.2"]
    busy = with_recipient()
    busy.ask("DATA")
    busy.machine.drain()
    assert codes(busy.feed(b"x\r\n.\r\nNOOP\r\n")) == [b"250 2.0.0", b"421 4.3.2"]
    assert len(busy.messages) == 1


# ---------------------------------------------------------------- the cutting of input

PIECES = [
    HELLO,
    b"HELO x\r\n",
    b"MAIL FROM:<a@example.org>\r\n",
    b"MAIL FROM:<evil@example.org>\r\n",
    b"RCPT TO:<b@example.net>\r\n",
    *(b"DATA\r\n", b"text\r\n", b"..stuffed\r\n", b".\r\n", b"\r\n.\r\n", b"\n", b"\r", b"\0", b"."),
    *(b"BDAT 6\r\nab\r\ncd", b"BDAT 4 LAST\r\nab\r\n", b"BDAT 0 LAST\r\n", b"BDAT x\r\n", b"BDAT 300\r\n"),
    *(b"BDAT 3\r\nab\r", b"BDAT 3 LAST\r\n\nab", b"BDAT 99999\r\n", b"RSET\r\n", b"NOOP\r\n", b"QUIT\r\n", b"WAT\r\n"),
    *(b"x" * 600, b"y" * 13_000, b"AUTH PLAIN\r\n", b"AUTH PLAIN AGFubgBzZWNyZXQ=\r\n", b"*\r\n"),
]


@settings(max_examples=400, deadline=None)
@given(st.data(), st.booleans())
def test_cutting_changes_nothing(data: st.DataObject, known: bool) -> None:
    """Any division of the same octets yields the same replies, the same messages and the same end."""
    likely = [HELLO, b"MAIL FROM:<a@example.org>\r\n", b"RCPT TO:<b@example.net>\r\n"]
    start = data.draw(st.sampled_from([[], likely, [*likely, b"DATA\r\n"]]))
    stream = b"".join(start + data.draw(st.lists(st.sampled_from(PIECES), max_size=12)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    config: dict[str, Any] = {"max_size": 100, "drain": 500, "auth": not known, "faults": 8}
    whole, cut, single = (driver(known=known, **config) for _ in range(3))
    expected = whole.feed(stream)
    got = b"".join(cut.feed(stream[a:b]) for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True))
    assert got == expected
    assert (cut.messages, cut.machine.closed) == (whole.messages, whole.machine.closed)
    if len(stream) < 2000:
        assert b"".join(single.feed(stream[n : n + 1]) for n in range(len(stream))) == expected
        assert single.messages == whole.messages


@pytest.mark.parametrize("content", [b"DATA\r\nhi\r\n.\r\n", b"BDAT 2 LAST\r\nhi", b"BDAT 99999999 LAST\r\n"])
def test_a_machine_that_is_over_is_gone_at_once(content: bytes) -> None:
    """No reference of a machine to itself keeps its last message in memory until the collector comes by."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        driver = Driver(ServerConfig(hostname="mx.test", **OPEN))
        driver.feed(HELLO + b"MAIL FROM:<a@d.test>\r\nRCPT TO:<b@e.test>\r\n" + content)
        del driver
        gc.collect()
        assert not [o for o in gc.garbage if isinstance(o, Server)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
