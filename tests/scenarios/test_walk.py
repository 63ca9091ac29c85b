"""The walk over every page visits every page there is: what it has to visit follows from the routes."""

from __future__ import annotations

import re
from typing import Any

from starlette.routing import Route

from mailward.app.checks.doors import _Nothing
from mailward.edges.web.auth import Origin
from mailward.edges.web.dashboard.ports import Surroundings
from mailward.edges.web.dashboard.site import routes as dashboard
from mailward.edges.web.trust.site import routes as public
from tests.scenarios.pages import NO_PAGES, OPERATORS, PAGES, REFUSALS, STRANGERS


def paths(entropy: Any) -> list[str]:
    """What a browser may ask for, as the routes write it."""
    nothing: Any = _Nothing()
    found = dashboard(nothing, Surroundings(), entropy, public=nothing)
    found += public(nothing, "https://mail.example", Origin(), nothing)
    return [r.path for r in found if isinstance(r, Route) and "GET" in (r.methods or ())]


def pattern(path: str) -> re.Pattern[str]:
    """What the route matches; `{id}` of the walk is an id as good as any."""
    return re.compile("".join(".+" if ":path" in p else "[^/]+" if p[0] == "{" else re.escape(p) for p in split(path)))


def split(path: str) -> list[str]:
    return [p for p in re.split(r"(\{[^}]+\})", path) if p]


def first(known: list[str], walked: str) -> str:
    """The route that answers, which is the first that fits."""
    return next((path for path in known if pattern(path).fullmatch(walked)), "")


def test_the_walk_visits_every_page(entropy: Any) -> None:
    """A route that shows a page is walked, with an id where it needs one; what is no page says why it is none."""
    known = paths(entropy)
    walked = {name: path.partition("?")[0] for name, path in (PAGES | STRANGERS | OPERATORS).items()}
    for name, at in {"{followed}": "/report/x", "{report}": "/operator/reports/x"}.items():
        walked = {n: at if path == name else path for n, path in walked.items()}
    visited = {first(known, path) for path in walked.values()}
    assert [path for path in known if path not in visited and path not in NO_PAGES] == []
    assert [path for path in NO_PAGES if path not in known or path in visited] == []
    assert set(REFUSALS) <= set(walked)
