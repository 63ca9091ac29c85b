"""Mailing a workspace's owner that the platform disabled a webhook, through the platform itself.

The message goes out from a verified domain of the workspace like any other: signed, routed,
explained, in the list of messages. Without such a domain, or an owner, it stays with the
dashboard, the API and the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import structlog

from mailward.app.candidate import Candidate
from mailward.app.knowledge import KnownDomain
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import LimitReached, Refused
from mailward.base.ids import WorkspaceId
from mailward.base.sources import Clock, Entropy
from mailward.core.inbound.model import InboundRoute
from mailward.core.submission.model import Idempotency
from mailward.core.webhooks.model import Endpoint
from mailward.policy.access import Actor, Role
from mailward.policy.boundaries import job_actor
from mailward.protocol.message.build import build
from mailward.protocol.message.draft import Draft
from mailward.protocol.message.mailbox import Mailbox

MAILED = "mailed"
NOT_MAILED = "not mailed"
_AT_ONCE = 20

log = structlog.get_logger()


class TurnedOff(NamedTuple):
    """What the platform turned off: a webhook or a route. `disabled_at` is microseconds UTC."""

    kind: str
    id: str
    url: str
    description: str
    reason: str
    disabled_at: int


class OwnerMail:
    """One an installation, run by upkeep. `domains` are those a workspace (raw id) may send from, by name."""

    def __init__(
        self,
        store: Store,
        *,
        domains: Callable[[bytes], Mapping[str, KnownDomain]],
        accept: Callable[[Actor, Candidate], Awaitable[Any]],
        clock: Clock,
        entropy: Entropy,
        public_url: str,
        capture: bool,
    ) -> None:
        self._store = store
        self._domains = domains
        self._accept = accept
        self._clock = clock
        self._entropy = entropy
        self._public_url = public_url
        self._capture = capture

    async def run(self) -> int:
        """Tell whoever is to be told; how many mails. What cannot be sent now is tried at the next run."""
        mailed = 0
        for workspace, endpoint in await self._store.system_read(lambda tx: tx.webhooks.untold(_AT_ONCE)):
            how = await self._tell(workspace, _webhook(endpoint))
            await self._note(workspace, endpoint, how)
            mailed += how == MAILED
        for route in await self._store.system_read(lambda tx: tx.inbound.untold(_AT_ONCE)):
            how = await self._tell(route.workspace, _route(route))
            await self._note_route(route, how)
            mailed += how == MAILED
        return mailed

    async def _note(self, workspace: bytes, endpoint: Endpoint, how: str) -> None:
        await self._store.system_write(lambda tx: tx.webhooks.set_told(workspace, endpoint.id, how))
        name = ids.encode("whk", endpoint.id)
        log.warning("webhook_disabled", webhook=name, why=endpoint.disabled_reason, owner=how)

    async def _note_route(self, route: InboundRoute, how: str) -> None:
        await self._store.system_write(lambda tx: tx.inbound.set_told(route.workspace, route.id, how))
        log.warning("route_disabled", route=ids.encode("rte", route.id), why=route.disabled_reason, owner=how)

    async def _tell(self, workspace: bytes, off: TurnedOff) -> str:
        name = WorkspaceId(ids.encode("ws", workspace))
        members = await self._store.read(name, lambda tx: tx.people.members(name))
        owners = sorted((m for m in members if m.role is Role.MANAGER), key=lambda m: m.joined)
        senders = sorted(d.name for d in self._domains(workspace).values() if self._capture or not d.capture_only)
        if not owners or not senders:
            return NOT_MAILED
        candidate = self._candidate(senders[0], [m.email for m in owners], off)
        try:
            await self._accept(job_actor(name, "owners"), candidate)
        except LimitReached:
            raise  # only for now: the next run tries again
        except Refused as e:
            log.warning("owner_not_mailed", about=off.id, code=e.code)
            return NOT_MAILED
        return MAILED

    def _candidate(self, domain: str, owners: list[str], off: TurnedOff) -> Candidate:
        now = self._clock.now()
        # The host only: the rest of a URL often holds a token.
        host = urlsplit(off.url).hostname or "an endpoint"
        author = Mailbox("Mailward", "mailward", domain)
        to = [Mailbox("", *_split(o)) for o in owners]
        subject = f"A {off.kind} was disabled: {host}"
        # One mail for one disabling, also when the note that it was sent is lost and this is done again.
        key = hashlib.sha256(f"{off.kind}-disabled {off.id} {off.disabled_at}".encode()).digest()
        message_id = f"<{key.hex()[:32]}@{domain}>"
        draft = Draft(
            author=author,
            to=to,
            message_id=message_id,
            date=now,
            subject=subject,
            text=self._text(host, off),
            headers=(("Auto-Submitted", "auto-generated"),),
        )
        return Candidate(
            content=build(draft, self._entropy).content,
            mail_from=author.address,
            recipients=[(m.address, None) for m in to],
            header_from=f"Mailward <{author.address}>",
            from_domain=domain,
            domains=(domain,),
            to=", ".join(m.address for m in to),
            subject=subject,
            message_id=message_id,
            source="api",
            tags=(f"{off.kind}-disabled",),
            idempotency=Idempotency(key, key, 0),
        )

    def _text(self, host: str, off: TurnedOff) -> str:
        at = datetime.fromtimestamp(off.disabled_at / 1e6, UTC)
        about = f" ({off.description})" if off.description else ""
        begin = (
            f"The {off.kind} {off.id}{about} at {host} was disabled on {at:%Y-%m-%d} at {at:%H:%M} UTC, because "
            f"{off.reason}.\n\n"
        )
        if off.kind == "webhook":
            follows = (
                "Nothing is posted to it any more, and events that happen now are not kept for it. When it answers "
                "again, enable it: a test event is posted first, and it has to take that.\n\n"
                f"{self._public_url}/webhooks/{off.id}\n"
            )
        else:
            follows = (
                "Servers that send to its addresses are asked to try again later, which most do for a few days. When "
                "its endpoint answers again, turn it on, and replay what it did not take.\n\n"
                f"{self._public_url}/routes/{off.id}\n"
            )
        return begin + follows


def _webhook(e: Endpoint) -> TurnedOff:
    id = ids.encode("whk", e.id)
    return TurnedOff("webhook", id, e.url, e.description, e.disabled_reason, e.disabled_at or 0)


def _route(r: InboundRoute) -> TurnedOff:
    id = ids.encode("rte", r.id)
    return TurnedOff("route", id, r.url, r.description, r.disabled_reason, r.disabled_at or 0)


def _split(address: str) -> tuple[str, str]:
    local, _, domain = address.rpartition("@")
    return local, domain
