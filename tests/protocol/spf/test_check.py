"""SPF beyond the published suite: what a verdict says, who is asked about, and that nothing raises."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailward.protocol.spf import macro
from mailward.protocol.spf.identity import check_helo, check_mail_from
from mailward.protocol.spf.model import Session, Stopped, Verdict
from mailward.protocol.spf.record import parse
from tests.protocol.zones import Zone

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def check(
    data: dict[str, Any], sender: str = "strong-bad@email.example.com", ip: str = "192.0.2.3", helo: str = "h.test"
) -> Verdict:
    """The MAIL FROM verdict."""
    session = Session(ipaddress.ip_address(ip), helo, "receiver.example", NOW)
    return Zone(data).run(check_mail_from(session, sender))


def text(policy: str) -> dict[str, Any]:
    """A zone of that one policy."""
    return {"email.example.com": {"TXT": [policy]}}


# RFC 7208 section 7.4.
MACROS = {
    "%{s}": "strong-bad@email.example.com",
    "%{o}": "email.example.com",
    "%{d}": "email.example.com",
    "%{d4}": "email.example.com",
    "%{d3}": "email.example.com",
    "%{d2}": "example.com",
    "%{d1}": "com",
    "%{dr}": "com.example.email",
    "%{d2r}": "example.email",
    "%{l}": "strong-bad",
    "%{l-}": "strong.bad",
    "%{lr}": "strong-bad",
    "%{lr-}": "bad.strong",
    "%{l1r-}": "strong",
    "%{ir}.%{v}._spf.%{d2}": "3.2.0.192.in-addr._spf.example.com",
    "%{lr-}.lp._spf.%{d2}": "bad.strong.lp._spf.example.com",
    "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}": "bad.strong.lp.3.2.0.192.in-addr._spf.example.com",
    "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}": "3.2.0.192.in-addr.strong.lp._spf.example.com",
    "%{d2}.trusted-domains.example.net": "example.com.trusted-domains.example.net",
}


@pytest.mark.parametrize(("written", "expanded"), MACROS.items())
def test_the_macros_of_the_rfc(written: str, expanded: str) -> None:
    """Each example of RFC 7208 section 7.4 expands as it says."""
    zone = text("v=spf1 -all exp=e.%{d2}") | {"e.example.com": {"TXT": [written]}}
    assert check(zone).explanation == expanded


def test_the_ipv6_macro_of_the_rfc() -> None:
    """The IPv6 example of section 7.4 asks for the name it shows."""
    zone = Zone(text("v=spf1 exists:%{ir}.%{v}._spf.%{d2} -all"))
    session = Session(ipaddress.ip_address("2001:db8::cb01"), "h", "r", NOW)
    zone.run(check_mail_from(session, "a@email.example.com"))
    assert zone.asked[1].name == (
        "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
    )


def test_other_macros() -> None:
    """c, r, t, h and the escapes; an upper-case letter is escaped for URLs."""
    zone = text("v=spf1 -all exp=e.%{d2}") | {"e.example.com": {"TXT": ["%{c} %{r} %{t} %{h}%_%-%% %{S}"]}}
    assert check(zone).explanation == (
        f"192.0.2.3 receiver.example {int(NOW.timestamp())} h.test %20% strong-bad%40email.example.com"
    )


def test_a_verdict_says_which_mechanism_matched() -> None:
    """The mechanism as published, the domain that was asked, a sentence, and the look-ups it took."""
    data = text("v=spf1 include:other.test ~all") | {"other.test": {"TXT": ["v=spf1 ip4:192.0.2.0/24 -all"]}}
    verdict = check(data)
    assert (verdict.result, verdict.mechanism, verdict.domain) == ("pass", "include:other.test", "email.example.com")
    assert verdict.reason == "192.0.2.3 matches include:other.test in the policy of email.example.com."
    assert (verdict.lookups, verdict.identity) == (1, "mailfrom")
    assert check(data, ip="198.51.100.1").result == "softfail"
    assert check(text("v=spf1 ?all")).result == "neutral"
    assert check(text("v=spf1 ip4:10.0.0.0/8")).reason.startswith("Nothing in the policy")


def test_helo_and_the_null_path() -> None:
    """HELO's name is its own identity; for the null path it stands for MAIL FROM. No dot or a literal: none."""
    data = {"mx.example.com": {"TXT": ["v=spf1 a -all exp=e.example.com"], "A": ["192.0.2.3"]},
            "e.example.com": {"TXT": ["%{s}"]}}  # fmt: skip
    session = Session(ipaddress.ip_address("192.0.2.3"), "MX.Example.com", "r", NOW)
    helo = Zone(data).run(check_helo(session))
    assert (helo.result, helo.identity, helo.domain) == ("pass", "helo", "mx.example.com")
    assert check(data, "", helo="mx.example.com").result == "pass"
    refused = check(data, "", ip="192.0.2.9", helo="mx.example.com")
    assert (refused.result, refused.explanation) == ("fail", "postmaster@mx.example.com")
    for name in ("localhost", "[192.0.2.3]", "[IPv6:::1]", "", "a..b", "x" * 300 + ".test", "h\x00.test"):
        assert Zone(data).run(check_helo(session._replace(helo=name))).result == "none"


