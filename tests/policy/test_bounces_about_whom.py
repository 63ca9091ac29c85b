# ruff: noqa: E501 (real replies on one line each)
"""Whether a refusal is of the recipient: whole replies, as servers write them, and who is put on the suppression list."""

from __future__ import annotations

import pytest

from mailward.base.outcome import Outcome, PermFail, TempFail
from mailward.policy.bounces import classify, is_hard, leading_status, meaning
from mailward.policy.retry import DestinationState
from mailward.protocol.smtp.client_replies import ReplyReader, enhanced_status


def said(stage: str, reply: str) -> Outcome:
    """The outcome of a reply as the client reads it."""
    ((code, text),) = ReplyReader().feed(reply.replace("\n", "\r\n").encode() + b"\r\n")
    return classify(stage, code, enhanced_status(code, text), text.decode().replace("\n", " "))


# About the sender, HELO, the client, the content or the pace: (stage, reply, reason).
OF_US = [
    # The envelope sender, at RCPT: Postfix.
    ("rcpt", "550 5.1.8 <b+1.x@bounce.a.test>: Sender address rejected: Domain not found", "sender_rejected"),
    ("rcpt", "550 5.1.0 <b+1.x@bounce.a.test>: Sender address rejected: User unknown in local recipient table", "sender_rejected"),
    ("rcpt", "550 5.1.0 <b+1.x@bounce.a.test>: Sender address rejected: User unknown in virtual mailbox table", "sender_rejected"),
    ("rcpt", "550 5.1.7 Sender address rejected: undeliverable address: host mx.a.test[192.0.2.1] said: 550 no such address", "sender_rejected"),
    ("rcpt", "550 5.1.7 <b+1.x@bounce.a.test>: Sender address rejected: undeliverable address: mail for a.test loops back to myself", None),
    ("rcpt", "554 5.7.1 <b+1.x@bounce.a.test>: Sender address rejected: Access denied", "sender_rejected"),
    ("rcpt", "550 5.7.27 <b+1.x@bounce.a.test>: Sender address rejected: Domain bounce.a.test does not accept mail (nullMX)", None),
    ("rcpt", "553 5.7.1 <b+1.x@bounce.a.test>: Sender address rejected: not owned by user", "sender_rejected"),
    ("rcpt", "504 5.5.2 <b+1>: Sender address rejected: need fully-qualified address", "sender_rejected"),
    ("rcpt", "550 <b+1.x@bounce.a.test>: Sender address rejected: Domain not found", "sender_rejected"),
    # Exim, Sendmail, IronPort, qmail and others.
    ("rcpt", "550-Verification failed for <b+1.x@bounce.a.test>\n550-Unrouteable address\n550 Sender verify failed", "sender_rejected"),
    ("rcpt", "550-Verification failed for <b+1.x@bounce.a.test>\n550-The mail server could not deliver mail to b+1.x@bounce.a.test.  The account or domain may not exist, they may be blacklisted, or missing the proper dns entries.\n550 Sender verify failed", None),
    ("rcpt", "550-Verification failed for <b+1.x@bounce.a.test>\n550-Called:   192.0.2.1\n550-Sent:     RCPT TO:<b+1.x@bounce.a.test>\n550-Response: 550 No such user here\n550 Sender verify failed", "sender_rejected"),
    ("rcpt", "550 Sender domain does not exist", "sender_rejected"),
    ("rcpt", "550 Unknown sender domain", "sender_rejected"),
    ("rcpt", "553 5.1.8 <b+1.x@bounce.a.test>... Domain of sender address b+1.x@bounce.a.test does not exist", "sender_rejected"),
    ("rcpt", "553 5.1.8 Domain of sender address b+1.x@bounce.a.test does not exist", "sender_rejected"),
    ("rcpt", "501 5.1.8 Domain of sender address b+1.x@bounce.a.test does not resolve", None),
    ("rcpt", "550 #5.1.8 Domain of sender address <b+1.x@bounce.a.test> does not exist", "sender_rejected"),
    ("rcpt", "553 5.5.4 <b+1>... Domain name required for sender address b+1", "sender_rejected"),
    ("rcpt", "550 5.1.0 Sender denied", "sender_rejected"),
    ("rcpt", "550 envelope sender's mailbox does not exist", "sender_rejected"),
    ("rcpt", "550 Your return-path does not exist", "sender_rejected"),
    ("rcpt", "550 The address in MAIL FROM: does not exist", "sender_rejected"),
    ("rcpt", "550 Callback verification of the sender: no such user", None),
    ("rcpt", "550 5.1.7 no such user", "sender_rejected"),
    ("rcpt", "550 5.1.8 host not found", "sender_rejected"),
    ("rcpt", "550 relay from unknown sender: user unknown", "sender_rejected"),
    ("rcpt", "550 5.2.1 originator address unknown", "sender_rejected"),
    ("rcpt", "550 We take no mail from unknown addresses", None),
    ("rcpt", "554 5.7.1 We no longer accept mail from this sender", "sender_rejected"),
    ("rcpt", "554 We no longer accept mail from this sender", "sender_rejected"),
    ("rcpt", "554 We no longer accept mail from you", "policy_rejected"),
    # HELO and the client.
    ("rcpt", "550 5.7.1 <mail.a.test>: Helo command rejected: Host not found", "policy_rejected"),
    ("rcpt", "450 4.7.1 <mail.a.test>: Helo command rejected: Host not found", "policy_rejected"),
    ("rcpt", "504 5.5.2 <mail>: Helo command rejected: need fully-qualified hostname", "policy_rejected"),
    ("rcpt", "550 Helo command rejected: Host not found", "policy_rejected"),
    ("rcpt", "550 Bad HELO - Host impersonating domain name, host unknown", "policy_rejected"),
    ("rcpt", "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied", "policy_rejected"),
    ("rcpt", "550 5.7.1 Client host rejected: unknown host", "policy_rejected"),
    ("rcpt", "550 5.7.1 This server does not accept mail from your network", "policy_rejected"),
    ("rcpt", "550 This server does not accept mail from your network", "policy_rejected"),
    ("rcpt", "550 Your domain does not exist", "policy_rejected"),
    ("rcpt", "550 Your host is not found in DNS", None),
    ("rcpt", "550 Your account has been suspended for sending abuse", "policy_rejected"),
    ("rcpt", "554 5.7.1 <DATA>: Data command rejected: Access denied", "policy_rejected"),
    ("rcpt", "550 Domain does not exist", None),
    ("rcpt", "550 Host not found", None),
    # Access maps and policies.
    ("rcpt", "554 5.7.1 <c@b.test>: Recipient address rejected: Access denied", "policy_rejected"),
    ("rcpt", "550 <c@b.test>: Recipient address rejected: Access denied", "policy_rejected"),
    ("rcpt", "550 5.7.1 <c@b.test>: Recipient address rejected: Please see http://www.openspf.org", None),
    ("rcpt", "550 5.7.1 no such user", "policy_rejected"),
    ("rcpt", "550 5.7.0 mailbox unavailable", "policy_rejected"),
    ("rcpt", "550 5.6.0 invalid address", "content_rejected"),
    ("rcpt", "550 5.5.1 unknown address error", None),
    ("rcpt", "550 5.4.6 no such user", "loop_detected"),
    ("rcpt", "550 5.4.4 Unable to route", "relay_denied"),
    ("rcpt", "550 5.1.0 Address rejected by policy", "policy_rejected"),
    ("rcpt", "550 Address rejected", None),
    ("rcpt", "550 Go away", None),
    ("rcpt", "550 Rejected", None),
    ("rcpt", "521 We do not talk to you", None),
    ("rcpt", "550 The mailbox may be full or not exist", None),
    # At MAIL nothing is known of the recipient.
    ("mail", "550 5.1.0 Address rejected", "sender_rejected"),
    ("mail", "550 5.1.1 user unknown", "sender_rejected"),
    # Of the content, behind it.
    ("end_of_data", "554 5.6.0 Invalid address in header From", "content_rejected"),
    ("end_of_data", "550 5.7.1 Message rejected: URL host not found", "content_rejected"),
    ("end_of_data", "550 Message rejected: URL host not found", "content_rejected"),
    ("end_of_data", "550 5.7.1 Your account has been suspended for sending abuse", "policy_rejected"),
    ("end_of_data", "550 rejected: From: domain does not exist", "sender_rejected"),
    ("end_of_data", "550 5.7.1 rejected: From: domain does not exist", "sender_rejected"),
    ("end_of_data", "550 no such user", "rejected"),
    ("end_of_data", "554 5.0.0 mailbox unavailable", "rejected"),
    ("end_of_data", "550 5.1.1 message refused", None),
    ("end_of_data", "550 5.1.0 Address rejected", "rejected"),
    ("end_of_data", "550 domain does not exist", "rejected"),
    ("data", "554 no valid recipients", "rejected"),
    ("data", "554 5.5.1 Error: no valid recipients", "rejected"),
    # Of how much a mailbox gets.
    ("rcpt", "550-5.2.1 The user you are trying to contact is receiving mail at a rate that\n550-5.2.1 prevents additional messages from being delivered. For more\n550 5.2.1 information, please visit https://support.google.com/mail/?p=ReceivingRatePerm gsmtp", "mailbox_busy"),
]  # fmt: skip

