"""The nouns of SPF: what is asked, and what came out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, NamedTuple, TypeAlias

from mailward.base.errors import MailwardError

Result: TypeAlias = Literal["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"]
Identity: TypeAlias = Literal["mailfrom", "helo"]
Address: TypeAlias = IPv4Address | IPv6Address


class Session(NamedTuple):
    """What is known of the client. `helo` as it was sent; `receiver` is our own name (the r macro)."""

    client: Address
    helo: str
    receiver: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What SPF says (RFC 7208 section 2.6).

    `domain` is the one whose policy was asked, in A-labels; `mechanism` the term that matched, as published ("" when
    none did); `reason` a sentence; `explanation` what the domain wants a refused sender to read (section 6.2, always
    printable ASCII, a stranger's words); `lookups` how many terms asked DNS.
    """

    result: Result
    reason: str
    identity: Identity = "mailfrom"
    domain: str = ""
    mechanism: str = ""
    explanation: str = ""
    lookups: int = 0


class Stopped(MailwardError):
    """The evaluation ends here with `result` (temperror or permerror); `public` is the reason as a sentence."""

    def __init__(self, result: Result, reason: str) -> None:
        super().__init__("spf_" + result, reason)
        self.result: Result = result


def permerror(reason: str) -> Stopped:
    """A policy that cannot be read or followed: its owner has to mend it (section 2.6.7)."""
    return Stopped("permerror", reason)


def temperror(reason: str) -> Stopped:
    """DNS did not answer: asking later may help (section 2.6.6)."""
    return Stopped("temperror", reason)
