"""INPUT-1, second look: hostile requests to every operation of the running API, and hostile HTML to the sanitiser."""

from __future__ import annotations

import re
from typing import TypeVar

from mailward.app.checks import probe
from mailward.app.checks.keys import nobodys
from mailward.app.checks.probe import NotThere, secret
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.core.evidence.model import Finding, failed, passed
from mailward.edges.web.api import operations
from mailward.edges.web.dashboard.mail_html import sanitise
from mailward.policy.access import Permission

T = TypeVar("T")
_AT_ONCE = 3

# What no operation takes: each must be refused by the schema, and none may be a fault of ours.
HOSTILE_BODIES = (
    b"",
    b"null",
    b"[" * 5000,
    b'{"' + b"a" * 5000 + b'":1}',
    b'{"from":"a@b.c","from":"d@e.f"}',
    b'{"name":"\\ud800"}',
    b"\xff\xfe{}",
    b'{"id":"dom_1","workspace":"ws_1","verified":true,"role":"super_admin"}',
    b'{"grace_hours":1e400}',
    b'{"name":"x\\u0000y\\r\\nBcc: a@b.c"}',
)
HOSTILE_QUERIES = (
    "?cursor=%00",
    "?limit=-1",
    "?limit=9999999999999999999999",
    "?limit=5&limit=6",
    "?no_such_parameter=1",
    "?cursor=%27%20OR%201%3D1--",
)
HOSTILE_HTML = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=https://tracker.invalid/p.gif>",
    "<svg onload=alert(1)><use href='data:x'/></svg>",
    "<a href='javascript:alert(1)'>x</a>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<form action=https://evil.invalid><input name=p></form>",
    "<base href=https://evil.invalid/><meta http-equiv=refresh content='0;url=https://evil.invalid'>",
    '<div style="background:url(https://tracker.invalid/p)">x</div>',
    "<math><mtext><table><mglyph><style><!--</style><img title='--><img src=1 onerror=alert(1)>'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<link rel=stylesheet href=https://evil.invalid/a.css><style>@import 'https://evil.invalid/b.css'</style>",
)
_LIVE = re.compile(
    r"<(?:script|iframe|form|input|base|meta|link|style|svg|object|embed)\b|<[^>]*\s(?:on\w+\s*=|srcdoc)|javascript:"
    r"|<[^>]*(?:src|style|background)\s*=\s*[\"']?[^>\"']*https?:",
    re.IGNORECASE,
)


@check("INPUT-1")
async def hostile_requests_are_refused(context: Context) -> Finding:
    """Every operation is asked with bodies and queries that its schema does not have: each answer is a refusal."""
    asked = 0
    table = [o for o in operations() if isinstance(o.permission, Permission)]
    try:
        async with probe.temporary(context, probe.EVERYTHING) as issued:
            for n, operation in enumerate(table):
                # Each operation gets some of each list, in turn: the questions draw on the workspace's own rate.
                cases: list[tuple[str, bytes | None]] = [(query, None) for query in _some(HOSTILE_QUERIES, n)]
                if operation.takes_body:
                    cases = [("", body) for body in _some(HOSTILE_BODIES, n)] if operation.request is not None else []
                for query, body in cases:
                    heard = await probe.ask(
                        context, operation.method, nobodys(operation) + query, key=secret(issued), body=body
                    )
                    asked += 1
                    if heard.status == 429:
                        continue
                    if not 400 <= heard.status < 500 or not heard.code:
                        return failed(f"{operation.name} answered {heard.status} to {(query or body or b'')[:40]!r}")
    except NotThere as e:
        return failed(str(e))
    for html in HOSTILE_HTML:
        if found := _LIVE.search(sanitise(html)):
            return failed(f"the sanitiser lets through {found[0][:40]!r}")
    return passed(
        f"{asked} hostile requests to {len(table)} operations were refused, each with a code, none with a fault of "
        f"ours; {len(HOSTILE_HTML)} hostile pieces of HTML came out harmless"
    )


def _some(cases: tuple[T, ...], n: int) -> list[T]:
    """Three of a list, others for each `n`, so that all come to all in the end."""
    return [cases[(_AT_ONCE * n + k) % len(cases)] for k in range(_AT_ONCE)]
