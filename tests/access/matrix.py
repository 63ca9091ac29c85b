"""What the access matrix is made of: whoever may hold permissions, and whatever may be asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from starlette.routing import BaseRoute, Route

from mailward.base.errors import NotFound
from mailward.edges.web import app
from mailward.edges.web.dashboard.ports import Surroundings
from mailward.edges.web.dashboard.site import routes
from mailward.edges.web.routes import Operation
from mailward.policy.access import ROLE_PERMISSIONS, SCOPE_PERMISSIONS, Permission, Policy, Public, Role
from tests.conftest import SeededEntropy
from tests.edges.web.dashboard.fake import FakePlatform
from tests.edges.web.fake_platform import FakeReadiness

CUSTOM: dict[str, frozenset[Permission]] = {
    "nothing": frozenset(),
    "only looks at the log": frozenset({Permission.AUDIT_READ}),
    "sends and reads": frozenset({Permission.MESSAGE_SEND, Permission.MESSAGE_READ}),
}
"""Roles a workspace made itself, as examples: one of each size."""


def holders() -> dict[str, frozenset[Permission]]:
    """Everybody who can stand before a boundary, by name: each role, each scope of a key, roles of one's own."""
    found = {f"role {role.value}": held for role, held in ROLE_PERMISSIONS.items() if role is not Role.CUSTOM}
    found |= {f"key {scope.value}": held for scope, held in SCOPE_PERMISSIONS.items()}
    return found | {f"custom {name}": held for name, held in CUSTOM.items()}


class Nowhere:
    """A platform in which every question is let through and finds nothing: what comes back is not a refusal."""

    def __getattr__(self, name: str) -> Any:
        return Nowhere()

    async def __call__(self, *given: Any, **named: Any) -> Any:
        raise NotFound("not_found", "The question came through.")


@cache
def operations() -> tuple[Operation, ...]:
    """Everything the API and the public part serve."""
    return tuple(app.table(FakeReadiness()))


@dataclass(frozen=True, slots=True)
class Page:
    """A route of the dashboard."""

    method: str
    path: str
    policy: Policy


def pages_of(found: Iterable[BaseRoute]) -> list[Page]:
    """Routes of the dashboard with the policy each carries."""
    made = []
    for route in found:
        assert isinstance(route, Route)
        policy = getattr(route.app, "policy", None)
        assert isinstance(policy, Policy), route.path
        made += [Page(method, route.path, policy) for method in sorted((route.methods or set()) - {"HEAD"})]
    return made


def pages() -> list[Page]:
    """Every route of the dashboard."""
    there: Any = FakePlatform()
    return pages_of(routes(there, Surroundings(), SeededEntropy()))


def word(policy: Policy) -> str:
    """A policy as the table of the documentation names it."""
    return "anyone" if isinstance(policy, Public) else policy.value
