"""AUTHZ-1 and AUTHN-9 at the doors of the running platform: pages without a session, and a session held open."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from starlette.routing import Route

from mailward.app.checks import probe
from mailward.app.checks.probe import NotThere, secret
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.identity.model import CredentialKind
from mailward.edges.web.dashboard.ports import Surroundings
from mailward.edges.web.dashboard.site import routes
from mailward.policy.access import PUBLIC

# Ending access may take a second.
_TRIES, _PAUSE = 20, 0.05


class _Nothing:
    """Stands for the platform where pages are listed and none is made."""

    def __getattr__(self, name: str) -> _Nothing:
        return self


@check("AUTHZ-1")
async def no_page_without_a_session(context: Context) -> Finding:
    """Every page and act of the dashboard that is not public, asked by a stranger: each leads to the sign-in."""
    found = [r for r in routes(cast("Any", _Nothing()), Surroundings(), context.entropy) if isinstance(r, Route)]
    closed = [r for r in found if getattr(r.app, "policy", None) is not PUBLIC]
    wrong = []
    try:
        for route in closed:
            for method in sorted((route.methods or set()) - {"HEAD"}):
                path = "/".join("nobody" if part.startswith("{") else part for part in route.path.split("/"))
                heard = await probe.ask(context, method, path, source=probe.fresh_source(context))
                if (heard.status, heard.headers.get("location")) != (303, "/sign-in"):
                    wrong.append(f"{method} {route.path} answered {heard.status}")
    except NotThere as e:
        return failed(str(e))
    if wrong or not closed:
        return failed("; ".join(wrong[:5]) or "there are no pages to ask")
    return passed(f"{len(closed)} pages and acts asked without a session: each leads to the sign-in")


@check("AUTHN-9")
async def an_open_session_ends_with_its_credential(context: Context) -> Finding:
    """Sign in by SMTP, revoke the credential, and go on talking: the next commands are refused within a second."""
    try:
        async with probe.submission(context, probe.fresh_source(context)) as talk:
            async with probe.temporary(context, probe.SENDING, CredentialKind.SMTP) as issued:
                signed_in = await probe.sign_in(talk, issued.credential.username, secret(issued))
                if not signed_in.startswith("235") or not (await talk.say("NOOP")).startswith("250"):
                    return failed("a fresh credential could not be used")
            for _ in range(_TRIES):
                if (heard := await talk.say("NOOP"))[:3] in ("421", ""):
                    return passed("an open SMTP session was ended within a second of its credential's revocation")
                await asyncio.sleep(_PAUSE)
    except NotThere as e:
        return failed(str(e))
    return failed(f"a session went on after its credential was revoked: {heard[:3]}")
