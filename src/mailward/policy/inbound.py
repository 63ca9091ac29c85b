"""Whether a message from the world is taken: facts in, a decision with its reason out.

Refused at SMTP, so the sender's own server tells the sender; we write no bounce to an address that may be forged
(backscatter). What may be harmful waits in quarantine for a person. What could not be judged because something of ours
is away is deferred, never waved through, unless the route says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from mailward.policy.scanning import Report, Verdict

# RFC 5321 section 6.3 asks for at least 100 before a loop is suspected; real mail passes ten relays, and each turn of a
# loop costs every host on it. Submission counts the same way.
MAX_HOPS = 50


class Facts(NamedTuple):
    """What is known when a message is whole. `unexaminable` is why it could not be taken apart, or "".

    `dmarc` is the result and `dmarc_policy` what the domain asks for (none, quarantine, reject).
    `accept_unscanned`: every route it goes to says that mail is wanted even when a scanner is down.
    """

    hops: int
    unexaminable: str
    scan: Report
    dmarc: str
    dmarc_policy: str
    dmarc_domain: str
    accept_unscanned: bool


class Terms(NamedTuple):
    """The operator's choices: `malware` "quarantine" or "refuse"; `spam` also "mark"; `dmarc` "mark" or "enforce"."""

    malware: str = "quarantine"
    spam: str = "quarantine"
    dmarc: str = "mark"


@dataclass(frozen=True, slots=True)
class Accept:
    """Hand it over. `sentence` says what it was marked with, for the timeline."""

    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Take responsibility, and let a person decide."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """5yz with this sentence."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Defer:
    """4yz: the same message may pass later."""

    code: str
    sentence: str


Decision: TypeAlias = Accept | Quarantine | Refuse | Defer


def decide(facts: Facts, terms: Terms) -> Decision:
    """In this order: loops, malware, what cannot be read, scanners that are down, spam, the sender domain's policy."""
    scan = facts.scan
    if facts.hops > MAX_HOPS:
        return Refuse("mail_loop", f"The message passed more than {MAX_HOPS} relays; it is going in circles.")
    if scan.verdict is Verdict.INFECTED:
        if terms.malware == "refuse":
            return Refuse("malware_refused", "The message carries malware and is not accepted.")
        return Quarantine("malware", scan.reason or "A malware rule matched.")
    if facts.unexaminable:
        return Quarantine("unexaminable", f"The message could not be examined: {facts.unexaminable}.")
    if scan.verdict is Verdict.UNAVAILABLE and not facts.accept_unscanned:
        return Defer("scanner_down", "The message cannot be scanned now; please try again later.")
    if scan.verdict is Verdict.SPAM and terms.spam != "mark":
        if terms.spam == "refuse":
            return Refuse("spam_refused", "The message was judged to be spam and is not accepted.")
        return Quarantine("spam", scan.reason or "A spam rule matched.")
    if terms.dmarc == "enforce":
        return _by_dmarc(facts)
    return Accept(scan.reason)


def _by_dmarc(facts: Facts) -> Decision:
    if facts.dmarc == "temperror":
        return Defer("dmarc_unknown", "DNS did not say what the sender's domain asks for; please try again later.")
    if facts.dmarc == "fail" and facts.dmarc_policy == "reject":
        return Refuse(
            "dmarc_refused",
            f"The message is not authenticated, and {facts.dmarc_domain} asks to reject such mail (DMARC).",
        )
    if facts.dmarc == "fail" and facts.dmarc_policy == "quarantine":
        domain = facts.dmarc_domain
        return Quarantine("dmarc", f"It is not authenticated, and {domain} asks to quarantine such mail (DMARC).")
    return Accept(facts.scan.reason)
