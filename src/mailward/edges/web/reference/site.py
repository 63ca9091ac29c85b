"""The routes of the reference, for the web application to mount at the root."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date, timedelta
from functools import cached_property
from importlib import resources
from typing import Any

import minijinja
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.edges.web.auth import Origin
from mailward.edges.web.catalogue import CATALOGUE
from mailward.edges.web.limits import Limiter
from mailward.edges.web.problems import TITLES
from mailward.edges.web.reference import samples
from mailward.edges.web.reference.shown import Json, subjects
from mailward.edges.web.trust.site import HEADERS, Gate, cached, refused

ROOT = "/docs/api"


def _spans(text: str) -> list[tuple[str, bool]]:
    """Text cut at its backticks: (words, whether they stand in code)."""
    return [(part, i % 2 == 1) for i, part in enumerate(text.split("`"))]


def environment(*, css: str) -> minijinja.Environment:
    """What makes these pages: everything they show is escaped. `css` is where their sheet lies."""
    folder = resources.files("mailward.edges.web.reference") / "templates"
    return minijinja.Environment(
        templates={f.name: f.read_text("utf-8") for f in folder.iterdir() if f.name.endswith(".html")},
        auto_escape_callback=lambda name: "html",
        trim_blocks=True,
        lstrip_blocks=True,
        undefined_behavior="strict",
        filters={"spans": _spans},
        globals={"root": ROOT, "css": css},
    )


class Reference:
    """The pages, made once, when somebody first asks: the document does not change while we run."""

    def __init__(self, document: Callable[[], Json], base: str, today: Callable[[], date]) -> None:
        """`base` is the public URL, as it stands in the examples; their times to come are `today`'s tomorrow."""
        self._document, self._base, self._today = document, base.rstrip("/"), today

    @cached_property
    def css(self) -> bytes:
        """The public pages' sheet, and what only these pages need."""
        web = resources.files("mailward.edges.web")
        return (web / "trust" / "public.css").read_bytes() + (web / "reference" / "reference.css").read_bytes()

    @cached_property
    def pages(self) -> dict[str, bytes]:
        """HTML by path."""
        document = self._document()
        env = environment(css=f"{ROOT}/style.css?v={hashlib.sha256(self.css).hexdigest()[:16]}")
        found = subjects(document, self._base)
        menu = [(tag, page["title"]) for tag, page in found.items()]
        codes = [(code, status, TITLES[status], said) for code, (status, said) in sorted(CATALOGUE.items())]

        def made(template: str, here: str, **facts: Any) -> bytes:
            return env.render_template(template, menu=menu, here=here, **facts).encode()

        pages = {f"{ROOT}/{tag}": made("subject.html", tag, page=page) for tag, page in found.items()}
        pages[ROOT] = made("index.html", "", subjects=found, codes=codes, info=document["info"], base=self._base)
        return pages

    async def page(self, request: Request) -> Response:
        """The overview, or a subject's page."""
        body = self.pages.get(request.url.path)
        if body is None:
            return refused(request.scope, f"There is no such page. See {ROOT}.", 404)
        # An example that names a moment has to work on the day it is read.
        tomorrow = (self._today() + timedelta(days=1)).isoformat()
        return cached(request, body.replace(samples.TO_COME.encode(), tomorrow.encode()), "text/html; charset=utf-8")

    async def style(self, _: Request) -> Response:
        """The sheet, named by its content."""
        return Response(self.css, 200, {**HEADERS, "cache-control": "public, max-age=31536000, immutable"}, "text/css")


def routes(
    document: Callable[[], Json], base: str, origin: Origin, limiter: Limiter, today: Callable[[], date]
) -> list[BaseRoute]:
    """Every page behind the gate of the public pages."""
    reference = Reference(document, base, today)
    found: list[BaseRoute] = []
    for path, handler in (
        (ROOT, reference.page),
        (f"{ROOT}/style.css", reference.style),
        (f"{ROOT}/{{subject}}", reference.page),
    ):
        route = Route(path, handler, methods=["GET"])
        route.app = Gate(route.app, origin, limiter, "reference")
        found.append(route)
    return found
