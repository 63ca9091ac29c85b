# ruff: noqa: E501 (real texts on one line each)
"""Refusals as they are really written, and what they mean."""

from __future__ import annotations

import pytest

from mailward.base.outcome import PermFail, TempFail
from mailward.policy.bounce_texts import TEXTS
from mailward.policy.bounces import HARD, SENTENCES, classify, explain, is_hard, meaning, wait_asked
from tests.spent import within

REAL = [
    # (stage, code, enhanced, text, reason, temporary)
    ("rcpt", 550, "5.1.1", "The email account that you tried to reach does not exist. Please try double-checking the recipient's email address gsmtp", "bad_mailbox", False),
    ("rcpt", 550, "5.2.1", "The email account that you tried to reach is disabled. gsmtp", "inactive_mailbox", False),
    ("rcpt", 552, "5.2.2", "The email account that you tried to reach is over quota. Please direct the recipient to gsmtp", "mailbox_full", False),
    ("rcpt", 452, "4.2.2", "The email account that you tried to reach is over quota. gsmtp", "mailbox_full", True),
    ("end_of_data", 550, "5.7.26", "This mail has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM.", "auth_failure", False),
    ("end_of_data", 550, "5.7.1", "Our system has detected that this message is likely unsolicited mail. To reduce the amount of spam sent to Gmail, this message has been blocked.", "spam_content", False),
    ("end_of_data", 421, "4.7.28", "Our system has detected an unusual rate of unsolicited mail originating from your IP address. To protect our users from spam, mail has been temporarily rate limited.", "rate_limited", True),
    ("end_of_data", 421, "4.7.0", "This message does not pass authentication checks (SPF and DKIM both do not pass).", "auth_failure", True),
    ("rcpt", 450, "4.2.1", "The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered.", "mailbox_busy", True),
    ("end_of_data", 552, "5.3.4", "Your message exceeded Google's message size limits.", "message_too_large", False),
    ("rcpt", 550, "5.5.0", "Requested action not taken: mailbox unavailable (S2017062302).", "bad_mailbox", False),
    ("rcpt", 550, "5.1.10", "RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", "bad_mailbox", False),
    ("rcpt", 550, "5.4.1", "Recipient address rejected: Access denied. [AM0EUR02FT036.eop-EUR02.prod.protection.outlook.com]", "bad_mailbox", False),
    ("mail", 550, "5.7.1", "Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140).", "blocklisted", False),
    ("mail", 451, "4.7.650", "The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation. (S775)", "rate_limited", True),
    ("end_of_data", 550, "5.7.509", "Access denied, sending domain example.com does not pass DMARC verification and has a DMARC policy of reject.", "auth_failure", False),
    ("rcpt", 554, "5.2.2", "mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException", "mailbox_full", False),
    ("rcpt", 554, "", "delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com) [0]", "bad_mailbox", False),
    ("mail", 421, "4.7.0", "[TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints", "rate_limited", True),
    ("rcpt", 552, "", "1 Requested mail action aborted, mailbox not found", "bad_mailbox", False),
    ("end_of_data", 554, "5.7.9", "Message not accepted for policy reasons. See postmaster pages", "policy_rejected", False),
    ("rcpt", 550, "5.1.1", "<x@b.test>: Recipient address rejected: User unknown in local recipient table", "bad_mailbox", False),
    ("rcpt", 554, "5.7.1", "<x@b.test>: Relay access denied", "relay_denied", False),
    ("rcpt", 450, "4.2.0", "<x@b.test>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/b.test.html", "greylisted", True),
    ("rcpt", 554, "5.7.1", "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "blocklisted", False),
    ("connect", 554, "5.7.1", "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "blocklisted", True),
    ("end_of_data", 452, "4.3.1", "Insufficient system storage", "storage", True),
    ("rcpt", 450, "4.7.25", "Client host rejected: cannot find your reverse hostname, [192.0.2.1]", "auth_failure", True),
    ("rcpt", 550, "", "Unrouteable address", "bad_mailbox", False),
    ("rcpt", 550, "", "relay not permitted", "relay_denied", False),
    ("rcpt", 451, "", "Temporary local problem - please try later", "server_busy", True),
    ("end_of_data", 552, "", "Message size exceeds maximum permitted", "message_too_large", False),
    ("rcpt", 550, "5.1.1", "user does not exist", "bad_mailbox", False),
    ("rcpt", 550, "5.1.6", "recipient no longer on server", "inactive_mailbox", False),
    ("end_of_data", 554, "5.7.1", "[HM08] Message rejected due to local policy. Please visit https://support.apple.com", "spam_content", False),
    ("rcpt", 552, "5.2.2", "Mailbox is full / Blocks limit exceeded", "mailbox_full", False),
    ("rcpt", 452, "4.5.3", "Too many recipients", "too_many_recipients", True),
    ("connect", 421, "4.3.2", "Service not available, closing transmission channel", "server_busy", True),
    ("rcpt", 550, "", "Mailbox unavailable", "bad_mailbox", False),
    ("rcpt", 550, "", "", "bad_mailbox", False),
    ("mail", 550, "", "no such user", "sender_rejected", False),
    ("end_of_data", 554, "", "", "rejected", False),
    ("rcpt", 556, "5.1.10", "Domain does not accept mail (nullMX)", "bad_domain", False),
    ("end_of_data", 554, "5.4.6", "Too many hops", "loop_detected", False),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "code", "enhanced", "text", "reason", "temporary"), REAL)
def test_real_texts(stage: str, code: int, enhanced: str, text: str, reason: str, temporary: bool) -> None:
    """Each provider's wording leads to its reason."""
    found = meaning(stage, code, enhanced, text)
    assert (found.reason, found.temporary) == (reason, temporary)
    assert found.sentence
    assert isinstance(classify(stage, code, enhanced, text), TempFail if temporary else PermFail)


def test_only_dead_addresses_are_hard() -> None:
    """Blocklists, policy, spam, full mailboxes and every temporary answer never suppress."""
    assert {"bad_mailbox", "bad_domain", "inactive_mailbox"} == HARD
    for stage, code, enhanced, text, reason, temporary in REAL:
        assert meaning(stage, code, enhanced, text).hard is (not temporary and reason in HARD)
    assert not is_hard("blocklisted")


@pytest.mark.parametrize("stage", ["connect", "ehlo", "starttls", "auth"])
def test_a_refused_session_is_never_final(stage: str) -> None:
    """What is said before MAIL is not about a recipient."""
    for _, code, enhanced, text, _, _ in REAL:
        found = meaning(stage, code, enhanced, text)
        assert found.temporary and not found.hard


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Greylisted, please try again in 300 seconds", 300),
        ("try again in 5 minutes", 300),
        ("Please retry after 1 hour", 3600),
        ("greylisted for 00:04:30, come back", 270),
        ("try again later", None),
        ("retry in 99999 hours", 86400),
        ("error 5 messages", None),
    ],
)
def test_wait_asked(text: str, seconds: float | None) -> None:
    """A time in the text is understood."""
    assert wait_asked(text) == seconds


def test_patterns_are_linear() -> None:
    """No text of a server stalls us."""

    def read() -> None:
        for seed in ("a", "user ", "again ", "mailbox is ", "message size ", "ip ", "1", "\u00e9", "listed in "):
            meaning("rcpt", 550, "", seed * 20_000)
            for pattern, _ in TEXTS:
                pattern.search(seed * 1000)

    within(5, read)


def test_every_reason_has_a_sentence() -> None:
    """The tenant can read each reason."""
    assert {reason for _, reason in TEXTS} <= set(SENTENCES)
    assert explain("bad_mailbox") and explain("never heard of")


@pytest.mark.parametrize(
    "text",
    [
        "Must issue a STARTTLS command first",
        "Encryption required",
        "TLS required",
        "This server requires TLS for mail",
        "TLSv1.2 or better is required",
        "5.7.10 encryption needed",
    ],
)
def test_a_demand_of_tls_is_understood(text: str) -> None:
    """It is of the session, whoever is named beside it."""
    enhanced = text[:6] if text[0] == "5" else "5.7.0"
    found = meaning("rcpt", 550, enhanced, text)
    assert (found.reason, found.temporary, found.hard) == ("encryption_required", False, False)
