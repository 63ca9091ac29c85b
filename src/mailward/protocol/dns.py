"""Questions to DNS and their answers, as values.

Protocol and policy code asks by `yield DnsQuery(...)` inside a generator; a driver that
owns a resolver sends back one `DnsAnswer`. So discovery is the same for the same answers
and its tests need no network.

Shapes of `DnsAnswer.records` by type (names are lower case, without the final dot):

    A, AAAA   tuple[str, ...]               addresses in their shortest text form
    MX        tuple[Mx, ...]                host "" is the null MX of RFC 7505
    TXT       tuple[bytes, ...]             the strings of one record joined (RFC 7208 section 3.3)
    CNAME     tuple[str, ...]
    PTR, NS   tuple[str, ...]
    TLSA      tuple[Tlsa, ...]
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

DnsStatus: TypeAlias = Literal["ok", "nxdomain", "nodata", "servfail", "timeout"]
RecordType: TypeAlias = Literal["A", "AAAA", "MX", "TXT", "CNAME", "PTR", "NS", "TLSA"]


class Mx(NamedTuple):
    """One mail exchanger: lower preference is tried first (RFC 5321 section 5.1)."""

    preference: int
    host: str


class Tlsa(NamedTuple):
    """One TLSA record (RFC 6698 section 2.1)."""

    usage: int
    selector: int
    matching: int
    data: bytes


class DnsQuery(NamedTuple):
    """One question. `name` may be internationalised already in A-labels; case does not matter."""

    name: str
    type: RecordType


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """What came back.

    `nxdomain`: no such name; `nodata`: the name exists without this type; `servfail` and
    `timeout`: nobody knows, try later. `ttl` in seconds (of negative answers too).
    `authenticated` is True only when a resolver we trust validated DNSSEC.
    """

    status: DnsStatus
    records: tuple[Any, ...] = ()
    ttl: int = 0
    authenticated: bool = False


R = TypeVar("R")
Lookup: TypeAlias = Generator[DnsQuery, DnsAnswer, R]
"""A computation that needs DNS: yields questions, is sent answers, returns R."""
