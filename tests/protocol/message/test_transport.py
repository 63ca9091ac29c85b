"""Rewriting a message for its way: lines over 998 octets, and 8-bit content for a server of seven bits."""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import re
import tracemalloc
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailward.base.errors import Invalid
from mailward.protocol.message import headers, multipart, transfer, transport
from tests.spent import within

LONG = b"word " * 300
PLAIN = b"From: a@example.com\r\nMIME-Version: 1.0\r\n"


def crlf(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def leaves(content: bytes) -> list[tuple[str, bytes]]:
    """Type and decoded bytes of each leaf, read by the standard library, line ends as they are."""
    found: list[tuple[str, bytes]] = []

    for part in email.message_from_bytes(content, policy=email.policy.compat32).walk():
        if not part.is_multipart():
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            found.append((part.get_content_type(), data))
    return found


def check(before: bytes, after: bytes, *, ascii_only: bool = False) -> None:
    """It can travel, and it says what it said."""
    assert not headers.has_long_line(after)
    assert not headers.has_bare_newline(after)
    assert not ascii_only or after.isascii()
    assert b"quoted-printable" not in after or not re.search(rb"[^\r\n]{77}", after.partition(b"\r\n\r\n")[2])
    assert leaves(after) == leaves(before)


def mixed(*parts: bytes, kind: bytes = b"mixed", more: bytes = b"") -> bytes:
    """A multipart of those parts."""
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return PLAIN + b"Content-Type: multipart/" + kind + b'; boundary="b"' + more + b"\r\n\r\n" + body + b"--b--\r\n"


TEXT = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nX-Keep:  as it\twas\r\n\r\n"


def test_a_long_text_becomes_quoted_printable() -> None:
    """The leaf is encoded, its label follows, MIME-Version stands, every other field keeps its octets."""
    before = PLAIN + TEXT + b"short\r\n" + LONG + b"\r\nend \r\n"
    found = transport.shorten(before)
    check(before, found.content)
    head = found.content.partition(b"\r\n\r\n")[0]
    assert head == (PLAIN + TEXT).partition(b"\r\n\r\n")[0].replace(b"8bit", b"quoted-printable")
    assert found.notes == ("text/plain is now quoted-printable",)
    assert all(len(line) <= 76 for line in found.content.partition(b"\r\n\r\n")[2].split(b"\r\n"))


def test_a_message_without_mime_is_made_one() -> None:
    """An old message gets MIME-Version and an encoding; 8-bit text without a label is called what it is."""
    before = b"From: a@example.com\r\nSubject: x\r\n\r\n" + LONG + b"\r\n"
    after = transport.shorten(before).content
    check(before, after)
    assert after.startswith(
        b"From: a@example.com\r\nSubject: x\r\nContent-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n\r\n"
    )
    for text, charset in (("grün".encode(), b"utf-8"), ("grün".encode("latin-1"), b"unknown-8bit")):
        after = transport.seven_bit(b"From: a@example.com\r\n\r\n" + text + b"\r\n").content
        assert b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=" + charset + b"\r\n\r\n" in after
        assert leaves(after) == [("text/plain", text + b"\r\n")]


def test_only_the_part_that_needs_it_changes() -> None:
    """In a multipart one leaf is encoded; the others, the boundaries, the preamble and the epilogue stay."""
    first = b"Content-Type: text/plain\r\n\r\nhello \r\n"
    last = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw=="
    data = b"Content-Type: application/json\r\n\r\n" + b'{"a":"' + b"x" * 2000 + b'"}'
    before = mixed(first, data, last).replace(b"\r\n\r\n--b", b"\r\n\r\npreamble\r\n--b", 1) + b"epilogue\r\n"
    found = transport.shorten(before)
    check(before, found.content)
    start, end = before.index(data), before.index(data) + len(data)
    assert found.content.startswith(before[:start]) and found.content.endswith(before[end:])
    assert found.notes == ("application/json is now base64",)


def test_text_mostly_of_other_letters_takes_base64() -> None:
    """Where quoted-printable would treble most octets, or take long, base64 is chosen."""
    for text in ("текст ".encode() * 300, b"word " * 300_000):
        before = PLAIN + TEXT + text + b"\r\n"
        found = transport.shorten(before)
        check(before, found.content)
        assert found.notes == ("text/plain is now base64",)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"base64", b"QUJD" * 1000),
        (b"BASE64", b"QUJD" * 300 + b"\r\nQUJD"),
        (b"quoted-printable", b"a=C3=BCb " * 300 + b"=\r\nend =3D"),
        (b"quoted-printable", b"=0A=0D=00" * 400),
    ],
)
def test_what_is_encoded_already_is_put_into_shorter_lines(encoding: bytes, body: bytes) -> None:
    """Base64 and quoted-printable in one long line say the same in short ones."""
    part = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body
    for before in (mixed(part), PLAIN + part + b"\r\n"):
        check(before, transport.shorten(before).content)


