"""Asking identity providers: endpoints and keys fetched through the guarded client, and kept for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from mailward.adapters.net.egress import HttpAnswer
from mailward.base.errors import MailwardError
from mailward.base.sources import Clock
from mailward.core.identity.entry import Identity
from mailward.protocol.federation import exchange, proofs, provider
from mailward.protocol.federation.exchange import Ask, Exchange, Said
from mailward.protocol.federation.proofs import Begun
from mailward.protocol.federation.provider import GITHUB, Endpoints, FederationError, Provider

_KEPT_SECONDS = 3600.0
_KEYS_AGAIN_SECONDS = 60.0
_DEADLINE = 10.0
_LONGEST = 64 * 1024


class Http(Protocol):
    """What is used of `GuardedHttp`."""

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        deadline: float,
        max_response: int = 1024,
        redirects: int = 0,
        method: str = "POST",
    ) -> HttpAnswer: ...


@dataclass
class _Kept:
    """What is known of a provider, and since when (monotonic seconds)."""

    endpoints: Endpoints | None = None
    since: float = field(default=-1e9)
    keys: Any = None
    keys_since: float = field(default=-1e9)


class Federation:
    """The providers of this installation, asked by one process."""

    def __init__(
        self, providers: Mapping[str, tuple[Provider, Http]], clock: Clock, *, callback: Callable[[str], str]
    ) -> None:
        """Each provider by name, with the client that may reach it. `callback(name)` is where browsers come back to."""
        self._providers = providers
        self._clock = clock
        self._callback = callback
        self._kept: dict[str, _Kept] = {}

    @property
    def providers(self) -> list[Provider]:
        """In the order of the settings."""
        return [p for p, _ in self._providers.values()]

    def provider(self, name: str) -> Provider:
        """By name. FederationError when there is none."""
        if name not in self._providers:
            raise FederationError("no such provider")
        return self._providers[name][0]

    async def url(self, name: str, begun: Begun) -> str:
        """Where to send the browser. FederationError when the provider cannot be asked now."""
        endpoints = await self._endpoints(name)
        return proofs.authorization_url(self.provider(name), endpoints, begun, self._callback(name))

    async def identity(self, begun: Begun, code: str, issuer: str) -> Identity:
        """Who came back with a code. FederationError for anything that cannot be trusted.

        `issuer` is what the answer says of its sender, "" when it does not (RFC 9207).
        """
        one, _ = self._providers[begun.provider]
        endpoints = await self._endpoints(begun.provider)
        if issuer and issuer != endpoints.issuer:
            raise FederationError("an answer of another issuer")
        callback = self._callback(begun.provider)
        steps: Exchange = (
            exchange.github(one, endpoints, begun, code, callback)
            if one.kind == GITHUB
            else exchange.openid(one, endpoints, begun, code, callback, now=self._clock.now().timestamp())
        )
        said = await self._drive(begun.provider, endpoints, steps)
        return Identity(one.name, endpoints.issuer, said.subject, said.email, said.name)

    async def _drive(self, name: str, endpoints: Endpoints, steps: Exchange) -> Said:
        try:
            ask = next(steps)
            while True:
                if ask.url.startswith("jwks"):
                    answer = await self._keys(name, endpoints, again=ask.url != "jwks")
                else:
                    answer = await self._ask(name, ask)
                ask = steps.send(answer)
        except StopIteration as done:
            said: Said = done.value
            return said

    async def _endpoints(self, name: str) -> Endpoints:
        one = self.provider(name)
        if one.kind == GITHUB:
            return provider.github_endpoints(one.issuer)
        kept = self._kept.setdefault(name, _Kept())
        if kept.endpoints is None or self._clock.monotonic() - kept.since > _KEPT_SECONDS:
            document = await self._ask(name, Ask("GET", provider.discovery_url(one.issuer)))
            kept.endpoints, kept.since = provider.read_discovery(one.issuer, document), self._clock.monotonic()
        return kept.endpoints

    async def _keys(self, name: str, endpoints: Endpoints, *, again: bool) -> Any:
        kept = self._kept.setdefault(name, _Kept())
        age = self._clock.monotonic() - kept.keys_since
        # Whoever makes up key names must not have us ask the issuer each time.
        if kept.keys is None or age > (_KEYS_AGAIN_SECONDS if again else _KEPT_SECONDS):
            kept.keys = await self._ask(name, Ask("GET", endpoints.jwks))
            kept.keys_since = self._clock.monotonic()
        return kept.keys

    async def _ask(self, name: str, ask: Ask) -> Any:
        one, http = self._providers[name]
        if urlsplit(ask.url).scheme != "https" and urlsplit(one.issuer).scheme == "https":
            raise FederationError("an endpoint without TLS")
        headers = {"Accept": "application/json", **ask.headers}
        try:
            answer = await http.post(
                ask.url, headers, ask.body, deadline=_DEADLINE, max_response=_LONGEST, method=ask.method
            )
        except MailwardError as e:
            raise FederationError(f"the provider could not be asked: {e.code}") from e
        if answer.status != 200:
            raise FederationError(f"the provider answered {answer.status}")
        return exchange.read_json(answer.body)
