"""The client machine by itself: replies, wire form, parameters, dialogue."""

from __future__ import annotations

from random import Random

import pytest

from mailward.base.outcome import Done, PermFail, TempFail
from mailward.base.secret import Secret
from mailward.protocol.smtp.client import TRANSITIONS, SmtpClient, State, Step, TlsWish
from mailward.protocol.smtp.client_mail import (
    Dsn,
    Mail,
    WireContent,
    original_recipient,
    path,
    wire_content,
    xtext,
)
from mailward.protocol.smtp.client_replies import MAX_LINE, ReplyReader, enhanced_status
from mailward.protocol.smtp.commands import rcpt


def judge(stage: str, code: int, enhanced: str, text: str) -> TempFail | PermFail:
    return TempFail(stage, text, code, enhanced) if code < 500 else PermFail(stage, text, code, enhanced)


def ready(offers: bytes = b"250-mx\r\n250 PIPELINING\r\n", tls: TlsWish = "never") -> SmtpClient:
    client = SmtpClient("a.test", judge, at=0.0, tls=tls)
    client.receive(b"220 hi\r\n", 0.1)
    assert client.receive(offers, 0.2) is Step.READY
    client.out = []
    return client


def mail(content: bytes = b"x\r\n", *to: str, **more: object) -> Mail:
    return Mail("s@a.test", to or ("r@b.test",), wire_content(content), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_replies_in_any_pieces(size: int) -> None:
    """However a stream is cut, the same replies come out."""
    stream = b"220 a\r\n250-b\r\n250-c\r\n250 d\r\n354\r\n550 5.1.1 e\n"
    reader = ReplyReader()
    found = [r for i in range(0, len(stream), size) for r in reader.feed(stream[i : i + size])]
    assert found == [(220, b"a"), (250, b"b\nc\nd"), (354, b""), (550, b"5.1.1 e")]
    assert not reader.bad and not reader.partial


@pytest.mark.parametrize(
    "stream",
    [b"999 x\r\n", b"199 x\r\n", b"600 x\r\n", b"25\r\n", b"\r\n", b"2500 x\r\n", b"250_x\r\n", b"250-a\r\n251 b\r\n",
     b"250-a\r\n" * 101, b"250 " + b"x" * MAX_LINE + b"\r\n", b"x" * (MAX_LINE + 1), b"HTTP/1.1 400\r\n",
     b"\xb2\xb5\xb0 x\r\n"],
)  # fmt: skip
def test_malformed_replies(stream: bytes) -> None:
    """Whatever RFC 5321 does not allow is bad, and nothing is read after it."""
    reader = ReplyReader()
    reader.feed(stream)
    assert reader.bad
    assert reader.feed(b"250 ok\r\n") == []


def test_enhanced_status() -> None:
    """An enhanced code counts only at the start and in the reply's class."""
    assert enhanced_status(550, b"5.1.1 no") == "5.1.1"
    assert enhanced_status(550, b"4.1.1 no") == ""
    assert enhanced_status(550, b"see 5.1.1") == ""
    assert enhanced_status(550, b"5.1.1.1 no") == ""


@pytest.mark.parametrize(
    ("content", "wire"),
    [
        (b"", b".\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.\r\n.b\r\n", b"a\r\n..\r\n..b\r\n.\r\n"),
        ((b"h\r\n", b".b\r\n"), b"h\r\n..b\r\n.\r\n"),
        ((b"a\r", b"\n", b".\r\n"), b"a\r\n..\r\n.\r\n"),
        ((b"a", b".b\r\n"), b"a.b\r\n.\r\n"),
    ],
)
def test_wire_content(content: bytes | tuple[bytes, ...], wire: bytes) -> None:
    """Dots are stuffed at line starts only, across chunks too, and the end is one dot."""
    assert b"".join(wire_content(content).chunks) == wire


@pytest.mark.parametrize("bad", [b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"a\r\r\n", b"\0", b"a\n\r\n", b"\r\n.\r"])
def test_nothing_bare(bad: bytes) -> None:
    """A bare CR, LF or NUL is refused wherever it stands (outbound smuggling)."""
    for content in (bad, b"x\r\n" + bad, bad + b"x\r\n"):
        with pytest.raises(ValueError):
            wire_content(content)


@pytest.mark.parametrize(
    "bad",
    ["a@b\r\nRCPT TO:<c@d>", "a@b\n", "a\0@b", "a> SIZE=1", "a b@c", "\u2028@b", "\ud800@b", '"a"b" x>@c', '"a\\"@c >'],
)
def test_addresses_cannot_break_out(bad: str) -> None:
    """An address with a line end, a control or a loose bracket never reaches the wire."""
    with pytest.raises(ValueError):
        path(bad)


def test_quoted_local_part_and_null_path() -> None:
    """Quoted local parts keep their spaces; the empty path is allowed."""
    assert path('"a > b"@c.test') == b'<"a > b"@c.test>'
    assert path("") == b"<>"
    assert xtext("a+b=c d") == b"a+2Bb+3Dc+20d"


def test_one_write_per_group() -> None:
    """With PIPELINING the whole envelope is one write, with the parameters the peer offered."""
    client = ready(b"250-mx\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8\r\n")
    dsn = Dsn("HDRS", "e+1", ("FAILURE,DELAY",), ("rfc822;r@b.test",))
    client.send(mail(b"\xc3\xa4\r\n", smtputf8=True, dsn=dsn), 1.0)
    assert client.out == [
        b"MAIL FROM:<s@a.test> SIZE=4 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e+2B1\r\n"
        b"RCPT TO:<r@b.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;r@b.test\r\nDATA\r\n"
    ]


@pytest.mark.parametrize(
    ("letter", "reason"),
    [
        (mail(b"\xff\r\n"), "eight_bit_unsupported"),
        (mail(b"x\r\n", smtputf8=True), "smtputf8_unsupported"),
        (mail(b"x\r\n", requiretls=True), "requiretls_unsupported"),
        (mail(b"x" * 200), "message_too_large"),
    ],
)
def test_what_the_peer_cannot_take_is_not_begun(letter: Mail, reason: str) -> None:
    """8-bit content, internationalised mail, REQUIRETLS and size are checked before a word is said."""
    client = ready(b"250-mx\r\n250 SIZE 100\r\n")
    assert client.send(letter, 1.0) is Step.FINISHED
    outcome = client.outcomes[0]
    assert isinstance(outcome, PermFail) and outcome.reason == reason
    assert client.out == [] and client.state is State.READY


def test_another_form_for_seven_bits() -> None:
    """Without 8BITMIME the 7-bit form is asked for and sent; with it, nothing is asked; a refusal is the outcome."""
    asked: list[str] = []

    def form() -> WireContent:
        asked.append("form")
        return wire_content(b"=C3=A4\r\n")._replace(rewritten=("text/plain is now quoted-printable",))

    client = ready(b"250-mx\r\n250-PIPELINING\r\n250 SIZE 1000\r\n")
    client.send(mail(b"\xc3\xa4\r\n", seven_bit=form), 1.0)
    assert client.out[0].startswith(b"MAIL FROM:<s@a.test> SIZE=8\r\n")
    client.out = []
    assert client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n", 1.1) is Step.WAIT
    assert client.out == [b"=C3=A4\r\n", b".\r\n"]
    assert list(client.rewritten) == ["text/plain is now quoted-printable"]
    client.receive(b"250 queued\r\n", 1.2)
    client.send(mail(b"ascii\r\n", seven_bit=form), 2.0)
    assert asked == ["form"] and len(client.rewritten) == 0

    able = ready(b"250-mx\r\n250 8BITMIME\r\n")
    able.send(mail(b"\xc3\xa4\r\n", seven_bit=form), 1.0)
    assert able.out == [b"MAIL FROM:<s@a.test> BODY=8BITMIME\r\n"] and asked == ["form"]

    refused = PermFail("eight_bit_unsupported", "signed", 554, "5.6.3")
    unable = ready()
    assert unable.send(mail(b"\xc3\xa4\r\n", seven_bit=lambda: refused), 1.0) is Step.FINISHED
    assert unable.outcomes == [refused] and unable.state is State.READY and unable.out == []


@pytest.mark.parametrize("pipelining", [True, False])
def test_reset_only_when_needed(pipelining: bool) -> None:
    """After a message that ended before its content, RSET opens the next; after a complete one it does not."""
    client = ready(b"250-mx\r\n250 PIPELINING\r\n" if pipelining else b"250 mx\r\n")
    client.send(mail(), 1.0)
    if pipelining:
        step = client.receive(b"250 ok\r\n550 no\r\n503 no\r\n", 1.1)
    else:
        client.receive(b"250 ok\r\n", 1.1)
        step = client.receive(b"550 no\r\n", 1.1)
    assert step is Step.FINISHED
    client.out = []
    client.send(mail(), 2.0)
    assert client.out[0].startswith(b"RSET\r\n")
    for reply in (b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
        client.receive(reply, 2.1)
    assert client.receive(b"250 queued as 1\r\n", 2.2) is Step.FINISHED
    assert client.outcomes == [Done("queued as 1", 250)]
    client.out = []
    client.send(mail(), 3.0)
    assert client.out[0].startswith(b"MAIL")


@pytest.mark.parametrize(
    "replies",
    [
        (b"250 ok\r\n250 ok\r\n250 for DATA\r\n",),
        (b"250 ok\r\n250 ok\r\n354 go\r\n", b"354 again\r\n"),
        (b"354 for MAIL\r\n250 ok\r\n503 no\r\n",),
        (b"250 ok\r\n354 for RCPT\r\n503 no\r\n",),
    ],
)
def test_an_answer_without_sense_is_the_last_one(replies: tuple[bytes, ...]) -> None:
    """Who answers 250 to DATA or 354 to RCPT may be answering another question: no second message goes that way."""
    client = ready()
    client.send(mail(), 1.0)
    steps = [client.receive(reply, 1.1) for reply in replies]
    assert steps[-1] is Step.FINISHED
    assert client.state is State.CLOSED
    assert [o.reason for o in client.outcomes if isinstance(o, TempFail)] == ["protocol_error"]


@pytest.mark.parametrize(
    "replies",
    [
        (b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n",),
        (b"250 ok\r\n250 ok\r\n354 go\r\n", b"354 a\r\n250 b\r\n"),
        (b"250 ok\r\n250 ok\r\n354 go\r\n", b"354 a\r\n25"),
        (b"250 ok\r\n250 ok\r\n354 go\r\n", b"354 a\r\nwhat\r\n"),
        (b"250 ok\r\n250 ok\r\n354 go\r\n", b"250 a\r\nwhat\r\n"),
    ],
)
def test_more_answers_than_questions(replies: tuple[bytes, ...]) -> None:
    """A server that says more than it was asked ends the session, and the message has its result all the same."""
    client = ready()
    client.send(mail(), 1.0)
    steps = [client.receive(reply, 1.1) for reply in replies]
    assert steps[-1] is Step.FINISHED
    assert client.state is State.CLOSED
    assert None not in client.outcomes
    assert client.receive(b"250 more\r\n", 1.2) is Step.CLOSED


@pytest.mark.parametrize(
    ("said", "kind"),
    [(b"299 ok\r\n", Done), (b"571 5.7.1 no\r\n", PermFail), (b"471 no\r\n", TempFail), (b"369 what\r\n", TempFail)],
)
def test_a_code_that_nobody_knows_is_read_by_its_first_digit(said: bytes, kind: type) -> None:
    """RFC 5321 section 4.3.2: of a code that is not known the first digit counts, after the dot and before."""
    client = ready()
    client.send(mail(), 1.0)
    assert client.receive(b"260 ok\r\n299 ok\r\n399 go\r\n", 1.1) is Step.WAIT
    assert client.receive(said, 1.2) is Step.FINISHED
    assert isinstance(client.outcomes[0], kind)
    if kind is not Done and said[:1] != b"3":
        client = ready()
        client.send(mail(), 1.0)
        assert client.receive(b"250 ok\r\n" + said + b"503 no\r\n", 1.1) is Step.FINISHED
        assert isinstance(client.outcomes[0], kind)


@pytest.mark.parametrize("size", [1, 700, 100_000])
@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"250 ok" + b"x" * MAX_LINE + b"\r\n", Done),
        (b"250 ok" + b"x" * MAX_LINE, Done),
        (b"250-ok\r\n" * 200, Done),
        (b"250-ok\r\n250 " + b"x" * MAX_LINE, Done),
        (b"250 ok\r\n" + b"x" * (MAX_LINE + 1), Done),
        (b"552 5.3.4 no" + b"x" * MAX_LINE + b"\r\n", PermFail),
        (b"250-ok\r\n251 " + b"x" * MAX_LINE, TempFail),
        (b"2500" + b"x" * MAX_LINE, TempFail),
    ],
)
def test_the_code_after_the_final_dot_counts(said: bytes, kind: type, size: int) -> None:
    """A reply without end is not read to its end, but what it answers is known; the session is over."""
    client = ready()
    client.send(mail(), 1.0)
    client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n", 1.1)
    steps = [client.receive(said[i : i + size], 1.2) for i in range(0, len(said), size)]
    assert Step.FINISHED in steps or kind is TempFail
    assert client.state is State.CLOSED
    assert isinstance(client.outcomes[0], kind)


