"""Data keys: one per workspace and UTC day, made on first use, cached unwrapped, destroyed for good."""

from __future__ import annotations

from datetime import datetime

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.base import ids
from mailward.base.errors import Corrupt, Forbidden, NotFound
from mailward.base.sources import Entropy
from mailward.core.workspaces.model import DataKey, WrappedKey
from mailward.core.workspaces.ports import KeyService, ReadGuard, ScopedStore, WorkspacesTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission

# Two days for each of this many workspaces stay unwrapped in memory; beyond it the oldest go.
_CACHE = 4096


async def no_operator(workspace: bytes, reader: Actor) -> None:
    """The guard where nobody said otherwise: an operator opens nothing."""
    raise Forbidden("no_grant", "There is no live grant for this. Ask for one.", detail="no guard of data keys")


class DataKeys:
    """The data keys of one process. Not thread-safe: belongs to the event loop."""

    def __init__(
        self,
        store: ScopedStore[WorkspacesTx],
        service: KeyService,
        entropy: Entropy,
        guard: ReadGuard = no_operator,
    ) -> None:
        """`guard` is asked at each read of an operator, whether the key is at hand unwrapped or not."""
        self._guard = guard
        self._store = store
        self._service = service
        self._entropy = entropy
        self._newest: dict[tuple[bytes, int], DataKey] = {}
        self._opened: dict[tuple[bytes, int, int], DataKey] = {}

    def cached(self, workspace: bytes, day: int) -> DataKey | None:
        """The key to seal with, if it is at hand: a dict look-up for the hot path. Else await `seal_key`."""
        return self._newest.get((workspace, day))

    async def seal_key(self, workspace: bytes, day: int) -> DataKey:
        """The key to seal content of that day with, made when there is none.

        Two processes may make it at once: the first row wins and both read it back.
        Raises NotFound when the day's key was destroyed, Unavailable when the key
        service or the store is away.
        """
        if (known := self._newest.get((workspace, day))) is not None:
            return known
        scope = ids.encode("ws", workspace)
        stored = await self._store.read(scope, lambda tx: tx.data_keys.get(workspace, day))
        if stored is None:
            wrapped = await self._service.wrap(self._entropy.bytes(32), aad(workspace, day, 1))
            candidate = WrappedKey(workspace, day, 1, wrapped)
            stored = await self._store.write(scope, lambda tx: _keep(tx, candidate))
        key = await self._open(stored)
        if len(self._newest) >= _CACHE:
            self._newest.pop(next(iter(self._newest)))
        self._newest[workspace, day] = key
        return key

    async def open_key(self, workspace: bytes, day: int, version: int, *, reader: Actor | None = None) -> DataKey:
        """The key that content was sealed with. NotFound when it was destroyed: the content is gone. Corrupt when there
        never was one.

        `reader` is whoever is going to see the content, None for the platform's own work.
        For an operator the guard is asked first, below every check of permissions:
        Forbidden without a live grant, and whatever it raises when the log cannot be written.
        """
        if reader is not None and reader.kind == "operator":
            await self._guard(workspace, reader)
        known = self._opened.get((workspace, day, version))
        if known is not None:
            return known
        scope = ids.encode("ws", workspace)
        stored = await self._store.read(scope, lambda tx: tx.data_keys.get(workspace, day, version))
        if stored is None:
            # The marker of a destroyed key stays: what names one that never was has been damaged, or is not ours.
            raise Corrupt("content_corrupt", "The stored content failed its check.", detail="no such data key")
        return await self._open(stored)

    async def _open(self, stored: WrappedKey) -> DataKey:
        if stored.wrapped is None:
            raise NotFound("content_gone", "The content of this message is no longer kept.", detail="key destroyed")
        place = (stored.workspace, stored.day, stored.version)
        if (known := self._opened.get(place)) is not None:
            return known
        plain = await self._service.unwrap(stored.wrapped, aad(*place))
        key = DataKey(stored.day, stored.version, AESGCM(plain))
        if len(self._opened) >= _CACHE:
            self._opened.pop(next(iter(self._opened)))
        self._opened[place] = key
        return key

    def forget(self, workspace: bytes | None = None) -> None:
        """Drop unwrapped keys: of one workspace, or all. Called when the auth epoch moves, and after destroying."""
        for cache in (self._newest, self._opened):
            if workspace is None:
                cache.clear()
            else:
                for place in [p for p in cache if p[0] == workspace]:
                    del cache[place]  # type: ignore[arg-type]


def aad(workspace: bytes, day: int, version: int) -> bytes:
    """What a wrapped data key is bound to, so that a row moved to another place does not unwrap."""
    return b"mailward data key\x00" + workspace + day.to_bytes(4, "big") + version.to_bytes(2, "big")


async def _keep(tx: WorkspacesTx, candidate: WrappedKey) -> WrappedKey:
    await tx.data_keys.insert(candidate)
    kept = await tx.data_keys.get(candidate.workspace, candidate.day)
    assert kept is not None
    return kept


async def destroy_data_keys(
    tx: WorkspacesTx, actor: Actor, *, through_day: int | None, reason: str, now: datetime
) -> int:
    """Make the content of this workspace unreadable: of days up to `through_day`, or (None) all of it.

    Destroyed days keep a marker, so no key is made for them again. Returns how many keys
    went. Cannot be undone; backups that hold content hold no keys.
    """
    access.require(actor, Permission.WORKSPACE_CHANGE)
    gone = await tx.data_keys.destroy(
        ids.decode("ws", actor.workspace), through_day=through_day, now=int(now.timestamp() * 1_000_000)
    )
    if gone:
        await tx.revocations.bump()
        facts = {"keys": str(gone), "through_day": "all" if through_day is None else str(through_day), "reason": reason}
        await tx.audit.append(actor, "data_keys.destroyed", actor.workspace, facts, now=now)
    return gone
