"""`POST /v1/inbound/sns`: where Amazon SNS posts what SES tells. Mounted only when topics are set.

It has no credential of ours: whoever posts proves himself by Amazon's signature, which the taker checks. So it stands
beside the table of operations, which demands one of every request with a body.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Forbidden, MailwardError
from mailward.edges.web import problems
from mailward.edges.web.auth import Origin
from mailward.edges.web.catalogue import CATALOGUE
from mailward.edges.web.endpoint import Receive, Scope, Send
from mailward.edges.web.limits import InFlight, declared_length, read_body
from mailward.edges.web.problems import Answer
from mailward.policy.access import PUBLIC

PATH = "/v1/inbound/sns"
_MAX_BODY = 256 * 1024
_SECONDS = 10.0

log = structlog.get_logger()
Take = Callable[[bytes], Awaitable[None]]


class NotificationEndpoint:
    """An ASGI application. `take` raises what the sender is to be told; the notice's own signature is who sent it."""

    policy = PUBLIC

    def __init__(self, take: Take, origin: Origin, in_flight: int = 16 * 1024 * 1024) -> None:
        self._take = take
        self._origin = origin
        self._in_flight = InFlight(in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read a bounded body, hand it over, say 200."""
        request_id: str = scope.get("mailward.request_id", "")
        scope["mailward.operation"] = "receive_sns"
        headers: list[tuple[bytes, bytes]] = []
        try:
            await self._one(scope, receive)
            status, body = 200, b""
        except MailwardError as error:
            status, body, headers = problems.response(error, request_id)
        except Exception as error:
            status, body, headers = problems.response(error, request_id)
            log.exception("http_failed", request=request_id, operation="receive_sns")
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _one(self, scope: Scope, receive: Receive) -> None:
        if scope["method"] != "POST":
            raise Answer("method_not_allowed", headers=((b"allow", b"POST"),))
        peer = scope["client"][0] if scope.get("client") else ""
        _, private = self._origin.of(peer, scope["scheme"], scope["headers"])
        if not private:
            raise Forbidden("connection_not_private", CATALOGUE["connection_not_private"][1])
        length = declared_length(scope["headers"])
        if length is None:
            raise Answer("length_required")
        await self._take(await read_body(receive, length, _MAX_BODY, _SECONDS, self._in_flight))


def sns_route(take: Take, origin: Origin) -> BaseRoute:
    """The mount."""
    return Route(PATH, NotificationEndpoint(take, origin))
