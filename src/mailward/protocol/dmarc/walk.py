"""The DNS tree walk (RFC 9989 section 4.10): where records are looked for, and what the organizational domain is."""

from __future__ import annotations

from typing import NamedTuple

from mailward.base.errors import MailwardError
from mailward.protocol.dmarc import record
from mailward.protocol.dmarc.record import Record
from mailward.protocol.dns import DnsQuery, Lookup

MAX_QUESTIONS = 8
"""A walk's questions at most, however many labels the domain has."""


class DnsAway(MailwardError):
    """A question the walk stands on was not answered: neither pass nor fail (section 5.3.6)."""

    def __init__(self, name: str) -> None:
        super().__init__("dmarc_dns_away", f"The DMARC record at {name} could not be asked for.")


class Found(NamedTuple):
    """A domain with its record."""

    domain: str
    record: Record


class Selection(NamedTuple):
    """What a walk found: the organizational domain, its record if it has one, and the public suffix's (psd=y)."""

    organizational: str
    own: Found | None
    suffix: Found | None


class Walker:
    """The walks for one message: each name is asked once."""

    def __init__(self) -> None:
        self._known: dict[str, Record | None] = {}
        self._selected: dict[str, Selection] = {}

    def at(self, domain: str) -> Lookup[Record | None]:
        """The one record published for exactly this domain. Raises DnsAway."""
        if domain not in self._known:
            name = f"_dmarc.{domain}"
            answer = yield DnsQuery(name, "TXT")
            if answer.status in ("servfail", "timeout"):
                raise DnsAway(name)
            found = [text for text in answer.records if record.is_record(text)]
            # Several are all discarded (section 4.10, step 2): nobody can tell which one is meant.
            self._known[domain] = record.parse(found[0]) if len(found) == 1 else None
        return self._known[domain]

    def select(self, domain: str) -> Lookup[Selection]:
        """The organizational domain of `domain` (section 4.10.2). Raises DnsAway."""
        if domain not in self._selected:
            found: list[Found] = []
            for target in targets(domain):
                published = yield from self.at(target)
                if published is not None:
                    found.append(Found(target, published))
                    if published.psd != "u":
                        break
            self._selected[domain] = _choose(domain, found)
        return self._selected[domain]

    def organizational(self, domain: str) -> str:
        """The organizational domain of `domain` if a walk has been made for it, else ""."""
        selected = self._selected.get(domain)
        return selected.organizational if selected else ""


def targets(domain: str) -> list[str]:
    """The domains to ask at, longest first: itself, then from its parent, but at most seven labels, up to the top."""
    labels = domain.split(".")
    start = max(1, len(labels) - (MAX_QUESTIONS - 1))
    return [domain, *(".".join(labels[i:]) for i in range(start, len(labels)))]


def _choose(domain: str, found: list[Found]) -> Selection:
    """From the longest to the shortest: psd=n is it, psd=y has it one label below, else the shortest is it."""
    for each in found:
        if each.record.psd == "n":
            return Selection(each.domain, each, None)
        if each.record.psd == "y" and each.domain != domain:
            depth = each.domain.count(".") + 2
            below = ".".join(domain.split(".")[-depth:])
            return Selection(below, next((f for f in found if f.domain == below), None), each)
    if found:
        return Selection(found[-1].domain, found[-1], None)
    return Selection(domain, None, None)
