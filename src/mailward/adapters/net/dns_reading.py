"""From a parsed DNS message to our values: follows CNAMEs inside the answer, bounds, time to live."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.TLSA
import dns.rdtypes.ANY.TXT
import dns.rrset

from mailward.protocol.dns import Mx, RecordType, Tlsa

MAX_ALIASES = 8  # CNAMEs in a row, over all messages of one question


class AliasLoop(Exception):
    """More CNAMEs in a row than any honest name has."""


@dataclass(slots=True)
class Reading:
    """What one message says: records, or the name at which a chain of CNAMEs leaves it.

    `ttl` in seconds, of the shortest-lived record used, if any. `negative_ttl` is the SOA's
    word on how long nothing may be remembered; None without SOA (RFC 2308 section 5).
    """

    records: tuple[Any, ...]
    ttl: int | None
    negative_ttl: int | None
    end: dns.name.Name
    aliases: int


def read(message: dns.message.Message, name: dns.name.Name, rtype: RecordType, aliases: int) -> Reading:
    """Find the records for `name` in the answer section, with `aliases` CNAMEs already behind us."""
    rdtype = dns.rdatatype.from_text(rtype)
    by_name: dict[tuple[dns.name.Name, int], dns.rrset.RRset] = {
        (rrset.name, rrset.rdtype): rrset for rrset in message.answer if rrset.rdclass == dns.rdataclass.IN
    }
    ttl: int | None = None
    while True:
        rrset = by_name.get((name, rdtype))
        if rrset is not None:
            return Reading(_values(rtype, rrset), _least(ttl, rrset.ttl), None, name, aliases)
        alias = by_name.get((name, dns.rdatatype.CNAME))
        if alias is None:
            break
        aliases += 1
        if aliases > MAX_ALIASES:
            raise AliasLoop(str(name))
        ttl = _least(ttl, alias.ttl)
        name = next(iter(alias)).target
    return Reading((), ttl, _negative_ttl(message.authority), name, aliases)


def _least(a: int | None, b: int) -> int:
    return b if a is None or b < a else a


def _negative_ttl(authority: Iterable[dns.rrset.RRset]) -> int | None:
    for rrset in authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return int(min(rrset.ttl, next(iter(rrset)).minimum))
    return None


def _values(rtype: RecordType, rrset: dns.rrset.RRset) -> tuple[Any, ...]:
    match rtype:
        case "A" | "AAAA":
            return tuple(rdata.address for rdata in rrset)
        case "TXT":
            return tuple(b"".join(rdata.strings) for rdata in rrset)
        case "MX":
            return tuple(sorted(Mx(rdata.preference, plain(rdata.exchange)) for rdata in rrset))
        case "TLSA":
            return tuple(Tlsa(rdata.usage, rdata.selector, rdata.mtype, rdata.cert) for rdata in rrset)
        case _:
            return tuple(plain(rdata.target) for rdata in rrset)


def plain(name: dns.name.Name) -> str:
    """Lower-case text without the final dot; the root is the empty string."""
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""
