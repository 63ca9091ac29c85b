"""What a tracked copy changes, octet by octet, and what it leaves."""

from __future__ import annotations

import binascii
import quopri
import re
import time

import pytest

from mailward.protocol.tracking import markup, parts, targets, tokens
from mailward.protocol.tracking.rewrite import Links, Survey

OWN = "https://mw-link.example.com"
HEAD = b"From: a@example.com\r\nSubject: hello\r\nMIME-Version: 1.0\r\n"
LINKS = Links(lambda target: f"{OWN}/c/{target.encode().hex()}", f"{OWN}/o/1.gif", f"{OWN}/p/1")


def html(text: bytes, encoding: bytes = b"7bit", charset: bytes = b"utf-8") -> bytes:
    kind = b"Content-Type: text/html; charset=" + charset + b"\r\nContent-Transfer-Encoding: " + encoding
    return HEAD + kind + b"\r\n\r\n" + text


def body(content: bytes) -> bytes:
    return content.split(b"\r\n\r\n", 1)[1]


def test_only_addresses_of_links_change() -> None:
    """Taking the new addresses and the image out again gives the message that came, octet for octet."""
    text = (
        b"<html><body class=x>\r\n<A  HREF='https://a.example/?x=1&amp;y=2' title=\"t\">one</a>"
        b'<a href=mailto:a@example.com>m</a><a href="#top">f</a><area href=http://b.example/ >\r\n'
        b'<!-- <a href="https://comment.example/"> --><script>\'<a href="https://s.example/">\'</script>'
        b"<a data-mailward-track=off href='https://off.example/'>off</a><img src='https://i.example/i.png'>"
        b"</body></html>\r\n"
    )
    content = html(text)
    made = Survey(content, OWN).made(LINKS)
    assert (made.clicks, made.images, made.outs) == (2, 1, 0)
    back = re.sub(rb'<img src="https://mw-link[^>]*>', b"", made.content)
    assert b'<img src="https://mw-link.example.com/o/1.gif"' in made.content.partition(b"</body>")[0]
    for given, target in (
        (b"'https://a.example/?x=1&amp;y=2'", b"https://a.example/?x=1&y=2"),
        (b"http://b.example/", b"http://b.example/"),
    ):
        written = b'"' + OWN.encode() + b"/c/" + target.hex().encode() + b'"'
        assert written in back
        back = back.replace(written, given)
    assert back == content


@pytest.mark.parametrize("encoding", [b"quoted-printable", b"base64", b"8bit"])
def test_every_encoding_says_the_same_around_the_links(encoding: bytes) -> None:
    """Decoded, a rewritten part differs from the one that came in the addresses and the image alone."""
    text = (
        "<p>" + "caf\u00e9 = na\u00efve " * 30 + '</p><a href="https://a.example/?q=1&amp;r=2">x</a>\r\n' * 3
    ).encode()
    text = text.replace(b"naive", b"\r\nnaive")
    if encoding == b"quoted-printable":
        sent = binascii.b2a_qp(text, istext=True)
    elif encoding == b"base64":
        sent = b"\r\n".join(re.findall(rb".{1,76}", binascii.b2a_base64(text, newline=False))) + b"\r\n"
    else:
        sent = text
    content = html(sent, encoding)
    made = Survey(content, OWN).made(LINKS)
    assert (made.clicks, made.images) == (3, 1)
    came = body(made.content)
    assert max(len(line) for line in came.split(b"\r\n")) <= (76 if encoding != b"8bit" else 998)
    if encoding == b"quoted-printable":
        came = quopri.decodestring(came)
    elif encoding == b"base64":
        came = binascii.a2b_base64(came)
    address = f'"{OWN}/c/{b"https://a.example/?q=1&r=2".hex()}"'.encode()
    image = re.search(rb"\s*<img src=\"https://mw-link[^>]*>\s*", came)
    assert image is not None and came.count(address) == 3
    came = came.replace(image[0].strip(), b"").replace(address, b'"https://a.example/?q=1&amp;r=2"')
    assert came == text


def test_long_lines_are_broken_inside_tags_only() -> None:
    """A line that new addresses would make longer than 998 octets is broken around them; decoded links stay whole."""
    text = b"".join(b'<a href="https://a.example/%d">x</a>' % i for i in range(28))
    assert len(text) == 998
    made = Survey(html(text + b"\r\n"), OWN).made(LINKS)
    assert made.clicks == 28
    assert max(len(line) for line in body(made.content).split(b"\r\n")) <= 998
    assert len(markup.look(body(made.content), 100).places) == 28