@pytest.mark.parametrize("said", [b"451 no\r\n", b"550 no\r\n", b"421 bye\r\n", b"354 what\r\n"])
def test_a_refused_reset_is_not_about_the_next_message(said: bytes) -> None:
    """The answer to RSET ends the session, and is no outcome of the message that follows it."""
    client = ready()
    client.send(mail(), 1.0)
    assert client.receive(b"250 ok\r\n550 no\r\n503 no\r\n", 1.1) is Step.FINISHED
    client.send(mail(), 2.0)
    assert client.receive(said + b"250 ok\r\n250 ok\r\n354 go\r\n", 2.1) is Step.CLOSED
    assert client.failure is not None
    assert [o is client.failure for o in client.outcomes] == [True]


def test_half_a_reply_that_nobody_asked_for() -> None:
    """What comes while nothing was asked never becomes the beginning of an answer."""
    client = ready()
    assert client.receive(b"250-", 1.0) is Step.CLOSED


def _octets(chance: Random, state: State) -> bytes:
    """What a server may say now: often what is right, or replies at random, or anything."""
    kind = chance.random()
    if kind < 0.6:
        envelope = [b"250 ok\r\n", b"250 ok\r\n" * 2, b"354 go\r\n", b"250 ok\r\n250 ok\r\n354 go\r\n"]
        right = {
            State.GREETING: [b"220 hi\r\n"],
            State.EHLO: [b"250-x\r\n250-PIPELINING\r\n250 8BITMIME\r\n", b"250-x\r\n250 STARTTLS\r\n", b"502 no\r\n"],
            State.STARTTLS: [b"220 go\r\n", b"454 no\r\n"],
            State.ENVELOPE: [*envelope, b"550 no\r\n"],
            State.CONTENT: [b"250 ok\r\n", b"451 no\r\n"],
        }
        return chance.choice(right.get(state, [b"250 ok\r\n"]))
    if kind < 0.65:
        return chance.randbytes(chance.randrange(1, 40))
    said = b""
    for _ in range(chance.randrange(1, 4)):
        code = chance.choice([b"220", b"250", b"250", b"354", b"421", b"450", b"550", b"334", b"299", b"666", b"2"])
        said += code + chance.choice(
            [b" t\r\n", b" t\n", b"-t\r\n", b"\r\n", b"", b"_\r\n", b" t\r\n" + code + b" t\r\n"]
        )
    return said