def test_internationalised_domains_are_asked_in_a_labels() -> None:
    """U-labels of MAIL FROM and HELO are converted; what cannot be is no domain."""
    zone = {"xn--bcher-kva.example": {"TXT": ["v=spf1 -all"]}}
    assert check(zone, "a@bücher.example").domain == "xn--bcher-kva.example"
    assert check(zone, "a@BÜCHER.example").result == "fail"
    assert check(zone, "a@\u200b.example").result == "none"


def test_an_ipv4_client_on_an_ipv6_socket_is_ipv4() -> None:
    """::ffff:192.0.2.3 matches what 192.0.2.3 matches (section 5)."""
    assert check(text("v=spf1 ip4:192.0.2.3 -all"), ip="::ffff:192.0.2.3").result == "pass"


def test_a_link_local_client_is_asked_about_without_its_zone() -> None:
    """fe80::1%eth0 is fe80::1 in networks and names."""
    zone = text("v=spf1 ip6:fe80::/10 -all")
    assert check(zone, ip="fe80::1%eth0").result == "pass"
    zone = text("v=spf1 exists:%{ir}.e.test -all") | {"e.test": {}}
    assert check(zone, ip="fe80::1%eth0").result == "fail"


def test_an_explanation_is_printable() -> None:
    """The domain's words are kept to printable ASCII and 500 characters."""
    zone = text("v=spf1 -all exp=e.%{d2}") | {"e.example.com": {"TXT": ["%{l} " + "x" * 3000]}}
    shown = check(zone, "a\r\nb\u2028@email.example.com").explanation
    assert shown.isascii() and shown.isprintable() and len(shown) < 510


@pytest.mark.parametrize("failing", ["other.test", "mx.other.test"])
def test_dns_that_is_away_midway(failing: str) -> None:
    """SERVFAIL of an included policy or a host is temperror, not fail by what follows."""
    data = text("v=spf1 include:other.test -all") | {"other.test": {"TXT": ["v=spf1 a:mx.other.test -all"]}}
    data[failing] = {"TXT": "SERVFAIL", "A": "SERVFAIL"}
    assert check(data).result == "temperror"


@settings(max_examples=300)
@given(st.text(st.sampled_from("v=spf1 +-~?:/.%{}sdlriph0123456789axincludemtrpeoyk=_"), max_size=80))
def test_any_policy_ends(policy: str) -> None:
    """Whatever the policy says, a verdict comes out, with few questions and no other error."""
    zone = Zone(text("v=spf1 " + policy))
    verdict = zone.run(
        check_mail_from(Session(ipaddress.ip_address("192.0.2.3"), "h.test", "r", NOW), "l@email.example.com")
    )
    assert verdict.reason.endswith(".")
    assert len(zone.asked) <= 121


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    """Reading raises nothing but the permerror."""
    with suppress(Stopped):
        parse(b"v=spf1 " + octets)


def test_names_are_cut_from_the_left() -> None:
    """Section 7.3: a name that became longer than 253 characters loses its left labels; an impossible one is none."""
    long = ".".join(["a" * 60] * 5)
    assert macro.as_name(long) == ".".join(["a" * 60] * 4)
    assert macro.as_name("a" * 64 + ".test") is None
    assert macro.as_name("a" * 300) is None
    assert macro.as_name("a..test") is None


@pytest.mark.parametrize(
    ("term", "good"),
    [("a:x.test", True), ("a:x.test.", True), ("a:x.1-a", True), ("a:%{d}", True), ("a:x%%", True), ("a:x.%_", True),
     ("a:x.123", False), ("a:test", False), ("a:x.-a", False), ("a:x.a-", False), ("a:%{d}x", False),
     ("a:x.%%-", False), ("a:x..", False), ("a:", False)],
)  # fmt: skip
def test_domain_end(term: str, good: bool) -> None:
    """Section 7.1: a domain-spec ends in a top label that is not all digits, or in a macro."""
    if good:
        assert parse(b"v=spf1 " + term.encode()).directives[0].text == term
    else:
        with pytest.raises(Stopped):
            parse(b"v=spf1 " + term.encode())
