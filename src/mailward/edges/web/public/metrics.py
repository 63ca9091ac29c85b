"""Prometheus metrics of the web edge, and the application that shows a registry on a loopback listener."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from msgspec import json
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from mailward.edges.web.ports import Readiness

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestMetrics:
    """Requests by operation and class of status. Labels are names from our own table, never what a caller sent."""

    __slots__ = ("_children", "_requests", "_seconds")

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "mailward_http_requests", "HTTP requests answered.", ("operation", "status"), registry=registry
        )
        self._seconds = Histogram(
            "mailward_http_seconds", "Time to answer.", ("operation",), registry=registry, buckets=_SECONDS
        )
        self._children: dict[tuple[str, int], tuple[Any, Any]] = {}

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Count one answer."""
        key = (operation, status // 100)
        pair = self._children.get(key)
        if pair is None:
            pair = (self._requests.labels(operation, f"{status // 100}xx"), self._seconds.labels(operation))
            self._children[key] = pair
        pair[0].inc()
        pair[1].observe(seconds)


def metrics_app(
    exposition: Callable[[], bytes], readiness: Readiness
) -> Callable[[MutableMapping[str, Any], Any, Callable[[MutableMapping[str, Any]], Awaitable[None]]], Awaitable[None]]:
    """The ASGI application of `/metrics`, `/healthz` and `/readyz` of one worker, whatever its roles.

    It has no credential: bind it to loopback only.
    """

    async def answer(path: str) -> tuple[int, bytes, bytes]:
        match path:
            case "/metrics":
                return 200, CONTENT_TYPE_LATEST.encode(), exposition()
            case "/healthz":
                return 200, b"application/json", b'{"status":"ok"}'
            case "/readyz":
                parts = await readiness.check()
                ready = all(parts.values())
                return 200 if ready else 503, b"application/json", json.encode({"ready": ready, "parts": parts})
            case _:
                return 404, b"text/plain", b""

    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        status, kind, body = await answer(scope["path"] if scope["method"] == "GET" else "")
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", kind),
                    (b"content-length", b"%d" % len(body)),
                    (b"cache-control", b"no-store"),
                ],
            }
        )
        await send({"type": "http.response.body", "body": body})

    return app


def exposition_of(registry: CollectorRegistry) -> Callable[[], bytes]:
    """The text form of one process's registry."""
    return lambda: generate_latest(registry)
