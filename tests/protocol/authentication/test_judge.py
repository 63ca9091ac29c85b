"""One judgement: what passes, what fails, what stays open, and what it costs."""

from __future__ import annotations

import pytest

from mailward.protocol.arc.seal import seal
from mailward.protocol.arc.validate import validate
from mailward.protocol.authentication.judge import MAX_QUESTIONS, MAX_QUESTIONS_TO_CONCLUDE
from mailward.protocol.authentication.results import results
from mailward.protocol.authres.build import build
from mailward.protocol.authres.read import parse
from mailward.protocol.message import headers
from tests.protocol.authentication.rig import BODY, NOW, Host, ed25519, header, signed


@pytest.mark.claim("EMAIL-3")
def test_all_pass() -> None:
    """An honest message passes SPF, HELO, DKIM and DMARC, in three rounds of questions, none asked twice."""
    host = Host()
    verdicts = host.judge(signed(header() + BODY, "example.com"))
    assert (verdicts.spf.result, verdicts.helo.result, verdicts.dmarc.result) == ("pass", "pass", "pass")
    assert [each.result for each in verdicts.dkim] == ["pass"]
    assert (verdicts.dmarc.spf_aligned, verdicts.dmarc.dkim_aligned, verdicts.arc.result) == (True, True, "none")
    assert len(host.rounds) <= 3
    assert len(host.asked) == len(set(host.asked)) == verdicts.questions
    assert not verdicts.cut_short and not verdicts.temporary


def test_neither() -> None:
    """Without SPF or DKIM of the author's domain the owner's policy is the disposition, with a sentence why."""
    verdicts = Host().judge(header() + BODY, client="198.51.100.9", mail_from="x@evil.test")
    assert (verdicts.spf.result, verdicts.dmarc.result, verdicts.dmarc.disposition) == ("pass", "fail", "reject")
    assert verdicts.dmarc.reason == "Nothing vouches for example.com: only evil.test is authenticated."


def test_helo_does_not_align() -> None:
    """RFC 9989 section 4.4.2: a HELO that passes SPF is no identifier while MAIL FROM is another's."""
    verdicts = Host().judge(header() + BODY, client="192.0.2.1", mail_from="x@evil.test", helo="example.com")
    assert (verdicts.helo.result, verdicts.dmarc.result) == ("pass", "fail")


def test_the_null_path_stands_on_helo() -> None:
    """RFC 9989 section 3.2.4: a bounce is judged by HELO's name, which may align."""
    verdicts = Host().judge(header("mx.example.com") + BODY, mail_from="", helo="mx.example.com")
    assert (verdicts.spf.result, verdicts.spf.domain, verdicts.dmarc.result) == ("pass", "mx.example.com", "pass")


def test_dns_that_is_away_is_not_a_pass_and_not_a_fail() -> None:
    """SERVFAIL for the aligned domain's SPF and key leaves DMARC open; for the policy itself, too."""
    data: dict[str, dict[str, object]] = {
        "example.com": {"TXT": "SERVFAIL"},
        "s._domainkey.example.com": {"TXT": "TIMEOUT"},
    }
    verdicts = Host(data).judge(signed(header() + BODY, "example.com"))
    assert (verdicts.spf.result, verdicts.dkim[0].result, verdicts.dmarc.result) == ("temperror",) * 3
    assert verdicts.temporary and verdicts.dmarc.disposition == "none"
    verdicts = Host({"_dmarc.example.com": {"TXT": "SERVFAIL"}}).judge(header() + BODY)
    assert verdicts.dmarc.result == "temperror"


def test_a_strangers_dns_cannot_keep_a_verdict_open() -> None:
    """SERVFAIL for an unaligned domain does not soften the author's policy."""
    host = Host({"evil.test": {"TXT": "SERVFAIL"}, "s._domainkey.evil.test": {"TXT": "SERVFAIL"}})
    verdicts = host.judge(signed(header() + BODY, "evil.test"), mail_from="x@evil.test")
    assert (verdicts.spf.result, verdicts.dkim[0].result) == ("temperror", "temperror")
    assert (verdicts.dmarc.result, verdicts.dmarc.disposition) == ("fail", "reject")


