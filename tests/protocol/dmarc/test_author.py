"""Whom a message is from, and when nobody can say (RFC 9989 sections 4.2, 4.4 and 5.3.1)."""

from __future__ import annotations

import pytest

from mailward.protocol.dmarc.author import extract
from mailward.protocol.dmarc.evaluate import conclude, discover
from mailward.protocol.message import headers
from tests.protocol.dmarc.conftest import dkim, zone

REST = b"To: b@example.net\r\nSubject: s\r\n\r\nbody\r\n"


def author(header: bytes) -> tuple[str, str]:
    """Domain and flaw of a message with that beginning."""
    found = extract(headers.split(header + REST, tolerant=True).fields)
    assert bool(found.reason) == bool(found.flaw)
    return found.domain, found.flaw


@pytest.mark.parametrize(
    ("header", "domain"),
    [
        (b"From: a@example.com\r\n", "example.com"),
        (b"FROM : <a@EXAMPLE.com>\r\n", "example.com"),
        (b'From: "ceo@bank.example" <a@example.com>\r\n', "example.com"),
        (b"From: A\r\n <a@example.com>\r\n", "example.com"),
        (b"From: a@example.com <a@example.com>\r\n", "example.com"),
        ("From: ü <a@b\u00fccher.example>\r\n".encode(), "xn--bcher-kva.example"),
        (b"From: =?utf-8?q?ceo=40bank.example?= <a@example.com>\r\n", "example.com"),
        (b"From: a@example.com (ceo)\r\n", "example.com"),
    ],
)
def test_one_author(header: bytes, domain: str) -> None:
    """5.3.1: the domain of the one address, in A-labels."""
    assert author(header) == (domain, "")


@pytest.mark.parametrize(
    ("header", "flaw"),
    [
        (b"", "from_missing"),
        (b"From:\r\n", "from_missing"),
        (b"From: a@example.com\r\nFrom: b@example.com\r\n", "from_repeated"),
        (b"From: a@example.com\r\nfROM\t: b@evil.example\r\n", "from_repeated"),
        (b"From: a@example.com, b@evil.example\r\n", "from_several"),
        (b"From: a@example.com, b@example.com\r\n", "from_several"),
        (b"From: Group: a@example.com;\r\n", "from_unreadable"),
        (b"From: <a@example.com> <b@evil.example>\r\n", "from_unreadable"),
        (b"From: ceo@bank.example <a@example.com>\r\n", "from_unreadable"),
        (b"From: <@evil.example:a@example.com>\r\n", "from_unreadable"),
        (b"From: a@example.com(x)evil.example\r\n", "from_unreadable"),
        (b"From: a@[192.0.2.1]\r\n", "from_unreadable"),
        (b"From: a@example.com\0.evil.example\r\n", "from_unreadable"),
        (b"From: a@example.com\r\nSubject: other\r\n", "field_repeated"),
    ],
)
def test_no_author(header: bytes, flaw: str) -> None:
    """4.4, 5.3.1: without a single readable author, or with a repeated field, nothing can align."""
    assert author(header)[1] == flaw


@pytest.mark.parametrize(
    ("header", "disposition"),
    [
        (b"From: a@example.com\r\nFrom: a@example.com\r\n", "reject"),
        (b"From: a@example.com, b@example.com\r\n", "reject"),
        (b"", "quarantine"),
        (b"From: a@example.com\r\nSubject: two\r\n", "quarantine"),
    ],
)
def test_never_pass(header: bytes, disposition: str) -> None:
    """A message without a single author, or with a field twice, fails whatever is signed; the policy applies."""
    found = extract(headers.split(header + REST, tolerant=True).fields)
    dns = zone({"example.com": "v=DMARC1; p=quarantine"})
    discovery = dns.run(discover(found))
    verdict = dns.run(conclude(discovery, [dkim("example.com")]))
    assert (verdict.result, verdict.disposition) == ("fail", disposition)
    assert verdict.flaw == found.flaw
