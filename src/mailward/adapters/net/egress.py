"""HTTP to addresses that strangers name, without letting them choose where we connect.

The name is resolved once, every address judged, and the socket opened to exactly an address that
was judged: nothing asks DNS again in between, so rebinding and TTL 0 gain nothing. SNI and
Host stay the name's. No redirects, no decompression, no proxy from the environment, bounded time and size.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from mailward.base.errors import Invalid, MailwardError, Unavailable
from mailward.policy.egress import Allow, Network, judge

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""A host name -> its addresses, both families; empty when there are none."""

MAX_RESPONSE = 64 * 1024
_MAX_ADDRESSES = 8


class HttpAnswer(NamedTuple):
    """What came back. `body` is at most what was asked for; `retry_after` in seconds."""

    status: int
    body: bytes
    elapsed_ms: int
    retry_after: float | None


class GuardedHttp:
    """Posts to URLs given by tenants. One a process and event loop."""

    def __init__(
        self,
        resolve: Resolve,
        *,
        allow_networks: Sequence[Network] = (),
        allow_http: bool = True,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._resolver = _Judging(resolve, tuple(allow_networks))
        self._allow = tuple(allow_networks)
        self._schemes = ("https", "http") if allow_http else ("https",)
        self._ssl = ssl_context or ssl.create_default_context()
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, deadline: float, max_response: int = 1024
    ) -> HttpAnswer:
        """Post once, without following redirects; the whole exchange takes at most `deadline` seconds.

        Raises Invalid for a URL that can never be a target or whose addresses are all refused, and
        Unavailable when no answer came. Neither says what was found at a refused address.
        """
        target = self.check(url)
        started = time.monotonic()
        try:
            async with asyncio.timeout(deadline):
                return await self._post(target, headers, body, min(max_response, MAX_RESPONSE), started)
        except MailwardError:
            raise
        except TimeoutError as e:
            raise Unavailable("target_timeout", "The endpoint did not answer in time.") from e
        except aiohttp.ClientConnectorCertificateError as e:
            raise Unavailable("target_certificate", "The endpoint's certificate does not verify.") from e
        except (aiohttp.ClientConnectorDNSError, aiohttp.ClientConnectorError) as e:
            refused = e.__cause__ if isinstance(e.__cause__, _Refused) else e.os_error
            if isinstance(refused, _Refused):
                raise Invalid("target_refused", refused.text) from e
            raise Unavailable("target_unreachable", "No connection to the endpoint could be made.") from e
        except (aiohttp.ClientError, OSError, ValueError, UnicodeError) as e:
            raise Unavailable(
                "target_failed", "The endpoint's answer could not be read.", detail=type(e).__name__
            ) from e

    def check(self, url: str) -> URL:
        """Whether a URL may be a target at all, before DNS; Invalid says why not."""
        try:
            target = URL(url)
            host = target.host
            port = target.port
        except (ValueError, UnicodeError) as e:
            raise Invalid("target_invalid", "That is not a URL.") from e
        if target.scheme not in self._schemes or not host or not port:
            raise Invalid("target_invalid", "The endpoint must be an https URL with a host.")
        if target.user is not None or target.password is not None or any(c in url for c in "\r\n\t\\ \0"):
            raise Invalid("target_invalid", "The endpoint's URL carries a user name or an unsafe character.")
        if not host.isascii() or host.endswith(".") or host.rpartition(".")[2].isdigit() or ":" in host or "%" in host:
            # Ends in a number, so browsers and resolvers take it for an address, however it is spelled.
            verdict = judge(host, self._allow)
            if not isinstance(verdict, Allow):
                raise Invalid("target_refused", verdict.text)
        elif host.rpartition(".")[2].startswith("0x"):
            raise Invalid("target_refused", "That is not an IP address.")
        return target

    async def close(self) -> None:
        """Close idle connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(
        self, target: URL, headers: Mapping[str, str], body: bytes, limit: int, started: float
    ) -> HttpAnswer:
        if self._session is None:
            self._session = self._open()
        sent = {"Accept-Encoding": "identity", **headers}
        async with self._session.post(target, data=body, headers=sent, allow_redirects=False) as response:
            read = b""
            while len(read) < limit and (chunk := await response.content.read(limit - len(read))):
                read += chunk
            retry = _retry_after(response.headers.get("Retry-After", ""))
            if not response.content.at_eof():
                response.close()  # whatever more it sends is not ours to carry
            return HttpAnswer(response.status, read, int((time.monotonic() - started) * 1000), retry)

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            use_dns_cache=False,
            ssl=self._ssl,
            limit=256,
            limit_per_host=8,
            force_close=True,  # a kept connection would outlive the judgement it was opened under
            socket_factory=self._socket,
        )
        return aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # the deadline of post() rules
            max_line_size=8190,
            max_field_size=8190,
            skip_auto_headers=("User-Agent",),
        )

    def _socket(self, info: Any) -> socket.socket:
        """The last gate: the address about to be dialled is judged again, literals in URLs included."""
        family, kind, proto, _, address = info
        verdict = judge(str(address[0]), self._allow)
        if not isinstance(verdict, Allow):
            raise _Refused(verdict.text)
        return socket.socket(family, kind, proto)


class _Refused(OSError):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class _Judging(AbstractResolver):
    """aiohttp's resolver: asks ours and gives only addresses that were allowed."""

    def __init__(self, resolve: Resolve, allow: tuple[Network, ...]) -> None:
        self._resolve = resolve
        self._allow = allow

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = list(await self._resolve(host))[:_MAX_ADDRESSES]
        results: list[ResolveResult] = []
        text = ""
        for ip in found:
            verdict = judge(ip, self._allow)
            if not isinstance(verdict, Allow):
                text = verdict.text
                continue
            kind = socket.AF_INET6 if ":" in verdict.address else socket.AF_INET
            results.append(
                ResolveResult(
                    hostname=host, host=verdict.address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST
                )
            )
        if not results:
            raise _Refused(text) if text else OSError("no address")
        return results

    async def close(self) -> None:
        return None


def _retry_after(value: str) -> float | None:
    """Seconds of a Retry-After header in either form (RFC 9110 section 10.2.3), at most a day."""
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(min(int(value), 86400))
    try:
        at = parsedate_to_datetime(value).timestamp() if 0 < len(value) < 64 else None
    except (ValueError, TypeError, OverflowError):
        return None
    return None if at is None else min(max(0.0, at - time.time()), 86400.0)
