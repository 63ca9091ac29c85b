# ruff: noqa: E501 (patterns are easier to check when one alternative is not cut in two)
"""judge(): what one refusal means, from its words, its status code and its reply code."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from mailward.policy.returned import codes, languages, meanings
from mailward.policy.returned.model import CAUSES, Kind
from mailward.policy.returned.wording import normal

# The refusal was of the sender, not of the recipient.
_SENDER = re.compile(
    r"sender(?:'s)? (?:address |e-?mail |domain |host )?(?:\S{1,60} )?(?:address |domain )?(?:rejected|verif|unknown|not found|does not|doesn't|is not|invalid|unresolvable|must|could not|cannot)|"
    r"domain of (?:the )?sender|sender'?s? (?:e-?mail )?domain|in reply to mail from|verify sender|bad return|return-?path|callback|callout|unable to verify (?:your|sender)|sender verify|"
    r"(?:your|from|mail from|helo|envelope|reverse|connecting|sending|client|source)[- ](?:domain|host(?:name)?|address|sender|server|ip)[^.]{0,30}(?:not|unknown|invalid|reject)|originator|sender address|"
    r"\b(?:helo|ehlo)\b|\b(?:in|envelope|header|your|invalid|the) from\b|\bfrom:? ?(?:address|domain|header)|mail from|(?:this|as) sender\b|sender not "
)
# "Takes no mail from unknown addresses": the unknown one is not the recipient.
_FROM = re.compile(r"\b(?:from|by) (?:an? |any |the )?$")
# "Invalid domain" alone is said of either side.
_ANY_DOMAIN = re.compile(
    r"(?:invalid|bad|illegal) (?:host/)?domain|domain (?:name )?(?:is )?(?:not (?:a )?valid|invalid)"
)
_OF_RECIPIENT = re.compile(r"recipient|rcpt|destination|\bto address|addressee")
_AT_MAIL = re.compile(
    r"in reply to (?:the )?mail from|after mail from|>>> mail from|response to mail from|mail from:? ?command"
)
_AT_DATA = re.compile(r"end of data|data command|after data|access denied|policy|busy|temporar|later")
# "The mailbox may be full or not exist" says nothing of the kind.
_PERHAPS = re.compile(
    r"(?:\b(?:may|might|maybe|perhaps|possibl[ey]|if|either|whether|probabl[ey]|could be|or that|likely|reasons?|because either)\b)[^.;:]{0,60}$"
)
_OR = re.compile(
    r"^[^.:]{0,40}\b(?:or|and/or) (?:\w{1,12} ){0,3}?(?:temporar|disabled|suspend|inactiv|full\b|over\b|block|access|denied|busy)"
)
_UNTIL = re.compile(
    r"currently unable|unable to accept|at this time|not currently|momentar|\btry (?:again|later)|temporar|later\b|retry\b|time(?:d)? ?out|deferred"
)


# Codes of loops, queues, loads and sizes beside words for an unknown address: one of the two is wrong.
_OTHER_MATTERS = frozenset(("5.3.1", "5.3.2", "5.3.3", "5.3.4", "5.4.5", "5.4.6", "5.4.7"))


class Judged(NamedTuple):
    """A cause, the status code that counts, and which rule said so."""

    cause: str
    status: str
    rule: str


@lru_cache(maxsize=128)  # a report over a thousand recipients says the same of most, and a stranger wrote it
def judge(text: str, status_field: str = "", *, trusted: bool = True) -> Judged:
    """The meaning of what a server said about one recipient.

    `text` is the diagnostic or the paragraph that explains it; `status_field` what a Status
    field says. `trusted` is False for prose that surrounds a refusal rather than being one:
    it never makes an address dead by its words alone.
    """
    said = codes.find(text[:4000])
    status = codes.prefer(status_field, said)
    words = normal(text)
    found = _by_words(words)
    if found is not None:
        cause, rule, at = found
        if cause == "unavailable" and _is_default_text(words, status, said):
            cause = "no_mailbox"
        elif cause == "unavailable" and status[2:] in meanings.STATUS:
            cause = _by_code(status, said)
        doubt = _doubt(cause, words, at, status, said, trusted=trusted)
        if not doubt:
            return Judged(cause, status, rule)
        # Words that stand alone for "no such address" and are not believed: what does the code say?
        other = _by_code(status, said)
        if doubt != "contradictory" and CAUSES[other].kind is not Kind.HARD and other != "refused":
            return Judged(other, status, f"status {status}" if status else f"reply {said.reply}")
        return Judged(doubt, status, rule)
    cause = _by_code(status, said)
    if CAUSES[cause].kind is Kind.HARD and (said.temporary or _AT_MAIL.search(words) or _UNTIL.search(words)):
        cause = "sender_refused" if _AT_MAIL.search(words) else "contradictory"
    return Judged(cause, status, f"status {status}" if status else f"reply {said.reply}" if said.reply else "nothing")


def _is_default_text(words: str, status: str, said: codes.Codes) -> bool:
    """550 with the words of RFC 5321 section 4.2.3, "mailbox unavailable", said of a recipient and nothing else."""
    return said.reply == 550 and status in ("", "5.0.0", "5.5.0", "5.1.0", "5.1.1") and not _AT_DATA.search(words)


def _by_words(words: str) -> tuple[str, str, int] | None:
    for table, name in ((meanings.TEXTS, "text"), (languages.TEXTS, "language")):
        for pattern, cause in table:
            if match := pattern.search(words):
                rule = f"{name} {cause}: {match[0][:60].strip()}"
                return cause, rule, match.start()
    return None


def _doubt(cause: str, words: str, at: int, status: str, said: codes.Codes, *, trusted: bool) -> str:
    """Why words for a dead address are not believed, as the cause to give instead; "" when they are, or say less."""
    if CAUSES[cause].kind is not Kind.HARD:
        return ""
    backed = status.startswith("5.1.")
    if _AT_MAIL.search(words) or (_SENDER.search(words) and not status.startswith(("5.1.1", "5.1.2", "5.1.3"))):
        return "sender_refused"
    if said.temporary or status[:1] == "4":
        return "network" if cause == "no_domain" else "system"
    if _FROM.search(words[max(0, at - 12) : at]):
        return "sender_refused"
    if not backed and (_PERHAPS.search(words[max(0, at - 90) : at]) or _OR.search(words[at : at + 120])):
        return "refused"
    if cause == "no_domain" and not backed and _ANY_DOMAIN.match(words, at) and not _OF_RECIPIENT.search(words):
        return "refused"
    if cause == "no_domain" and _UNTIL.search(words):
        return "network"
    if cause in ("no_mailbox", "moved") and status.startswith("5.2."):
        return meanings.STATUS.get(status[2:], "refused")
    if (status.startswith(("5.3.", "5.6.")) and status not in ("5.3.0", "5.3.5")) or status in (
        "5.4.6",
        "5.4.7",
        "5.4.5",
    ):
        return "contradictory"
    if status.startswith("5.7.") and cause != "no_mailbox":
        return "policy"
    return "" if trusted or backed or said.reply >= 500 else "refused"


def _by_code(status: str, said: codes.Codes) -> str:
    temporary = said.temporary or status[:1] == "4"
    cause = meanings.STATUS.get(status[2:]) if status else None
    if cause is None and status.startswith(("5.7.", "4.7.")):
        cause = "policy"
    if cause is None:
        cause = meanings.REPLY.get(said.reply)
    if cause is None:
        return "system" if temporary else "refused"
    if temporary and CAUSES[cause].kind in (Kind.HARD, Kind.BLOCK):
        return "network" if cause == "no_domain" else "greylisted" if cause == "policy" else "system"
    return cause
