"""An operation: method, path, types, and the policy without which it cannot be built."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from mailward.base.sources import Clock, Entropy
from mailward.edges.web.limits import BODY, SMALL, RateClass
from mailward.edges.web.ports import Platform
from mailward.edges.web.schema.common import NoQuery
from mailward.policy.access import PUBLIC, Actor, Permission, Public

JSON = "application/json"
Q = TypeVar("Q")
B = TypeVar("B")


class Call(Generic[Q, B]):
    """One request that passed every guard: its actor, its parameters, its decoded query and body."""

    __slots__ = (
        "actor",
        "body",
        "clock",
        "entropy",
        "headers",
        "hostname",
        "media",
        "params",
        "path",
        "platform",
        "query",
        "raw",
        "request_id",
    )

    def __init__(
        self,
        actor: Actor,
        platform: Platform,
        clock: Clock,
        entropy: Entropy,
        hostname: str,
        request_id: str,
        path: str,
        params: dict[str, str],
        headers: Sequence[tuple[bytes, bytes]],
        media: str,
        query: Q,
        body: B,
        raw: bytes,
    ) -> None:
        self.actor = actor
        self.platform = platform
        self.clock = clock
        self.entropy = entropy
        self.hostname = hostname
        self.request_id = request_id
        self.path = path
        self.params = params
        self.headers = headers
        self.media = media
        self.query = query
        self.body = body
        self.raw = raw

    @property
    def now(self) -> datetime:
        """Wall time in UTC."""
        return self.clock.now()

    def header(self, name: bytes) -> bytes | None:
        """The value of the first header of that lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


@dataclass(slots=True)
class Reply:
    """An answer that is more than its type: another status, bytes, headers of its own."""

    body: bytes | msgspec.Struct | None
    status: int = 0
    media: str = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


Handler = Callable[[Call[Any, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One line of the table of everything that is served.

    `permission` is what the actor must hold, or PUBLIC. `answers` lists further statuses
    with their types beside `status` and `response`; `errors` the codes it may refuse with
    beyond those every operation has. `raw_media` are request types handed over undecoded,
    as JSON is with `undecoded`.
    """

    method: str
    path: str
    handler: Handler
    permission: Permission | Public
    rate: RateClass
    name: str
    tag: str
    summary: str
    description: str = ""
    query: type[msgspec.Struct] = NoQuery
    request: type[msgspec.Struct] | None = None
    response: type[msgspec.Struct] | None = None
    status: int = 200
    response_media: str = JSON
    raw_media: tuple[str, ...] = ()
    undecoded: bool = False
    errors: tuple[str, ...] = ()
    body_limit: int = BODY
    answers: tuple[tuple[int, type[msgspec.Struct]], ...] = ()
    idempotent: bool = False
    request_headers: tuple[tuple[str, str], ...] = ()
    example: Any = None

    @property
    def takes_body(self) -> bool:
        """Whether a request body belongs to it."""
        return self.request is not None or bool(self.raw_media)

    def __post_init__(self) -> None:
        if not isinstance(self.permission, Permission | Public):
            raise TypeError(f"{self.method} {self.path} has no policy")
        if not isinstance(self.rate, RateClass):
            raise TypeError(f"{self.method} {self.path} has no rate")
        if self.method not in ("GET", "POST", "PATCH", "PUT", "DELETE"):
            raise ValueError(f"{self.method} is not served")
        if self.takes_body and self.method in ("GET", "DELETE"):
            raise ValueError(f"{self.method} {self.path} takes no body")
        if self.permission is PUBLIC and self.path.startswith("/v1/"):
            raise ValueError(f"{self.path} needs a credential: nothing under /v1 is public")
        # Strangers hand something in at the strictest rate and in small pieces, or not at all.
        report = self.rate is RateClass.REPORT and self.body_limit <= SMALL
        if self.permission is PUBLIC and self.takes_body and not report:
            raise ValueError(f"{self.path} needs a credential: it takes a body and is no report")


def by_path(operations: Sequence[Operation]) -> dict[str, dict[str, Operation]]:
    """Operations grouped by path; raises ValueError when two share a method and path or a name."""
    table: dict[str, dict[str, Operation]] = {}
    names: set[str] = set()
    for operation in operations:
        methods = table.setdefault(operation.path, {})
        if operation.method in methods:
            raise ValueError(f"{operation.method} {operation.path} is there twice")
        if operation.name in names:
            raise ValueError(f"two operations are called {operation.name}")
        names.add(operation.name)
        methods[operation.method] = operation
    return table
