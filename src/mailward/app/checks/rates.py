"""RATE-1 and RATE-2 with small numbers: what counts requests, messages and connections, driven beyond its end.

The rates of an installation are too large to be driven to their end for a question, so the parts that count are built
here as the wiring builds them, with rates of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from mailward.app.allowance import Allowance, per_minute
from mailward.app.arrivals import Arrivals
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.settings import Limits
from mailward.base import ids
from mailward.base.errors import LimitReached
from mailward.base.ids import WorkspaceId
from mailward.core.evidence.model import Finding, failed, passed
from mailward.edges.web.api import operations
from mailward.edges.web.endpoint import Endpoint, Services
from mailward.edges.web.limits import LocalLimiter, RateClass, WebLimits
from mailward.edges.web.routes import Operation, by_path
from mailward.policy.access import Actor, Permission
from mailward.policy.gcra import Rate

_MOST = 2
_OURS, _THEIRS = (WorkspaceId(ids.encode("ws", bytes(15) + bytes((n,)))) for n in (1, 2))


@dataclass
class _Door:
    """The API without a platform behind it: whoever asks is known, and may do nothing."""

    context: Context
    time: float = 0.0
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rates: dict[RateClass, Rate | None] = {kind: Rate(kind.value, _MOST, 60) for kind in RateClass}
        services = Services(
            platform=cast("Any", None), authenticator=self, limiter=LocalLimiter(lambda: self.time),
            clock=self.context.clock, entropy=self.context.entropy,
            limits=WebLimits(rates={**rates, RateClass.KEY: None}),
        )  # fmt: skip
        self.endpoints = {path: Endpoint(methods, services) for path, methods in by_path(operations()).items()}

    async def authenticate(self, token: str, ip: str) -> Actor:
        """Anybody: the key names the workspace."""
        return Actor(WorkspaceId(token), "key", f"key of {token}")

    async def ask(self, operation: Operation, workspace: str) -> tuple[int, dict[bytes, bytes], str]:
        """Status, fields and code of the answer to a request of a workspace."""
        sent: list[Any] = []
        scope = {
            "type": "http", "method": operation.method, "path": operation.path, "scheme": "https", "query_string": b"",
            "headers": [(b"authorization", b"Bearer " + workspace.encode())], "client": ("192.0.2.1", 1),
            "mailward.request_id": "req_verify",
        }  # fmt: skip

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.endpoints[operation.path](scope, receive, send)
        body = b"".join(m.get("body", b"") for m in sent[1:])
        code = str(msgspec.json.decode(body).get("code", "")) if body else ""
        return sent[0]["status"], dict(sent[0]["headers"]), code


@check("RATE-1")
async def every_operation_has_its_rate(context: Context) -> Finding:
    """Each operation asked once more than a workspace may, by this workspace and by another, and a minute later."""
    table = [o for o in operations() if isinstance(o.permission, Permission)]
    door = _Door(context)
    for operation in table:
        door.time += 3600.0
        for _ in range(_MOST):
            status, fields, _ = await door.ask(operation, _OURS)
            if status == 429 or b"ratelimit" not in fields or b"ratelimit-policy" not in fields:
                return failed(f"{operation.name} answered {status} within its rate, or without RateLimit fields")
        status, fields, code = await door.ask(operation, _OURS)
        if status != 429 or b"retry-after" not in fields:
            return failed(f"{operation.name} answered {status} {code} beyond the workspace's rate")
        if (await door.ask(operation, _THEIRS))[0] == 429:
            return failed(f"{operation.name}: what one workspace asks is counted against another")
        door.time += 61.0
        if (await door.ask(operation, _OURS))[0] == 429:
            return failed(f"{operation.name} answers nobody who was once beyond the rate")
    return passed(
        f"each of {len(table)} operations, as the API counts it: RateLimit fields, 429 with Retry-After beyond the "
        "rate, another workspace not counted, and room again after a minute"
    )


def _refused(act: Callable[[], object]) -> bool:
    try:
        act()
    except LimitReached:
        return True
    return False


async def _waited_refused(allowance: Allowance, actor: Actor, domain: str) -> bool:
    try:
        await allowance.count(actor, domain, 1)
    except LimitReached:
        return True
    return False


@check("RATE-2")
async def sources_and_domains_are_limited(context: Context) -> Finding:
    """Messages of one sender domain, and connections from one source, until they are too many; others go on."""
    budgets = LocalLimiter(lambda: 0.0)
    limits = Limits(smtp_messages_per_minute_domain=_MOST, messages_per_minute=0, messages_per_minute_credential=0)
    ours, theirs = (Actor(place, "smtp", f"smtp of {place}") for place in (_OURS, _THEIRS))
    allowance = Allowance(limits, budgets)
    first = [_refused(lambda: allowance(ours, "a.invalid", 1)) for _ in range(_MOST + 1)]
    waited = [await _waited_refused(allowance, ours, "b.invalid") for _ in range(_MOST + 1)]
    if first != waited or first != [False] * _MOST + [True]:
        return failed(f"messages of one sender domain beyond {_MOST} a minute are let through, or earlier ones are not")
    others = _refused(lambda: allowance(ours, "c.invalid", 1)), _refused(lambda: allowance(theirs, "a.invalid", 1))
    if any(others):
        return failed("the rate of a sender domain is another's too")
    rate = per_minute("smtp-connections", _MOST)
    arrivals = Arrivals(LocalLimiter(lambda: 0.0), at_once=100, at_once_ip=100, rate=rate)
    for one, same, other in (("192.0.2.1", "192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2", "2001:db8:1::1")):
        opened = [_refused(lambda ip=ip: arrivals.opened(ip)) for ip in (one, same, same, other)]  # type: ignore[misc]
        if opened != [False, False, True, False]:
            return failed(f"connections from {one} beyond {_MOST} a minute are let in, or those of others are not")
    few = Arrivals(LocalLimiter(lambda: 0.0), at_once=100, at_once_ip=1, rate=None)
    if _refused(lambda: few.opened("192.0.2.1")) or not _refused(lambda: few.opened("192.0.2.1")):
        return failed("more connections from one source than allowed are open at once")
    return passed(
        f"with {_MOST} a minute the next message of a sender domain and the next connection of a source, an IPv4 "
        "address or a /64, is refused; other domains, workspaces and sources go on"
    )