def forwarded(trusted_says: bytes = b"mx.list.test; dmarc=pass header.from=example.com") -> tuple[Host, bytes]:
    """A message that a list received well, changed, and sealed."""
    host = Host({"s._domainkey.list.test": {"TXT": [ed25519("list.test")[1]]}})
    content = signed(header() + BODY, "example.com") + b"-- \r\nA list.\r\n"
    parsed = headers.split(content)
    body = content[parsed.body_offset :]
    chain = host.zone.run(validate(parsed.fields, body))
    added = seal(parsed.fields, body, results=trusted_says, chain=chain, signer=ed25519("list.test")[0], now=NOW)
    return host, added + content


def test_arc_of_a_trusted_sealer() -> None:
    """A listed sealer that saw DMARC pass for this author stands in for a broken signature; DMARC still says fail."""
    host, content = forwarded()
    verdicts = host.judge(content, mail_from="x@list.test", trusted=["list.test"])
    assert (verdicts.arc.result, verdicts.dkim[0].reason) == ("pass", "body_hash")
    assert (verdicts.dmarc.result, verdicts.dmarc.disposition) == ("fail", "none")
    assert "list.test" in verdicts.dmarc.overridden


def test_arc_of_anybody_else() -> None:
    """A chain that holds changes nothing when its sealer is not listed, saw no pass, or saw it for another author."""
    host, content = forwarded()
    for trusted in ((), ("other.test",)):
        verdicts = host.judge(content, mail_from="x@list.test", trusted=trusted)
        assert (verdicts.arc.result, verdicts.dmarc.disposition) == ("pass", "reject")
    for says in (b"mx.list.test; dmarc=fail header.from=example.com", b"mx.list.test; dmarc=pass",
                 b"mx.list.test; dmarc=pass header.from=bank.test", b"mx.list.test; none"):  # fmt: skip
        host, content = forwarded(says)
        verdicts = host.judge(content, mail_from="x@list.test", trusted=["list.test"])
        assert (verdicts.arc.result, verdicts.dmarc.disposition) == ("pass", "reject")


def test_authentication_results_say_what_was_found() -> None:
    """Our field reads back as the verdicts, with a reason for each that is no pass."""
    host = Host()
    content = signed(header() + BODY, "example.com", "evil.test").replace(b"Hello", b"Hullo")
    received = host.received(content, mail_from="a@example.com", client="192.0.2.1", helo="mx.example.com")
    verdicts = host.judge(content)
    again = parse(build(results(verdicts, received, "mx.ours.example")))
    assert again is not None and again.authserv_id == "mx.ours.example"
    assert [(each.method, each.result) for each in again.results] == [
        ("spf", "pass"), ("spf", "pass"), ("dkim", "fail"), ("dkim", "fail"), ("dmarc", "pass"),
    ]  # fmt: skip
    assert "header.d=example.com" in [f"{p.ptype}.{p.name}={p.value}" for p in again.results[2].properties]
    assert again.results[2].reason == "The body has been changed since it was signed."
    assert again.results[4].properties[0].value == "example.com"


def test_the_budget() -> None:
    """However much is asked for, a message causes a bounded number of questions; what stays open is temporary."""
    hosts: dict[str, dict[str, object]] = {f"h{n}.evil.test": {"A": ["203.0.113.9"]} for n in range(200)}
    data = dict(hosts)
    for m in range(10):
        data[f"m{m}.evil.test"] = {"MX": [(n, f"h{m * 10 + n}.evil.test") for n in range(10)]}
    data["evil.test"] = {"TXT": ["v=spf1 " + " ".join(f"mx:m{m}.evil.test" for m in range(10)) + " +all"]}
    host = Host(data)
    verdicts = host.judge(header() + BODY, mail_from="x@evil.test", client="198.51.100.1")
    assert verdicts.cut_short and verdicts.spf.result == "temperror"
    assert len(host.asked) <= MAX_QUESTIONS + MAX_QUESTIONS_TO_CONCLUDE
    assert (verdicts.dmarc.result, verdicts.dmarc.disposition) == ("fail", "reject")
