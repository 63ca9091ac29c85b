"""judge(): what one refusal means, where its words are of one side and its code of the other."""

from __future__ import annotations

import pytest

from mailward.policy.returned.judge import judge
from mailward.policy.returned.model import CAUSES, Kind
from mailward.policy.returned.reported import reported
from mailward.protocol.reports import dsn

# Words for "unknown" and "invalid" that are said of the sender, of another host, or of a mailbox that lives.
ALIVE = """
501 5.1.8 From: domain is invalid. Please provide a valid From:
550 Invalid domain, see the help page
550 5.4.4 Invalid domain name in from
550 Host unknown: your HELO host.invalid does not exist
550 Domain b.example does not exist in from address
550 5.7.1 sender not listed in address book
550 Client does not have permissions to send as this sender, user not found
550 5.7.1 Invalid credentials for relay for one of the domains in HELO and MAIL FROM. Unknown email address domain
550 This user does not wish to receive mail from unknown addresses
550 The recipient's inbox doesn't accept mail from invalid addresses
550 this address no longer accepts mail from you
550 recipient does not accept messages from unknown senders
550 bob@x.example is not allowed to receive mail from outside (user unknown externally)
550 5.1.1 refused by the recipient's settings
550 5.1.1 The user's mailbox is currently unable to accept mail
550 User unknown; rejecting (or temporarily disabled)
550 mailbox not found or access denied
550 is unavailable: user is terminated
550 5.1.1 archived recipient
550 we don't handle mail for x.example
550 5.1.1 mailbox full
550 5.1.1 blocked by policy
550 5.1.1 Message too large
550 5.1.2 Mail loop detected
550 5.1.2 temporary DNS failure
450 4.1.1 User unknown in local recipient table
550 permanent failure for one or more recipients (bob@x.example:blocked)
550 Too many invalid recipients
550 5.2.1 Mailbox unavailable. Your IP address 192.0.2.1 is blacklisted
554 5.7.1 <bob@x.example>: Recipient address rejected: https://www.spamhaus.org/query/ip/192.0.2.1
""".strip().split("\n")
DEAD = """
550 address invalid
550 destination addresses were unknown
550 bob@x.example is not an active address at this host
550 nessun utente simile in questo indirizzo
550 no existe dicha persona
550 no thank you rejected: account unavailable
553 sorry, this recipient is not in my validrcptto list (#5.7.1)
550 bob not in name directory
550 User (bob@x.example) unknown.
550 5.1.2 Invalid domain
550 Recipient rejected: invalid domain
550 Host/domain does not accept mail
550 5.1.1 The message goes back to the sender: user unknown
""".strip().split("\n")


@pytest.mark.parametrize("text", ALIVE)
def test_whoever_may_live_is_not_silenced(text: str) -> None:
    """A refusal that names the sender, a passing state or a wish of the recipient is never hard, whatever its code."""
    assert CAUSES[judge(text).cause].kind is not Kind.HARD, judge(text)


@pytest.mark.parametrize("text", DEAD)
def test_who_does_not_exist_is_recognised(text: str) -> None:
    """A refusal that says that mailbox or domain does not exist is hard."""
    assert CAUSES[judge(text).cause].kind is Kind.HARD, judge(text)


def test_a_status_of_class_4_outweighs_the_words_of_the_report() -> None:
    """Status 4.1.1 beside "550 user unknown" is a contradiction; 4.4.7, by which a queue gives up, is none."""

    def kind(status: str) -> Kind:
        group = dsn.Recipient("bob@x.example", "", "failed", status, "smtp; 550 5.1.1 user unknown", "")
        return CAUSES[reported(group, "", alone=True).cause].kind

    assert [kind(s) for s in ("5.1.1", "4.4.7", "4.1.1")] == [Kind.HARD, Kind.HARD, Kind.SOFT]