def _where(client: SmtpClient) -> State:
    return client.state


def _session(chance: Random) -> None:
    """One session with such a server, with every promise of the client looked at after each step."""
    client = SmtpClient("a.test", judge, at=0.0, tls=chance.choice(["never", "offered", "required"]))
    sent = 0
    under_way = False
    for _ in range(chance.randrange(1, 40)):
        if client.state is State.CLOSED:
            break
        if client.state is State.READY and sent < 3:
            sent += 1
            to = tuple(f"{n}@b.test" for n in range(chance.randrange(1, 4)))
            content = chance.choice([b"x\r\n", b"\xc3\xa4\r\n"])
            steps = [client.send(mail(content, *to, requiretls=chance.random() < 0.1), 1.0)]
            under_way = True
        elif client.state is State.HANDSHAKE and chance.random() < 0.5:
            steps = [client.tls_started(1.0, verified=True)]
        else:
            said = _octets(chance, client.state)
            size = chance.choice([1, 3, len(said)])
            steps = [client.receive(said[i : i + size], 1.0) for i in range(0, len(said), size)]
        for step in steps:
            if step is Step.FINISHED or (step is Step.CLOSED and under_way):
                assert None not in client.outcomes
                under_way = False
        assert Step.CLOSED not in steps or _where(client) is State.CLOSED
        assert not under_way or _where(client) in (State.ENVELOPE, State.CONTENT, State.DISCARD)
    chance.choice([client.lost, client.timed_out])(2.0)
    assert client.receive(b"250 ok\r\n", 3.0) is Step.CLOSED
    assert sent == 0 or None not in client.outcomes