MIXED = HEAD + b"Content-Type: multipart/mixed; boundary=m\r\n\r\n"
SIGNED = (
    HEAD + b'Content-Type: multipart/signed; boundary=b; protocol="application/pgp-signature"\r\n\r\n'
    b'--b\r\nContent-Type: text/html\r\n\r\n<a href="https://a.example/">x</a>\r\n'
    b"--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    "content",
    [
        SIGNED,
        SIGNED.replace(b"multipart/signed", b"multipart/encrypted"),
        MIXED + b"--m\r\n" + SIGNED.partition(b"1.0\r\n")[2] + b"\r\n--m--\r\n",
        HEAD + b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nAAAA\r\n",
        b"DKIM-Signature: v=1\r\n" + html(b'<a href="https://a.example/">x</a>'),
        html(b'<a href="https://a.example/">x</a>', charset=b"utf-16"),
        html(b'<a href="https://a.example/">x</a>', encoding=b"x-uuencode"),
        HEAD + b'Content-Type: text/plain\r\n\r\n<a href="https://a.example/">x</a>\r\n',
        HEAD + b"Content-Type: text/html\r\nContent-Disposition: attachment\r\n\r\n<a href='https://a.example/'>x</a>",
        MIXED + b'--m\r\nContent-Type: text/html\r\n\r\n<a href="https://a.example/">x</a>',
    ],
    ids=["signed", "encrypted", "signed-inside", "smime", "dkim", "utf-16", "uuencode", "text", "attached", "unclosed"],
)  # fmt: skip
def test_what_must_not_change_does_not(content: bytes) -> None:
    """Signed, encrypted, attached, plain and unclear messages come out as they went in, with a reason."""
    survey = Survey(content, OWN)
    assert survey.why
    assert survey.made(LINKS).content == content


def test_ways_out_and_unsubscribing() -> None:
    """A link to our opt-out page becomes the recipient's own; links of List-Unsubscribe and our own host stay."""
    text = (
        b'<a href="https://mw-link.example.com/opt-out">no</a><a href="https://l.example/u?1">u</a>'
        b'<a href="https://mw-link.example.com/c/x">t</a>'
    )
    content = b"List-Unsubscribe: <mailto:u@l.example>,\r\n <https://l.example/u?1>\r\n" + html(text)
    made = Survey(content, OWN).made(LINKS)
    assert (made.clicks, made.outs) == (0, 1)
    assert b'href="https://mw-link.example.com/p/1"' in made.content and b'"https://l.example/u?1"' in made.content


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (b"https://a.example/?x=1&copy=2", "https://a.example/?x=1&copy=2"),
        (b"https://a.example/?x=1&amp;copy;=2", "https://a.example/?x=1&copy;=2"),
        (b"  HTTP://a.example/a b\r\n", "HTTP://a.example/a%20b"),
        (b"https&#58;//a.example/&#x41;", "https://a.example/A"),
        ("https://a.example/\u00e9".encode(), "https://a.example/%C3%A9"),
        (b"javascript:alert(1)", ""),
        (b"java&#10;script:alert(1)", ""),
        (b"//a.example/", ""),
        (b"https://user@a.example/", ""),
        (b"https:a.example", ""),
        (b"https://a.example\\@b.example/", ""),
        (b"https://a.example/&#13;&#10;Set-Cookie:x", "https://a.example/Set-Cookie:x"),
        ("https://b\u00fccher.example/".encode(), ""),
        (b"ftp://a.example/", ""),
        (b"data:text/html,x", ""),
    ],
)
def test_targets_are_read_as_browsers_do(value: bytes, read: str) -> None:
    """Only an http or https address with a plain host is one; what comes of it fits into a header field."""
    assert targets.read(value) == read
    assert not read or targets.fit(read)


def test_no_character_of_a_token_can_change() -> None:
    """Each character replaced, added or left out makes a token of nobody; another host or key does too."""
    keys = tokens.Keys(b"g" * 32, b"k" * 32)
    link = tokens.Link(tokens.Kind.CLICK, bytes(range(16)), 7, "https://a.example/?x=1")
    token = tokens.encode(link, "mw-link.example.com", keys)

    def reads(text: str, host: str = "mw-link.example.com", with_keys: tokens.Keys = keys) -> tokens.Link | None:
        claim = tokens.claimed(tokens.Kind.CLICK, text, host, with_keys.gate)
        return tokens.verified(claim, host, with_keys.own) if claim is not None else None

    assert reads(token) == link
    for i in range(len(token)):
        for other in {"A", "B", "_", "=", "%"} - {token[i]}:
            assert reads(token[:i] + other + token[i + 1 :]) is None
    assert reads(token + "A") is None and reads(token[:-1]) is None and reads(token + "=") is None
    assert (
        reads(token, host="mw-link.example.org") is None
        and reads(token, with_keys=keys._replace(own=b"x" * 32)) is None
    )
    assert reads(token, with_keys=keys._replace(gate=b"x" * 32)) is None
    assert tokens.claimed(tokens.Kind.OPEN, token, "mw-link.example.com", keys.gate) is None


