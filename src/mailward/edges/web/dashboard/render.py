"""Templates to responses: escaping on, security headers on every answer."""

from __future__ import annotations

import json
from contextvars import ContextVar
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import minijinja
from starlette.responses import Response

from mailward.edges.web.problems import Status

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# A message's own HTML: no script, no form, no origin, nothing loaded. `sandbox` holds when it is opened alone, too.
FRAME_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)
SECURITY_HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-dns-prefetch-control": "off",
    # Not no-referrer: under it browsers send `Origin: null` with our own forms. Nothing of it reaches another site.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
    "vary": "Cookie",
}

# The colours a reader chose ("light", "dark", or "" as their system says), for the page made in answer to this request.
THEME: ContextVar[str] = ContextVar("mailward_theme", default="")
THEMES = ("", "light", "dark")

_STATUS_WORDS = {
    "queued": "Waiting",
    "sending": "Sending",
    "partly": "Partly delivered",
    "held": "Held",
    "delivered": "Delivered",
    "bounced": "Bounced",
    "suppressed": "Suppressed",
    "cancelled": "Cancelled",
    "expired": "Expired",
    "discarded": "Test, not sent",
    "scheduled": "Scheduled",
    "deferred": "Deferred",
    "accepted": "Accepted",
    "manual": "Listed by hand",
    "dkim-rsa": "DKIM, RSA key",
    "dkim-ed25519": "DKIM, Ed25519 key",
    "mta-sts": "MTA-STS",
    "tls-rpt": "TLS reports",
    "return-path": "Return path",
    "dkim": "DKIM",
    "spf": "SPF",
    "dmarc": "DMARC",
    "mx": "MX",
}


def _when(value: datetime | None) -> str:
    return value.astimezone(UTC).strftime("%d %b %Y, %H:%M:%S") if value else ""


def _iso(value: datetime | None) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if value else ""


def _clock(value: datetime | None) -> str:
    return value.astimezone(UTC).strftime("%d %b %H:%M:%S") if value else ""


def _epoch(value: datetime) -> int:
    return int(value.timestamp())


def _day(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%d %b %Y")


def _hour(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%d %b, %H:%M")


def _grouped(value: int) -> str:
    """1 234 567 with thin spaces, which no reader takes for a decimal sign."""
    return f"{value:,}".replace(",", "\u2009")


def _took(ms: int | None) -> str:
    """A time in the unit a person would use."""
    if ms is None:
        return "–"
    if ms < 1000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1000:g} s"
    return f"{ms / 60_000:g} min" if ms < 3_600_000 else f"{ms / 3_600_000:g} h"


def _size(value: int) -> str:
    if value < 1024:
        return f"{value} B"
    return f"{value / 1024:.1f} kB" if value < 1024 * 1024 else f"{value / 1024 / 1024:.1f} MB"


def _words(value: str) -> str:
    """`hard_bounce` and `domain.added` as a person says them."""
    kind, colon, detail = value.partition(":")
    if colon and kind in ("suppressed", "held"):
        return f"{_words(kind)}: {_words(detail).lower()}"
    return _STATUS_WORDS.get(value) or value.replace("_", " ").replace(".", " ").strip().capitalize()


# Letters that reorder or hide text would let a subject or file name pass for another.
_INVISIBLE = dict.fromkeys((*range(8234, 8239), *range(8294, 8298), 8206, 8207, 1564), "�")


def _plain(value: str) -> str:
    return value.translate(_INVISIBLE)


class Renderer:
    """The template environment with what every page knows."""

    def __init__(self, **always: Any) -> None:
        folder = resources.files("mailward.edges.web.dashboard") / "templates"
        sources = {item.name: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".html")}
        self.environment = minijinja.Environment(
            templates=sources,
            auto_escape_callback=lambda name: "html",
            trim_blocks=True,
            lstrip_blocks=True,
            undefined_behavior="strict",
            filters={
                "when": _when,
                "iso": _iso,
                "epoch": _epoch,
                "day": _day,
                "hour": _hour,
                "grouped": _grouped,
                "took": _took,
                "clock": _clock,
                "size": _size,
                "words": _words,
                "plain": _plain,
                "as_json": lambda v: json.dumps(v),
            },
            globals=always,
        )

    def text(self, template: str, **facts: Any) -> str:
        """The rendered template."""
        return self.environment.render_template(template, theme=THEME.get(), **facts)

    def page(self, template: str, *, status: int = 200, **facts: Any) -> Response:
        """An HTML answer with the strict headers, and with the seconds to wait where the status knows them."""
        headers = SECURITY_HEADERS
        if isinstance(status, Status) and status.wait:
            headers = {**headers, "retry-after": str(status.wait)}
        return Response(self.text(template, **facts), status, headers, "text/html")


def redirect(path: str) -> Response:
    """After a POST: look at the result with a GET (303). `path` is always one of ours."""
    return Response(b"", 303, {**SECURITY_HEADERS, "location": path})