# Dead addresses: (stage, reply, reason).
OF_THE_RECIPIENT = [
    ("rcpt", "550-5.1.1 The email account that you tried to reach does not exist. Please try\n550-5.1.1 double-checking the recipient's email address for typos or\n550-5.1.1 unnecessary spaces. Learn more at\n550 5.1.1  https://support.google.com/mail/?p=NoSuchUser a1-20020a.123 - gsmtp", "bad_mailbox"),
    ("rcpt", "550-5.2.1 The email account that you tried to reach is inactive. Learn more at\n550 5.2.1  https://support.google.com/mail/?p=DisabledUser - gsmtp", "inactive_mailbox"),
    ("rcpt", "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [DB3EUR04FT023.eop-eur04.prod.protection.outlook.com]", "bad_mailbox"),
    ("rcpt", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient c@b.test not found by SMTP address lookup", "bad_mailbox"),
    ("rcpt", "550 5.4.1 Recipient address rejected: Access denied. [AM0EUR02FT036.eop-EUR02.prod.protection.outlook.com 2024-01-01T00:00:00.000Z 08DC]", "bad_mailbox"),
    ("rcpt", "550 5.4.1 [c@b.test]: Recipient address rejected: Access denied [HE1EUR01FT024.eop-EUR01.prod.protection.outlook.com]", "bad_mailbox"),
    ("rcpt", "554 delivery error: dd This user doesn't have a yahoo.com account (c@yahoo.com) [0] - mta4180.mail.bf1.yahoo.com", "bad_mailbox"),
    ("end_of_data", "554 delivery error: dd This user doesn't have a yahoo.com account (c@yahoo.com) [0] - mta4180.mail.bf1.yahoo.com", "bad_mailbox"),
    ("rcpt", "554 delivery error: dd Sorry, your message to c@yahoo.com cannot be delivered. This mailbox is disabled (554.30).", "inactive_mailbox"),
    ("rcpt", "552 1 Requested mail action aborted, mailbox not found", "bad_mailbox"),
    ("rcpt", "550 5.1.1 <c@icloud.com>: user does not exist", "bad_mailbox"),
    ("rcpt", "550 5.1.1 <c@b.test>: Recipient address rejected: User unknown in local recipient table", "bad_mailbox"),
    ("rcpt", "550 5.1.1 <c@b.test>: Recipient address rejected: User unknown in virtual mailbox table", "bad_mailbox"),
    ("rcpt", "550 5.1.1 <sender@b.test>: Recipient address rejected: User unknown", "bad_mailbox"),
    ("rcpt", "550 5.1.1 <c@b.test>: Recipient address rejected: undeliverable address: host 10.0.0.1[10.0.0.1] said: 550 5.1.1 <c@b.test>: user unknown (in reply to RCPT TO command)", "bad_mailbox"),
    ("rcpt", "550 5.1.2 <c@b.test>: Recipient address rejected: Domain not found", "bad_domain"),
    ("rcpt", "550 5.1.2 bad destination", "bad_domain"),
    ("rcpt", "550 Unrouteable address", "bad_mailbox"),
    ("rcpt", "550 Unknown user", "bad_mailbox"),
    ("rcpt", "550 unrouteable mail domain \"b.test\"", "bad_domain"),
    ("rcpt", "550 sorry, no mailbox here by that name (#5.1.1 - chkuser)", "bad_mailbox"),
    ("rcpt", "550 no mailbox here by that name", "bad_mailbox"),
    ("rcpt", "511 sorry, no mailbox here by that name (#5.1.1 - chkuser)", "bad_mailbox"),
    ("rcpt", "550 #5.1.0 Address rejected.", "bad_mailbox"),
    ("rcpt", "550 #5.1.0 Address rejected c@b.test", "bad_mailbox"),
    ("rcpt", "550 #5.1.1 user unknown", "bad_mailbox"),
    ("rcpt", "550 5.1.1 <c@b.test>... User unknown", "bad_mailbox"),
    ("rcpt", "553 5.3.0 <c@b.test>... No such user here", "bad_mailbox"),
    ("rcpt", "550 5.0.0 no such user", "bad_mailbox"),
    ("rcpt", "550 5.1.6 recipient no longer on server: c@b.test", "inactive_mailbox"),
    ("rcpt", "550 5.1.1 c@b.test Recipient not found. https://community.mimecast.com/docs/DOC-1369#550", "bad_mailbox"),
    ("rcpt", "550 Invalid Recipient - https://community.mimecast.com/docs/DOC-1369#550", "bad_mailbox"),
    ("rcpt", "550 Requested action not taken: mailbox unavailable", "bad_mailbox"),
    ("rcpt", "550-Requested action not taken: mailbox unavailable\n550 For explanation visit https://postmaster.gmx.net/en/error-messages?ip=192.0.2.1&c=hi", "bad_mailbox"),
    ("rcpt", "550 Mailbox not found", "bad_mailbox"),
    ("rcpt", "550 non-local user unknown here: no such user", "bad_mailbox"),
    ("rcpt", "550 5.1.1 unknown or illegal alias: c@b.test", "bad_mailbox"),
    ("rcpt", "550 5.1.3 bad destination mailbox address syntax", "bad_mailbox"),
    ("rcpt", "550 5.2.1 mailbox disabled, not accepting messages", "inactive_mailbox"),
    ("rcpt", "550 Benutzer unbekannt", "bad_mailbox"),
    ("rcpt", "550 Utilisateur inconnu", "bad_mailbox"),
    ("rcpt", "550 ", "bad_mailbox"),
    ("rcpt", "550 5.1.1", "bad_mailbox"),
    ("rcpt", "556 5.1.10 Recipient address rejected: Domain b.test does not accept mail (nullMX)", "bad_domain"),
    ("end_of_data", "550 5.1.1 <c@b.test> User unknown; rejecting", "bad_mailbox"),
    ("end_of_data", "550 5.2.1 This mailbox has been disabled", "inactive_mailbox"),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "reply", "reason"), OF_US)