@pytest.mark.parametrize("seed", range(5))
def test_whatever_a_server_says(seed: int) -> None:
    """No octets, however they are cut, make the client raise; each message gets its result, or the session ends."""
    chance = Random(seed)
    for _ in range(1500):
        _session(chance)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("rfc822;a+b=c@b.test", b"rfc822;a+2Bb+3Dc@b.test"),
        ("utf-8;\u00e4+b=c\\@b.test", b"utf-8;\\x{E4}\\x{2B}b\\x{3D}c\\x{5C}@b.test"),
        ("utf-8;\U0001f4e7 x@b.test", b"utf-8;\\x{1F4E7}\\x{20}x@b.test"),
    ],
)
def test_original_recipients_in_their_own_escapes(told: str, said: bytes) -> None:
    """ORCPT of type utf-8 is written as RFC 6533 says, any other as xtext, and reads back as it was."""
    assert original_recipient(told) == said
    if " " not in told:
        assert rcpt(b"TO:<r@b.test> ORCPT=" + said, smtputf8=False).orcpt == told


def test_421_between_recipients() -> None:
    """A 421 ends the session; what was refused before stays refused, the rest is tried again."""
    client = ready()
    client.send(mail(b"x\r\n", "1@b", "2@b", "3@b"), 1.0)
    assert client.receive(b"250 ok\r\n550 no\r\n250 ok\r\n421 bye\r\n", 1.1) is Step.CLOSED
    assert [type(o) for o in client.outcomes] == [PermFail, TempFail, TempFail]


