"""Building messages from drafts, read back by the standard library."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailward.base.errors import Invalid
from mailward.protocol.message import build, headers, structure
from mailward.protocol.message.draft import Attachment, Draft, ListUnsubscribe
from mailward.protocol.message.mailbox import Mailbox
from tests.conftest import SeededEntropy

NOW = datetime(2026, 3, 1, 9, 5, 7, tzinfo=UTC)
ALICE = Mailbox("Alice", "alice", "example.com")
BOB = Mailbox("", "bob", "example.net")


def make(**changes: Any) -> build.Built:
    """A built message that differs from the plain one only in what is given."""
    given: dict[str, Any] = {
        "author": ALICE,
        "to": [BOB],
        "message_id": "<1@example.com>",
        "date": NOW,
        "subject": "Hi",
        "text": "Hello\n",
    }
    return build.build(Draft(**(given | changes)), SeededEntropy())


def read(built: build.Built) -> EmailMessage:
    """The message as Python reads it."""
    message = email.message_from_bytes(built.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_plain_message_byte_for_byte() -> None:
    """A text of ASCII leaves as it came, in canonical CRLF, 7bit."""
    assert make().content == (
        b"Date: Sun, 01 Mar 2026 09:05:07 +0000\r\nFrom: Alice <alice@example.com>\r\nTo: bob@example.net\r\n"
        b"Subject: Hi\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\nHello\r\n"
    )


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=200)


@given(subject=TEXT, name=TEXT, text=st.text(st.characters(exclude_categories=("Cs", "Cn")), max_size=300))
def test_any_text_reads_back(subject: str, name: str, text: str) -> None:
    """Subject, display name and text survive, every line is at most 998 bytes of ASCII."""
    built = make(subject=subject, author=ALICE._replace(name=name), text=text)
    assert built.content.isascii()
    assert not headers.has_long_line(built.content) and not headers.has_bare_newline(built.content)
    found = structure.read(built.content)
    assert found.subject.strip() == subject.strip() or " " in subject
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    assert found.text.replace("\r\n", "\n").rstrip("\n") == lines.replace("\0", "\ufffd").rstrip("\n")
    assert not found.defects


def test_structure_of_everything_at_once() -> None:
    """Text, HTML, an inline image and a file become mixed(alternative(text, related(html, image)), file)."""
    built = make(
        html="<img src=cid:logo> é",
        attachments=[
            Attachment("logo.png", b"\x89PNG", "image/png", "logo", True),
            Attachment("Übersicht – Q1.pdf", b"%PDF", "application/pdf"),
        ],
    )
    message = read(built)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
        "application/pdf",
    ]  # fmt: skip
    files = [part for part in message.walk() if part.get_filename()]
    assert [part.get_filename() for part in files] == ["logo.png", "Übersicht – Q1.pdf"]
    assert [part.get_content() for part in files] == [b"\x89PNG", b"%PDF"]
    assert not any(part.defects for part in message.walk())
    assert built.needs_smtputf8 is False


@pytest.mark.parametrize(
    "name", ["a.txt", "a b.txt", 'quo"te\\.txt', "ü.txt", "é" * 90 + ".txt", "日本語" * 30 + ".pdf", "x" * 300]
)
def test_file_names_survive(name: str) -> None:
    """Tokens, quotes, RFC 2231 and its continuations read back to the same name."""
    built = make(attachments=[Attachment(name, b"x")])
    (part,) = read(built).iter_attachments()
    assert part.get_filename() == name
    assert max(map(len, built.content.split(b"\r\n"))) <= 200


def test_long_lines_and_lone_dots_are_encoded() -> None:
    """A line of 2,000 characters leaves as quoted-printable and reads back whole."""
    text = "x" * 2000 + "\n.\nFrom here\n"
    built = make(text=text)
    assert b"quoted-printable" in built.content
    assert read(built).get_content().replace("\r\n", "\n") == text


@pytest.mark.parametrize(
    "bad", ["a\rb", "a\nb", "a\r\nBcc: x@y.example", "a\0b", "a\u2028b", "a\u2029b", "a\u0085b", "a\x0bb", "a\x1bb",
            "\ud800", "=?UTF-8?Q?=0A?=Bcc: x@y", "=?utf-8?b?DQpCY2M6IHhAeQ==?=", "=?utf-8?q?=E2=80=A8?="],
)  # fmt: skip
@pytest.mark.parametrize(
    "place", ["subject", "name", "to", "cc", "reply_to", "header", "filename", "content_type", "feedback_id", "url"]
)
def test_nothing_can_start_another_line(bad: str, place: str) -> None:
    """CVE-2024-6923 and kin: a control in any field bound for a header is refused, encoded or not."""
    named = [BOB._replace(name=bad)]
    changes: dict[str, dict[str, Any]] = {
        "subject": {"subject": bad},
        "name": {"author": ALICE._replace(name=bad)},
        "to": {"to": named},
        "cc": {"cc": named},
        "reply_to": {"reply_to": named},
        "header": {"headers": [("X-Note", bad)]},
        "filename": {"attachments": [Attachment(bad, b"")]},
        "content_type": {"attachments": [Attachment("a", b"", f"text/{bad}")]},
        "feedback_id": {"feedback_id": bad},
        "url": {"list_unsubscribe": ListUnsubscribe(f"https://example.com/{bad}")},
    }
    with pytest.raises(Invalid) as caught:
        make(**changes[place])
    assert caught.value.code == "header_injection"
    assert caught.value.field


def test_encoded_breaks_in_file_names_are_refused() -> None:
    """RFC 2231 percent-encoded controls in a file name are refused too."""
    for name in ("a%0D%0ABcc: x", "utf-8''a%0a.txt", "a%00.txt"):
        with pytest.raises(Invalid, match="header_injection"):
            make(attachments=[Attachment(name, b"")])


@pytest.mark.parametrize(
    "name", ["Bcc", "bcc", "From", "Sender", "To", "Subject", "Date", "Message-ID", "Received", "Return-Path",
             "DKIM-Signature", "Authentication-Results", "ARC-Seal", "Resent-From", "Content-Type", "CONTENT-ID",
             "MIME-Version"],
)  # fmt: skip
def test_forbidden_headers(name: str) -> None:
    """Fields that are ours, trace or trust are refused, in any case."""
    with pytest.raises(Invalid, match="header_forbidden"):
        make(headers=[(name, "x")])


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("Template", "template"),
        ("Template-Version", "template_version"),
        ("Data", "data"),
        ("Tracking", "tracking"),
        ("Stream", "stream"),
        ("Tag", "tags"),
        ("Test-Mode", "test_mode"),
        ("metadata-Order", "metadata"),
    ],
)
def test_headers_of_finished_messages(header: str, field: str) -> None:
    """What would be our instruction by SMTP is refused, naming the field that says it, and never leaves."""
    with pytest.raises(Invalid, match="header_forbidden") as caught:
        make(headers=[(f"X-Mailward-{header}", "x")])
    assert f"the field {field} says" in caught.value.public


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X\r\nBcc", "Ä", "X\0", "x" * 77, "X\t", ":"])
def test_header_names(name: str) -> None:
    """A name with a space, colon, control or 8-bit character is refused."""
    with pytest.raises(Invalid, match="header_name_invalid") as caught:
        make(headers=[(name, "x")])
    assert ("76 characters" in caught.value.public) == (len(name) > 76)


def test_custom_headers_stand_as_given() -> None:
    """ASCII stays verbatim, repeated names are kept, long values fold at spaces."""
    built = make(headers=[("X-A", "1"), ("X-A", "=?utf-8?q?=C3=BC?="), ("X-B", "word " * 60), ("In-Reply-To", "<a@b>")])
    message = read(built)
    assert message.get_all("X-A") == ["1", "ü"]
    assert message["X-B"].split() == ["word"] * 60
    assert max(map(len, built.content.split(b"\r\n"))) <= 79
    with pytest.raises(Invalid, match="header_duplicate"):
        make(headers=[("References", "<a@b>"), ("references", "<c@d>")])
    with pytest.raises(Invalid, match="header_too_long"):
        make(headers=[("X-Long", "x" * 1000)])


@pytest.mark.parametrize(
    "name", ["=?utf-8?q?evil.exe?=", "a=?utf-8?b?YQ==?=.txt", "=?x", "100%=?.txt", "=?utf-8?q?" + "x" * 200 + "?="]
)
def test_a_name_that_looks_encoded_is_read_as_it_is(name: str) -> None:
    """No reader makes another name of it."""
    built = make(attachments=[Attachment(name, b"x", "text/csv")])
    (part,) = read(built).iter_attachments()
    assert part.get_filename() == name
    assert b"=?" not in built.content.partition(b"Content-Disposition")[2]


def test_a_text_file_says_its_charset() -> None:
    """UTF-8 unless told otherwise, ASCII as it always was, other octets nothing; a given parameter stays."""
    umlauts = "Grüße;日本\r\n"
    for content_type, data, said, text in (
        ("text/csv", umlauts.encode(), "utf-8", umlauts),
        ("text/calendar; method=REQUEST", umlauts.encode(), "utf-8", umlauts),
        ("text/csv; charset=utf-16", umlauts.encode("utf-16"), "utf-16", umlauts),
        ('text/html; Charset="iso-8859-1"', "ü".encode("latin-1"), "iso-8859-1", "ü"),
        ("text/csv", b"plain", None, "plain"),
        ("text/csv", b"\xff\xfe", None, None),
        ("application/json", umlauts.encode(), None, None),
    ):
        (part,) = read(make(attachments=[Attachment("a.txt", data, content_type)])).iter_attachments()
        assert part.get_param("charset") == said, content_type
        assert part.get_payload(decode=True) == data
        if text is not None:
            assert part.get_content() == text
        if "method" in content_type:
            assert part.get_param("method") == "REQUEST"
    with pytest.raises(Invalid, match="charset"):
        make(attachments=[Attachment("a", b"x", "text/csv; charset=utf-8; CHARSET=us-ascii")])


def test_one_click_unsubscribe() -> None:
    """RFC 8058: an https URL and the Post field; anything else is refused."""
    built = make(list_unsubscribe=ListUnsubscribe("https://u.example/t", "mailto:u@example.com", one_click=True))
    message = read(built)
    assert message["List-Unsubscribe"] == "<https://u.example/t>, <mailto:u@example.com>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    for target in (ListUnsubscribe(None, "mailto:a@b", True), ListUnsubscribe("http://x.example/", None, True),
                   ListUnsubscribe("javascript:alert(1)"),
                   ListUnsubscribe("https://x.example/>,<mailto:a@b"), ListUnsubscribe()):  # fmt: skip
        with pytest.raises(Invalid, match="list_unsubscribe_invalid"):
            make(list_unsubscribe=target)


def test_internationalised_addresses() -> None:
    """A non-ASCII local part stands as UTF-8 and asks for SMTPUTF8; a domain is in A-labels and does not."""
    built = make(to=[Mailbox("", "jörg", "xn--mnchen-3ya.example")])
    assert built.needs_smtputf8
    assert "To: jörg@xn--mnchen-3ya.example\r\n".encode() in built.content


def test_attached_messages_are_not_encoded() -> None:
    """RFC 2046: a clean message/rfc822 goes 7bit, with the line breaks of mail; multipart types are refused."""
    inner = b"From: a@b.c\r\n\r\nhi\r\n"
    for octets in (inner, inner.replace(b"\r\n", b"\n")):
        assert inner in make(attachments=[Attachment("m.eml", octets, "message/rfc822")]).content
    with pytest.raises(Invalid, match="content_type_invalid"):
        make(attachments=[Attachment("m", b"", "multipart/mixed")])


@pytest.mark.parametrize("kind", ["delivery-status", "disposition-notification", "feedback-report"])
def test_attached_reports_are_not_encoded(kind: str) -> None:
    """RFC 3464 section 2.1: a report goes 7bit; one in UTF-8 has a type that may be encoded (RFC 6533)."""
    report = b"Reporting-MTA: dns; a.example\r\n\r\nFinal-Recipient: rfc822; b@x.example\r\n"
    assert report in make(attachments=[Attachment("r", report, f"message/{kind}")]).content
    built = make(attachments=[Attachment("r", "ü\r\n".encode(), "message/global-delivery-status")])
    (part,) = read(built).iter_attachments()
    assert (part.get_content_type(), part["content-transfer-encoding"]) == ("message/global-delivery-status", "base64")


@pytest.mark.parametrize("name", ["Ada  Lovelace", " Ada", "Ada ", "Ada Lovelace"])
def test_blanks_of_a_display_name_stay(name: str) -> None:
    """Within quotes where they would not count else."""
    (address,) = read(make(author=ALICE._replace(name=name)))["from"].addresses
    assert address.display_name == name


@pytest.mark.parametrize("body", [b"h\xc3\xa9\r\n", b"x" * 999 + b"\r\n", b"a\rb\r\n", b"\0\r\n"])
def test_an_attached_message_that_needs_encoding_is_a_file(body: bytes) -> None:
    """RFC 2045 section 6.4: base64 never stands on message/rfc822; name and octets stay, the type is no promise."""
    inner = b"From: a@b.c\r\n\r\n" + body
    (part,) = read(make(attachments=[Attachment("m.eml", inner, "message/rfc822; charset=utf-8")])).iter_attachments()
    assert part.get_content_type() == "application/octet-stream"
    assert (part.get_filename(), part.get_content()) == ("m.eml", inner)


def test_a_boundary_never_occurs_in_a_part() -> None:
    """When chance or malice puts the boundary into a text, another one is taken."""

    class Twice:
        def __init__(self) -> None:
            self.calls = 0

        def bytes(self, n: int) -> bytes:
            self.calls += 1
            return bytes([0 if self.calls < 3 else 1]) * n

    draft = Draft(ALICE, [BOB], "<1@example.com>", NOW, text="--=_" + "00" * 15 + "--\n", html="<p>")
    built = build.build(draft, Twice())
    assert b'boundary="=_' + b"01" * 15 in built.content