def test_a_line_made_by_encoding_is_no_delimiter() -> None:
    """A soft line break that would put a boundary at the start of a line is not made: that leaf takes base64."""
    for shift in range(60, 80):
        text = b"x" * shift + b"--b" * 400
        before = mixed(b"Content-Type: text/plain\r\n\r\n" + text)
        after = transport.shorten(before).content
        check(before, after)
        assert len(leaves(after)) == 1


def test_a_forwarded_message_is_rewritten_inside() -> None:
    """message/rfc822 may not be encoded itself, so its own leaf is (RFC 2046 section 5.2.1)."""
    inner = b"From: c@example.com\r\nSubject: inner\r\n\r\n" + LONG
    before = mixed(b"Content-Type: message/rfc822\r\n\r\n" + inner)
    after = transport.shorten(before).content
    check(before, after)
    assert b"message/rfc822\r\n\r\nFrom: c@example.com\r\nSubject: inner\r\nContent-Transfer-Encoding: quoted" in after


@pytest.mark.parametrize("kind", [b"signed", b"encrypted"])
def test_signed_and_encrypted_parts_are_never_touched(kind: bytes) -> None:
    """A long line or an 8-bit octet inside is refused by name; beside it, it is rewritten and the part stays."""
    signed = b"Content-Type: text/plain\r\n\r\n%b\r\n--s\r\nContent-Type: application/pkcs7-signature\r\n\r\nMIIB"
    part = (
        b"Content-Type: multipart/%b; protocol=x; boundary=s\r\nContent-Transfer-Encoding: 7bit\r\n\r\n--s\r\n"
        + signed
        + b"\r\n--s--"
    )
    for text, rewrite, code in (
        (LONG, transport.shorten, b"line_too_long_" + kind),
        ("ü".encode(), transport.seven_bit, b"eight_bit_" + kind),
    ):
        with pytest.raises(Invalid) as caught:
            rewrite(mixed(part % (kind, text)))
        assert caught.value.code == code.decode()
        whole = part % (kind, b"hello  ")
        before = mixed(whole, b"Content-Type: text/plain\r\n\r\n" + text)
        after = rewrite(before).content
        assert whole in after and leaves(after) == leaves(before)
        with pytest.raises(Invalid):
            rewrite(PLAIN + part % (kind, text) + b"\r\n")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (PLAIN + b"Subject: " + b"x" * 1000 + b"\r\n\r\n", "header_too_long"),
        (PLAIN + b"X-Token: " + b"x" * 1000 + b" y\r\n\r\n", "header_too_long"),
        (PLAIN + b"Content-Transfer-Encoding: x-uuencode\r\n\r\n" + LONG + b"\r\n", "line_too_long"),
        (PLAIN + b"Content-Type: multipart/mixed\r\n\r\n" + LONG + b"\r\n", "line_too_long"),
        (PLAIN + b"Content-Type: multipart/mixed; boundary=q\r\n\r\n" + LONG + b"\r\n", "line_too_long"),
        (mixed(b"Content-Type: text/plain", more=b"\r\nContent-Transfer-Encoding: base64") + LONG, "line_too_long"),
        (mixed(b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n" + LONG), "line_too_long"),
        (mixed(b"no header at all\r\n\r\n" + LONG), "line_too_long"),
        (mixed(b"Content-Type: message/delivery-status\r\n\r\n" + LONG), "line_too_long"),
        (mixed(b"Content-Type: message/partial\r\n\r\n" + LONG), "line_too_long"),
    ],
    ids=range(10),
)
def test_what_is_not_clear_is_refused(content: bytes, code: str) -> None:
    """No place to fold, no known encoding, no boundary, two types, a part that may not be encoded: each has a code."""
    with pytest.raises(Invalid) as caught:
        transport.shorten(content)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("field", "unfolded"),
    [
        (b"Subject: " + LONG.strip(), None),
        (b"X-A: b\r\n " + LONG.strip() + b"\r\n\tend", None),
        (b"To: " + b",".join(b"u%d@example.com" % n for n in range(100)), None),
        (b"To: " + b",".join(b'"u,(%d" <u@example.com>' % n for n in range(100)), None),
        (b"References: " + b"".join(b"<%d@example.com>" % n for n in range(100)), None),
        (b"Content-Type: text/plain;" + b";".join(b'p%d="a;b"' % n for n in range(200)), None),
        (b"Subject: " + "ü ".encode() * 600 + b"x", None),
    ],
    ids=range(7),
)
def test_headers_are_folded_where_that_is_legal(field: bytes, unfolded: bytes | None) -> None:
    """Before white space, or after a separator outside quotes; unfolded, only white space after separators is new."""
    before = b"From: a@example.com\r\n" + field + b"\r\nX-Next: 1\r\n\r\nbody\r\n"
    after = transport.shorten(before).content
    assert not headers.has_long_line(after) and after.endswith(b"X-Next: 1\r\n\r\nbody\r\n")
    (got,) = [raw for name, raw in headers.split(after).fields if name not in (b"from", b"x-next")]
    lines = got.split(b"\r\n")[:-1]
    assert all(line.strip() for line in lines) and not lines[0].rstrip().endswith(b":")
    assert got.replace(b"\r\n", b"").replace(b" ", b"") == field.replace(b"\r\n", b"").replace(b" ", b"")
    assert b'"u, (' not in got.replace(b"\r\n", b"") and b'"a; b"' not in got.replace(b"\r\n", b"")


