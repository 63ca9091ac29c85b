"""Whether opens and clicks of a message are tracked, and who of those that open and click is a person.

The default is that nothing is: somebody has to say so, for the workspace, a domain, a stream or one message, and the
narrowest that says something counts. What programs do (scanners of gateways, proxies that fetch images before anybody
looks) is told apart by rules that each have a name; none of them needs the address a request came from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class Mode(StrEnum):
    """What is tracked."""

    OFF = "off"
    OPENS = "opens"
    CLICKS = "clicks"
    BOTH = "both"

    @property
    def opens(self) -> bool:
        """An image is added."""
        return self in (Mode.OPENS, Mode.BOTH)

    @property
    def clicks(self) -> bool:
        """Links lead through us."""
        return self in (Mode.CLICKS, Mode.BOTH)


DEFAULT = Mode.OFF


def resolve(*given: Mode | None) -> Mode:
    """The first that says something, the narrowest first: message, stream, domain, workspace; else off."""
    return next((mode for mode in given if mode is not None), DEFAULT)


TOO_SOON_US = 5_000_000
"""After a server took a message, a person needs longer than this to see it; what scans it does not."""
AT_ONCE_US = 1_000_000
"""Nobody follows two different links of one mail within this."""


class Seen(NamedTuple):
    """What a request showed: its method, agent, and the purpose a browser states when nobody asked for it yet."""

    method: str
    agent: str
    purpose: str = ""


class Before(NamedTuple):
    """An earlier click on the same copy: when (microseconds UTC), and where it led."""

    at: int
    target: str


# Proxies of mailbox providers, which fetch images for everybody, often before and whether or not anybody looks.
_PROXIES = re.compile(
    r"GoogleImageProxy|YahooMailProxy|ggpht\.com|DuckDuckGo-Favicons|Mail\.Ru|YandexImageResizer", re.I
)
# Apple's Mail Privacy Protection says nothing but this.
_BARE = frozenset(("Mozilla/5.0", "Mozilla/4.0"))
_GATEWAYS = re.compile(
    r"barracuda|proofpoint|mimecast|ironport|fireeye|forcepoint|messagelabs|symantec|trendmicro|sophos|checkpoint"
    r"|safelinks|defender|zscaler|fortinet|avanan|cloudmark|vade|urlscan|virustotal|bitdefender|trellix|abnormal",
    re.I,
)
_PROGRAMS = re.compile(
    r"bot\b|crawl|spider|slurp|preview|headless|phantomjs|selenium|puppeteer|playwright|python|curl/|wget/|java/"
    r"|go-http|okhttp|libwww|httpclient|axios|node-fetch|scrapy|facebookexternalhit|whatsapp|skypeuripreview",
    re.I,
)


def machine(
    seen: Seen, *, at: int, delivered: int | None, target: str = "", before: Sequence[Before] = ()
) -> tuple[str, ...]:
    """Why a program is taken to have made this request; nothing when a person may have.

    `delivered` is when the recipient's server took the copy, None before it did. Times in microseconds UTC.
    `target` and `before`: where a click leads, and the copy's earlier clicks; an open has neither.
    """
    reasons = []
    if seen.method != "GET":
        reasons.append("not_get")
    if "prefetch" in seen.purpose.lower() or "preview" in seen.purpose.lower():
        reasons.append("prefetch")
    if not seen.agent.strip():
        reasons.append("no_agent")
    elif _PROXIES.search(seen.agent) or seen.agent.strip() in _BARE:
        reasons.append("mail_proxy")
    elif _GATEWAYS.search(seen.agent):
        reasons.append("security_gateway")
    elif _PROGRAMS.search(seen.agent):
        reasons.append("program")
    if delivered is None:
        reasons.append("before_delivery")
    elif at - delivered < TOO_SOON_US:
        reasons.append("too_soon")
    if target and at_once(at, target, before):
        reasons.append("many_links")
    return tuple(reasons)


def at_once(at: int, target: str, before: Sequence[Before]) -> list[Before]:
    """Those of the earlier clicks that led elsewhere and were made within the same second."""
    return [b for b in before if b.target != target and abs(at - b.at) < AT_ONCE_US]


def refuses(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Does the browser ask not to be tracked: `DNT: 1` (W3C) or `Sec-GPC: 1` (Global Privacy Control)?"""
    return any(name in (b"dnt", b"sec-gpc") and value.strip() == b"1" for name, value in headers)


def family(agent: str) -> str:
    """A word for the kind of program, which is all that is kept of an agent."""
    for word, pattern in _FAMILIES:
        if pattern.search(agent):
            return word
    return "other"


_FAMILIES = tuple(
    (word, re.compile(pattern, re.I))
    for word, pattern in (
        ("mail proxy", _PROXIES.pattern),
        ("security gateway", _GATEWAYS.pattern),
        ("program", _PROGRAMS.pattern),
        ("Outlook", r"outlook|microsoft office|ms-?office"),
        ("Thunderbird", r"thunderbird"),
        ("Edge", r"\bedg(e|a|ios)?/"),
        ("Firefox", r"firefox/|fxios/"),
        ("Chrome", r"chrome/|crios/"),
        ("Safari", r"safari/"),
        ("Apple Mail", r"applewebkit/"),
    )
)
