"""HTTP to addresses that strangers name, without letting them choose where we connect.

The name is resolved once, every address judged, and the socket opened to exactly an address that
was judged: nothing asks DNS again in between, so rebinding and TTL 0 gain nothing. SNI and
Host stay the name's. No decompression, no proxy from the environment, bounded time and size. Redirects are followed
only where that is asked for, a few, never to another scheme, and each is judged as if it were the first.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from mailward.base.errors import Invalid, MailwardError, Unavailable
from mailward.policy.egress import Allow, Network, judge

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""A host name -> its addresses, both families; empty when there are none."""

MAX_RESPONSE = 64 * 1024
_MAX_RECEIVED = 512 * 1024
"""Octets of one exchange, whatever they are: its headers, the body that is read, and what one read brings beyond it."""
_MAX_ADDRESSES = 8
_REDIRECTS = frozenset((301, 302, 303, 307, 308))


class HttpAnswer(NamedTuple):
    """What came back. `body` is at most what was asked for; `retry_after` in seconds; `media` the type, lower case."""

    status: int
    body: bytes
    elapsed_ms: int
    retry_after: float | None
    media: str = ""


class GuardedHttp:
    """Posts to URLs given by tenants. One a process and event loop."""

    def __init__(
        self,
        resolve: Resolve,
        *,
        allow_networks: Sequence[Network] = (),
        allow_http: bool = True,
        ssl_context: ssl.SSLContext | None = None,
        per_host: int = 8,
    ) -> None:
        """`per_host` connections at once to one host and port; what is above waits, within its deadline."""
        self._per_host = per_host
        self._resolver = _Judging(resolve, tuple(allow_networks))
        self._allow = tuple(allow_networks)
        self._schemes = ("https", "http") if allow_http else ("https",)
        self._ssl = ssl_context or ssl.create_default_context()
        self._session: aiohttp.ClientSession | None = None

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
    ) -> HttpAnswer:
        """Post, following at most `redirects`; the whole exchange takes at most `deadline` seconds.

        A redirect is posted to as the first URL was; what Authorization held goes to its own origin only. One more
        than allowed, or one without a place to go, is the answer.

        Raises Invalid for a URL that can never be a target or whose addresses are all refused, and
        Unavailable when no answer came. Neither says what was found at a refused address.
        """
        target = self.check(url)
        started = time.monotonic()
        try:
            async with asyncio.timeout(deadline):
                limit = min(max_response, MAX_RESPONSE)
                sent = dict(headers)
                for left in range(redirects, -1, -1):
                    answer, location = await self._post(target, sent, body, limit, started, method)
                    if not left or answer.status not in _REDIRECTS or not location:
                        break
                    onward = self._onward(target, location)
                    if onward.origin() != target.origin():
                        sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
                    target = onward
                return answer
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

    async def get(self, url: str, *, deadline: float, max_response: int) -> HttpAnswer:
        """Fetch what the platform itself asks for, under the same guard as `post`; no redirect is followed."""
        return await self.post(url, {}, b"", deadline=deadline, max_response=max_response, method="GET")

    def check(self, url: str) -> URL:
        """Whether a URL may be a target at all, before DNS; Invalid says why not."""
        try:
            target = URL(url)
            host = target.raw_host  # in A-labels, as it will be asked for: digits of other scripts are digits here
            port = target.port
        except (ValueError, UnicodeError) as e:
            raise Invalid("target_invalid", "That is not a URL.") from e
        if target.scheme not in self._schemes or not host or not port:
            raise Invalid("target_invalid", "The endpoint must be an https URL with a host.")
        if target.user is not None or target.password is not None or any(c in url for c in "\r\n\t\\ \0"):
            raise Invalid("target_invalid", "The endpoint's URL carries a user name or an unsafe character.")
        if host.endswith(".") or host.rpartition(".")[2].isdigit() or ":" in host or "%" in host:
            # Ends in a number, so browsers and resolvers take it for an address, however it is spelled.
            verdict = judge(host, self._allow)
            if not isinstance(verdict, Allow):
                raise Invalid("target_refused", verdict.text)
        elif host.rpartition(".")[2].startswith("0x"):
            raise Invalid("target_refused", "That is not an IP address.")
        return target

    async def addresses(self, host: str) -> list[str]:
        """Where a connection to this name would go: what of its addresses is allowed. Invalid when all are refused."""
        try:
            return [found["host"] for found in await self._resolver.resolve(host)]
        except _Refused as e:
            raise Invalid("target_refused", e.text) from e
        except OSError as e:
            raise Unavailable("target_unreachable", "The endpoint's name has no address.") from e

    def _onward(self, target: URL, location: str) -> URL:
        """Where a redirect leads, if it may be followed."""
        try:
            onward = target.join(URL(location))
        except (ValueError, UnicodeError) as e:
            raise Invalid("target_invalid", "The endpoint redirects to what is no URL.") from e
        if onward.scheme != target.scheme:
            raise Invalid("target_invalid", "The endpoint redirects to another scheme, which is not followed.")
        return self.check(str(onward))

    async def close(self) -> None:
        """Close idle connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(
        self, target: URL, headers: Mapping[str, str], body: bytes, limit: int, started: float, method: str
    ) -> tuple[HttpAnswer, str]:
        if self._session is None:
            self._session = self._open()
        sent = {"Accept-Encoding": "identity", **headers}
        async with self._session.request(
            method, target, data=body or None, headers=sent, allow_redirects=False
        ) as response:
            read = b""
            while len(read) < limit and (chunk := await response.content.read(limit - len(read))):
                read += chunk
            retry = _retry_after(response.headers.get("Retry-After", ""))
            if not response.content.at_eof():
                response.close()  # whatever more it sends is not ours to carry
            elapsed = int((time.monotonic() - started) * 1000)
            media = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()[:100]
            answer = HttpAnswer(response.status, read, elapsed, retry, media)
            return answer, response.headers.get("Location", "")

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            use_dns_cache=False,
            ssl=self._ssl,
            limit=256,
            limit_per_host=self._per_host,
            force_close=True,  # a kept connection would outlive the judgement it was opened under
            socket_factory=self._socket,
        )
        # There is no other door for a connection of one's own kind; a test sees that it is still one.
        connector._factory = partial(_Bounded, asyncio.get_running_loop())  # type: ignore[assignment]
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


class _Bounded(ResponseHandler):
    """A connection that takes so many octets and no more.

    aiohttp bounds headers and a body nobody reads, but not what comes before or between: interim answers (1xx) without
    end, extensions of a chunk, empty lines. Each was read as fast as it came, and the loop did nothing else.
    """

    _received = 0

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received <= _MAX_RECEIVED:
            super().data_received(data)
        elif self.transport is not None:
            self.set_exception(aiohttp.ClientPayloadError("the answer does not end"))
            self.transport.abort()


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