# What could make a reader look again at what it has seen: octets repeated, and what stands before and after them.
HOSTILE = {
    "tags that begin": (b"<a ", b"", b""),
    "names without an end": (b"<a href", b"", b""),
    "quotes in quotes": (b"<a x='\" href=\"'", b"", b""),
    "quotes that end nowhere": (b'"', b"<a href='", b""),
    "bare values": (b"<a href=", b"", b""),
    "comments that begin": (b"<!--", b"", b""),
    "comments that are whole": (b"<!-->", b"", b""),
    "ends of comments": (b"--!", b"<!--", b""),
    "one endless attribute": (b"x", b'<a href="https://a.example/', b""),
    "one endless name": (b"x", b"<a ", b">"),
    "one endless tag": (b"x", b"<", b">"),
    "attributes without a value": (b"x   ", b"<a ", b">"),
    "space": (b" ", b"<a href", b">"),
    "entities": (b"&amp;", b'<a href="https://a.example/', b'">'),
    "entities without an end": (b"&a", b'<a href="https://a.example/', b'">'),
    "digits of an entity": (b"9", b'<a href="https://a.example/&#', b';">'),
    "elements of text": (b"<title></style><style></title>", b"", b""),
    "element in element": (b"<script></scripts>", b"", b""),
    "ends of bodies": (b"</body>", b"", b""),
    "links": (b'<a href="https://a.example/">', b"", b""),
    "soft line breaks": (b"=\r\n", b'<a href="https://a.example/', b'">'),
}


@pytest.mark.parametrize("encoding", [b"8bit", b"quoted-printable"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_markup_costs_what_its_size_does(kind: str, encoding: bytes) -> None:
    """Eight times as much of the worst costs about eight times the work, not sixty-four times."""
    unit, before, after = HOSTILE[kind]

    def work(size: int) -> float:
        content = html(before + unit * (size // len(unit)) + after, encoding)
        spent = []
        for _ in range(3):
            began = time.process_time()
            Survey(content, OWN).made(LINKS)
            spent.append(time.process_time() - began)
        return min(spent)

    least, most = 3_000, 24_000
    # A clock that ticks seldom, or a machine that did something else, is asked again; what is quadratic stays so.
    assert any(work(most) <= 24 * max(work(least), 1e-4) for _ in range(5))


def test_an_endless_number_is_no_character() -> None:
    """A numeric reference of any length is read, as what stands for no character; zeros in front mean nothing."""
    digits = b"9" * 5000
    for name in (b"&#" + digits, b"&#x" + digits + b";"):
        assert targets.read(b"https://a.example/" + name) == "https://a.example/%EF%BF%BD"
    assert targets.read(b"https://a.example/&#" + b"0" * 5000 + b"65;b") == "https://a.example/Ab"
    assert targets.read(b"https://a.example/&#X41;") == "https://a.example/A"


def test_what_is_read_of_a_message_is_bounded() -> None:
    """Over all its parts: more than 2 MiB of HTML are not read at all, and 2,000 links are written anew."""
    part = b"--b\r\nContent-Type: text/html\r\n\r\n%s\r\n"

    def of(*texts: bytes) -> bytes:
        return (
            HEAD
            + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
            + b"".join(part % t for t in texts)
            + b"--b--\r\n"
        )

    large = b"x\r\n" * (parts.MAX_HTML // 5)
    assert Survey(of(large), OWN).why == ""
    assert Survey(of(large, large), OWN).why == "its HTML is larger than 2 MiB"
    links = b'<a href="https://a.example/">x</a>\r\n' * 1500
    assert Survey(of(links, links), OWN).made(LINKS).clicks == 2000


@pytest.mark.parametrize("ending", [b"x" * 76, b"x" * 73 + b"=3D", b"x" * 75])
def test_a_full_line_of_quoted_printable_stays_one(ending: bytes) -> None:
    """Where there is no room for the sign that breaks a line, its last character moves; nothing is cut in two."""
    made = Survey(html(b"<p>\r\n" + ending, b"quoted-printable"), OWN).made(LINKS)
    came = body(made.content)
    assert max(len(line) for line in came.split(b"\r\n")) <= 76
    whole = binascii.a2b_qp(came)
    assert whole.startswith(binascii.a2b_qp(b"<p>\r\n" + ending) + b'<img src="https://mw-link')
