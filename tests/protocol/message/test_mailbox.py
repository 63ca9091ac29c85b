"""Reading who a message is from."""

from __future__ import annotations

import contextlib
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailward.base.errors import Invalid
from mailward.protocol.message import headers, mailbox
from mailward.protocol.message.mailbox import Mailbox
from tests.spent import within


@pytest.mark.parametrize(
    ("value", "name", "address"),
    [
        ("a@b.example", "", "a@b.example"),
        ("  a@B.Example\t", "", "a@b.example"),
        ("Alice <a@b.example>", "Alice", "a@b.example"),
        ("<a@b.example>", "", "a@b.example"),
        ('"Doe, J <x@evil.example>" <a@b.example>', "Doe, J <x@evil.example>", "a@b.example"),
        (r'"a \"quoted\" name" <a@b.example>', 'a "quoted" name', "a@b.example"),
        ("J. Q. Public <a@b.example>", "J. Q. Public", "a@b.example"),
        ("=?utf-8?q?J=C3=BCrgen?= <a@b.example>", "Jürgen", "a@b.example"),
        ("=?utf-8?q?a=40evil.example=3E?= <a@b.example>", "a@evil.example>", "a@b.example"),
        ("a@b.example (Alice)", "Alice", "a@b.example"),
        ("(x(y)) a@b.example", "x(y)", "a@b.example"),
        ("Alice (x) <a@b.example> (y)", "Alice", "a@b.example"),
        ("Alice\tDoe <a@b.example>", "Alice Doe", "a@b.example"),
        ('"Alice\tDoe" <a@b.example>', "Alice Doe", "a@b.example"),
        ("a@b.example (Alice\tDoe)", "Alice Doe", "a@b.example"),
        ('"a b"@b.example', "", '"a b"@b.example'),
        ("j@münchen.example", "", "j@xn--mnchen-3ya.example"),
        ("Jörg <jörg@b.example>", "Jörg", "jörg@b.example"),
    ],
)
def test_one_address_is_read(value: str, name: str, address: str) -> None:
    """Names, quotes, comments around, encoded names and internationalised domains are read as RFC 5322 means them."""
    (found,) = mailbox.parse_list(value)
    assert (found.name, found.address) == (name, address)


@pytest.mark.parametrize(
    "value",
    [
        "user@good.example(x)evil.example", "user@good.example (x) evil.example", "user(x)@good.example",
        "user@(x)good.example", "Friends: a@b.example;", "undisclosed-recipients:;", "<@evil.example:u@good.example>",
        "<>", "@", "a@", "@b.example", "a@b@c.example", "a@b..example", "a@.example", "a@b.example.", "a@-b.example",
        "a@[127.0.0.1]", "a@[IPv6:::1]", "a@b_c.example", "a@b.example <x@y.example>", "x@y.example, <a@b.example",
        "Alice <a@b.example> junk", "Alice <a@b.example> <c@d.example>", "Alice <<a@b.example>>", "a @b.example",
        "a@ b.example", "=?utf-8?q?a=40evil.example?=@good.example", "=?utf-8?q?a?=@good.example", "a@b。example",
        "a@b.example (x@y)", "a@b.example (", "a@b.example )", 'a@b.example "', '"a@evil.example"@good.example',
        '"a<b"@good.example', ".a@b.example", "a.@b.example", "a..b@b.example", "a@b.example\0", "a@b.example\nB: c@d",
        "a@b.example,", ",a@b.example", "< a@b.example>", "a" * 65 + "@b.example", "a@" + "b" * 64 + ".example",
        "a@" + "b." * 130 + "example", "(" * 5000, "a@xn--\u0430.example\u200b", "a\u2028b@c.example",
    ],
)  # fmt: skip
def test_what_reads_in_two_ways_is_refused(value: str) -> None:
    """Everything two programs could read as different addresses raises with the code asked for."""
    with pytest.raises(Invalid) as caught:
        mailbox.parse_one(value, code="from_invalid", field="from")
    assert (caught.value.code, caught.value.field) == ("from_invalid", "from")


def test_lists_keep_their_order() -> None:
    """Commas in quotes and comments do not separate."""
    found = mailbox.parse_list('"Doe, J" <a@b.example>, c@d.example, E (x) <e@f.example>')
    assert [box.address for box in found] == ["a@b.example", "c@d.example", "e@f.example"]
    assert mailbox.parse_list("") == []


def _originators(header: bytes) -> mailbox.Originators:
    return mailbox.originators(headers.split(header + b"\r\n"))


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"To: a@b.example\r\n", "from_missing"),
        (b"From:\r\n", "from_invalid"),
        (b"From: a@b.example\r\nfrom: c@d.example\r\n", "from_multiple_fields"),
        (b"From: a@b.example, c@d.example\r\n", "from_multiple_addresses"),
        (b"From: a@b.example\r\nSender: x\r\n", "sender_invalid"),
        (b"From: a@b.example\r\nSender: x@y.example, z@y.example\r\n", "sender_invalid"),
        (b"From: a@b.example\r\nSender: x@y.example\r\nSender: z@y.example\r\n", "sender_multiple_fields"),
        (b"From: a@b.example\r\nResent-From: x\r\n", "resent_invalid"),
        (b"From: a@b.example\r\nResent-Sender:\r\n", "resent_invalid"),
    ],
)
def test_each_ambiguity_has_its_code(header: bytes, code: str) -> None:
    """Missing, doubled and unreadable originators are told apart."""
    with pytest.raises(Invalid) as caught:
        _originators(header)
    assert caught.value.code == code


def test_every_originator_domain_is_named() -> None:
    """From, Sender and all Resent fields count."""
    found = _originators(
        b"From: A <a@b.example>\r\nSender: s@s.example\r\nResent-From: r@r.example, q@q.example\r\n"
        b"Resent-Sender: t@t.example\r\nReply-To: anyone@else.example\r\n"
    )
    assert found.author == Mailbox("A", "a", "b.example")
    assert found.domains() == {"b.example", "s.example", "r.example", "q.example", "t.example"}


@given(st.text(st.sampled_from('ab@.,<>()[]:;"\\ \té=?'), max_size=60))
def test_any_text_is_read_or_refused(value: str) -> None:
    """Only Invalid is raised, and each address read stands in the text as it is."""
    try:
        found = mailbox.parse_list(value)
    except Invalid:
        return
    for box in found:
        assert f"@{box.domain}" in value.lower() or not value.isascii()
        assert box.local in value


def test_hostile_values_take_linear_time() -> None:
    """64 KiB of dots, quotes, parentheses, addresses or commas are settled in under half a second."""
    for piece in (
        ".",
        '"',
        "(",
        ")",
        "a@b.example,",
        ",",
        " ",
        "a ",
        "<",
        '"\\',
        "\\",
        "=?",
        "a.",
        "a@",
        "é",
        "(a) ",
        '"a" ',
    ):
        for end in ("", "<", "@b.example", '" <a@b.example>'):
            for start in ("", "a") if piece == " " else ("",):
                value = start + piece * (65536 // len(piece)) + end
                with contextlib.suppress(Invalid):
                    within(0.5, partial(mailbox.parse_list, value))
