"""The inbound area of the platform: routes, received messages, and handing over again."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from mailward.adapters.storage.records import BodyRef
from mailward.app.bodies import Bodies
from mailward.app.platform import views
from mailward.app.platform.messages import structure_view
from mailward.app.platform.pages import checked
from mailward.app.retention import overwrite
from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import NotFound, Unavailable
from mailward.base.sources import Clock, Entropy
from mailward.core.inbound import expire, look, quarantine, replay, routes
from mailward.core.inbound.holder import require_held
from mailward.core.inbound.model import (
    Attachments,
    Copy,
    CopyState,
    InboundRoute,
    Mode,
    OnScannerDown,
    Progress,
    Received,
    RouteFormat,
    Signature,
)
from mailward.core.inbound.ports import Files
from mailward.core.inbound.routes import Allowed, RouteDraft, Shown
from mailward.core.webhooks.endpoints import Reach
from mailward.edges.web.schema import inbound as schema
from mailward.edges.web.schema import messages as message_schema
from mailward.edges.web.schema.common import PageQuery
from mailward.policy import access
from mailward.policy.access import Actor, Permission
from mailward.policy.inbound_routes import MatchKind
from mailward.protocol.inbound import own

T = TypeVar("T")

_ENUMS: dict[str, Callable[[str], Any]] = {
    "kind": MatchKind,
    "format": RouteFormat,
    "mode": Mode,
    "on_scanner_down": OnScannerDown,
    "attachments": Attachments,
    "signature": Signature,
}


class Inbound:
    """Implements `edges.web.ports.Inbound`. `seal` keeps secrets; `wake` rouses the courier, `files` keeps files."""

    def __init__(
        self,
        store: Store,
        bodies: Bodies,
        clock: Clock,
        entropy: Entropy,
        seal: Callable[[str, bytes], bytes],
        *,
        wake: Callable[[], None],
        files: Files | None,
        reach: Reach,
    ) -> None:
        self._store = store
        self._bodies = bodies
        self._clock = clock
        self._entropy = entropy
        self._seal = seal
        self._wake = wake
        self._files = files
        self._allowed = Allowed(stored=files is not None, reach=reach)

    # -- routes ----------------------------------------------------------------------------------

    async def create_route(self, actor: Actor, request: schema.CreateRoute) -> schema.NewRoute:
        """A new route with its secret."""
        given = {k: _ENUMS[k](v) if k in _ENUMS else v for k, v in msgspec.structs.asdict(request).items()}
        access.require(actor, Permission.INBOUND_CHANGE)

        async def verb(tx: Tx) -> tuple[InboundRoute, Shown]:
            domain = await require_held(tx, given.pop("domain"))
            draft = RouteDraft(domain=domain, **given)
            return await routes.add_route(
                tx,
                actor,
                draft,
                allowed=self._allowed,
                seal=partial(self._seal, actor.workspace),
                now=self._clock.now(),
                entropy=self._entropy,
            )

        return _new(*await self._store.write(actor.workspace, verb))

    async def routes(self, actor: Actor, query: PageQuery) -> schema.RoutePage:
        """Newest first."""
        checked(query.cursor, "rte")
        found = await self._read(actor, lambda tx: routes.page(tx, actor, cursor=query.cursor, limit=query.limit + 1))
        shown = found[: query.limit]
        more = ids.encode("rte", shown[-1].id) if len(found) > query.limit else None
        return schema.RoutePage(data=[schema.Route(**_route(r)) for r in shown], next_cursor=more)

    async def route(self, actor: Actor, route: str) -> schema.Route:
        """One route."""
        return schema.Route(**_route(await self._read(actor, lambda tx: routes.find(tx, actor, route))))

    async def change_route(self, actor: Actor, route: str, request: schema.ChangeRoute) -> schema.Route:
        """Change what is given."""
        given = {f: getattr(request, f) for f in request.__struct_fields__}
        changes = {k: _ENUMS[k](v) if k in _ENUMS else v for k, v in given.items() if v is not UNSET}
        changed = await self._store.write(
            actor.workspace,
            lambda tx: routes.change_route(
                tx,
                actor,
                route,
                changes,
                allowed=self._allowed,
                seal=partial(self._seal, actor.workspace),
                now=self._clock.now(),
            ),
        )
        return schema.Route(**_route(changed))

    async def remove_route(self, actor: Actor, route: str) -> None:
        """Remove a route."""
        now = self._clock.now()
        await self._store.write(actor.workspace, lambda tx: routes.remove_route(tx, actor, route, now=now))

    async def rotate_secret(self, actor: Actor, route: str) -> schema.NewRoute:
        """A new secret; for a day the old one signs beside it."""
        seal, now = partial(self._seal, actor.workspace), self._clock.now()
        found, shown = await self._store.write(
            actor.workspace,
            lambda tx: routes.rotate_secret(tx, actor, route, seal=seal, now=now, entropy=self._entropy),
        )
        return _new(found, shown)

    async def replay_range(self, actor: Actor, route: str, request: schema.ReplayRange) -> schema.InboundReplay:
        """Hand over again what a route received."""
        now = self._clock.now()
        started = await self._store.write(
            actor.workspace,
            lambda tx: replay.replay_range(
                tx,
                actor,
                route,
                since=request.since,
                until=request.until,
                failed_only=request.only == "failed",
                now=now,
                entropy=self._entropy,
            ),
        )
        self._wake()
        return _replay(started)

    async def replay_progress(self, actor: Actor, route: str, replay_id: str) -> schema.InboundReplay:
        """How far one is."""
        return _replay(await self._read(actor, lambda tx: replay.progress(tx, actor, route, replay_id)))

    # -- messages --------------------------------------------------------------------------------

    async def find(self, actor: Actor, query: schema.ReceivedQuery) -> schema.ReceivedPage:
        """Newest first."""
        cursor = checked(query.cursor, "rcv")
        state = None if query.state is None else CopyState[query.state.upper()]
        page = await self._read(
            actor,
            lambda tx: look.page(tx, actor, route=query.route, state=state, cursor=cursor, limit=query.limit),
        )
        more = ids.encode("rcv", page.next) if page.next else None
        return schema.ReceivedPage(
            data=[schema.ReceivedSummary(**_summary(m, c)) for m, c in page.messages], next_cursor=more
        )

    async def get(self, actor: Actor, message: str) -> schema.ReceivedDetail:
        """One message."""
        found, copies = await self._read(actor, lambda tx: look.one(tx, actor, message))
        f = found.facts
        return schema.ReceivedDetail(
            **_summary(found, copies),
            to=f.to,
            helo=f.helo,
            tls_cipher=f.tls_cipher or None,
            sha256=f.sha256,
            content_kept=found.body is not None and "body" not in f.redacted,
            redacted=f.redacted,
            authentication=own.authentication(f),
            scan_report=own.scan(f),
            defects=list(f.defects),
            processing_ms=f.took_us / 1000,
        )

    async def attempts(self, actor: Actor, message: str, query: PageQuery) -> schema.HandOverPage:
        """What each try met, newest first."""
        cursor = checked(query.cursor, "att")
        page = await self._read(actor, lambda tx: look.attempts(tx, actor, message, cursor=cursor, limit=query.limit))
        more = ids.encode("att", page.next) if page.next else None
        shown = [
            schema.HandOverAttempt(
                id=ids.encode("att", a.id),
                route=ids.encode("rte", a.route),
                at=views.at(a.at),
                number=a.number,
                outcome=a.outcome,
                status=a.status or None,
                elapsed_ms=a.elapsed_ms,
                response=a.response,
                next_try_at=views.at(a.next_due) if a.next_due else None,
            )
            for a in page.attempts
        ]
        return schema.HandOverPage(data=shown, next_cursor=more)

    async def raw(self, actor: Actor, message: str) -> bytes:
        """The octets as they came. Reading content is audited."""
        access.require(actor, Permission.MESSAGE_CONTENT)
        raw_id = ids.decode("rcv", message)
        now = self._clock.now()

        async def verb(tx: Tx) -> BodyRef:
            found = await tx.inbound.received(raw_id)
            if found is None:
                raise NotFound("not_found", "There is no received message with that id.")
            if "body" in found.facts.redacted:
                text = "The content of this message is not stored: the workspace redacts it."
                raise NotFound("message_redacted", text)
            if found.body is None:
                raise NotFound("content_gone", "The content of this message is no longer kept.")
            await tx.audit.append(actor, "message.content_read", message, {}, now=now)
            return BodyRef(*found.body)

        ref = await self._store.write(actor.workspace, verb)
        return await self._bodies.read(ids.decode("ws", actor.workspace), raw_id, ref, reader=actor)

    async def content(self, actor: Actor, message: str) -> message_schema.Content:
        """Text, sanitised HTML and the list of attachments."""
        return structure_view(await self.raw(actor, message))

    async def replay(self, actor: Actor, message: str, request: schema.ReplayMessage) -> schema.Started:
        """Hand one message over again."""
        now = self._clock.now()
        found = await self._store.read(actor.workspace, lambda tx: tx.inbound.received(ids.decode("rcv", message)))
        if found is not None and found.facts.redacted:
            what = " and ".join(found.facts.redacted)
            raise NotFound("message_redacted", f"This message cannot be handed over again: its {what} are not stored.")
        copies = await self._store.write(
            actor.workspace,
            lambda tx: replay.replay_message(tx, actor, message, route=request.route, now=now, entropy=self._entropy),
        )
        self._wake()
        return schema.Started(copies=copies)

    async def release(self, actor: Actor, message: str) -> schema.Started:
        """Hand over what waits in quarantine."""
        now = self._clock.now()
        copies = await self._store.write(actor.workspace, lambda tx: quarantine.release(tx, actor, message, now=now))
        self._wake()
        return schema.Started(copies=copies)

    async def discard(self, actor: Actor, message: str) -> schema.Started:
        """Never hand it over."""
        now = self._clock.now()
        copies = await self._store.write(actor.workspace, lambda tx: quarantine.discard(tx, actor, message, now=now))
        return schema.Started(copies=copies)

    async def erase(self, actor: Actor, message: str) -> None:
        """Remove it and overwrite its content. Should that fail now, upkeep goes on until it is done."""
        now = self._clock.now()
        raw, body = await self._store.write(actor.workspace, lambda tx: expire.erase_one(tx, actor, message, now=now))
        workspace = ids.decode("ws", actor.workspace)
        if self._files is not None:
            with contextlib.suppress(Unavailable):
                await self._files.remove(workspace, raw)
        if body is not None:
            with contextlib.suppress(Unavailable, OSError):
                await overwrite(self._store, workspace, raw, body)

    async def _read(self, actor: Actor, verb: Callable[[Tx], Awaitable[T]]) -> T:
        return await self._store.read(actor.workspace, verb)


def _route(r: InboundRoute) -> dict[str, Any]:
    return {
        "id": ids.encode("rte", r.id),
        "domain": r.domain,
        "kind": r.kind.value,
        "pattern": r.pattern,
        "url": r.url,
        "with_credentials": bool(r.credentials),
        "format": r.format.value,
        "mode": r.mode.value,
        "authorize_url": r.authorize_url,
        "require_tls": r.require_tls,
        "on_scanner_down": r.on_scanner_down.value,
        "attachments": r.attachments.value,
        "signature": r.signature.value,
        "description": r.description,
        "enabled": r.enabled,
        "created_at": views.at(r.created),
        "disabled_reason": r.disabled_reason or None,
        "disabled_at": None if r.disabled_at is None else views.at(r.disabled_at),
        "failing_since": None if r.failing_since is None else views.at(r.failing_since),
    }


def _new(route: InboundRoute, shown: Shown) -> schema.NewRoute:
    return schema.NewRoute(**_route(route), secret=shown.secret.reveal(), public_key=shown.public_key or None)


def _summary(m: Received, copies: list[Copy]) -> dict[str, Any]:
    f = m.facts
    dkim = [s.result for s in f.dkim]
    return {
        "id": ids.encode("rcv", m.id),
        "received_at": views.at(m.at),
        "mail_from": f.mail_from,
        "recipients": list(f.recipients),
        "from_": f.header_from,
        "subject": f.subject,
        "message_id": f.message_id,
        "size": f.size,
        "remote_ip": f.ip,
        "tls_version": f.tls_version or None,
        "spf": f.spf.result,
        "dkim": "pass" if "pass" in dkim else dkim[0] if dkim else "none",
        "dmarc": f.dmarc.result,
        "scan": f.scan.verdict,
        "reason": m.reason or None,
        "copies": [
            schema.Copy(
                route=ids.encode("rte", c.route),
                state=c.state.name.lower(),  # type: ignore[arg-type]  # the published words are the names
                attempts=c.attempts,
                next_try_at=None if c.due is None else views.at(c.due),
            )
            for c in copies
        ],
    }


def _replay(p: Progress) -> schema.InboundReplay:
    r, counts = p.replay, p.counts
    return schema.InboundReplay(
        id=ids.encode("rpl", r.id),
        route=ids.encode("rte", r.route),
        since=views.at(r.since),
        until=views.at(r.until),
        only="failed" if r.only_failed else "all",
        total=r.total,
        waiting=counts.get(CopyState.RECEIVED, 0),
        handed_over=counts.get(CopyState.HANDED_OVER, 0),
        failed=counts.get(CopyState.FAILED, 0) + counts.get(CopyState.EXPIRED, 0),
        finished=p.finished,
        more=r.more,
    )
