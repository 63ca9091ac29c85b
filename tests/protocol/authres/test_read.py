"""Reading Authentication-Results, and taking away what only pretends to be ours (RFC 8601)."""

from __future__ import annotations

import pytest

from mailward.protocol.authres.model import AuthenticationResults, MethodResult, Property
from mailward.protocol.authres.read import claims, parse, strip
from mailward.protocol.message import headers

OURS = ("mx.ours.example", "xn--mx-0ja.ours.example")


def field(value: str | bytes) -> bytes:
    """A raw field with that value."""
    raw = value.encode() if isinstance(value, str) else value
    return b"Authentication-Results: " + raw + b"\r\n"


# RFC 8601 appendix B, and what large providers write.
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("example.org 1; none", AuthenticationResults("example.org")),
        ("example.com;\r\n spf=pass smtp.mailfrom=example.net",
         AuthenticationResults("example.com", (MethodResult("spf", "pass", "", (
             Property("smtp", "mailfrom", "example.net"),)),))),
        ('example.com;\r\n dkim=pass reason="good signature"\r\n header.i=@mail-router.example.net;\r\n'
         ' dkim=fail reason="bad signature"\r\n  header.i=@newyork.example.com',
         AuthenticationResults("example.com", (
             MethodResult("dkim", "pass", "good signature", (Property("header", "i", "@mail-router.example.net"),)),
             MethodResult("dkim", "fail", "bad signature", (Property("header", "i", "@newyork.example.com"),)),
         ))),
        ("foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n"
         " policy (A dot can go here) . (like that) expired (this surprised me) = (as I wasn't expecting it)"
         " 1362471462",
         AuthenticationResults("foo.example.net", (MethodResult("dkim", "fail", "", (
             Property("policy", "expired", "1362471462"),)),))),
        ('"a; b"; dmarc=pass (p=REJECT; sp=REJECT) header.from="a\\"b"',
         AuthenticationResults("a; b", (MethodResult("dmarc", "pass", "", (Property("header", "from", 'a"b'),)),))),
    ],
)  # fmt: skip
def test_well_formed(value: str, expected: AuthenticationResults) -> None:
    """Comments, folding, versions and quotes are read as RFC 8601 section 2.2 writes them."""
    assert parse(field(value)) == expected


@pytest.mark.parametrize(
    "value",
    ["", "example.org 2; none", "a b c; none", "example.org; spf", "example.org; spf=", "example.org; spf=pass x",
     "example.org; spf=pass smtp.mailfrom", "(example.org; none", 'example.org; spf=pass reason="x', "a) b; none",
     "a; " + "spf=pass; " * 200, "a; spf=pass reason=" + "x" * 20000],
)  # fmt: skip
def test_malformed(value: str) -> None:
    """What is not of that form, or beyond the bounds, is not read at all."""
    assert parse(field(value)) is None


@pytest.mark.parametrize(
    "value",
    [
        "mx.ours.example; dmarc=pass",
        "MX.OURS.Example; dmarc=pass",
        "mx.ours.example 1; dmarc=pass",
        "mx.ours.example1; dmarc=pass",
        "mx.ours.example.; dmarc=pass",
        "mx.ours.example",
        "mx.ours.example dmarc=pass",
        "\r\n\tmx.ours.example\r\n ; dmarc=pass",
        "mx.ours.\r\n example; dmarc=pass",
        '"mx.ours.example"; dmarc=pass',
        '"mx\\.ours.example"; dmarc=pass',
        "(hello) mx.ours.example; dmarc=pass",
        "(((a)b)c;) mx.ours.example (x) 1 (y); dmarc=pass",
        "(\\)) mx.ours.example; dmarc=pass",
        "evil.example (mx.ours.example; dmarc=pass",
        "(evil) mx.ours.example(x); dmarc=pass",
        "evil.example mx.ours.example; dmarc=pass",
        "mx.ours.example\x00; dmarc=pass",
        "\x0bmx.ours.example; dmarc=pass",
        "ｍｘ.ours.example; dmarc=pass",
        "mx。ours。example; dmarc=pass",
        "mxñ.ours.example; dmarc=pass",
        "MXÑ.ours.example; dmarc=pass",
        "xn--MX-0ja.ours.example; dmarc=pass",
        "(" * 5000 + "mx.ours.example",
        "x" * 20000,
    ],
)
def test_forged(value: str) -> None:
    """Whatever some reader could take for our name is taken for a forgery."""
    assert claims(field(value), OURS)


@pytest.mark.parametrize(
    "value",
    ["mx.google.com; dkim=pass", "notmx.ours.example; none", "mx.ours.example.evil.test; none",
     "other.example; dkim=pass header.d=mx.ours.example", "ours.example; none", "x.mx.ours.example; none",
     "other.example; spf=pass (mx.ours.example: domain of a@b)"],
)  # fmt: skip
def test_of_others(value: str) -> None:
    """Results of other hosts stay, also when they mention us in what they found."""
    assert not claims(field(value), OURS)


def test_strip_looks_at_the_field_name_as_readers_do() -> None:
    """Any case and obsolete space before the colon; the sender's other fields stay as they are and in order."""
    content = (
        b"AUTHENTICATION-results: mx.ours.example; dmarc=pass\r\nauthentication-results \t: mx.ours.example; a=b\r\n"
        b"ARC-Authentication-Results: i=1; mx.ours.example; spf=pass\r\nFrom: a@example.com\r\n"
        b"Authentication-Results: mx.else.example; spf=pass\r\n\r\n"
    )
    kept = strip(headers.split(content, tolerant=True).fields, OURS)
    assert [name for name, _ in kept] == [b"arc-authentication-results", b"from", b"authentication-results"]
