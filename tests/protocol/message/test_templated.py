"""Messages whose header names a template."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailward.base.errors import Invalid
from mailward.protocol.message import headers, structure
from mailward.protocol.message.submission import for_submission
from mailward.protocol.message.templated import Asked, asked, filled


class Zeros:
    """Randomness that is none."""

    def bytes(self, n: int) -> bytes:
        """Zeros."""
        return bytes(n)


HEAD = b"From: a@demo.test\r\nTo: b@example.com\r\nSubject: old\r\nX-Own: kept\r\n"
ASKS = b'X-MAILWARD-Template: welcome\r\nX-Mailward-Data: {"name":\r\n "Ada \\u00e9"}\r\n'


def test_the_header_is_read_unfolded() -> None:
    """Names in any case, data over several lines, no version unless one is given."""
    assert asked(HEAD + ASKS + b"\r\nold") == Asked("welcome", None, '{"name": "Ada \\u00e9"}')
    assert asked(HEAD + ASKS + b"X-Mailward-Template-Version: 3\r\n\r\n").version == 3


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"X-Mailward-Data: {}\r\n", "template_missing"),
        (b"X-Mailward-Template:\r\n", "template_missing"),
        (ASKS + b"X-Mailward-Template: other\r\n", "header_duplicate"),
        (ASKS + b"X-Mailward-Template-Version: 1e3\r\n", "template_version_invalid"),
        (ASKS + b'Content-Type: application/pdf; name="a.pdf"\r\n', "template_with_files"),
    ],
)
def test_what_cannot_be_meant_is_refused(head: bytes, code: str) -> None:
    """Each with its own code."""
    with pytest.raises(Invalid, match=code):
        asked(HEAD + head + b"\r\nold")


def test_subject_and_body_are_replaced_and_nothing_of_ours_is_left() -> None:
    """Every other field stays; the result has one subject, and reads as text and HTML."""
    given = HEAD + ASKS + b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nold body"
    made = filled(given, "Grüße", "text\n", "<p>html</p>", Zeros())
    assert b"old" not in made
    assert b"mailward" not in made.lower()
    names = [name for name, _ in headers.split(made).fields]
    assert names[:3] == [b"from", b"to", b"x-own"]
    assert names.count(b"subject") == names.count(b"content-type") == 1
    assert [leaf.content_type for leaf in structure.read(made).leaves] == ["text/plain", "text/html"]
    assert structure.read(made).subject == "Grüße"


@pytest.mark.parametrize("subject", ["a\r\nBcc: x@example.com", "a\nb", "a\0b", "a\rb"])
def test_a_subject_of_several_lines_never_becomes_a_header(subject: str) -> None:
    """Even if the rendering let it through."""
    with pytest.raises(Invalid, match="header_injection"):
        filled(HEAD + ASKS + b"\r\n", subject, "t", "", Zeros())


def test_a_message_that_is_submitted_says_that_it_asks() -> None:
    """Its own fields are taken out in any case, so they never leave."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    plain = for_submission(HEAD + b"\r\nx", now=now, entropy=Zeros(), hostname="mx.test")
    asks = for_submission(HEAD + ASKS + b"\r\nx", now=now, entropy=Zeros(), hostname="mx.test")
    assert (plain.templated, asks.templated) == (False, True)
    assert b"mailward-" not in asks.content.lower()
