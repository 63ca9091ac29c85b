"""Mailing a workspace's owner that the platform disabled a webhook, through the platform itself.

The message goes out from a verified domain of the workspace like any other: signed, routed,
explained, in the list of messages. Without such a domain, or an owner, it stays with the
dashboard, the API and the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import structlog

from mailward.app.knowledge import KnownDomain
from mailward.app.platform.acceptance import Candidate
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import LimitReached, Refused
from mailward.base.ids import WorkspaceId
from mailward.base.sources import Clock, Entropy
from mailward.core.submission.model import Idempotency
from mailward.core.webhooks.model import Endpoint
from mailward.policy.access import Actor, Permission, Role
from mailward.protocol.message.build import build
from mailward.protocol.message.draft import Draft
from mailward.protocol.message.mailbox import Mailbox

MAILED = "mailed"
NOT_MAILED = "not mailed"
_AT_ONCE = 20

log = structlog.get_logger()


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
            how = await self._tell(workspace, endpoint)
            await self._note(workspace, endpoint, how)
            mailed += how == MAILED
        return mailed

    async def _note(self, workspace: bytes, endpoint: Endpoint, how: str) -> None:
        await self._store.system_write(lambda tx: tx.webhooks.set_told(workspace, endpoint.id, how))
        name = ids.encode("whk", endpoint.id)
        log.warning("webhook_disabled", webhook=name, why=endpoint.disabled_reason, owner=how)

    async def _tell(self, workspace: bytes, endpoint: Endpoint) -> str:
        name = WorkspaceId(ids.encode("ws", workspace))
        members = await self._store.read(name, lambda tx: tx.people.members(name))
        owners = sorted((m for m in members if m.role is Role.MANAGER), key=lambda m: m.joined)
        senders = sorted(d.name for d in self._domains(workspace).values() if self._capture or not d.capture_only)
        if not owners or not senders:
            return NOT_MAILED
        candidate = self._candidate(senders[0], [m.email for m in owners], endpoint)
        try:
            await self._accept(Actor(name, "system", "webhooks", frozenset({Permission.MESSAGE_SEND})), candidate)
        except LimitReached:
            raise  # only for now: the next run tries again
        except Refused as e:
            log.warning("owner_not_mailed", webhook=ids.encode("whk", endpoint.id), code=e.code)
            return NOT_MAILED
        return MAILED

    def _candidate(self, domain: str, owners: list[str], endpoint: Endpoint) -> Candidate:
        now = self._clock.now()
        id = ids.encode("whk", endpoint.id)
        # The host only: the rest of a webhook's URL often holds a token.
        host = urlsplit(endpoint.url).hostname or "an endpoint"
        author = Mailbox("Mailward", "mailward", domain)
        to = [Mailbox("", *_split(o)) for o in owners]
        subject = f"A webhook was disabled: {host}"
        # One mail for one disabling, also when the note that it was sent is lost and this is done again.
        key = hashlib.sha256(f"webhook-disabled {id} {endpoint.disabled_at}".encode()).digest()
        message_id = f"<{key.hex()[:32]}@{domain}>"
        draft = Draft(
            author=author,
            to=to,
            message_id=message_id,
            date=now,
            subject=subject,
            text=self._text(id, host, endpoint),
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
            tags=("webhook-disabled",),
            idempotency=Idempotency(key, key, 0),
        )

    def _text(self, id: str, host: str, endpoint: Endpoint) -> str:
        at = datetime.fromtimestamp((endpoint.disabled_at or 0) / 1e6, UTC)
        about = f" ({endpoint.description})" if endpoint.description else ""
        return (
            f"The webhook {id}{about} at {host} was disabled on {at:%Y-%m-%d} at {at:%H:%M} UTC, because "
            f"{endpoint.disabled_reason}.\n\n"
            "Nothing is posted to it any more, and events that happen now are not kept for it. When it answers "
            "again, enable it: a test event is posted first, and it has to take that.\n\n"
            f"{self._public_url}/webhooks/{id}\n"
        )


def _split(address: str) -> tuple[str, str]:
    local, _, domain = address.rpartition("@")
    return local, domain
