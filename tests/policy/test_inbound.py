"""The decision about a received message, as a table."""

from __future__ import annotations

import pytest

from mailward.policy.inbound import MAX_HOPS, Accept, Decision, Defer, Facts, Quarantine, Refuse, Terms, decide
from mailward.policy.scanning import Report, Verdict

CLEAN = Report("yara", Verdict.CLEAN)
GOOD = Facts(3, "", CLEAN, "pass", "reject", "example.org", False)
FAILED = GOOD._replace(dmarc="fail")
INFECTED = GOOD._replace(scan=Report("yara", Verdict.INFECTED, "rule x matched"))
SPAM = GOOD._replace(scan=Report("rspamd", Verdict.SPAM, "15 of 15"))
DOWN = GOOD._replace(scan=Report("clamd", Verdict.UNAVAILABLE, "gone"))
STRICT = Terms("refuse", "refuse", "enforce")


@pytest.mark.parametrize(
    ("facts", "terms", "kind", "code"),
    [
        (GOOD, Terms(), Accept, ""),
        (GOOD, STRICT, Accept, ""),
        (GOOD._replace(hops=MAX_HOPS), Terms(), Accept, ""),
        (GOOD._replace(hops=MAX_HOPS + 1), Terms(), Refuse, "mail_loop"),
        (INFECTED, Terms(), Quarantine, "malware"),
        (INFECTED, STRICT, Refuse, "malware_refused"),
        (INFECTED._replace(accept_unscanned=True), Terms(), Quarantine, "malware"),
        (GOOD._replace(unexaminable="too deep"), Terms(), Quarantine, "unexaminable"),
        (DOWN, Terms(), Defer, "scanner_down"),
        (DOWN._replace(accept_unscanned=True), Terms(), Accept, ""),
        (DOWN._replace(accept_unscanned=True, unexaminable="x"), Terms(), Quarantine, "unexaminable"),
        (SPAM, Terms(), Quarantine, "spam"),
        (SPAM, STRICT, Refuse, "spam_refused"),
        (SPAM, Terms(spam="mark"), Accept, ""),
        (GOOD._replace(scan=Report("yara", Verdict.SUSPICIOUS, "a program")), STRICT, Accept, ""),
        (FAILED, Terms(), Accept, ""),
        (FAILED, STRICT, Refuse, "dmarc_refused"),
        (FAILED._replace(dmarc_policy="quarantine"), STRICT, Quarantine, "dmarc"),
        (FAILED._replace(dmarc_policy="none"), STRICT, Accept, ""),
        (GOOD._replace(dmarc="temperror"), STRICT, Defer, "dmarc_unknown"),
        (GOOD._replace(dmarc="none", dmarc_policy=""), STRICT, Accept, ""),
    ],
)
def test_decide(facts: Facts, terms: Terms, kind: type[Decision], code: str) -> None:
    """Each row: these facts under these terms come to this, and whatever is no plain yes has a sentence."""
    decision = decide(facts, terms)
    assert type(decision) is kind
    assert getattr(decision, "code", "") == code
    if code:
        assert decision.sentence.endswith(".") or decision.sentence in (facts.scan.reason,)


def test_a_mark_is_told() -> None:
    """What was only marked carries its reason."""
    decision = decide(SPAM, Terms(spam="mark"))
    assert decision == Accept("15 of 15")
