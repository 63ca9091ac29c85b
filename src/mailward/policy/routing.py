"""Where mail for a domain goes: which servers, in which order, and why (RFC 5321 section 5.1).

`find()` asks for records by `yield` and ends in a `Route` or an outcome. The shuffle among
equals is a number passed in, so the same facts give the same route. A domain whose best MX is
this platform comes to its own MX listener where the platform receives its mail; elsewhere that
is a loop.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple, TypeAlias

from mailward.base.outcome import PermFail, TempFail
from mailward.policy.egress import Allow, Network, judge
from mailward.policy.tls import TlsPolicy
from mailward.protocol.dns import DnsAnswer, DnsQuery, Lookup, Mx

MAX_HOSTS = 10  # a domain with 200 MX records does not get 200 tries
MAX_ADDRESSES = 4  # of one host
HOME = "this platform"  # one destination, whatever the domain
_HOME_TTL = 30  # seconds: a domain may be given up, or verified elsewhere


class Host(NamedTuple):
    """One address to try."""

    name: str
    ip: str
    port: int


class Route(NamedTuple):
    """Hosts in the order to try; `ttl` seconds for which this stays true; `authenticated` if DNSSEC vouched for all."""

    key: str
    hosts: tuple[Host, ...]
    why: str
    policy: TlsPolicy
    ttl: int
    authenticated: bool
    preferences: tuple[int, ...] = ()
    """Of each host, where MX records gave them."""


def _nobody(domain: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class FixedRoute:
    """A smart host: `host` is a name or an address, looked up as such and never by MX."""

    host: str
    port: int = 25
    policy: TlsPolicy = TlsPolicy.OPPORTUNISTIC


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What routing knows of ourselves. `fixed` maps `example.com`, `.example.com` (sub-domains) or `*` to a route.

    `receives` says whether mail for a domain is received by this installation, `home` where its MX listens on this
    machine, if it does: addresses that are ours, and may be private.
    """

    own_names: frozenset[str] = frozenset()
    receives: Callable[[str], bool] = _nobody
    home: tuple[Host, ...] = ()
    own_ips: frozenset[str] = frozenset()
    fixed: Mapping[str, FixedRoute] | None = None
    allow: Sequence[Network] = ()
    ipv4: bool = True
    ipv6: bool = True


Found: TypeAlias = Route | TempFail | PermFail
Shuffle: TypeAlias = Callable[[str], int]


def shuffled(seed: int) -> Shuffle:
    """An order among equals that a seed decides."""
    return lambda name: zlib.crc32(f"{seed}:{name}".encode())


def fixed_route(domain: str, fixed: Mapping[str, FixedRoute]) -> FixedRoute | None:
    """The closest entry: the domain itself, then `.parent` from the longest on, then `*`."""
    if (exact := fixed.get(domain)) is not None:
        return exact
    rest = domain
    while "." in rest:
        rest = rest.partition(".")[2]
        if (parent := fixed.get("." + rest)) is not None:
            return parent
    return fixed.get("*")


