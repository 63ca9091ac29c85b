"""HTTP to addresses that customers name: every connection goes only to an address that was judged (SSRF).

The guard sits where the socket is made, after name resolution and for literal
addresses alike, so a name that answers differently the second time (rebinding) gains
nothing: the address that is judged is the one that is connected to. Redirects are not
followed, nothing is decompressed, and what is read is bounded in bytes and time.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from mailward.adapters.net.resolver import Resolver
from mailward.base.errors import Forbidden, Unavailable
from mailward.policy import egress
from mailward.policy.egress import Network
from mailward.protocol.dns import DnsQuery

_MAX_HEADER = 8190
_MAX_HEADERS = 100


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back: at most the bytes asked for, `retry_after` in seconds."""

    status: int
    body: bytes
    elapsed_ms: int
    retry_after: float | None


class _Refused(OSError):
    """The guard said no; carries only the stable reason."""


class _Names(AbstractResolver):
    """Names by our own resolver."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Both families, whatever was asked."""
        found: list[ResolveResult] = []
        for kind, which in (("A", socket.AF_INET), ("AAAA", socket.AF_INET6)):
            answer = await self._resolver.resolve(DnsQuery(host, kind))  # type: ignore[arg-type]
            for address in answer.records if answer.status == "ok" else ():
                found.append(
                    ResolveResult(
                        hostname=host, host=address, port=port, family=which, proto=0, flags=socket.AI_NUMERICHOST
                    )
                )
        if not found:
            raise OSError("name not found")
        return found

    async def close(self) -> None:
        """Nothing is held."""


class GuardedHttp:
    """One a process. `allow` are networks that may be reached although they are not public."""

    def __init__(self, resolver: Resolver, allow: Sequence[Network] = ()) -> None:
        self._resolver = resolver
        self._allow = tuple(allow)
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=_Names(self._resolver),
                use_dns_cache=False,
                limit=200,
                limit_per_host=8,
                socket_factory=self._socket,
                force_close=True,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                max_line_size=_MAX_HEADER,
                max_field_size=_MAX_HEADER,
                skip_auto_headers=("Accept-Encoding", "User-Agent"),
            )
        return self._session

    def _socket(self, info: Any) -> socket.socket:
        family, kind, proto, _, address = info
        verdict = egress.judge(address[0], self._allow)
        if isinstance(verdict, egress.Refuse):
            raise _Refused(verdict.reason)
        made = socket.socket(family, kind, proto)
        made.setblocking(False)
        return made

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, deadline: float, max_response: int
    ) -> HttpAnswer:
        """Post once. `deadline` in seconds is for everything: connecting, TLS, sending, reading.

        Raises Forbidden when the target may not be reached, Unavailable when it did not
        answer in time or in HTTP.
        """
        began = time.monotonic()
        try:
            async with asyncio.timeout(deadline):
                async with self._open().post(
                    url,
                    data=body,
                    headers={**headers, "Accept-Encoding": "identity"},
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=deadline),
                ) as answer:
                    if len(answer.headers) > _MAX_HEADERS:
                        raise Unavailable("endpoint_failed", "The endpoint sent too many headers.")
                    read = await _bounded(answer.content, max_response)
                    elapsed = int((time.monotonic() - began) * 1000)
                    return HttpAnswer(answer.status, read, elapsed, _retry_after(answer.headers.get("Retry-After")))
        except TimeoutError as e:
            raise Unavailable("endpoint_timeout", f"The endpoint did not answer within {deadline:g} s.") from e
        except aiohttp.InvalidURL as e:
            raise Forbidden("url_invalid", "The URL cannot be used.") from e
        except (aiohttp.ClientError, OSError, ValueError) as e:
            if _was_refused(e):
                raise Forbidden("address_refused", "The URL leads to an address that may not be reached.") from e
            raise Unavailable("endpoint_failed", "The endpoint could not be reached.", detail=type(e).__name__) from e

    async def close(self) -> None:
        """Close idle connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _bounded(stream: aiohttp.StreamReader, limit: int) -> bytes:
    """At most `limit` bytes; the rest is left unread and the connection closed."""
    chunks: list[bytes] = []
    left = limit
    while left > 0:
        chunk = await stream.read(left)
        if not chunk:
            break
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def _was_refused(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, _Refused):
            return True
        inner = getattr(seen, "os_error", None) or getattr(seen, "_os_error", None)
        if isinstance(inner, _Refused):
            return True
        if isinstance(inner, BaseExceptionGroup) and any(_was_refused(e) for e in inner.exceptions):
            return True
        seen = seen.__cause__ or (seen.__context__ if seen.__context__ is not seen else None)
    return False


def _retry_after(value: str | None) -> float | None:
    """Seconds, from either form of the field (RFC 9110 section 10.2.3)."""
    if not value:
        return None
    if value.strip().isdigit() and len(value) < 10:
        return float(value)
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        when = parsedate_to_datetime(value)
        return max(0.0, when.replace(tzinfo=when.tzinfo or UTC).timestamp() - time.time())
    return None
