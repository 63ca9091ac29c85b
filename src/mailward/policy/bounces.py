"""What a server's refusal means: a named reason, whether to try again, whether the address is dead.

Three tables are read in turn: the texts providers really send (enhanced codes are often
wrong, texts rarely), then the enhanced status code (RFC 3463), then the bare code and
stage. Only reasons that say *this mailbox or domain does not exist* are hard, that is, put
the address on the suppression list: suppressing for a blocklist, a policy, spam or a full
mailbox would silence people who can be reached again tomorrow.

Servers commonly say at RCPT what they think of MAIL, HELO or the client (Postfix delays its
refusals to there), in words that would condemn a recipient. So what looks hard must pass
three questions (`_doubted`): may a code of this kind stand beside it, does the second reader
of refusals (`returned/judge.py`) take it for the same, and was it said where a recipient is
refused.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mailward.base.outcome import PermFail, TempFail
from mailward.policy.bounce_texts import TEXTS
from mailward.policy.returned.judge import judge
from mailward.policy.returned.wording import normal

HARD = frozenset(("bad_mailbox", "bad_domain", "inactive_mailbox"))

# Every reason and its sentence for the tenant.
SENTENCES: dict[str, str] = {
    "bad_mailbox": "The mailbox does not exist.",
    "bad_domain": "The recipient's domain does not exist or takes no mail.",
    "inactive_mailbox": "The mailbox exists but is disabled or no longer used.",
    "policy_rejected": "The receiving side refuses this mail by a policy of its own.",
    "spam_content": "The receiving side took the message for spam.",
    "auth_failure": "The message failed the receiver's SPF, DKIM or DMARC check.",
    "blocklisted": "The sending address is on a blocklist the receiver uses.",
    "message_too_large": "The message is larger than the receiver takes.",
    "mailbox_full": "The mailbox is full.",
    "relay_denied": "The server does not take mail for this recipient.",
    "content_rejected": "The receiver refuses the message's content or format.",
    "sender_rejected": "The receiver refuses the sender's address.",
    "loop_detected": "The receiver says the message goes round in a loop.",
    "eight_bit_unsupported": "The server takes only 7-bit content and the message needs 8 bits.",
    "smtputf8_unsupported": "The server does not take internationalised addresses.",
    "requiretls_unsupported": "The message requires TLS on every hop and this hop cannot keep that.",
    "null_mx": "The domain says that it takes no mail.",
    "rejected": "The server refused the recipient or message without a reason we know.",
    "greylisted": "The server asks unknown senders to come back in a while.",
    "rate_limited": "The receiver limits how much it takes from us.",
    "too_many_recipients": "The server takes fewer recipients at once; the rest follow.",
    "turn": "Much mail waits for this destination, which takes it slowly; this message's turn comes.",
    "mailbox_busy": "The mailbox is locked or getting mail too fast.",
    "server_busy": "The server is overloaded or being worked on.",
    "storage": "The server has no room or cannot store mail now.",
    "connection_failed": "No connection to the server could be made.",
    "connection_lost": "The connection ended in the middle.",
    "timeout": "The server did not answer in time.",
    "dns_failure": "The recipient's domain could not be looked up just now.",
    "encryption_required": "The server takes mail over TLS only, and none was set up.",
    "tls_failure": "TLS is required and could not be set up.",
    "auth_unavailable": "The relay does not offer a safe way to sign in.",
    "auth_failed": "The relay did not accept our credentials.",
    "protocol_error": "The server answered in a way that is not SMTP.",
    "no_route": "No address of the recipient's servers may be used.",
    "loop": "The recipient's domain points back to this platform.",
    "deferred": "The server asked to try again later without a reason we know.",
}

# Enhanced status (class left out) -> reason for 5.x.x, reason for 4.x.x. RFC 3463, 7505, 7372, 8689.
_ENHANCED: dict[str, tuple[str, str]] = {
    "1.1": ("bad_mailbox", "deferred"),
    "1.2": ("bad_domain", "dns_failure"),
    "1.3": ("bad_mailbox", "deferred"),
    "1.6": ("inactive_mailbox", "deferred"),
    "1.7": ("sender_rejected", "deferred"),
    "1.8": ("sender_rejected", "dns_failure"),
    "1.10": ("null_mx", "deferred"),
    "2.1": ("inactive_mailbox", "mailbox_busy"),
    "2.2": ("mailbox_full", "mailbox_full"),
    "2.3": ("message_too_large", "message_too_large"),
    "3.1": ("storage", "storage"),
    "3.2": ("policy_rejected", "server_busy"),
    "3.4": ("message_too_large", "storage"),
    "4.1": ("deferred", "connection_failed"),
    "4.3": ("dns_failure", "dns_failure"),
    "4.4": ("relay_denied", "dns_failure"),
    "4.5": ("server_busy", "server_busy"),
    "4.6": ("loop_detected", "loop_detected"),
    "5.3": ("too_many_recipients", "too_many_recipients"),
    "6.0": ("content_rejected", "deferred"),
    "6.1": ("content_rejected", "deferred"),
    "6.3": ("eight_bit_unsupported", "deferred"),
    "6.7": ("smtputf8_unsupported", "deferred"),
    "7.20": ("auth_failure", "auth_failure"),
    "7.21": ("auth_failure", "auth_failure"),
    "7.22": ("auth_failure", "auth_failure"),
    "7.23": ("auth_failure", "auth_failure"),
    "7.24": ("auth_failure", "auth_failure"),
    "7.25": ("auth_failure", "auth_failure"),
    "7.26": ("auth_failure", "auth_failure"),
    "7.27": ("null_mx", "deferred"),
    "7.30": ("requiretls_unsupported", "deferred"),
    "7.1": ("policy_rejected", "greylisted"),
    "7.0": ("policy_rejected", "deferred"),
    "7.8": ("auth_failed", "auth_failed"),
    "7.10": ("encryption_required", "encryption_required"),
}
_CODES: dict[int, str] = {
    421: "server_busy",
    450: "mailbox_busy",
    451: "deferred",
    452: "storage",
    521: "null_mx",
    523: "message_too_large",
    530: "auth_failed",
    535: "auth_failed",
    552: "mailbox_full",
    556: "null_mx",
}
# What a reason is when the server spoke with the other class: these can pass whatever the server thinks.
_ALWAYS_TEMPORARY = frozenset(
    ("greylisted", "rate_limited", "server_busy", "too_many_recipients", "dns_failure", "mailbox_busy")
)
_NEVER_FROM_4XX = frozenset(("bad_domain", "null_mx", "relay_denied", "rejected"))
_WAIT = re.compile(
    r"(?:again|retry|wait|come back|greylist\w*|deferred|delayed)\D{0,40}?(\d{1,6})\s{0,2}"
    r"(s|m|h|sec|secs|seconds?|mins?|minutes?|hours?)\b",
    re.IGNORECASE,
)
_CLOCK_WAIT = re.compile(r"(?:again|greylist\w*|wait)\D{0,40}?(\d{1,2}):(\d\d):(\d\d)", re.IGNORECASE)
_MAX_TEXT = 1000
_STATUS = re.compile(r"[\s#(]{0,3}([45])\.(\d{1,3})\.(\d{1,3})(?![\d.])")

# Codes beside which words for a dead address are believed: none, one that says nothing, one of addresses or mailboxes.
_VAGUE = frozenset(("", "5.0.0", "5.3.0", "5.5.0"))
_OF_SENDER = frozenset(("5.1.7", "5.1.8"))
# Microsoft 365 says so, with this code, of recipients that its directory does not know (directory-based edge blocking).
_EDGE_BLOCKED = ("5.4.1", "recipient address rejected: access denied")
# Yahoo refuses a mailbox behind the content, and without a code; nobody else words it so, and of nothing else.
_AT_THE_END = re.compile(r"delivery error: dd (?:this user doesn't|sorry)")
# A server that serves the domain and does not find "the domain" mostly means ours, unless it says whose.
_OF_RECIPIENT = re.compile(
    r"recipient|rcpt|destination|\bto address|addressee|hosted|\bhere\b|unrouteable|takes no mail|accept mail"
)
# What the second reader (`returned`) makes of a refusal: it agrees, or names something else.
_AGREE = frozenset(("no_mailbox", "no_domain", "no_mail", "moved", "disabled", "unavailable"))
_INSTEAD = {
    "sender_refused": "sender_rejected",
    "authentication": "auth_failure",
    "blocked": "policy_rejected",
    "policy": "policy_rejected",
    "filtered": "policy_rejected",
    "spam": "spam_content",
    "virus": "spam_content",
    "content": "content_rejected",
    "too_large": "message_too_large",
    "full": "mailbox_full",
    "relay_denied": "relay_denied",
    "loop": "loop_detected",
}


class Meaning(NamedTuple):
    """A reply understood. `hard`: the address is dead, suppress it. `retry_after` in seconds, if the server said."""

    reason: str
    temporary: bool
    hard: bool
    retry_after: float | None
    sentence: str


def meaning(stage: str, code: int, enhanced: str, text: str) -> Meaning:
    """Understand a 4xx or 5xx reply given at `stage` (see protocol/smtp/client)."""
    shown = text[:_MAX_TEXT].lower()
    status = enhanced or leading_status(code, shown)
    words = normal(shown)
    reason = by_words = _by_text(words)
    if not reason or (code < 500 and reason in _NEVER_FROM_4XX):
        reason, by_words = _by_code(stage, code, status), ""
    if (
        reason == "rate_limited"
        and about_an_address(status)
        and stage not in ("connect", "ehlo", "starttls", "auth", "mail")
    ):
        reason = "mailbox_busy"  # a limit of that mailbox
    temporary = code < 500 or reason in _ALWAYS_TEMPORARY
    if stage in ("connect", "ehlo", "starttls", "auth"):
        temporary = True  # the session was refused, not this recipient: another day or host may differ
        if reason in HARD or reason in ("rejected", "mailbox_full", "mailbox_busy", "null_mx"):
            reason = "server_busy" if code < 500 else "policy_rejected"
    elif reason in HARD and stage == "mail":
        reason = "sender_rejected"  # MAIL is about us, so nothing is known about the recipient
    elif reason in HARD and stage == "end_of_data_for_all":
        reason = "rejected"  # one answer for several: nobody knows whose address it means
    elif reason in HARD and not temporary:
        reason = _doubted(stage, code, status, words, by_words) or reason
    retry_after = wait_asked(shown) if temporary else None
    return Meaning(reason, temporary, not temporary and reason in HARD, retry_after, SENTENCES[reason])


def _doubted(stage: str, code: int, status: str, words: str, by_words: str) -> str:
    """The reason to give instead of a hard one that is not believed; "" when it is."""
    if (status, by_words) == (_EDGE_BLOCKED[0], "bad_mailbox") and _EDGE_BLOCKED[1] in words and stage == "rcpt":
        return ""
    backed = about_an_address(status) and status not in _OF_SENDER
    if by_words and not backed and status not in _VAGUE:
        other = _by_code(stage, code, status)
        return "rejected" if other in HARD else other
    if not words and not by_words and stage == "rcpt":
        return ""  # a code and not a word: it means what RFC 5321 or RFC 3463 say
    found = judge(f"{code} {words}", status).cause
    if found not in _AGREE and not (found == "refused" and backed and stage == "rcpt"):
        return _INSTEAD.get(found, "rejected")
    if by_words == "bad_domain" and not backed and not _OF_RECIPIENT.search(words):
        return "rejected"
    if stage != "rcpt" and not (by_words and backed) and not _AT_THE_END.search(words):
        return "rejected"
    return ""


def leading_status(code: int, text: str) -> str:
    """The enhanced status that opens a text in a form that RFC 2034 does not have: "#5.1.0" (IronPort), "(5.1.1)"."""
    match = _STATUS.match(text)
    if match is None or match[1] != str(code)[:1]:
        return ""
    return f"{match[1]}.{int(match[2])}.{int(match[3])}"


def about_an_address(status: str) -> bool:
    """Whether an enhanced status is of an address or a mailbox (RFC 3463: x.1.x, x.2.x), so not of us or the pace."""
    return status[1:4] in (".1.", ".2.")


def classify(stage: str, code: int, enhanced: str, text: str) -> TempFail | PermFail:
    """`meaning()` as an outcome; what the SMTP client takes as its judge."""
    found = meaning(stage, code, enhanced, text)
    enhanced = enhanced or leading_status(code, text)
    if found.temporary:
        return TempFail(found.reason, text, code, enhanced, found.retry_after)
    return PermFail(found.reason, text, code, enhanced)


def is_hard(reason: str) -> bool:
    """Whether a permanent failure for this reason means that the address is dead and is to be suppressed."""
    return reason in HARD


def explain(reason: str) -> str:
    """The sentence a tenant reads."""
    return SENTENCES.get(reason, "The delivery did not succeed.")


def wait_asked(text: str) -> float | None:
    """Seconds to wait, if the text names them ("try again in 5 minutes", "00:04:30"); at most a day."""
    if match := _CLOCK_WAIT.search(text):
        hours, minutes, seconds = (int(part) for part in match.groups())
        return float(min(hours * 3600 + minutes * 60 + seconds, 86400))
    if match := _WAIT.search(text):
        unit = {"s": 1, "m": 60, "h": 3600}[match[2][0].lower()]
        return float(min(int(match[1]) * unit, 86400))
    return None


def _by_text(text: str) -> str:
    for pattern, reason in TEXTS:
        if pattern.search(text):
            return reason
    return ""


def _by_code(stage: str, code: int, enhanced: str) -> str:
    pair = _ENHANCED.get(enhanced[2:]) if enhanced else None
    if pair is not None:
        return pair[code < 500]
    if (reason := _CODES.get(code)) is not None:
        return reason
    if code < 500:
        return "deferred"
    if code in (550, 551) and stage == "rcpt" and not enhanced:
        return "bad_mailbox"  # RFC 5321 section 4.2.3: 550 at RCPT means the mailbox is unavailable
    return "rejected"