def find(domain: str, own: Surroundings, shuffle: Shuffle) -> Lookup[Found]:
    """The route for a domain (A-labels, lower case), or why there is none, now or for good."""
    domain = domain.rstrip(".").lower()
    if own.fixed and (route := fixed_route(domain, own.fixed)) is not None:
        return (yield from _addresses([route.host], own, port=route.port, key=f"{route.host}:{route.port}",
            why=f"fixed route for {domain} to {route.host}", policy=route.policy, ttl=300,
            authenticated=False))  # fmt: skip
    if domain.startswith("["):
        return _literal(domain, own)
    answer = yield DnsQuery(domain, "MX")
    if answer.status in ("servfail", "timeout"):
        return TempFail("dns_failure", f"the MX records of {domain} could not be looked up ({answer.status})")
    if answer.status == "nxdomain":
        return PermFail("bad_domain", f"the domain {domain} does not exist", 550, "5.1.2")
    if answer.status == "nodata" or not answer.records:
        # RFC 5321 section 5.1: without MX records the domain itself is the only host.
        if domain in own.own_names:
            if own.receives(domain):
                return (yield from _home(domain, [domain], own))
            return PermFail("loop", f"{domain} has no MX record and is this platform itself", 554, "5.4.6")
        return (yield from _addresses([domain], own, port=25, key=domain, why=f"no MX: {domain} itself",
            policy=TlsPolicy.OPPORTUNISTIC, ttl=answer.ttl, authenticated=answer.authenticated))  # fmt: skip
    best = preferences(answer.records)
    names_or_failure = exchangers(domain, answer.records, own.own_names, shuffle)
    if isinstance(names_or_failure, PermFail):
        if names_or_failure.reason == "loop" and own.receives(domain):
            return (yield from _home(domain, sorted(own.own_names & best.keys()), own))
        return names_or_failure
    return (yield from _addresses(names_or_failure, own, port=25, key=domain,
        why=f"MX of {domain}: {len(answer.records)} records", policy=TlsPolicy.OPPORTUNISTIC,
        ttl=answer.ttl, authenticated=answer.authenticated, best=best))  # fmt: skip


def _home(domain: str, names: Sequence[str], own: Surroundings) -> Lookup[Found]:
    """To our own MX: on this machine where it listens here, else where its name leads (a node with other roles).

    What goes round all the same is stopped there by the number of its Received fields (RFC 5321 section 6.3).
    """
    why = f"{domain} is received by this platform"
    if own.home:
        return Route(HOME, own.home, why, TlsPolicy.OPPORTUNISTIC, _HOME_TTL, False)
    return (yield from _addresses(names, own, port=25, key=HOME, why=why, policy=TlsPolicy.OPPORTUNISTIC,
        ttl=_HOME_TTL, authenticated=False))  # fmt: skip


def preferences(records: Sequence[Mx]) -> dict[str, int]:
    """The best preference of each name."""
    best: dict[str, int] = {}
    for preference, host in records:
        if name := host.rstrip(".").lower():
            best[name] = min(preference, best.get(name, preference))
    return best


def exchangers(domain: str, records: Sequence[Mx], own_names: frozenset[str], shuffle: Shuffle) -> list[str] | PermFail:
    """Names to try in order. Null MX refuses; ourselves, and all that is no better than we are, drop out."""
    if len(records) == 1 and records[0].host in ("", "."):
        return PermFail("null_mx", f"{domain} says that it takes no mail (null MX)", 556, "5.1.10")  # RFC 7505
    best = preferences(records)
    ours = [preference for name, preference in best.items() if name in own_names]
    ceiling = min(ours) if ours else None
    names = [name for name, preference in best.items() if ceiling is None or preference < ceiling]
    if not names:
        text = f"the best MX of {domain} is this platform, which does not take its mail"
        return PermFail("loop" if ours else "bad_domain", text if ours else f"{domain} has no usable MX", 554, "5.4.6")
    names.sort(key=lambda name: (best[name], shuffle(name), name))
    return names


def turns(route: Route, shuffle: Callable[[int], Shuffle]) -> list[tuple[Host, ...]]:
    """The orders to take the hosts in, one after the other, so that equals share the load (RFC 5321 section 5.1).

    Each of the equals leads once, the others follow shuffled. Mostly there is one order only.
    """
    tiers: dict[int, dict[str, list[Host]]] = {}
    for host, preference in zip(route.hosts, route.preferences, strict=False):
        tiers.setdefault(preference, {}).setdefault(host.name, []).append(host)
    count = max((len(names) for names in tiers.values()), default=1)
    if count == 1:
        return [route.hosts]
    out = []
    for turn in range(count):
        by_chance = shuffle(turn)
        order: list[Host] = []
        for names in tiers.values():
            leads = list(names)[turn % len(names)]
            for name in sorted(names, key=lambda name: (name != leads, by_chance(name))):
                order += names[name]
        out.append(tuple(order))
    return out