def test_nothing_to_do_changes_nothing() -> None:
    """A message that can travel is the same, octet for octet, with no notes."""
    content = mixed(b"\r\nhello", b"Content-Type: text/html\r\n\r\n" + b"x" * 998)
    assert transport.shorten(content) == (content, ())
    assert transport.seven_bit(content) == (content, ())


def test_eight_bit_is_taken_down_to_seven() -> None:
    """Leaves with 8-bit octets are encoded, every label on the way says 7bit, ASCII leaves keep their octets."""
    before = mixed(
        TEXT + "grün\r\n".encode(),
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\nASCII",
        b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n\xff\xfe\x80",
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: in\r\n"
        b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + "größer".encode(),
        more=b"\r\nContent-Transfer-Encoding: 8bit",
    )
    found = transport.seven_bit(before)
    check(before, found.content, ascii_only=True)
    assert b"8bit" not in found.content and b"binary" not in found.content
    assert found.notes == ("text/plain is now quoted-printable", "application/octet-stream is now base64")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("From: a@example.com\r\nSubject: ü\r\n\r\nx\r\n".encode(), "smtputf8_needed"),
        (mixed('Content-Disposition: attachment; filename="ü"\r\n\r\nx'.encode()), "smtputf8_needed"),
        (PLAIN + "Content-Transfer-Encoding: x-own\r\n\r\nü\r\n".encode(), "eight_bit_unclear"),
        (mixed("Content-Type: message/delivery-status\r\n\r\nü".encode()), "eight_bit_unclear"),
    ],
    ids=range(4),
)
def test_what_cannot_be_seven_bits_says_why(content: bytes, code: str) -> None:
    """8-bit headers need SMTPUTF8; what has no clear encoding is left alone."""
    with pytest.raises(Invalid) as caught:
        transport.seven_bit(content)
    assert caught.value.code == code


