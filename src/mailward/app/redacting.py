"""Redaction of what is stored: a run over every workspace that wants it, in steps short enough for the mail beside it.

A run reads everything it decides from the store, so one that was killed is simply followed by the next. Content is
overwritten in place by the same piece that does so for messages that were erased (`app/retention.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial

from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.core.redaction import past
from mailward.core.redaction.sweep import sweep
from mailward.core.suppression.model import token
from mailward.core.workspaces.model import Workspace
from mailward.policy.redaction import EPOCH, FIELDS, REMAINS, Redaction

# Messages of one transaction: each is written anew with its copies, tries and events, a few hundred microseconds.
_MESSAGES, _PARTS = 20, 200
_PAUSE_SECONDS = 0.01


class Redacting:
    """Keeps to every workspace's rules. `search_key` finds a message's search tokens, `token_key` listed addresses."""

    def __init__(
        self,
        store: Store,
        *,
        search_key: Callable[[bytes], bytes],
        token_key: Callable[[bytes], bytes],
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._search_key = search_key
        self._token_key = token_key
        self._now = now
        self._epoch = 0
        self._todo: list[Workspace] = []
        self._newest: dict[str, tuple[bytes, ...]] = {}

    async def run(self) -> int:
        """Everything that is due now, in every workspace; how many steps that took."""
        epoch = await self._store.system_read(lambda tx: tx.counters.value(EPOCH))
        if not epoch:
            return 0
        if epoch != self._epoch:
            # Once after each change every workspace is looked at: one that redacts no more has marks and keys to lose.
            self._todo = list(await self._store.system_read(lambda tx: tx.workspaces.all()))
            self._epoch = epoch
        done = ended = 0
        for workspace in list(self._todo):
            some = await self._workspace(workspace)
            done += some
            if not workspace.settings.redaction.on and not some and not await self._keys_left(workspace):
                self._todo.remove(workspace)
            if workspace.settings.redaction.never():
                ended += await self._moved_on(workspace)
        if done or ended:
            await self._store.system_write(lambda tx: tx.counters.bump(REMAINS))
        return done

    async def _keys_left(self, workspace: Workspace) -> bool:
        """Is mail under way from when it still redacted?"""
        return bool(await self._store.read(workspace.id, partial(_privates, b"", 1)))

    async def _moved_on(self, workspace: Workspace) -> bool:
        """Has mail of a workspace that never stores a field come since the last look? Keys of some have gone, then."""
        sent = await self._store.read(workspace.id, lambda tx: tx.messages.page(before=None, limit=1))
        got = await self._store.read(workspace.id, lambda tx: tx.inbound.page(before=None, limit=1))
        newest = (*(m.id for m in sent), *(m.id for m in got))
        before, self._newest[workspace.id] = self._newest.get(workspace.id), newest
        return bool(newest) and newest != before

    async def _workspace(self, workspace: Workspace) -> int:
        now = int(self._now().timestamp() * 1_000_000)
        rules, scope = workspace.settings.redaction, workspace.id
        done = await self._parts(workspace, now)
        marks = await self._store.read(scope, lambda tx: tx.redaction.marks())
        for kind in past.taken_back(rules, marks):
            await self._store.write(scope, partial(_unmark, kind))
        if not rules.on:
            return done
        raw = ids.decode("ws", workspace.id)
        keys = past.Keys(self._search_key(raw), partial(token, self._token_key(raw)))
        done += await self._waited(workspace, rules, keys, now)
        todo = past.passes(rules, marks, now=now)
        for one in todo:
            if not await self._store.read(scope, partial(past.anything_due, todo=[one])):
                continue
            upto: bytes | None = one.upto
            while upto is not None:
                step = partial(past.step, one=one._replace(upto=upto), keys=keys, now=now, limit=_MESSAGES)
                upto = await self._store.write(scope, step)
                done += 1
                await asyncio.sleep(_PAUSE_SECONDS if upto is not None else 0)
        return done

    async def _parts(self, workspace: Workspace, now: int) -> int:
        """Private parts of messages whose copies ended by cancelling, expiring or erasing."""
        done = 0
        after: bytes | None = b""
        while after is not None:
            look = await self._store.read(workspace.id, partial(_privates, after, _PARTS))
            if not look:
                break
            some, after = await self._store.write(workspace.id, partial(sweep, after=after, limit=_PARTS, now=now))
            done += some
        return done

    async def _waited(self, workspace: Workspace, rules: Redaction, keys: past.Keys, now: int) -> int:
        done = 0
        for kind in past.KINDS:
            for field in FIELDS:
                if not past.applies(rules, kind, field):
                    continue
                after: bytes | None = b""
                while after is not None:
                    if not await self._store.read(workspace.id, partial(_waits, f"{kind}:{field}", after)):
                        break
                    verb = partial(
                        past.waited, kind=kind, field=field, keys=keys, after=after, now=now, limit=_MESSAGES
                    )
                    some, after = await self._store.write(workspace.id, verb)
                    done += some
                    await asyncio.sleep(_PAUSE_SECONDS if after is not None else 0)
        return done


async def _privates(after: bytes, limit: int, tx: Tx) -> list[bytes]:
    return await tx.redaction.privates(after, limit)


async def _waits(kind: str, after: bytes, tx: Tx) -> list[bytes]:
    return await tx.redaction.waiting(kind, after, 1)


async def _unmark(kind: str, tx: Tx) -> None:
    await tx.redaction.unmark(kind)