def interleave(v6: Sequence[str], v4: Sequence[str]) -> list[str]:
    """IPv6 first, then in turn, so that one broken family costs one try."""
    mixed: list[str] = []
    for i in range(max(len(v6), len(v4))):
        mixed += v6[i : i + 1]
        mixed += v4[i : i + 1]
    return mixed


def _addresses(
    names: Sequence[str], own: Surroundings, *, port: int, key: str, why: str, policy: TlsPolicy, ttl: int,
    authenticated: bool, best: Mapping[str, int] | None = None,
) -> Lookup[Found]:  # fmt: skip
    """Addresses of the names in order, judged; stops when enough hosts were found."""
    hosts: list[Host] = []
    left_out: list[str] = []
    unsure = absent = 0
    for name in names[: 2 * MAX_HOSTS]:
        if len(hosts) >= MAX_HOSTS:
            break
        found: list[list[str]] = []
        for kind in ("AAAA", "A"):
            if (kind == "AAAA" and not own.ipv6) or (kind == "A" and not own.ipv4):
                found.append([])
                continue
            answer = _numeric(name, kind)
            if answer is None:
                answer = yield DnsQuery(name, kind)
            unsure += answer.status in ("servfail", "timeout")
            absent += answer.status in ("nxdomain", "nodata")
            authenticated = authenticated and answer.authenticated
            if answer.status == "ok":
                ttl = min(ttl, answer.ttl)
            found.append([str(ip) for ip in answer.records])
        for ip in interleave(found[0], found[1])[:MAX_ADDRESSES]:
            verdict = judge(ip, own.allow)
            if ip in own.own_ips:
                left_out.append(f"{name} [{ip}]: our own address")
            elif not isinstance(verdict, Allow):
                left_out.append(f"{name} [{ip}]: {verdict.reason}")
            elif len(hosts) < MAX_HOSTS:
                hosts.append(Host(name, verdict.address, port))
    if left_out:
        why += "; left out: " + ", ".join(left_out[:10])
    if hosts:
        ranks = tuple(best[host.name] for host in hosts) if best else ()
        return Route(key, tuple(hosts), why, policy, ttl, authenticated, ranks)
    if unsure:
        return TempFail("dns_failure", f"no server's address could be looked up ({why})")
    if len(names) > 2 * MAX_HOSTS:  # those that were not looked at may well have one
        text = f"none of the first {2 * MAX_HOSTS} of {len(names)} servers has an address we may connect to ({why})"
        return TempFail("dns_failure", text)
    if left_out:
        return PermFail("no_route", f"no server of the domain has an address we may connect to ({why})", 550, "5.4.4")
    return PermFail("bad_domain", f"no server of the domain has an address ({why})", 550, "5.4.4")


def _numeric(name: str, kind: str) -> DnsAnswer | None:
    """The answer for a host that is itself an address (only fixed routes may name one), else None."""
    try:
        address = ip_address(name)
    except ValueError:
        return None
    mine = (address.version == 6) == (kind == "AAAA")
    return DnsAnswer("ok", (str(address),), ttl=86400) if mine else DnsAnswer("nodata", ttl=86400)


def _literal(domain: str, own: Surroundings) -> Found:
    """An address literal (RFC 5321 section 4.1.3): reached only where the operator listed the network."""
    text = domain[1:-1].removeprefix("ipv6:")
    verdict = judge(text, own.allow)
    if not isinstance(verdict, Allow) or verdict.address in own.own_ips:
        return PermFail("no_route", "we may not connect to that address", 550, "5.4.4")
    return Route(domain, (Host(domain, verdict.address, 25),), "address literal", TlsPolicy.OPPORTUNISTIC, 300, False)