def test_text_around_the_parts_goes_when_it_cannot_travel() -> None:
    """A preamble with 8-bit octets is left out, for it is not part of the message; the parts stay."""
    part = b"Content-Type: text/plain\r\n\r\nhello"
    before = mixed(part).replace(b"\r\n\r\n--b", "\r\n\r\npräambel\r\n--b".encode(), 1) + "schluß\r\n".encode()
    found = transport.seven_bit(before)
    assert found.content.isascii() and leaves(found.content) == [("text/plain", b"hello")]
    assert found.notes == ("text around the parts is left out",)


# What would be a delimiter of the multipart around the text, and not text.
_DELIMITERS = re.compile(rb"^(?:--b)+", re.MULTILINE)


@given(
    st.lists(st.sampled_from([b"a", b" ", b"\t", b"=", b".", b"\r\n", b"--b", b"\xc3\xbc", b"x" * 999]), max_size=40)
)
@settings(max_examples=300, deadline=None)
def test_any_text_says_the_same_afterwards(pieces: list[bytes]) -> None:
    """Whatever the text, its decoded octets are the same after either rewrite, alone and in a multipart."""
    text = b"".join(pieces)
    single = PLAIN + b"Content-Type: text/plain\r\n\r\n" + text + b"\r\n"
    check(single, transport.shorten(single).content)
    check(single, transport.seven_bit(transport.shorten(single).content).content, ascii_only=True)
    many = mixed(b"Content-Type: text/plain\r\n\r\n" + _DELIMITERS.sub(b"-b", text))
    check(many, transport.shorten(many).content)
    check(many, transport.seven_bit(transport.shorten(many).content).content, ascii_only=True)


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes_end_well(data: bytes) -> None:
    """Whatever comes, the result can travel, or there is a refusal with a code."""
    content = mixed(b"Content-Type: text/plain\r\n\r\n" + LONG, data.replace(b"\r", b"").replace(b"\n", b"\r\n"))
    for rewrite in (transport.shorten, transport.seven_bit):
        try:
            after = rewrite(content).content
        except Invalid:
            continue
        assert after.isascii() if rewrite is transport.seven_bit else not headers.has_long_line(after)


def nested(depth: int, leaf: bytes) -> bytes:
    """A leaf inside that many multiparts."""
    out = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return PLAIN + out + b"\r\n" + leaf + b"\r\n"


@pytest.mark.parametrize(
    "content",
    [
        nested(5000, LONG),
        nested(19, b"x" * 5_000_000),
        mixed(*[b"\r\nx"] * 100_000, b"\r\n" + LONG),
        mixed(b"\r\n" + b"--a" * 300_000 + LONG),
        mixed(b"\r\n" + LONG, *[b"\r\n" + LONG] * 2000),
        PLAIN + b"To: " + b'"' * 40_000 + b"\r\n\r\n",
        PLAIN + b"To: " + b"(" * 40_000 + b"\r\n\r\n",
        PLAIN + b"To: " + b'\\"' * 20_000 + b"\r\n\r\n",
        PLAIN + b"X: " + b"a " * 30_000 + b"\r\n\r\n",
        PLAIN + b"X: " + b" " * 60_000 + b"\r\n\r\n",
        PLAIN + b"X: a" + b" \t" * 30_000 + b"\r\n\r\n",
    ],
    ids=range(11),
)
def test_bombs_are_bounded(content: bytes) -> None:
    """Nesting, parts, long lines and quotes by the hundred thousand end in a second, one way or the other."""
    for rewrite in (transport.shorten, transport.seven_bit):
        with contextlib.suppress(Invalid):
            within(0.5, partial(rewrite, content))


