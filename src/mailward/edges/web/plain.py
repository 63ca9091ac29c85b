"""Plain HTTP: answers an authority's challenges (RFC 8555 section 8.3) and sends everybody else to HTTPS.

No request to it reaches the API or the dashboard, whatever its path or host: a cookie or a
key that came in the clear was already lost, and an answer would hide that.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from mailward.policy.access import PUBLIC

_CHALLENGE = re.compile(r"/\.well-known/acme-challenge/([A-Za-z0-9_-]{1,128})")


class Plain:
    """The ASGI application. `answer` finds what belongs to a token, "" for one that nobody awaits."""

    policy = PUBLIC

    def __init__(self, public_url: str, answer: Callable[[str], Awaitable[str]]) -> None:
        """Everybody is sent to `public_url`, whatever host they asked for: no open redirect."""
        self._url = public_url.rstrip("/")
        self._answer = answer

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if scope["method"] in ("GET", "HEAD") and (match := _CHALLENGE.fullmatch(path)):
            answer = (await self._answer(match[1])).encode("ascii", "replace")
            await _send(send, scope, 200 if answer else 404, [(b"content-type", b"application/octet-stream")], answer)
            return
        if scope["method"] not in ("GET", "HEAD"):
            await _send(send, scope, 403, [(b"content-type", b"text/plain")], b"HTTPS only.\n")
            return
        # Ours is the first part; the rest is quoted anew, so that nothing in it ends the header or the host.
        target = quote("/" + path.lstrip("/\\"), safe="/-._~!$&'()*+,;=:@%")
        query = quote(scope.get("query_string", b"").decode("latin-1"), safe="-._~!$&'()*+,;=:@/?%")
        location = self._url + target + (f"?{query}" if query else "")
        await _send(send, scope, 308, [(b"location", location.encode("ascii"))], b"")


async def _send(send: Any, scope: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
