"""Does a domain's SPF record let this installation send? Follows includes within RFC 7208's ten look-ups."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

from mailward.protocol.dns import DnsAnswer, DnsQuery, Lookup

MAX_LOOKUPS = 10  # RFC 7208 section 4.6.4
_VERSION = b"v=spf1"
_COUNTED = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})
_KNOWN = _COUNTED | {"all", "ip4", "ip6", "exp"}

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(slots=True)
class SpfView:
    """What the records say. `trouble` is a sentence about why it cannot work, empty when it can.

    `lookups` counts the terms that cost one; `networks` are those allowed with `+`.
    """

    state: Literal["ok", "missing", "multiple", "temporary"] = "ok"
    record: str = ""
    lookups: int = 0
    includes: set[str] = field(default_factory=set)
    networks: list[Network] = field(default_factory=list)
    trouble: str = ""

    def covers(self, sources: Sequence[str]) -> bool:
        """True when every source address or network is allowed."""
        wanted = [ipaddress.ip_network(s, strict=False) for s in sources]
        return all(any(_inside(w, n) for n in self.networks) for w in wanted)


def _inside(inner: Network, outer: Network) -> bool:
    return (
        inner.version == outer.version
        and inner.prefixlen >= outer.prefixlen
        and int(outer.network_address) == int(inner.network_address) & int(outer.netmask)
    )


def spf_texts(answer: DnsAnswer) -> list[str]:
    """The SPF records among TXT records (RFC 7208 section 4.5)."""
    texts = cast("tuple[bytes, ...]", answer.records)
    found = [t for t in texts if t[:6].lower() == _VERSION and t[6:7] in (b"", b" ")]
    return [t.decode("ascii", "replace") for t in found]


def flatten(domain: str) -> Lookup[SpfView]:
    """Gather what the record of a domain allows. Macros are counted and not followed."""
    view = SpfView()
    answer = yield DnsQuery(domain, "TXT")
    if answer.status in ("servfail", "timeout"):
        view.state = "temporary"
        return view
    records = spf_texts(answer)
    if len(records) != 1:
        view.state = "multiple" if records else "missing"
        view.record = " | ".join(records)
        return view
    view.record = records[0]
    yield from _walk(domain, records[0], view, frozenset({domain}))
    return view


def _walk(domain: str, record: str, view: SpfView, above: frozenset[str]) -> Lookup[None]:
    redirect, decided = "", False
    for term in record.split()[1:]:
        if view.trouble:
            return
        name, value, allows = _term(term)
        if name not in _KNOWN:
            if "=" not in term:
                view.trouble = f'The SPF record of {domain} has the unknown term "{term[:60]}".'
            continue
        decided = decided or name == "all"
        if name == "redirect":
            redirect = value
            continue
        if name in _COUNTED and not _count(view):
            return
        if name in ("ip4", "ip6"):
            _allow(view, value, allows, domain)
        elif name == "include":
            yield from _include(domain, value, view, above, follow=allows)
        elif name == "a" and allows:
            yield from _addresses(value.partition("/")[0] or domain, view)
    if redirect and not decided and not view.trouble and _count(view):
        yield from _include(domain, redirect, view, above, follow=True)


def _term(term: str) -> tuple[str, str, bool]:
    """(name, value, allows) of a mechanism or modifier."""
    allows = term[0] not in "-~?"
    body = term.lstrip("+-~?").lower()
    for mark in (":", "=", "/"):
        name, found, value = body.partition(mark)
        if found and name in _KNOWN:
            return name, ("/" if mark == "/" else "") + value, allows
    return body, "", allows


def _count(view: SpfView) -> bool:
    view.lookups += 1
    if view.lookups > MAX_LOOKUPS:
        view.trouble = (
            f"The SPF record needs more than {MAX_LOOKUPS} DNS look-ups, so receivers ignore it (RFC 7208 section "
            "4.6.4). Remove includes of services you no longer use, or send through them from a sub-domain."
        )
    return view.lookups <= MAX_LOOKUPS


def _allow(view: SpfView, value: str, allows: bool, domain: str) -> None:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        view.trouble = f'The SPF record of {domain} has an invalid address "{value[:60]}".'
        return
    if allows:
        view.networks.append(network)


def _include(domain: str, target: str, view: SpfView, above: frozenset[str], *, follow: bool) -> Lookup[None]:
    target = target.rstrip(".")
    if "%" in target or not follow:
        return
    if target in above:
        view.trouble = f"The SPF record of {domain} includes itself by way of {target}."
        return
    view.includes.add(target)
    answer = yield DnsQuery(target, "TXT")
    if answer.status in ("servfail", "timeout"):
        view.state = "temporary"
        return
    records = spf_texts(answer)
    if len(records) != 1:
        count = "more than one SPF record" if records else "no SPF record"
        view.trouble = f"{target}, which the SPF record of {domain} includes, has {count}."
        return
    yield from _walk(target, records[0], view, above | {target})


def _addresses(host: str, view: SpfView) -> Lookup[None]:
    if "%" in host:
        return
    for type_ in ("A", "AAAA"):
        answer = yield DnsQuery(host, "A" if type_ == "A" else "AAAA")
        if answer.status == "ok":
            view.networks += [ipaddress.ip_network(a) for a in answer.records]
