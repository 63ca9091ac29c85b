"""Which refusals lead to the next host, and whose word stands."""

from __future__ import annotations

import pytest

from mailward.base.outcome import Done, Outcome, PermFail, TempFail
from mailward.policy.bounces import classify
from mailward.policy.elsewhere import may_take, outweighs


@pytest.mark.parametrize(
    ("stage", "reply", "leads"),
    [
        ("mail", "452 4.3.1 Insufficient system storage", True),
        ("rcpt", "451 4.3.0 Temporary lookup failure", True),
        ("end_of_data", "451 4.3.0 local error", True),
        ("end_of_data", "451 local error in processing", True),
        ("mail", "421 4.3.2 System not accepting network messages", True),
        ("rcpt", "450 4.2.0 Greylisted, see http://postgrey.example/", False),
        ("rcpt", "451 4.7.1 Please try again later", False),
        ("mail", "450 4.7.0 come back", False),
        ("mail", "451 Try again in 5 minutes", False),
        ("mail", "421 4.7.0 too many messages from your IP, rate limited", False),
        ("mail", "451 your sending rate is too high: throttled", False),
        ("rcpt", "452 4.2.2 Mailbox full", False),
        ("rcpt", "450 4.2.1 mailbox busy", False),
        ("rcpt", "450 4.1.1 unverified address", False),
        ("rcpt", "452 4.5.3 Too many recipients", False),
        ("mail", "451 4.1.8 domain of sender address does not resolve", False),
        ("end_of_data", "451 4.6.0 odd content", False),
        ("rcpt", "550 5.1.1 user unknown", False),
    ],
)
def test_a_trouble_of_one_host_leads_to_the_next(stage: str, reply: str, leads: bool) -> None:
    """Disk, load, a lookup: yes. A greylist, a rate, the sender, the mailbox, the message: the next says the same."""
    code, _, text = reply.partition(" ")
    enhanced = text.partition(" ")[0] if text[:2] in ("4.", "5.") else ""
    assert may_take(classify(stage, int(code), enhanced, text)) is leads


def test_tls_that_failed_here_may_work_there() -> None:
    """Whatever the code says."""
    assert may_take(TempFail("tls_failure", "", 530, "5.7.0"))


AWAY = TempFail("storage", "", 452, "4.3.1")
LEFT_OUT = TempFail("too_many_recipients", "", 452, "4.5.3", 5.0, tried=False)


@pytest.mark.parametrize(
    ("new", "old", "wins"),
    [
        (Done(), AWAY, True),
        (PermFail("bad_mailbox"), AWAY, True),
        (PermFail("relay_denied"), AWAY, False),
        (PermFail("policy_rejected"), AWAY, False),
        (TempFail("greylisted", "", 451), AWAY, False),
        (TempFail("connection_failed"), AWAY, False),
        (PermFail("policy_rejected"), LEFT_OUT, True),
        (TempFail("greylisted", "", 451), LEFT_OUT, True),
        (TempFail("connection_lost"), LEFT_OUT, False),
        (LEFT_OUT, LEFT_OUT, False),
    ],
)
def test_a_lesser_host_speaks_for_no_better_one(new: Outcome, old: Outcome, wins: bool) -> None:
    """It takes the message, or knows that there is no such mailbox; the rest waits for the one that was busy."""
    assert outweighs(new, old) is wins
