"""One run of retention over every workspace, in steps short enough that accepting does not notice.

The order matters: content is let go, then rows whose time is over, then the data keys of days
that nothing needs any more. Everything a run decides is read from the store, so a run that was
killed is simply followed by the next. Files are the store's own housekeeping (`Store.chores`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from mailward.adapters.storage.records import BodyRef
from mailward.app.settings import Settings
from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.core.inbound import expire as inbound
from mailward.core.messages.expire import (
    anything_over,
    drop_day,
    events_over,
    expire_answers,
    expire_content,
    expire_events,
    expire_messages,
    expire_waiting,
)
from mailward.core.webhooks.lease import KEEP_US as EVENTS_KEPT_US
from mailward.core.workspaces.model import Workspace
from mailward.core.workspaces.retention import DAY_US, Terms, destroy_spent, spent_days, terms
from mailward.policy.boundaries import job_actor

# Rows of one transaction: a message goes with a dozen statements, its content with one. Each stays near a few ms.
_MESSAGES, _CONTENTS, _EVENTS = 50, 300, 100
# Between two transactions of a run, so that a backlog is worked off beside the mail and not before it.
_PAUSE_SECONDS = 0.01
_DAYS = 31


Write = Callable[[Callable[[Tx], Any]], Any]
"""A transaction of one workspace."""


@dataclass
class Done:
    """What a run did."""

    messages: int = 0
    keys: int = 0
    bodies: int = 0


class Retention:
    """Keeps to every workspace's terms. `default` are the installation's, `search_key` finds a message's tokens."""

    def __init__(
        self, store: Store, *, default: Terms, search_key: Callable[[bytes], bytes], now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._default = default
        self._search_key = search_key
        self._now = now

    async def run(self) -> Done:
        """Everything that is over now, in every workspace."""
        done = Done()
        workspaces = await self._store.system_read(lambda tx: tx.workspaces.all())
        await self._days(workspaces, done)
        for workspace in workspaces:
            await self._workspace(workspace, done)
        done.bodies = await self.overwrite()
        return done

    async def _days(self, workspaces: Sequence[Workspace], done: Done) -> None:
        """Whole days first, where the store keeps them apart: what goes with its day need not go row by row."""
        longest = max((terms(w.settings, self._default).messages_days for w in workspaces), default=0)
        now = int(self._now().timestamp() * 1_000_000)
        gone: int | None = 0
        while longest and gone is not None:
            gone = await self._store.system_write(partial(drop_day, now=now, keep_us=longest * DAY_US))
            done.messages += gone or 0
            await asyncio.sleep(_PAUSE_SECONDS if gone else 0)

    async def overwrite(self) -> int:
        """Overwrite the bodies of messages that were erased on request and are still on the disk; how many."""
        owed = await self._store.system_read(lambda tx: tx.retention.owed(200))
        for workspace, message, body in owed:
            await overwrite(self._store, workspace, message, body)
        return len(owed)

    async def _workspace(self, workspace: Workspace, done: Done) -> None:
        at = self._now()
        now = int(at.timestamp() * 1_000_000)
        kept = terms(workspace.settings, self._default)
        raw = ids.decode("ws", workspace.id)
        key = self._search_key(raw)
        content_us, messages_us = kept.content_days * DAY_US, kept.messages_days * DAY_US

        def write(verb: Callable[[Tx], Any]) -> Any:
            return self._store.write(workspace.id, verb)

        look = partial(anything_over, now=now, content_us=content_us, messages_us=messages_us)
        if await self._store.read(workspace.id, look):
            await self._expire(write, done, kept, now, key)
        received = partial(inbound.anything_over, now=now, content_us=content_us, messages_us=messages_us)
        if await self._store.read(workspace.id, received):
            await self._expire_received(write, done, kept, now)
        await self._rest(workspace, raw, done, kept, at)

    async def _expire(self, write: Write, done: Done, kept: Terms, now: int, key: bytes) -> None:
        content_us, messages_us = kept.content_days * DAY_US, kept.messages_days * DAY_US
        more = True
        while more:
            more = await write(partial(expire_content, now=now, keep_us=content_us, limit=_CONTENTS))
            await asyncio.sleep(_PAUSE_SECONDS if more else 0)
        after: bytes | None = b""
        while after is not None:
            after = await write(partial(expire_waiting, after=after, now=now, limit=_CONTENTS))
        after = b""
        while after is not None:
            step = partial(expire_messages, after=after, now=now, keep_us=messages_us, key=key, limit=_MESSAGES)
            gone, after = await write(step)
            done.messages += gone
            await asyncio.sleep(_PAUSE_SECONDS if after is not None else 0)
        more = True
        while more:
            more = await write(partial(expire_answers, now=now, limit=_CONTENTS))
            await asyncio.sleep(_PAUSE_SECONDS if more else 0)

    async def _expire_received(self, write: Write, done: Done, kept: Terms, now: int) -> None:
        """The same terms for what was received; its content goes before the day's key is looked at."""
        after: bytes | None = b""
        while after is not None:
            content_us = kept.content_days * DAY_US
            _, after = await write(partial(inbound.let_go, after=after, now=now, keep_us=content_us, limit=_CONTENTS))
            await asyncio.sleep(_PAUSE_SECONDS if after is not None else 0)
        gone = _MESSAGES
        while gone == _MESSAGES:
            messages_us = kept.messages_days * DAY_US
            gone = await write(partial(inbound.erase_old, now=now, keep_us=messages_us, limit=_MESSAGES))
            done.messages += gone
            await asyncio.sleep(_PAUSE_SECONDS if gone == _MESSAGES else 0)

    async def _rest(self, workspace: Workspace, raw: bytes, done: Done, kept: Terms, at: datetime) -> None:
        """Events and data keys: each after a look that costs no commit."""
        now = int(at.timestamp() * 1_000_000)
        messages_us = kept.messages_days * DAY_US

        def write(verb: Callable[[Tx], Any]) -> Any:
            return self._store.write(workspace.id, verb)

        # The installation forgets events after its own term anyway; a workspace may keep its messages for less.
        if messages_us < EVENTS_KEPT_US:
            early = partial(events_over, now=now, keep_us=messages_us)
            more = await self._store.read(workspace.id, early)
            while more:
                more = await write(partial(expire_events, now=now, keep_us=messages_us, limit=_EVENTS)) == _EVENTS
                await asyncio.sleep(_PAUSE_SECONDS if more else 0)
        days = await self._store.read(workspace.id, partial(spent_days, workspace=raw, limit=_DAYS))
        if days:
            actor = job_actor(workspace.id, "retention")
            done.keys += await write(partial(destroy_spent, actor=actor, days=days, now=at))


def default_terms(settings: Settings) -> Terms:
    """The installation's terms."""
    return Terms(settings.retention.messages_days, settings.retention.content_days)


async def overwrite(store: Store, workspace: bytes, message: bytes, body: tuple[int, int, int]) -> None:
    """Overwrite one erased message's body, and strike it off the list of those that are owed."""
    await store.overwrite_body(workspace, message, BodyRef(*body))
    await store.write(ids.encode("ws", workspace), lambda tx: tx.retention.paid(message))
