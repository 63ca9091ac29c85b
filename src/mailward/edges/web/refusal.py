"""A refusal as a page, for whoever follows a link in a browser. Programs get the problem document (RFC 9457)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from html import escape
from importlib import resources

CSP = "default-src 'none'; style-src 'self'; img-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
_NEITHER = ("/v1/", "/openapi.json", "/.well-known/")
_WAYS = (("/", "Dashboard"), ("/docs/api", "API reference"), ("/status", "Status"), ("/trust", "Security"))


def wants_page(method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a person is likely to look at the answer: a browser names HTML first in Accept. Never in the API."""
    if method not in ("GET", "HEAD", "POST") or path.startswith(_NEITHER):
        return False
    accepted = next((value for name, value in headers if name == b"accept"), b"")
    return accepted.split(b",")[0].split(b";")[0].strip().lower() in (b"text/html", b"application/xhtml+xml")


def page(title: str, text: str, request_id: str = "") -> bytes:
    """The page: what happened, ways on, and what to quote. Nothing in it runs or is loaded from elsewhere."""
    ways = "".join(f'<li><a href="{path}">{words}</a></li>' for path, words in _WAYS)
    quote = f'<p class="soft">Request <code>{escape(request_id)}</code></p>' if request_id else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)} · Mailward</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/public/style.css?v={_version()}">
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top"><b>Mailward</b><nav aria-label="Pages"><ul>{ways}</ul></nav></header>
<main id="main">
<h1>{escape(title)}</h1>
<p>{escape(text)}</p>
{quote}</main>
</body>
</html>
""".encode()


@cache
def _version() -> str:
    sheet = (resources.files("mailward.edges.web.trust") / "public.css").read_bytes()
    return hashlib.sha256(sheet).hexdigest()[:16]
