"""The whole of what is served over HTTP: one table of operations, a router, and the front that guards both."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from starlette.routing import BaseRoute, Route, Router

from mailward.base.errors import NotFound
from mailward.edges.web import api, openapi, problems
from mailward.edges.web import refusal as refusal_page
from mailward.edges.web.endpoint import Endpoint, Headers, Receive, Scope, Send, Services
from mailward.edges.web.limits import MAX_HEADERS
from mailward.edges.web.ports import Readiness
from mailward.edges.web.problems import Answer
from mailward.edges.web.public import documents, health, leaks
from mailward.edges.web.public.metrics import RequestMetrics
from mailward.edges.web.request_log import Noted, RequestLog
from mailward.edges.web.routes import Operation, by_path
from mailward.policy.access import Policy

log = structlog.get_logger()

# Answers of the API are data, never pages: nothing may frame, run, sniff, cache or refer from them.
SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"geolocation=(), camera=(), microphone=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"server", b"mailward"),
    (b"vary", b"Authorization, Cookie"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
HSTS = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")
_ONCE = frozenset((b"content-length", b"host", b"transfer-encoding", b"authorization", b"content-type"))
_HOST = re.compile(rb"(?:[A-Za-z0-9._~%!$&'()*+,;=-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")  # RFC 9110 section 7.2


Answered = Callable[[Scope, int], None]
"""Told of every request when it was answered, with the status."""


def table(readiness: Readiness) -> list[Operation]:
    """Every operation of the API and of the public part, hottest first."""
    operations: list[Operation] = [*api.operations(), *leaks.OPERATIONS, *health.operations(readiness)]
    operations += documents.operations(lambda: openapi.document(operations))
    return operations


class Front:
    """The outermost application: request ids, framing, security headers, one log line; then the router."""

    __slots__ = ("_answered", "_elsewhere", "_entropy", "_exact", "_metrics", "_now", "_origin", "_requests", "_router")

    def __init__(
        self,
        operations: Sequence[Operation],
        services: Services,
        mounts: Sequence[BaseRoute] = (),
        metrics: RequestMetrics | None = None,
        requests: RequestLog | None = None,
        answered: Answered | None = None,
        elsewhere: tuple[bytes, Any] | None = None,
    ) -> None:
        """`elsewhere`: how host names begin at which another application answers, and that application."""
        endpoints = {path: Endpoint(methods, services) for path, methods in by_path(operations).items()}
        # Paths without parameters are found in one look-up; the router tries patterns in turn.
        self._exact = {path: endpoint for path, endpoint in endpoints.items() if "{" not in path}
        routes: list[BaseRoute] = [Route(path, endpoint) for path, endpoint in endpoints.items()]
        for mount in mounts:
            # What is served beside the table carries its policy on its application (see dashboard/site.py).
            if not isinstance(getattr(getattr(mount, "app", None), "policy", None), Policy):
                raise TypeError(f"the route {getattr(mount, 'path', mount)} has no policy")
        self._router = Router([*routes, *mounts], redirect_slashes=False, default=_not_found)
        self._entropy = services.entropy
        self._metrics = metrics
        self._answered = answered
        self._elsewhere = elsewhere
        self._requests = requests
        self._now = services.clock.now
        self._origin = services.origin

    def _behind_tls(self, scope: Scope) -> bool:
        """Did a listed proxy take this request over TLS? Only then may the browser be told to stay with it."""
        if (b"x-forwarded-proto", b"https") not in scope["headers"]:
            return False
        return self._origin.of((scope.get("client") or ("", 0))[0], "http", scope["headers"])[1]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection event of the server."""
        if scope["type"] != "http":
            await _decline(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = "req_" + self._entropy.bytes(10).hex()
        scope["mailward.request_id"] = request_id
        private = scope["scheme"] == "https" or self._behind_tls(scope)
        seen = 500

        async def finish(message: Any) -> None:
            nonlocal seen
            if message["type"] == "http.response.start":
                seen = message["status"]
                headers = message["headers"] = list(message["headers"])
                present = {name.lower() for name, _ in headers}
                headers += [header for header in SECURITY_HEADERS if header[0] not in present]
                headers.append((b"x-request-id", request_id.encode()))
                if private:
                    headers.append(HSTS)
            await send(message)

        try:
            host = _refuse_ambiguous(scope)
            _refuse_nul(scope)
        except Answer as refusal:
            await _refuse(refusal, request_id, finish, close=scope.get("http_version", "1.1").startswith("1"))
        else:
            other = self._elsewhere
            if other is not None and host.lower().startswith(other[0]):
                await other[1](scope, receive, finish)
            else:
                await (self._exact.get(scope["path"]) or self._router)(scope, receive, finish)
        seconds = time.perf_counter() - began
        operation = scope.get("mailward.operation", "other")
        if self._metrics is not None:
            self._metrics.observe(operation, seen, seconds)
        workspace = scope.get("mailward.workspace")
        if self._requests is not None and workspace:
            at, us = int(self._now().timestamp() * 1e6), int(seconds * 1e6)
            self._requests.note(
                workspace, Noted(at, request_id, scope["method"], operation, seen, us, scope.get("mailward.actor", ""))
            )
        if self._answered is not None:
            self._answered(scope, seen)
        log.info(
            "http_request",
            request=request_id,
            operation=operation,
            status=seen,
            ms=round(seconds * 1000, 2),
            workspace=workspace,
            actor=scope.get("mailward.actor"),
        )


def build(
    services: Services,
    readiness: Readiness,
    *,
    mounts: Sequence[BaseRoute] = (),
    metrics: RequestMetrics | None = None,
    requests: RequestLog | None = None,
    answered: Answered | None = None,
    elsewhere: tuple[bytes, Any] | None = None,
) -> Front:
    """The application. `mounts` are further Starlette routes (the dashboard), matched after the API."""
    return Front(table(readiness), services, mounts, metrics, requests, answered, elsewhere)


def _refuse_ambiguous(scope: Scope) -> bytes:
    """The host that was asked for, "" for an old client that names none."""
    # Two readers that disagree on where a request ends are how smuggling works (RFC 9112 section 11.2), so a
    # request that can be read in two ways is refused, and its connection closed, whatever the server makes of it.
    headers: Headers = scope["headers"]
    if len(headers) > MAX_HEADERS:
        raise Answer("too_many_headers")
    names = [name for name, _ in headers]
    once = [name for name in names if name in _ONCE]
    if len(once) != len(set(once)):
        raise Answer("duplicate_header")
    if b"transfer-encoding" in once:
        # hyper follows Transfer-Encoding, drops a Content-Length beside it before we see it, and reports a broken
        # chunk as the end of the body. Nobody has to send mail in chunks: all of them are refused.
        raise Answer("length_required")
    host = next((value for name, value in headers if name == b"host"), b"")
    if scope["http_version"] == "1.1" and not host:
        raise Answer("missing_host")
    if host and not _HOST.fullmatch(host):
        raise Answer("missing_host", "The Host header is no host with a port (RFC 9112 section 3.2).")
    if b"http2-settings" in names or (b"upgrade" in names and _asks_for_h2c(headers)):
        # Whatever stands before us could take the rest of the connection for a tunnel, and let it by unseen.
        raise Answer("request_ambiguous", "HTTP/2 is spoken over TLS only; an upgrade to it is not offered.")
    return host


def _refuse_nul(scope: Scope) -> None:
    # No id, name or text to search for holds one, and PostgreSQL takes none in a text: it would be our fault there.
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        raise Answer("invalid_parameter", "A NUL character is in nothing that could be asked for.")


def _asks_for_h2c(headers: Headers) -> bool:
    return any(name == b"upgrade" and b"h2c" in value.lower() for name, value in headers)


async def _refuse(refusal: BaseException, request_id: str, send: Send, *, close: bool) -> None:
    status, body, headers = problems.response(refusal, request_id)
    headers.append((b"content-length", b"%d" % len(body)))
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    if refusal_page.wants_page(scope["method"], scope["path"], scope["headers"]):
        body = refusal_page.page(
            "Not found", "There is nothing at this address. It may have been mistyped.", scope["mailward.request_id"]
        )
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-security-policy", refusal_page.CSP.encode()),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
        return
    refusal = NotFound("not_found", "There is nothing at this path. See /openapi.json for what there is.")
    await _refuse(refusal, scope["mailward.request_id"], send, close=False)


async def _decline(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
