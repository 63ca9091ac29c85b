"""One request through its guards, cheapest first and nothing of the body before its sender is known.

Credential, permission, rate, media type, size, shape, then the handler under a deadline.
The answer is written in two sends; whatever goes wrong on the way is a problem.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog

from mailward.base.errors import Forbidden, MailwardError, Unauthenticated, Unavailable
from mailward.base.sources import Clock, Entropy
from mailward.edges.web import problems
from mailward.edges.web.auth import Origin, token_of
from mailward.edges.web.catalogue import CATALOGUE
from mailward.edges.web.decoding import QueryReader, decode
from mailward.edges.web.limits import (
    InFlight,
    Limiter,
    RateClass,
    WebLimits,
    declared_length,
    limit_reached,
    rate_headers,
    read_body,
)
from mailward.edges.web.ports import Authenticator, Platform
from mailward.edges.web.problems import Answer
from mailward.edges.web.routes import JSON, Call, Operation, Reply
from mailward.policy import access
from mailward.policy.access import PUBLIC, Actor, Public
from mailward.policy.source import source_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode
_TOO_MANY = 429
_NOBODY = Actor(workspace="", kind="public", id="")  # type: ignore[arg-type]  # holds no permission anywhere


async def _at_once(who: str) -> None:
    """Nobody waits to be refused."""


@dataclass(slots=True)
class Services:
    """What every endpoint uses; built once by the wiring. `hostname` is ours in Received fields."""

    platform: Platform
    authenticator: Authenticator
    limiter: Limiter
    clock: Clock
    entropy: Entropy
    hostname: str = "mailward.invalid"
    limits: WebLimits = field(default_factory=WebLimits)
    origin: Origin = field(default_factory=Origin)
    hold: Callable[[str], Awaitable[None]] = _at_once
    """Returns when the workspace, or the source, may be told that it is beyond a limit."""
    in_flight: InFlight = field(init=False)

    def __post_init__(self) -> None:
        self.in_flight = InFlight(self.limits.in_flight)


class Endpoint:
    """The ASGI application of one path: its operations by method."""

    __slots__ = ("_allow", "_decoders", "_operations", "_queries", "_services")

    def __init__(self, operations: dict[str, Operation], services: Services) -> None:
        self._services = services
        self._operations = dict(operations)
        if "GET" in operations:
            self._operations["HEAD"] = operations["GET"]  # RFC 9110 section 9.3.2; the server drops the body
        self._allow = ", ".join(sorted(self._operations)).encode()
        self._queries = {m: QueryReader(op.query) for m, op in self._operations.items()}
        self._decoders = {
            m: msgspec.json.Decoder(op.request)
            for m, op in self._operations.items()
            if op.request is not None and not op.undecoded
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        method: str = scope["method"]
        request_id: str = scope["mailward.request_id"]
        headers: Headers = []
        operation = self._operations.get(method)
        scope["mailward.operation"] = operation.name if operation is not None else "other"
        try:
            if operation is None:
                raise Answer("method_not_allowed", headers=((b"allow", self._allow),))
            async with asyncio.timeout(self._services.limits.body_seconds + self._services.limits.handler_seconds):
                status, body = await self._run(operation, method, scope, receive, request_id, headers)
        except MailwardError as error:
            status, body, extra = problems.response(error, request_id)
            headers += extra
            if status == _TOO_MANY:
                await self._services.hold(scope.get("mailward.workspace") or source_of(self._seen(scope)[0]))
            if status >= 500:
                log.warning("http_refused", request=request_id, status=status, code=error.code, detail=error.detail)
        except TimeoutError:
            late = Unavailable("deadline_passed", CATALOGUE["deadline_passed"][1])
            status, body, extra = problems.response(late, request_id)
            headers += extra
            log.warning("http_deadline", request=request_id, operation=scope["mailward.operation"])
        except Exception as error:
            status, body, extra = problems.response(error, request_id)
            headers += extra
            log.exception("http_failed", request=request_id, operation=scope["mailward.operation"])
        headers.append((b"content-length", b"%d" % len(body)))
        if method == "HEAD":
            body = b""
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _run(
        self, operation: Operation, method: str, scope: Scope, receive: Receive, request_id: str, headers: Headers
    ) -> tuple[int, bytes]:
        services = self._services
        actor = await self._admit(operation, scope, headers)
        query = self._queries[method].read(scope["query_string"])
        body: Any = None
        raw = b""
        media = ""
        length = declared_length(scope["headers"])
        if operation.takes_body:
            if length is None:
                raise Answer("length_required")
            media = media_type(scope["headers"], operation)
            raw = await read_body(
                receive, length, operation.body_limit, services.limits.body_seconds, services.in_flight
            )
            if media == JSON and not operation.undecoded:
                body = decode(self._decoders[method], raw)
            elif not raw:
                raise Answer("missing_body")
        elif length:
            raise Answer("unexpected_body")
        call: Call[Any, Any] = Call(
            actor,
            services.platform,
            services.clock,
            services.entropy,
            services.hostname,
            request_id,
            scope["path"],
            scope.get("path_params", {}),
            scope["headers"],
            media,
            query,
            body,
            raw,
        )
        return _answer(operation, await operation.handler(call), headers)

    def _seen(self, scope: Scope) -> tuple[str, bool]:
        peer = scope["client"][0] if scope.get("client") else ""
        return self._services.origin.of(peer, scope["scheme"], scope["headers"])

    async def _admit(self, operation: Operation, scope: Scope, headers: Headers) -> Actor:
        services = self._services
        ip, private = self._seen(scope)
        permission = operation.permission
        if isinstance(permission, Public):
            assert permission is PUBLIC
            await self._count(operation.rate, source_of(ip), headers)
            return _NOBODY.came_from(ip)
        if not private:
            raise Forbidden("connection_not_private", CATALOGUE["connection_not_private"][1])
        try:
            actor = await services.authenticator.authenticate(token_of(scope["headers"]), ip)
        except Unauthenticated:
            await self._count(RateClass.AUTH_FAILURE, source_of(ip), headers)
            raise
        scope["mailward.workspace"] = actor.workspace
        scope["mailward.actor"] = actor.id
        await self._count(operation.rate, actor.workspace, headers)
        await self._count(RateClass.KEY, actor.id, headers)
        access.require(actor, permission)
        return actor.came_from(ip)

    async def _count(self, rate_class: RateClass, key: str, headers: Headers) -> None:
        rate = self._services.limits.rate(rate_class, key)
        if rate is None:
            return
        decision = await self._services.limiter.take(key, rate)
        headers += rate_headers(rate, decision)
        if not decision.allowed:
            raise limit_reached(decision)


def media_type(headers: Headers, operation: Operation) -> str:
    """The request's media type in lower case without parameters; Answer 415 unless the operation takes it."""
    found = [value for name, value in headers if name == b"content-type"]
    if len(found) > 1:
        raise Answer("duplicate_header", "The Content-Type header appeared twice.")
    media, _, parameters = (found[0] if found else b"").decode("latin-1").partition(";")
    media = media.strip().lower()
    accepted = (JSON, *operation.raw_media) if operation.request is not None else operation.raw_media
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if media not in accepted or (media == JSON and charset not in ("", "charset=utf-8")):
        raise Answer(
            "unsupported_media_type",
            f"Send {' or '.join(accepted)} in UTF-8.",
            headers=((b"accept", ", ".join(accepted).encode()),),
        )
    if any(name == b"content-encoding" and value.lower() != b"identity" for name, value in headers):
        raise Answer("unsupported_media_type", "Compressed request bodies are not read.")
    return media


def _answer(operation: Operation, result: Any, headers: Headers) -> tuple[int, bytes]:
    media = operation.response_media
    status = operation.status
    if isinstance(result, Reply):
        media = result.media
        status = result.status or status
        headers.extend(result.headers)
        result = result.body
    if result is None:
        return status, b""
    body = result if isinstance(result, bytes) else _encode(result)
    headers.append((b"content-type", media.encode()))
    return status, body
