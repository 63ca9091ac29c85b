"""The menu shows what opens."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.routing import Route

from mailward.app.checks.doors import _Nothing
from mailward.edges.web.dashboard.menu import MENU, OPERATOR, menu
from mailward.edges.web.dashboard.ports import Surroundings
from mailward.edges.web.dashboard.site import Private, routes
from mailward.policy.access import OWN, ROLE_PERMISSIONS, Permission, Role


def policies(entropy: Any) -> dict[str, Any]:
    """What each page demands."""
    nothing: Any = _Nothing()
    found = routes(nothing, Surroundings(), entropy, public=nothing)
    shown = [r for r in found if isinstance(r, Route) and "GET" in (r.methods or ())]
    return {r.path: r.app.policy for r in shown if isinstance(r.app, Private)}


def test_a_line_is_shown_to_whoever_may_open_it(entropy: Any) -> None:
    """Each line asks for the permission that its page asks for."""
    demanded = policies(entropy)
    lines = [entry for group in (*MENU, OPERATOR) for entry in group.entries]
    assert {e.path: e.needs or OWN for e in lines} == {e.path: demanded[e.path] for e in lines}


@pytest.mark.parametrize(
    ("role", "path", "there"),
    [
        (Role.MANAGER, "/team", True),
        (Role.MEMBER, "/team", False),
        (Role.MEMBER, "/audit", False),
        (Role.MEMBER, "/messages", True),
        (Role.MANAGER, "/operator", False),
    ],
)
def test_roles_see_their_own_lines(role: Role, path: str, there: bool) -> None:
    """A Member is not led to the team or the audit log; a manager is no operator."""
    paths = {e.path for g in menu(ROLE_PERMISSIONS[role], operator=False) for e in g.entries}
    assert (path in paths) is there


def test_an_operator_has_a_group_of_lines_and_empty_groups_go() -> None:
    """Who runs the installation finds its pages; a heading without a line is not shown."""
    assert [g.heading for g in menu({Permission.MESSAGE_READ}, operator=True)] == ["", "Sending", "You", "Installation"]
