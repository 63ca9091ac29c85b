"""What a worker knows of domains without asking the store: which are verified, and the keys that sign for them.

The store counts an epoch for every change of domains and of credentials; `refresh`
compares and reloads what is old. A few times a second is enough, since each commit of a
message checks the epochs again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mailward.app.store import Store
from mailward.base import ids
from mailward.core.workspaces.retention import KEYS_EPOCH
from mailward.policy.redaction import EPOCH as REDACTION_EPOCH
from mailward.policy.redaction import Redaction
from mailward.policy.tracking import Mode


@dataclass(frozen=True, slots=True)
class KnownDomain:
    """A domain that may send: its signers (opaque to us), their selectors, and its return-path host.

    `held_elsewhere`: names below it that are another workspace's. `tracks`: what is tracked by stream, mostly nothing;
    `tracking`: where tracked links begin, or else `untracked`: why there is no such place.
    """

    id: bytes
    name: str
    capture_only: bool
    subdomains: bool
    return_path: str
    signers: tuple[Any, ...] = field(default=(), repr=False)
    selectors: tuple[str, ...] = ()
    held_elsewhere: frozenset[str] = frozenset()
    tracks: Mapping[str, Mode] = field(default_factory=dict)
    tracking: str = ""
    untracked: str = ""


_NONE: dict[str, KnownDomain] = {}
Load = Callable[[], Awaitable[dict[bytes, dict[str, KnownDomain]]]]


class Knowledge:
    """The domains of all workspaces, as of an epoch."""

    def __init__(
        self,
        store: Store,
        load: Load,
        on_auth: Callable[[], Awaitable[None]],
        on_keys: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._load = load
        self._on_auth = on_auth
        self._on_keys = on_keys
        self._keys_epoch = 0
        self._one_at_a_time = asyncio.Lock()
        # Looks at the store by number: the last that began, the last that came to its end.
        self._begun = self._seen = 0
        self._domains: dict[bytes, dict[str, KnownDomain]] = {}
        self._paused: frozenset[tuple[bytes, str]] = frozenset()
        self._redaction: dict[bytes, Redaction] = {}
        self._redaction_epoch = 0
        self.epochs: tuple[int, int] = (-1, -1)

    def domains(self, workspace: bytes) -> dict[str, KnownDomain]:
        """The domains a workspace may send from."""
        return self._domains.get(workspace, _NONE)

    def domain(self, workspace: bytes, name: str) -> KnownDomain | None:
        """The domain of exactly that name in that workspace."""
        return self._domains.get(workspace, _NONE).get(name)

    def senders(self, name: str) -> list[bytes]:
        """The workspaces (raw ids) that may send from exactly that domain."""
        return [workspace for workspace, domains in self._domains.items() if name in domains]

    def is_return_path(self, name: str) -> bool:
        """Is that the host of somebody's return-paths? Looks at every domain: not for the path of each message."""
        return any(d.return_path == name for domains in self._domains.values() for d in domains.values())

    def redaction(self, workspace: bytes) -> Redaction | None:
        """What a workspace does not want stored; None where it keeps all, which is nearly everywhere."""
        return self._redaction.get(workspace)

    def paused(self, workspace: bytes, stream: str) -> bool:
        """Is new mail of this stream held? The pause of a workspace is that of all its streams."""
        return bool(self._paused) and ((workspace, "") in self._paused or (workspace, stream) in self._paused)

    async def refresh(self) -> bool:
        """Look whether anything changed and take it over; True when it did.

        An epoch is adopted after everything that hangs on it was read, and never two at a
        time: a judgement made in between carries the old epoch and fails at its commit.
        A look that began after this one was asked for does for it, too: with many messages to be
        judged anew the last would wait for a look of each, and its judgement be old again.
        """
        asked, before = self._begun, self.epochs
        async with self._one_at_a_time:
            if self._seen <= asked:
                self._begun += 1
                await self._refresh()
                self._seen = self._begun
        return self.epochs != before

    async def _refresh(self) -> None:
        counters = await self._store.system_read(lambda tx: tx.counters.all())
        if (keys := counters.get(KEYS_EPOCH, 0)) != self._keys_epoch:
            self._on_keys()
            self._keys_epoch = keys
        if (rules := counters.get(REDACTION_EPOCH, 0)) != self._redaction_epoch:
            found = await self._store.system_read(lambda tx: tx.workspaces.all())
            self._redaction = {ids.decode("ws", w.id): r for w in found if (r := w.settings.redaction).on}
            self._redaction_epoch = rules
        epochs = (counters.get("auth_epoch", 0), counters.get("domains_epoch", 0))
        if epochs == self.epochs:
            return
        if epochs[1] != self.epochs[1]:
            self._domains = await self._load()
            self._paused = frozenset(await self._store.system_read(lambda tx: tx.deliveries.paused_streams()))
        if epochs[0] != self.epochs[0]:
            await self._on_auth()
        self.epochs = epochs
