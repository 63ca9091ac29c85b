"""The judge as the gate knows it."""

from __future__ import annotations

from mailward.app.inbound.authentication import Authenticator
from mailward.app.inbound.judging import MailJudge, facts
from mailward.protocol.smtp.model import SessionFacts
from tests.app.inbound.test_authentication import SlowDns
from tests.conftest import MovingClock
from tests.protocol.authentication.rig import BODY, Host, header, signed

SESSION = SessionFacts("mx.example.com", "192.0.2.1", "", "", "mx")


async def test_the_facts_of_an_honest_message(clock: MovingClock) -> None:
    """Each verdict comes with its domain and a sentence; our field is text that ends in CRLF."""
    judge = MailJudge(Authenticator(SlowDns(Host()), hostname="mx.ours.example"), clock)
    judged = await judge.judge(signed(header() + BODY, "example.com"), SESSION, "a@example.com")
    assert (judged.spf.result, judged.spf.domain, judged.spf.scope) == ("pass", "example.com", "mailfrom")
    assert [(d.result, d.domain, d.selector, d.reason) for d in judged.dkim] == [
        ("pass", "example.com", "s", "The signature holds.")
    ]
    assert (judged.dmarc.result, judged.dmarc.domain, judged.dmarc.policy) == ("pass", "example.com", "reject")
    assert judged.dmarc.spf_aligned and judged.dmarc.dkim_aligned
    assert judged.field.endswith("\r\n") and judged.removed == 0


def test_the_policy_of_a_failed_message_is_what_it_comes_to() -> None:
    """Test mode asks a step less; two From fields are refused whatever the owner asks for; the null path is HELO's."""
    testing = Host(policy="v=DMARC1; p=reject; t=y").judge(header() + BODY, client="198.51.100.1")
    assert facts(testing, "a@example.com")[2].policy == "quarantine"
    two = Host().judge(b"From: x@evil.test\r\n" + header() + BODY)
    assert facts(two, "")[2].policy == "reject"
    assert facts(two, "")[0].scope == "helo"
