"""CVE-2024-6923 and kin: no field of a message can become two, from a draft or from a submitted message."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailward.base.errors import Invalid
from mailward.edges.web.api.compose import compose
from mailward.edges.web.schema.messages import SendRequest
from mailward.protocol.message import build, headers, submission
from mailward.protocol.message.draft import Attachment, Draft
from mailward.protocol.message.mailbox import Mailbox
from tests.conftest import SeededEntropy

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PIECES = st.sampled_from(
    ["\r", "\n", "\r\n", "\0", "\u2028", "\u0085", "=?UTF-8?Q?=0A?=", "=?utf-8?b?Cg==?=", "Bcc: x@evil.example",
     ":", " ", "\t", "From: y@evil.example", "=?", "?=", "=0D=0A", "%0D%0A", "word", "é",
     '"', "\\", "(", ")", "<", ">", "@", ",", ";", "x" * 80]
)  # fmt: skip
HOSTILE = st.lists(PIECES, max_size=8).map("".join)


@given(subject=HOSTILE, name=HOSTILE, custom=HOSTILE, filename=HOSTILE)
def test_cve_2024_6923_in_a_draft(subject: str, name: str, custom: str, filename: str) -> None:
    """Whatever stands in the fields, the message is refused or has exactly the header fields that were meant."""
    draft = Draft(
        author=Mailbox(name, "a", "example.com"), to=[Mailbox(name, "b", "example.net")], message_id="<1@example.com>",
        date=NOW, subject=subject, text="x", headers=[("X-Custom", custom)], attachments=[Attachment(filename, b"x")],
    )  # fmt: skip
    try:
        built = build.build(draft, SeededEntropy())
    except Invalid as error:
        assert error.code in ("header_injection", "header_too_long")  # noqa: PT017
        return
    names = [field for field, _ in headers.split(built.content).fields]
    assert names == [
        b"date", b"from", b"to", b"subject", b"message-id", b"x-custom", b"mime-version", b"content-type"
    ]  # fmt: skip
    assert b"evil" not in b"".join(raw for field, raw in built.parsed.fields if field == b"bcc")


@pytest.mark.parametrize(
    "trick",
    [
        "a\u2028b", "a\u2029", "\u0085", "=?utf-8?b?Cg==?=", "=?us-ascii?q?=00?=", "=?utf-7?q?+AAo-x?=",
        "=?cp037?b?JQ==?=", "=?utf-16?b?AAoAQg==?=", "=?utf-8*en?q?=0A?=", "=?x-nobody?q?=0D?=",
        "=?utf-8?q?=e2=80=a8?=",
    ],
)  # fmt: skip
def test_a_hidden_line_break_is_refused_wherever_text_is_taken(trick: str) -> None:
    """A line break that only decoding brings to light, in any charset, is refused in every field of a request."""
    plain: dict[str, object] = {"from": "a@example.com", "to": "b@example.net", "subject": "s", "text": "x"}
    file = {"filename": "f", "content": "YQ=="}
    hostile: list[dict[str, object]] = [
        {"from": f"{trick} <a@example.com>"}, {"to": f'"{trick}" <b@example.net>'},
        {"to": [f"{trick} <b@example.net>"]},
        {"to": [{"email": "b@example.net", "name": trick}]}, {"cc": f"c@example.net, {trick} <d@example.net>"},
        {"reply_to": f"{trick} <r@example.net>"}, {"subject": trick}, {"headers": {"X-A": trick}},
        {"attachments": [{**file, "filename": trick}]}, {"attachments": [{**file, "content_id": f"{trick}@x"}]},
    ]  # fmt: skip
    for fields in hostile:
        with pytest.raises((Invalid, msgspec.ValidationError)):
            compose(msgspec.convert({**plain, **fields}, SendRequest), NOW, SeededEntropy(), None)
    assert compose(msgspec.convert(plain, SendRequest), NOW, SeededEntropy(), None).subject == "s"


@pytest.mark.parametrize(
    "trick",
    [
        b"From: user@good.example(x)evil.example\r\n",
        b"From: <@evil.example:user@good.example>\r\n",
        b"From: good.example:user@evil.example;\r\n",
        b"From: user@evil.example <user@good.example>\r\n",
        b"From: =?utf-8?q?user=40evil.example=00?=@good.example\r\n",
        b"From: user@good.example,user@evil.example\r\n",
        b"From: user@good.example\r\nFrom: user@evil.example\r\n",
        b"From: user@good.example\r\nfrom: user@evil.example\r\n",
        b"From : user@evil.example\r\nFrom: user@good.example\r\n",
        b"From\t: user@evil.example\r\nFrom: user@good.example\r\n",
        b" From: user@evil.example\r\nFrom: user@good.example\r\n",
        b"From:\r\n",
        b"From: \r\n user@good.example\0user@evil.example\r\n",
        b"From: user@good.example\xef\xbc\x8eevil.example\r\n",
        b"From: user@[good.example]\r\n",
        b"From: user@good.example@evil.example\r\n",
        b'From: "user@evil.example"@good.example\r\n',
        b"From: user%evil.example@good.example, \r\n",
        b"\xef\xbb\xbfFrom: user@evil.example\r\nFrom: user@good.example\r\n",
    ],
)
def test_composition_kills_in_a_submission(trick: bytes) -> None:
    """The spoofing tricks of 'Composition Kills': an author that reads in two ways is refused at the door."""
    content = trick + b"To: b@example.net\r\nSubject: s\r\n\r\nbody\r\n"
    with pytest.raises(Invalid):
        submission.for_submission(content, now=NOW, entropy=SeededEntropy(), hostname="mx.example.com")
