"""Where a domain's mail goes: a fixed route, the capture sink, or its MX hosts; remembered for as long as DNS says."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address

from mailward.adapters.net.resolver import Resolver
from mailward.app.settings import Delivery, SettingsError, split_address
from mailward.base.outcome import PermFail, TempFail
from mailward.base.sources import Clock, Entropy
from mailward.core.delivery.attempt import Host, Route
from mailward.edges.smtpd.proxied import listed
from mailward.policy import egress, routing
from mailward.policy.tls import TlsPolicy

_KEEP_AT_LEAST, _KEEP_AT_MOST = 5.0, 300.0
_KEPT = 20_000


class Routes:
    """Implements `core.delivery.attempt.Router`.

    In capture mode (`sink_port` is not 0) every domain goes to the embedded sink, unless a
    fixed route names a loopback address: nothing leaves the machine either way.
    """

    def __init__(
        self,
        settings: Delivery,
        resolver: Resolver,
        *,
        hostname: str,
        sink_port: int,
        clock: Clock,
        entropy: Entropy,
        receives: Callable[[str], bool] = lambda domain: False,
        mx: Sequence[str] = (),
        proxies: Sequence[str] = (),
    ) -> None:
        """`receives`: is a domain's mail received by this installation? `mx`: where that listens on this machine;
        who comes from one of `proxies` must speak for somebody else there, so we cannot come from such an address.
        """
        self._resolver = resolver
        self._sink_port = sink_port
        self._clock = clock
        self._entropy = entropy
        fixed = {domain.lower(): fixed_route(target) for domain, target in settings.routes.items()}
        # A route is the operator's own word: the address it names may be private.
        named = [f"{r.host}/{32 if ip_address(r.host).version == 4 else 128}" for r in fixed.values() if is_ip(r.host)]
        self._own = routing.Surroundings(
            own_names=frozenset({hostname.lower()}),
            receives=receives,
            home=_home(hostname.lower(), mx, egress.networks(proxies)),
            fixed=fixed,
            allow=egress.networks([*settings.allow_networks, *named]),
        )
        # Until when, the route, and its next orders where equal preferences share the load.
        self._kept: dict[str, tuple[float, Route, Iterator[Route] | None]] = {}

    def cached(self, domain: str) -> Route | None:
        """The route if it is known and fresh."""
        kept = self._kept.get(domain)
        if kept is None or kept[0] <= self._clock.monotonic():
            return None
        return kept[1] if kept[2] is None else next(kept[2])

    async def route(self, domain: str) -> Route | TempFail | PermFail:
        """Look it up and remember it; failures are not remembered here (the resolver remembers its answers)."""
        if self._sink_port and not self._stays_here(domain):
            port = self._sink_port
            sink = (Host("capture sink", "127.0.0.1", port),)
            why = "Capture mode: no hostname is set, so every message goes to the embedded sink."
            return self._keep(domain, [Route(f"sink:{port}", sink, why, TlsPolicy.NONE.value)], _KEEP_AT_MOST)
        seed = int.from_bytes(self._entropy.bytes(4), "big")
        found = await self._resolver.drive(routing.find(domain, self._own, routing.shuffled(seed)))
        if not isinstance(found, routing.Route):
            return found
        orders = routing.turns(found, lambda turn: routing.shuffled(seed + 1 + turn))
        routes = [Route(found.key, tuple(Host(*h) for h in o), found.why, found.policy.value) for o in orders]
        return self._keep(domain, routes, float(found.ttl))

    def _stays_here(self, domain: str) -> bool:
        fixed = routing.fixed_route(domain, self._own.fixed or {})
        return fixed is not None and is_ip(fixed.host) and ip_address(fixed.host).is_loopback

    def _keep(self, domain: str, routes: list[Route], ttl: float) -> Route:
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        life = min(max(ttl, _KEEP_AT_LEAST), _KEEP_AT_MOST)
        turns = itertools.cycle(routes) if len(routes) > 1 else None
        self._kept[domain] = (self._clock.monotonic() + life, routes[0], turns)
        return routes[0] if turns is None else next(turns)


def _home(name: str, mx: Sequence[str], proxies: tuple[egress.Network, ...]) -> tuple[routing.Host, ...]:
    places = [at_home(listen) for listen in mx]
    return tuple(routing.Host(name, ip, port) for ip, port in places if not listed(ip, proxies))


def at_home(listen: str) -> tuple[str, int]:
    """Where a listener of this machine is reached from this machine.

    One on every address by the address that this machine sends from, if the world sees that one: what comes from there
    passes SPF as it does elsewhere. Otherwise by loopback.
    """
    address, port = split_address(listen)
    if not ip_address(address).is_unspecified:
        return address, port
    return _public_address() or "127.0.0.1", port


def _public_address() -> str:
    """The IPv4 address that the system sends from, or "" when that is none of the public ones. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: nobody's; only the way there is asked for
            address = str(probe.getsockname()[0])
        except OSError:
            return ""
    return address if isinstance(egress.judge(address), egress.Allow) else ""


def fixed_route(target: str) -> routing.FixedRoute:
    """`host`, `host:port`, `[v6]:port`, with `?tls=none|opportunistic|encrypt|verify` behind it."""
    place, _, query = target.partition("?")
    host, colon, port = place.rpartition(":")
    if not colon or "]" in port:
        host, port = place, "25"
    policy = query.removeprefix("tls=") or "opportunistic"
    try:
        return routing.FixedRoute(host.strip("[]"), int(port), TlsPolicy(policy))
    except ValueError as e:
        raise SettingsError(f"delivery.routes: {target!r}: {e}") from e


def is_ip(text: str) -> bool:
    """Whether a host is an address and not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
