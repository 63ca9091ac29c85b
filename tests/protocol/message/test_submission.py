"""Preparing submitted messages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailward.base.errors import Invalid
from mailward.protocol.message import headers, submission
from mailward.protocol.message.directives import Directives
from tests.conftest import SeededEntropy

NOW = datetime(2026, 3, 1, 9, 5, 7, tzinfo=UTC)
FULL = (
    b"From: Alice <alice@example.com>\r\nTo: =?utf-8?q?J=C3=BCrgen?= <bob@example.net>\r\nBcc: secret@example.net,\r\n"
    b" more@example.net\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: x\r\nMessage-ID: <1@example.com>\r\nX-A: 1\r\n"
    b"X-A: 2\r\n\r\nbody \r\n.\r\n\r\n"
)


def prepare(content: bytes) -> submission.Prepared:
    """The message prepared as submission does."""
    return submission.for_submission(
        content, now=NOW, entropy=SeededEntropy(), hostname="mx.example.com", queue_id="q1"
    )


def test_a_complete_message() -> None:
    """Bcc goes, our Received comes, everything else keeps its bytes; facts are decoded."""
    found = prepare(FULL)
    received = b"Received: by mx.example.com with ESMTPSA id q1;\r\n Sun, 01 Mar 2026 09:05:07 +0000\r\n"
    assert found.content == received + FULL.replace(b"Bcc: secret@example.net,\r\n more@example.net\r\n", b"")
    assert headers.split(found.content) == found.parsed
    assert (found.subject, found.to, found.message_id) == ("Grüße", "Jürgen <bob@example.net>", "<1@example.com>")
    assert found.originators.author.domain == "example.com"
    assert (found.eight_bit, found.utf8_header, found.received) == (False, False, 0)


def test_what_is_missing_is_added() -> None:
    """Message-ID and Date are added once, with the author's domain and the given time."""
    found = prepare(b"From: a@example.com\r\n\r\nhi\r\n")
    assert b"\r\nDate: Sun, 01 Mar 2026 09:05:07 +0000\r\n" in found.content
    assert f"\r\nMessage-ID: {found.message_id}\r\n".encode() in found.content
    assert found.message_id.endswith("@example.com>")
    assert [name for name, _ in found.parsed.fields] == [b"received", b"from", b"message-id", b"date"]


def test_every_blind_copy_field_goes() -> None:
    """Bcc in any case, several of them, and Resent-Bcc leave no trace."""
    found = prepare(
        b"bCC: x@secret.example\r\nFrom: a@example.com\r\nResent-Bcc: y@secret.example\r\nBcc:\r\n\r\nhi\r\n"
    )
    assert b"secret" not in found.content and b"bcc" not in found.content.lower()


def test_eight_bit_is_flagged() -> None:
    """8-bit bodies and headers are told apart."""
    body = prepare("From: a@example.com\r\n\r\nü\r\n".encode())
    assert (body.eight_bit, body.utf8_header, body.received) == (True, False, 0)
    header = prepare("From: a@example.com\r\nSubject: ü\r\n\r\nu\r\n".encode())
    assert (header.eight_bit, header.utf8_header, header.received) == (False, True, 0)


def test_a_long_line_is_rewritten_before_anything_is_signed() -> None:
    """A body line of 999 bytes is encoded and a long header folded; the record says so; nothing else changes."""
    content = b"From: a@example.com\r\nSubject: " + b"word " * 200 + b"end\r\n\r\n" + b"x" * 999 + b"\r\n"
    found = prepare(content)
    assert found.rewritten == ("Subject is folded", "text/plain is now quoted-printable")
    assert not headers.has_long_line(found.content)
    assert headers.split(found.content) == found.parsed
    assert found.subject == ("word " * 200 + "end")[:1000]
    assert prepare(FULL).rewritten == ()


def test_the_last_line_is_ended_before_anything_is_signed() -> None:
    """As it will leave: white space before an end that is not there is read in two ways by verifiers."""
    for content in (b"From: a@example.com\r\n\r\nx \t", b"From: a@example.com"):
        found = prepare(content)
        assert found.content.endswith(b"\r\n")
        assert headers.split(found.content) == found.parsed
    assert prepare(FULL).content.endswith(FULL[-10:])


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"From: a@example.com\r\nSubject: 1\r\nsubject: 2\r\n\r\n", "header_duplicate"),
        (b"From: a@example.com\r\nFrom: b@example.com\r\n\r\n", "from_multiple_fields"),
        (b"From: a@example.com\r\nTo: b@c.d\r\nTo: e@f.g\r\n\r\n", "header_duplicate"),
        (b"From: a@example.com\r\nContent-Type: text/plain\r\ncontent-type: text/html\r\n\r\n", "header_duplicate"),
        (b"From: a@example.com\r\n\r\nbare\nline\r\n", "bare_newline"),
        (b"From: a@example.com\r\n\r\nbare\rline\r\n", "bare_newline"),
        (b"From: a@example.com\r\n\r\nnul\0\r\n", "nul_byte"),
        (b"From: a@example.com\r\nX-A: " + b"x" * 999 + b"\r\n\r\n", "header_too_long"),
        (b"From: a@example.com\r\nContent-Type: multipart/mixed\r\n\r\n" + b"x" * 999 + b"\r\n", "line_too_long"),
        (b"From: a@example.com\r\nMessage-ID: nonsense\r\n\r\n", "message_id_invalid"),
        (b"From: a@example.com\r\n" + b"Received: x\r\n" * 51 + b"\r\n", "mail_loop"),
        (b"From : a@example.com\r\n\r\n", "header_malformed"),
        (b"\r\nno header\r\n", "from_missing"),
        (b"", "from_missing"),
        (b"To: a@example.com\r\n\r\n", "from_missing"),
    ],
)
def test_each_refusal_has_its_code(content: bytes, code: str) -> None:
    """What could be read in two ways, smuggled or looped is refused."""
    with pytest.raises(Invalid) as caught:
        prepare(content)
    assert caught.value.code == code