def test_what_is_about_us_silences_nobody(stage: str, reply: str, reason: str | None) -> None:
    """The sender, HELO, the client, a header field, the pace: no recipient is suppressed for them, whenever it is said."""
    outcome = said(stage, reply)
    assert isinstance(outcome, PermFail | TempFail)
    assert not (isinstance(outcome, PermFail) and is_hard(outcome.reason)), outcome
    assert reason in (None, outcome.reason)


@pytest.mark.parametrize(("stage", "reply", "reason"), OF_THE_RECIPIENT)
def test_dead_addresses(stage: str, reply: str, reason: str) -> None:
    """What large providers and common servers say of an address that is not there, or no longer used, is hard."""
    outcome = said(stage, reply)
    assert isinstance(outcome, PermFail)
    assert (outcome.reason, is_hard(outcome.reason)) == (reason, True)


@pytest.mark.parametrize("status", ["5.7.1", "5.7.0", "5.7.54", "5.6.0", "5.1.7", "5.1.8", "5.4.4", "5.3.4"])
@pytest.mark.parametrize("stage", ["rcpt", "end_of_data"])
def test_a_code_of_another_matter_outweighs_the_words(stage: str, status: str) -> None:
    """Beside a code of policy, content, the sender or the route, no words make an address dead."""
    for words in (
        "user unknown",
        "no such user",
        "mailbox unavailable",
        "domain does not exist",
        "mailbox is disabled",
    ):
        assert not meaning(stage, 550, status, words).hard


