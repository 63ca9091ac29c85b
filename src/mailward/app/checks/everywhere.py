"""AUTHN-9 at every node: a key, a session and an SMTP credential end everywhere within a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from mailward.app.checks import probe
from mailward.app.checks.network import holders
from mailward.app.checks.places import Line, Place, is_near, places, shut, trusting
from mailward.app.checks.probe import NotThere, secret
from mailward.app.checks.registry import check
from mailward.app.checks.somebody import Nobody, Somebody, somebody
from mailward.app.checks.transport import Talk
from mailward.app.context import Context
from mailward.app.settings import split_address
from mailward.core.evidence.model import Finding, failed, not_configured, passed
from mailward.core.identity.credentials import Wish
from mailward.core.identity.model import CredentialKind, Issued
from mailward.policy.access import Role, Scope

WITHIN = 1.0
"""Seconds after which nothing that was taken away may be believed anywhere."""
_PAUSE = 0.02
# Workers share a listening socket; of so many connections each busy worker gets some.
_LINES_EACH, _MOST_LINES = 4, 32
# To another machine all come from one address, and a few refused keys are enough to have it slowed down.
_LINES_BEYOND = 4


@check("AUTHN-9")
async def access_ends_at_every_node(context: Context) -> Finding:
    """A key, a person's session and an SMTP credential are used at every live node over connections that are kept, and
    taken away on this one: each connection is refused within a second."""
    known, unasked = await places(context)
    why = [await asyncio.to_thread(shut, place, context.settings.server.hostname) for place in known]
    found = [place for place, reason in zip(known, why, strict=True) if not reason]
    unasked += filter(None, why)
    if not found:
        return not_configured("; ".join(unasked))
    session = ""
    try:
        wrong, workers = await _end(context, found, person=True)
        if wrong:  # perhaps the machine was busy: the platform is to blame when it is late again
            wrong, workers = await _end(context, found, person=True)
    except Nobody as e:
        session = f"; no session was tried: {e}"
        try:
            wrong, workers = await _end(context, found, person=False)
        except NotThere as e:
            return failed(str(e))
    except NotThere as e:
        return failed(str(e))
    if wrong:
        return failed("; ".join(wrong[:5]))
    what = "a key and an SMTP credential" if session else "a key, a session and an SMTP credential"
    where = "the only node there is" if context.store.nodes() is None else f"{len(found)} of the live nodes"
    told = f"{what} ended within a second at {where}{workers}{session}"
    return not_configured("; ".join([told, *unasked])) if unasked or session else passed(told)


@asynccontextmanager
async def _held_open(context: Context, found: list[Place]) -> AsyncIterator[None]:
    name = context.settings.server.hostname
    each = min(_MOST_LINES, _LINES_EACH * context.settings.workers)
    async with AsyncExitStack() as stack:
        for place in found:
            place.lines, place.talks = [], []
            for _ in range((each if is_near(place) else _LINES_BEYOND) if place.web else 0):
                source = probe.fresh_source(context)
                try:
                    line = await asyncio.to_thread(Line, place.web, name, source)
                except OSError as e:
                    raise NotThere(f"the web door of {place.name} does not answer ({type(e).__name__})") from None
                stack.callback(line.close)
                place.lines.append(line)
            if place.submission:
                source = probe.fresh_source(context)
                host = split_address(place.submission)[0]
                talk = await stack.enter_async_context(
                    probe.submission(context, source, place.submission, trusting(host), name)
                )
                place.talks.append(talk)
        yield


async def _end(context: Context, found: list[Place], *, person: bool) -> tuple[list[str], str]:
    """What went on somewhere, and how many workers of this node were asked, in words."""
    wish = Wish("ends everywhere", frozenset({Scope.READ}), expires=context.clock.now() + timedelta(minutes=2))
    async with _held_open(context, found), AsyncExitStack() as access:
        who: Somebody | None = None
        if person:
            who = await access.enter_async_context(somebody(context, Role.MEMBER, probe.fresh_source(context)))
        key = await access.enter_async_context(probe.temporary(context, wish))
        sending = Wish("ends everywhere", frozenset({Scope.SEND}), expires=wish.expires)
        smtp = await access.enter_async_context(probe.temporary(context, sending, CredentialKind.SMTP))
        asked = _questions(context, found, key, who)
        for what, works in asked:
            try:
                usable = await works()
            except OSError:
                usable = False
            if not usable:
                raise NotThere(f"a fresh {what} could not be used")
        for place in found:
            for talk in place.talks:
                if not (await probe.sign_in(talk, smtp.credential.username, secret(smtp))).startswith("235"):
                    raise NotThere(f"a fresh SMTP credential could not be used at {place.name}")
                asked.append((f"SMTP session at {place.name}", _goes_on(talk)))
        workers = await asyncio.to_thread(_workers, context, found)
        began = context.clock.monotonic()
        await access.aclose()
        late = await asyncio.gather(*(_late(context, works, began) for _, works in asked))
    return sorted(
        {f"still believed: the {what}" for (what, _), is_late in zip(asked, late, strict=True) if is_late}
    ), workers


Works = Callable[[], Awaitable[bool]]


def _questions(context: Context, found: list[Place], key: Issued, who: Somebody | None) -> list[tuple[str, Works]]:
    """Every other line asks with the key, the rest with the session."""

    def with_key(line: Line) -> Works:
        async def works() -> bool:
            status = await asyncio.to_thread(line.ask, "/v1/workspace", {"Authorization": f"Bearer {secret(key)}"})
            return status != 401

        return works

    def with_session(line: Line, cookie: dict[str, str]) -> Works:
        async def works() -> bool:
            # Without a session a page leads to the sign-in.
            return await asyncio.to_thread(line.ask, "/messages", cookie) != 303

        return works

    out: list[tuple[str, Works]] = []
    for place in found:
        for n, line in enumerate(place.lines):
            if who is not None and n % 2:
                out.append((f"session at {place.name}", with_session(line, who.cookie(context))))
            else:
                out.append((f"key at {place.name}", with_key(line)))
    return out


def _goes_on(talk: Talk) -> Works:
    async def works() -> bool:
        return (await talk.say("NOOP"))[:3] not in ("421", "")

    return works


async def _late(context: Context, works: Works, began: float) -> bool:
    """Whether something still worked when its time was over."""
    try:
        while await works():
            if context.clock.monotonic() - began > WITHIN:
                return True
            await asyncio.sleep(_PAUSE)
    except TimeoutError:
        return True
    except OSError:
        return False  # hung up: nothing is answered to it any more
    return False


def _workers(context: Context, found: list[Place]) -> str:
    """How many processes of this machine hold the connections; "" where the system does not show it."""
    pids = holders(context.settings.data, {line.port for place in found for line in place.lines})
    return f", over connections held by {len(pids)} of its {context.settings.workers} workers" if pids else ""