def test_what_a_header_says_of_tracking_is_read_and_goes() -> None:
    """The word is taken out with its field."""
    head = b"From: a@example.com\r\n"
    ready = prepare(head + b"X-Mailward-Tracking:  Clicks\r\nSubject: s\r\n\r\nx\r\n")
    assert ready.directives.tracking == "clicks" and b"racking" not in ready.content
    assert prepare(head + b"\r\nx\r\n").directives == Directives()


def test_what_a_header_says_to_the_platform_is_read_and_goes() -> None:
    """Stream, tags, metadata and test mode; names of metadata as they are written; other X- fields stay."""
    ready = prepare(
        b"From: a@example.com\r\nX-MAILWARD-Stream: Broadcast\r\n"
        b"X-Mailward-Tag: spring\r\nX-Mailward-Tag:\r\n 2026.news\r\n"
        b"X-Mailward-Metadata-orderId: 47\r\nX-Mailward-Metadata-name: =?utf-8?q?J=C3=BCrgen?=\r\n"
        b"X-Mailward-Tag: spring\r\nX-Mailward-Test-Mode: yes\r\nX-Mailward-Other: 1\r\n\r\nX-Mailward-Tag: body\r\n"
    )
    metadata = (("orderId", "47"), ("name", "Jürgen"))
    assert ready.directives == Directives("broadcast", ("spring", "2026.news"), metadata, test_mode=True)
    assert b"X-Mailward-Other: 1\r\n" in ready.content and ready.content.endswith(b"\r\n\r\nX-Mailward-Tag: body\r\n")
    assert ready.content.count(b"X-Mailward-") == 2 and b"MAILWARD" not in ready.content


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Tracking: yes", "tracking_invalid"),
        ("Tracking: off\r\nX-Mailward-Tracking: both", "tracking_invalid"),
        ("Stream: news", "stream_invalid"),
        ("Stream:", "stream_invalid"),
        ("Stream: broadcast\r\nX-Mailward-Stream: transactional", "stream_invalid"),
        ("Test-Mode: true", "test_mode_invalid"),
        ("Tag: a b", "tag_invalid"),
        ("Tag:", "tag_invalid"),
        ("Tag: " + "a" * 65, "tag_invalid"),
        ("Tag: =?utf-8?q?=C3=BC?=", "tag_invalid"),
        ("\r\nX-Mailward-".join(f"Tag: t{i}" for i in range(11)), "too_many_tags"),
        ("Metadata-: x", "metadata_invalid"),
        ("Metadata-" + "n" * 65 + ": x", "metadata_invalid"),
        ("Metadata-n: " + "x" * 501, "metadata_invalid"),
        ("Metadata-n: =?utf-8?q?a=0Ab?=", "metadata_invalid"),
        ("Metadata-n: 1\r\nX-Mailward-Metadata-n: 2", "metadata_invalid"),
        ("\r\nX-Mailward-".join(f"Metadata-n{i}: 1" for i in range(51)), "too_many_metadata"),
    ],
)
def test_what_a_header_cannot_say(said: str, code: str) -> None:
    """Another word, two that disagree, too many and too long: each has its code."""
    with pytest.raises(Invalid) as refused:
        prepare(b"From: a@example.com\r\nX-Mailward-" + said.encode() + b"\r\n\r\nx\r\n")
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("field", "leads_out"),
    [
        ("<https://example.com/u?id=1>", True),
        ("<mailto:leave@example.com?subject=x>, <HTTP://example.com>", True),
        ("(Use this) <https://example.com/u>", True),
        ("https://example.com/u", False),
        ("<>", False),
        ("<https://>", False),
        ("<mailto:>", False),
        ("yes", False),
    ],
)
def test_a_way_out_is_an_address_in_angle_brackets(field: str, leads_out: bool) -> None:
    """RFC 2369 section 2: any other text leads nowhere."""
    assert submission.way_out(field) is leads_out


@pytest.mark.parametrize("field", ["<a@b> (comment)", "(c (nested) \\) d) <a@b>", "(a)(b)\r\n <a@b>\t(c)"])
def test_comments_around_a_message_id_are_passed_over(field: str) -> None:
    """RFC 5322 section 3.6.4 has CFWS on both sides."""
    ready = prepare(
        b"From: a@example.com (Ada Lovelace, Countess; of: Lovelace)\r\nMessage-ID: "
        + field.encode()
        + b"\r\n\r\nx\r\n"
    )
    assert ready.message_id == "<a@b>" and ready.originators.author.address == "a@example.com"
    for wrong in (b"<a@b> c", b"(<a@b>)", b"<a@b> <c@d>", b"(((", b"(a)" * 200 + b"x", b"<a@b>" + b"(" * 500):
        with pytest.raises(Invalid, match="message_id_invalid"):
            prepare(b"From: a@example.com\r\nMessage-ID: " + wrong + b"\r\n\r\nx\r\n")
