"""Where a domain's mail goes: a fixed route, the capture sink, or its MX hosts; remembered for as long as DNS says."""

from __future__ import annotations

from ipaddress import ip_address

from mailward.adapters.net.resolver import Resolver
from mailward.app.settings import Delivery, SettingsError
from mailward.base.outcome import PermFail, TempFail
from mailward.base.sources import Clock, Entropy
from mailward.core.delivery.attempt import Host, Route
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
        self, settings: Delivery, resolver: Resolver, *, hostname: str, sink_port: int, clock: Clock, entropy: Entropy
    ) -> None:
        self._resolver = resolver
        self._sink_port = sink_port
        self._clock = clock
        self._entropy = entropy
        fixed = {domain.lower(): fixed_route(target) for domain, target in settings.routes.items()}
        # A route is the operator's own word: the address it names may be private.
        named = [f"{r.host}/{32 if ip_address(r.host).version == 4 else 128}" for r in fixed.values() if is_ip(r.host)]
        self._own = routing.Surroundings(
            own_names=frozenset({hostname.lower()}),
            fixed=fixed,
            allow=egress.networks([*settings.allow_networks, *named]),
        )
        self._kept: dict[str, tuple[float, Route]] = {}

    def cached(self, domain: str) -> Route | None:
        """The route if it is known and fresh."""
        kept = self._kept.get(domain)
        return kept[1] if kept is not None and kept[0] > self._clock.monotonic() else None

    async def route(self, domain: str) -> Route | TempFail | PermFail:
        """Look it up and remember it; failures are not remembered here (the resolver remembers its answers)."""
        if self._sink_port and not self._stays_here(domain):
            port = self._sink_port
            sink = (Host("capture sink", "127.0.0.1", port),)
            why = "Capture mode: no hostname is set, so every message goes to the embedded sink."
            return self._keep(domain, Route(f"sink:{port}", sink, why, TlsPolicy.NONE.value), _KEEP_AT_MOST)
        shuffle = routing.shuffled(int.from_bytes(self._entropy.bytes(4), "big"))
        found = await self._resolver.drive(routing.find(domain, self._own, shuffle))
        if not isinstance(found, routing.Route):
            return found
        hosts = tuple(Host(*h) for h in found.hosts)
        return self._keep(domain, Route(found.key, hosts, found.why, found.policy.value), float(found.ttl))

    def _stays_here(self, domain: str) -> bool:
        fixed = routing.fixed_route(domain, self._own.fixed or {})
        return fixed is not None and is_ip(fixed.host) and ip_address(fixed.host).is_loopback

    def _keep(self, domain: str, route: Route, ttl: float) -> Route:
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        life = min(max(ttl, _KEEP_AT_LEAST), _KEEP_AT_MOST)
        self._kept[domain] = (self._clock.monotonic() + life, route)
        return route


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