@pytest.mark.parametrize("octets", [0, 1, 56, 57, 58, 58_367, 58_368, 58_369, 200_000])
def test_base64_in_lines(octets: int) -> None:
    """Whatever the size, the lines of 76 characters are those of the standard library; made again, the same."""
    data = bytes(range(256)) * (octets // 256 + 1)
    data = data[:octets]
    made = transfer.base64(data)
    assert made == base64.encodebytes(data).rstrip(b"\n").replace(b"\n", b"\r\n")
    ragged = b"!".join(made[at : at + 1001] for at in range(0, len(made), 1001)) + b"\r\n"
    assert transfer.base64_again(ragged) == made + b"\r\n"


@given(
    st.lists(
        st.sampled_from([b"\r\n--b", b"\r\n--b--", b"--b", b" ", b"\t", b"\r\n", b"x", b"--", b" " * 5]), max_size=30
    ).map(b"".join),
    st.integers(1, 20),
)
def test_delimiters_in_windows(content: bytes, window: int) -> None:
    """Window by window the same delimiter lines are found as in one piece."""
    pattern = rb"--b(--)?[ \t]*(?=\r\n|\Z)"
    first = re.match(pattern, content)
    whole = [*([first] if first else []), *re.finditer(rb"\r\n" + pattern, content)]
    expected = [(m.start(), min(m.end() + 2, len(content)), m[1] is not None) for m in whole]
    closing = [n for n, found in enumerate(expected) if found[2]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multipart, "_WINDOW", window)
        found = list(multipart.delimiters(content, b"b", 0, len(content)))
    assert [tuple(each) for each in found] == expected[: closing[0] + 1 if closing else None]


def test_quoted_printable_is_for_a_megabyte_of_a_message() -> None:
    """What is dear has one bound for all parts together; the text beyond it is base64, and says the same."""
    part = TEXT + (b"w" * 1500 + b"\r\n") * 400
    content = mixed(*[part] * 3)
    after = transport.shorten(content).content
    check(content, after)
    assert (after.count(b"quoted-printable"), after.count(b"base64")) == (1, 2)


_NEAR = PLAIN + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
_MB25 = 25_000_000


_WORD = b"y" * 2000 + b"\r\n"


@pytest.mark.parametrize(
    ("first", "piece", "last"),
    [
        (PLAIN + b"\r\n", b"x", b"\r\n"),
        (PLAIN + b"\r\n", b"x" * 999 + b"\r\n", b""),
        (PLAIN + b"\r\n", b" " * 990 + b"\r\n", _WORD),
        (_NEAR, b"--b\r\n\r\n" + b"y" * 2500 + b"\r\n", b"--b--\r\n"),
        (_NEAR, b"--bx\r\n", b"--b\r\n\r\n" + _WORD + b"--b--\r\n"),
        (_NEAR, b"--b" + b" " * 900 + b"x\r\n", b"--b\r\n\r\n" + _WORD + b"--b--\r\n"),
    ],
    ids=["one line", "long lines", "spaces", "parts", "nearly boundaries", "boundaries and spaces"],
)
def test_large_and_odd_is_cheap(first: bytes, piece: bytes, last: bytes) -> None:
    """25 MB that have to be rewritten cost less than half a second, and no more than four times their memory."""
    content = first + piece * (_MB25 // len(piece)) + last
    within(0.5, lambda: transport.shorten(content))
    tracemalloc.start()
    try:
        transport.shorten(content)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(content)
    finally:
        tracemalloc.stop()
