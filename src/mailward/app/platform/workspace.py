"""The workspace area of the platform: the tenant, its usage, its feed of events."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from mailward.app.platform import views
from mailward.app.store import Store, Tx
from mailward.base.errors import Invalid
from mailward.base.sources import Clock
from mailward.core.messages.figures import TOOK
from mailward.core.messages.find import Found
from mailward.core.redaction.change import change as change_rules
from mailward.core.requests.model import LEFT_OUT
from mailward.core.workspaces import change
from mailward.core.workspaces.model import Workspace, WorkspaceSettings
from mailward.core.workspaces.retention import Terms, terms
from mailward.edges.web.schema import messages, workspace
from mailward.edges.web.schema import redaction as redaction_types
from mailward.policy import access
from mailward.policy.access import Actor, Permission
from mailward.policy.redaction import FIELDS, Mode, Redaction, Rule

_DAY_SECONDS = 86_400
# Messages a page of events looks at.
_LOOK_AT_MOST = 100
_EVENTS_MOST = 1 << 16


class _Place(NamedTuple):
    """Where a page of events ended: a message, and how many of its oldest events are still to be told."""

    message: bytes
    left: int

    @property
    def text(self) -> str:
        """As a cursor."""
        return base64.urlsafe_b64encode(self.message + min(self.left, _EVENTS_MOST - 1).to_bytes(2, "big")).decode()


class Workspaces:
    """Implements `edges.web.ports.Workspace`."""

    def __init__(self, store: Store, clock: Clock, default: Terms) -> None:
        self._store = store
        self._clock = clock
        self._default = default

    async def get(self, actor: Actor) -> workspace.WorkspaceDetail:
        """Whose key this is."""

        async def verb(tx: Tx) -> tuple[Workspace, bool]:
            return await change.show(tx, actor), any(p.stream == "" for p in await tx.deliveries.pauses())

        found, paused = await self._store.read(actor.workspace, verb)
        return workspace.WorkspaceDetail(
            id=found.id, name=found.name, status="paused" if paused else "active", created_at=found.created
        )

    async def retention(self, actor: Actor) -> workspace.Retention:
        """The terms in force, and where they come from."""
        return self._terms(await self._store.read(actor.workspace, lambda tx: change.show(tx, actor)))

    async def revokes_leaked(self, actor: Actor) -> bool:
        """What happens with a key that somebody reports."""
        found = await self._store.read(actor.workspace, lambda tx: change.show(tx, actor))
        return found.settings.revoke_leaked

    async def change_leak_response(self, actor: Actor, revoke: bool) -> None:
        """Revoke it at once, or warn."""
        now = self._clock.now()
        await self._store.write(actor.workspace, lambda tx: change.change_leak_response(tx, actor, revoke, now=now))

    async def change_retention(self, actor: Actor, request: workspace.ChangeRetention) -> workspace.Retention:
        """Other terms; fields left out stay."""
        given = {k: v for k in ("messages_days", "content_days") if (v := getattr(request, k)) is not UNSET}
        now = self._clock.now()

        def wanted(settings: WorkspaceSettings) -> WorkspaceSettings:
            return replace(settings, **given)

        changed = await self._store.write(
            actor.workspace, lambda tx: change.change_retention(tx, actor, wanted, self._default, now=now)
        )
        return self._terms(changed)

    async def redaction(self, actor: Actor) -> redaction_types.Redaction:
        """What of its mail it does not want stored."""
        found = await self._store.read(actor.workspace, lambda tx: change.show(tx, actor))
        return _rules(found.settings.redaction)

    async def change_redaction(
        self, actor: Actor, request: redaction_types.ChangeRedaction
    ) -> redaction_types.Redaction:
        """Other rules; fields left out stay."""
        given = {f: Rule(Mode(r.mode), r.after_hours) for f in FIELDS if (r := getattr(request, f)) is not UNSET}
        now = self._clock.now()

        def wanted(rules: Redaction) -> Redaction:
            return replace(rules, **given)

        return _rules(await self._store.write(actor.workspace, lambda tx: change_rules(tx, actor, wanted, now=now)))

    def _terms(self, found: Workspace) -> workspace.Retention:
        own, kept = found.settings, terms(found.settings, self._default)
        return workspace.Retention(
            messages_days=kept.messages_days,
            content_days=kept.content_days,
            own_messages_days=own.messages_days,
            own_content_days=own.content_days,
            default_messages_days=self._default.messages_days,
            default_content_days=self._default.content_days,
        )

    async def usage(self, actor: Actor, query: workspace.UsageQuery) -> workspace.Usage:
        """Counts by UTC day, oldest first; days without any are left out."""
        access.require(actor, Permission.WORKSPACE_READ)
        first = int(self._clock.now().timestamp()) // _DAY_SECONDS - query.days + 1
        rows = await self._store.read(actor.workspace, lambda tx: tx.messages.usage(first))
        days: dict[int, dict[str, int]] = {}
        for day, what, n in rows:
            if not what.startswith(TOOK) and what != LEFT_OUT:
                days.setdefault(day, {})[what] = n
        return workspace.Usage(
            data=[workspace.UsageDay(date=_date(day), counts=counts) for day, counts in sorted(days.items())]
        )

    async def events(self, actor: Actor, query: workspace.EventQuery) -> messages.EventPage:
        """Events grouped by message, the newest message first. A page may be short when a type is rare: go on."""
        access.require(actor, Permission.MESSAGE_READ)
        place = _place(query.cursor)
        since, until = _us(query.since), _us(query.until)

        async def verb(tx: Tx) -> tuple[list[messages.Event], _Place | None]:
            # The message the last page ended in comes again: its older events are still to be told.
            before = _after(place.message) if place is not None else None
            page = await tx.messages.page(before=before, limit=_LOOK_AT_MOST, since=since, until=until)
            copies = await tx.deliveries.of([m.id for m in page])
            events: list[messages.Event] = []
            for m in page:
                attempts, timeline = await tx.deliveries.attempts(m.id), await tx.messages.timeline(m.id)
                told = views.events(Found(m, copies.get(m.id, [])), attempts, timeline)
                left = place.left if place is not None and place.message == m.id else len(told)
                while left:
                    if len(events) == query.limit:
                        return events, _Place(m.id, left)
                    left -= 1
                    if query.type is None or told[left].type == query.type:
                        events.append(told[left])
            return events, _Place(page[-1].id, 0) if len(page) == _LOOK_AT_MOST else None

        events, next = await self._store.read(actor.workspace, verb)
        return messages.EventPage(data=events, next_cursor=next.text if next is not None else None)


def _rules(rules: Redaction) -> redaction_types.Redaction:
    def shown(rule: Rule) -> redaction_types.FieldRule:
        return redaction_types.FieldRule(mode=rule.mode.value, after_hours=rule.after_hours)

    return redaction_types.Redaction(
        subject=shown(rules.subject), addresses=shown(rules.addresses), ip=shown(rules.ip), body=shown(rules.body)
    )


def _date(day: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()


def _us(moment: datetime | None) -> int | None:
    """Ids begin with the time since 1970: before that there is nothing."""
    return max(0, int(moment.timestamp() * 1e6)) if moment is not None else None


def _after(message: bytes) -> bytes:
    return min(int.from_bytes(message, "big") + 1, (1 << 128) - 1).to_bytes(16, "big")


def _place(text: str | None) -> _Place | None:
    if text is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(text)
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != 18:
        raise Invalid("invalid_cursor", "This cursor is not one of ours; start again without it.", field="cursor")
    return _Place(raw[:16], int.from_bytes(raw[16:], "big"))