def test_a_code_behind_a_sharp_counts() -> None:
    """IronPort's way of writing a status is understood, and told on; one of another class is not."""
    assert leading_status(550, "#5.1.0 Address rejected.") == "5.1.0"
    assert leading_status(550, "#4.1.0 Address rejected.") == ""
    assert leading_status(550, "Address 5.1.0 rejected.") == ""
    outcome = said("rcpt", "550 #5.1.0 Address rejected.")
    assert isinstance(outcome, PermFail) and outcome.enhanced == "5.1.0"


@pytest.mark.parametrize(
    "reply",
    [
        "450-4.2.1 The user you are trying to contact is receiving mail at a rate that\n450-4.2.1 prevents additional messages from being delivered. Please resend your\n450 4.2.1 message at a later time.",
        "450-4.2.1 The user you are trying to contact is receiving mail too quickly.\n450 4.2.1 Please resend your message at a later time.",
        "550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
        "452 4.2.2 too many messages for this mailbox, slow down",
        "450 #4.2.1 too many messages for this recipient",
        "450 4.1.1 rate limit exceeded for this address",
        "450 4.2.0 service unavailable, try again later",
        "550 5.1.1 listed by dnsbl",
    ],
)  # fmt: skip
def test_one_mailbox_does_not_slow_its_neighbours(reply: str) -> None:
    """A code of an address or mailbox leaves the pace of the destination as it is."""
    state = DestinationState()
    before = state.connections()
    state.failed(said("rcpt", reply), 100.0)
    assert (state.connections(), state.wait(100.0), state.rate) == (before, 0.0, 0.0)


@pytest.mark.parametrize(
    "reply", ["421 4.7.28 unusual rate of mail", "451 4.7.1 rate limit exceeded", "450 you are sending at a rate that is too high"]
)  # fmt: skip
def test_what_is_said_of_our_pace_slows(reply: str) -> None:
    """A limit on what we send does slow the destination."""
    state = DestinationState()
    state.failed(said("rcpt", reply), 100.0)
    assert state.wait(100.0) > 0


def test_one_answer_for_several_recipients_says_of_none_that_it_is_dead() -> None:
    """After the final dot with one recipient it is about that one; with several nobody knows whom it means."""
    text = "5.1.1 The email account that you tried to reach does not exist"
    assert meaning("end_of_data", 550, "5.1.1", text).hard
    found = meaning("end_of_data_for_all", 550, "5.1.1", text)
    assert (found.reason, found.hard, found.temporary) == ("rejected", False, False)
