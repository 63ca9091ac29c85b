"""Mailboxes: the published isemail cases, the limits, the relay tricks, and internationalised addresses."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailward.protocol.smtp.address import BadAddress, Flaw, Mailbox, normal_domain, parse, path, spell
from tests.spent import within

CONFORMANCE = Path(
    os.environ.get("MAILWARD_CONFORMANCE_DIR") or Path(__file__).resolve().parents[4] / "shared" / "conformance"
)
# What RFC 5321 lets an envelope carry; the rest of the suite is RFC 5322 syntax, deprecated forms and errors.
ALLOWED = {"ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN", "ISEMAIL_RFC5321"}


def isemail_cases() -> Iterator[tuple[str, str, str, str]]:
    file = CONFORMANCE / "addresses" / "isemail-tests.xml"
    if not file.exists():
        if os.environ.get("CI") == "true":
            raise FileNotFoundError(file)
        return
    for test in ElementTree.parse(file).iter("test"):
        # The suite writes control characters as the symbols from U+2400 on.
        address = "".join(
            chr(ord(c) - 0x2400) if 0x2400 <= ord(c) <= 0x2420 else c for c in test.findtext("address") or ""
        )
        yield test.get("id") or "", address, test.findtext("category") or "", test.findtext("diagnosis") or ""


def classify(address: str) -> str:
    """The isemail category group of an address as this parser sees it."""
    try:
        box = parse(address)
    except BadAddress:
        return "refused"
    if box.literal:
        return "ISEMAIL_RFC5321_ADDRESSLITERAL"
    if address.startswith('"'):
        return "ISEMAIL_RFC5321_QUOTEDSTRING"
    return "plain"


@pytest.mark.parametrize(("number", "address", "category", "diagnosis"), list(isemail_cases()))
def test_isemail(number: str, address: str, category: str, diagnosis: str) -> None:
    """Each of the 164 published addresses falls where the suite says, literals and quotes told apart."""
    expected = "refused"
    if category in ALLOWED:
        expected = "plain"
        if diagnosis in {"ISEMAIL_RFC5321_ADDRESSLITERAL", "ISEMAIL_RFC5321_QUOTEDSTRING"}:
            expected = diagnosis
    assert classify(address) == expected, number


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"Ann.Lee+tag@Example.ORG", "Ann.Lee+tag@example.org"),
        (b"o'neil@example.org", "o'neil@example.org"),
        (b'"ann"@example.org', "ann@example.org"),
        (b'"ann lee"@example.org', '"ann lee"@example.org'),
        (b'"a\\n\\n"@example.org', "ann@example.org"),
        (b'"a\\\\b"@example.org', '"a\\\\b"@example.org'),
        (b"a@XN--MNCHEN-3YA.de", "a@xn--mnchen-3ya.de"),
        (b"a@localhost", "a@localhost"),
    ],
)
def test_canonical_form(raw: bytes, canonical: str) -> None:
    """The domain is folded, needless quoting goes, the local part keeps its case."""
    assert path(raw) == canonical


@pytest.mark.parametrize(
    ("raw", "flaw"),
    [
        (b"a%b@example.org", Flaw.RELAY),
        (b"b!a@example.org", Flaw.RELAY),
        (b"a@b@example.org", Flaw.RELAY),
        (b'"a@b"@example.org', Flaw.RELAY),
        (b'"a\\@b"@example.org', Flaw.RELAY),
        (b'"a%b"@example.org', Flaw.RELAY),
        (b"@hop.example:a@example.org", Flaw.ROUTE),
        (b"@a,@b:c@example.org", Flaw.ROUTE),
        (b"a@[127.0.0.1]", Flaw.LITERAL),
        (b"a@[IPv6:::1]", Flaw.LITERAL),
        (b"a" * 65 + b"@example.org", Flaw.TOO_LONG),
        (b"a@" + b"b" * 64 + b".org", Flaw.SYNTAX),
        (b"a@" + b".".join([b"b" * 60] * 5) + b".org", Flaw.TOO_LONG),
        (b"a" * 64 + b"@" + b".".join([b"b" * 60] * 3) + b".orgs.org", Flaw.TOO_LONG),
        ("ä@example.org".encode(), Flaw.NEEDS_SMTPUTF8),
        ("a@exämple.org".encode(), Flaw.NEEDS_SMTPUTF8),
        (b"", Flaw.SYNTAX),
        (b"a", Flaw.SYNTAX),
        (b"a@", Flaw.SYNTAX),
        (b"@example.org", Flaw.ROUTE),
        (b"a..b@example.org", Flaw.SYNTAX),
        (b".a@example.org", Flaw.SYNTAX),
        (b"a.@example.org", Flaw.SYNTAX),
        (b"a@example.org.", Flaw.SYNTAX),
        (b"a@-example.org", Flaw.SYNTAX),
        (b"a@exam_ple.org", Flaw.SYNTAX),
        (b"a b@example.org", Flaw.SYNTAX),
        (b"a@example.org(x)", Flaw.SYNTAX),
        (b"user@good.example(x)evil.example", Flaw.SYNTAX),
        (b"a\x00@example.org", Flaw.SYNTAX),
        (b"a\r\n@example.org", Flaw.SYNTAX),
        (b"a@example.org\n", Flaw.SYNTAX),
        (b"a@xn--", Flaw.SYNTAX),
        (b"a@xn--zzzzzzz99999999.org", Flaw.SYNTAX),
        (b"a@xn--abc-.org", Flaw.SYNTAX),
    ],
)
def test_refused(raw: bytes, flaw: Flaw) -> None:
    """Tricks, overlong parts and syntax errors are refused, each with its own reason."""
    with pytest.raises(BadAddress) as caught:
        path(raw)
    assert caught.value.flaw is flaw


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("josé@example.org", "josé@example.org"),
        ("a@MÜNCHEN.de", "a@xn--mnchen-3ya.de"),
        ("用户@例子.测试", "用户@xn--fsqu00a.xn--0zwm56d"),
        ("a@ｅｘａｍｐｌｅ.org", "a@example.org"),
        ("a@faß.de", "a@xn--fa-hia.de"),
    ],
)
def test_internationalised(text: str, canonical: str) -> None:
    """With SMTPUTF8 the local part is kept as written and the domain becomes A-labels."""
    assert path(text.encode(), smtputf8=True) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "a\u202eb@example.org",
        "a\u200bb@example.org",
        "a\u0085b@example.org",
        "a\u2028b@x.org",
        "a@exa\u200dmple.org",
        "a@\u2024.org",
        "a@a\u3002\u3002b",
        "é" * 33 + "@example.org",
    ],
)
def test_unseen_characters_refused(text: str) -> None:
    """Characters that do not show, change direction or end lines are not part of an address; limits count octets."""
    with pytest.raises(BadAddress):
        path(text.encode(), smtputf8=True)


def test_confusable_domains_stay_apart() -> None:
    """A Cyrillic look-alike is another domain, never folded into the Latin one."""
    assert normal_domain("exаmple.org") != normal_domain("example.org")


def test_time_is_linear() -> None:
    """Long hostile inputs are refused without backtracking."""
    hostile = [
        b"a" * 100_000,
        b"a." * 50_000,
        b'"' + b"\\a" * 50_000,
        b"a@" + b"b-" * 50_000,
        b"a@" + b"b." * 50_000,
        b"a@" + b"b" * 60_000 + b"-",
        b"a@" + b"-" * 100_000,
    ]

    def read() -> None:
        for raw in hostile:
            with pytest.raises(BadAddress):
                path(raw)
            with pytest.raises(BadAddress):
                path(raw, smtputf8=True)

    within(1.0, read)


@given(st.binary(max_size=80))
def test_never_fails_otherwise(raw: bytes) -> None:
    """Any octets give an address that parses to itself, or BadAddress; nothing else."""
    try:
        address = path(raw, smtputf8=True)
    except BadAddress:
        return
    assert path(address.encode(), smtputf8=True) == address
    assert not any(c in address for c in "\r\n\x00")


@given(st.text(alphabet='ab"\\ .@%[]\u00e9', max_size=20))
def test_spelling_round_trips(local: str) -> None:
    """A quoted mailbox spelled and parsed again is the same mailbox."""
    box = Mailbox(local, "example.org", True, False)
    try:
        again = parse(spell(box), smtputf8=True)
    except BadAddress:
        return
    assert (again.local, again.domain) == (local, "example.org")