def test_helo_fallback() -> None:
    """A server without EHLO gets HELO, and no parameters."""
    client = SmtpClient("a.test", judge, at=0.0)
    client.receive(b"220 old\r\n", 0)
    client.receive(b"502 what\r\n", 0)
    assert client.out[-1] == b"HELO a.test\r\n"
    assert client.receive(b"250 hello\r\n", 0) is Step.READY


def test_starttls_forgets_what_was_said_in_clear() -> None:
    """Bytes before the end of the handshake are dropped and the offers read anew (response injection)."""
    client = SmtpClient("a.test", judge, at=0.0, tls="required")
    client.receive(b"220 hi\r\n", 0)
    client.receive(b"250-mx\r\n250-SIZE 5\r\n250 STARTTLS\r\n", 0)
    assert client.receive(b"220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n", 0) is Step.START_TLS
    assert client.receive(b"250 injected\r\n", 0) is Step.WAIT
    client.tls_started(0.5, verified=True)
    assert client.out[-1] == b"EHLO a.test\r\n"
    assert client.receive(b"250 mx\r\n", 0.6) is Step.READY
    assert client.offered.names == frozenset()


def test_credentials_never_travel_in_clear_nor_show() -> None:
    """AUTH waits for TLS, and the dialogue shows stars."""
    auth = ("user", Secret("hunter2"))
    clear = SmtpClient("a.test", judge, at=0.0, tls="offered", auth=auth)
    clear.receive(b"220 hi\r\n", 0)
    assert clear.receive(b"250-mx\r\n250 AUTH PLAIN\r\n", 0) is Step.CLOSED
    client = SmtpClient("a.test", judge, at=0.0, tls="required", auth=auth)
    client.receive(b"220 hi\r\n", 0)
    client.receive(b"250-mx\r\n250 STARTTLS\r\n", 0)
    client.receive(b"220 go\r\n", 0)
    client.tls_started(0, verified=True)
    client.receive(b"250-mx\r\n250 AUTH PLAIN\r\n", 0)
    assert client.out[-1] == b"AUTH PLAIN AHVzZXIAaHVudGVyMg==\r\n"
    assert "AHVz" not in str(client.dialogue())
    assert client.receive(b"235 ok\r\n", 0) is Step.READY


def test_dialogue_is_bounded_and_clean() -> None:
    """Control characters of a server do not reach the record, nor does more than a bounded part."""
    client = SmtpClient("a.test", judge, at=0.0)
    client.receive(b"550 \x1b[31mred\x00" + b"x" * 3500 + b"\r\n", 0.005)
    ((at, who, text),) = client.dialogue()
    assert (at, who) == (5, "S")
    assert "\x1b" not in text and len(text) <= 2000


def test_every_state_has_a_way_out() -> None:
    """The table covers all states, and each but the last leads to the end."""
    assert set(TRANSITIONS) == set(State)
    assert all(State.CLOSED in ways for state, ways in TRANSITIONS.items() if state is not State.CLOSED)


@pytest.mark.parametrize("lead", [b"", b"x", b"xy", b"xyz"])
def test_every_dot_of_a_large_message_is_doubled(lead: bytes) -> None:
    """Dots at the beginning of a line are doubled wherever they stand, once."""
    content = lead + (b"\r\n." * 7 + b"..\r\na.b\r\n") * 20_000
    assert b"".join(wire_content(content).chunks) == content.replace(b"\r\n.", b"\r\n..") + b".\r\n"
