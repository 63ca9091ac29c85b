"""AUTHN-9 at every node: a key, a session and an SMTP credential end everywhere within a second."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec

from mailward.app.checks import probe
from mailward.app.checks.network import holders
from mailward.app.checks.probe import NotThere, secret
from mailward.app.checks.registry import check
from mailward.app.checks.somebody import Nobody, Somebody, somebody
from mailward.app.checks.transport import Talk, lenient
from mailward.app.context import Context
from mailward.app.nodes import http_door, submission_door
from mailward.app.settings import is_loopback, split_address
from mailward.core.evidence.model import Finding, failed, not_configured, passed
from mailward.core.identity.credentials import Wish
from mailward.core.identity.model import CredentialKind, Issued
from mailward.policy.access import Role, Scope

WITHIN = 1.0
"""Seconds after which nothing that was taken away may be believed anywhere."""
_PAUSE = 0.02
# Workers share a listening socket; of so many connections each busy worker gets some.
_LINES_EACH, _MOST_LINES = 4, 32
_SECONDS = 10.0


@dataclass(slots=True)
class Place:
    """A node as it is asked: its doors, and what is held open there."""

    name: str
    web: str
    submission: str
    lines: list[Line] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)


class Line:
    """One connection to the web door of a node, kept open, so that it is one worker that is asked again."""

    def __init__(self, url: str, name: str, source: str) -> None:
        """`name` is what the certificate of a door beyond loopback has to vouch for. OSError when nobody answers."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 0
        local = (source, 0) if host.startswith("127.") else None
        self._http = http.client.HTTPConnection(host, port, timeout=_SECONDS, source_address=local)
        self._http.auto_open = 0
        self._http.connect()
        self.port: int = self._http.sock.getsockname()[1]
        if parts.scheme == "https":
            self._http.sock = trusting(host).wrap_socket(self._http.sock, server_hostname=name or host)

    def ask(self, path: str, headers: dict[str, str]) -> int:
        """The status of an answer; the connection stays. OSError when it ended."""
        try:
            self._http.request("GET", path, headers=headers)
            answer = self._http.getresponse()
            answer.read()
        except http.client.HTTPException as e:
            raise ConnectionError(type(e).__name__) from e
        return answer.status

    def close(self) -> None:
        """Hang up."""
        self._http.close()


def trusting(host: str) -> ssl.SSLContext:
    """On loopback any certificate will do; elsewhere a credential is shown only to whom the system's authorities know.

    (The credential is worth nothing a moment later, but it is a live one when it is shown.)
    """
    return lenient() if is_loopback(host) else ssl.create_default_context()


async def places(context: Context) -> tuple[list[Place], list[str]]:
    """The nodes that can be asked, and why others cannot."""
    nodes = context.store.nodes()
    if nodes is None:
        settings = context.settings
        storage = msgspec.structs.replace(settings.storage, address="127.0.0.1")
        settings = msgspec.structs.replace(settings, storage=storage)
        here = Place("this one", http_door(settings), submission_door(settings))
        return ([here], []) if here.web or here.submission else ([], ["this node has no door"])
    found, unasked = [], []
    alive = [n for n in await nodes.known() if n.state in ("up", "draining")]
    doors = [door for n in alive for door in (n.http, n.submission) if door]
    for n in alive:
        if not {"web", "submission"} & set(n.roles):
            continue  # nobody shows a credential there
        web, submission = (n.http if "web" in n.roles else ""), (n.submission if "submission" in n.roles else "")
        if not web and not submission:
            unasked.append(f"node {n.node} does not say where it is reached (storage.address)")
        elif any(doors.count(door) > 1 for door in (web, submission) if door):
            unasked.append(f"node {n.node} is reached where another is, as they say (storage.address)")
        else:
            found.append(Place(f"node {n.node}", web, submission))
    return found, unasked


@check("AUTHN-9")
async def access_ends_at_every_node(context: Context) -> Finding:
    """A key, a person's session and an SMTP credential are used at every live node over connections that are kept, and
    taken away on this one: each connection is refused within a second."""
    found, unasked = await places(context)
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
            for _ in range(each if place.web else 0):
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
            who = await access.enter_async_context(somebody(context, Role.MEMBER, "127.0.0.1"))
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
    except OSError:
        return False  # hung up: nothing is answered to it any more
    return False


def _workers(context: Context, found: list[Place]) -> str:
    """How many processes of this machine hold the connections; "" where the system does not show it."""
    pids = holders(context.settings.data, {line.port for place in found for line in place.lines})
    return f", over connections held by {len(pids)} of its {context.settings.workers} workers" if pids else ""
