"""One process's hold on the installation: settings, clock, keys, store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mailward.adapters.host.bell import Bell
from mailward.adapters.host.clock import SystemClock, SystemEntropy
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.storage.sqlite.moves import require_whole
from mailward.adapters.vault.vault import Vault
from mailward.app.committer import shared_verbs
from mailward.app.committing import has_committer, socket_path
from mailward.app.granted import unwrapping
from mailward.app.settings import Settings
from mailward.app.store import Store
from mailward.app.stores import make_store
from mailward.core.delivery.settle import Settling
from mailward.core.submission.model import StaleJudgement
from mailward.core.workspaces.data_keys import DataKeys
from mailward.protocol.tracking.tokens import Keys

# Worker numbers of processes that are not workers: they may append bodies of their own and must not share a segment.
COMMAND_LINE = 9000


def bell_folder(settings: Settings) -> Path:
    """Where the workers of a machine hear that there is something to look at."""
    return settings.data / "wake"


class Installation:
    """Open with `open()`; `close()` when done. The store's threads belong to the running loop."""

    def __init__(self, settings: Settings, *, worker: int, unjudged: bool = False) -> None:
        """`unjudged` is for `mailward verify`: a database that is not fit to be used is opened, and reported."""
        self.settings = settings
        self.clock = SystemClock()
        self.entropy = SystemEntropy()
        self.vault = Vault(settings.data / "keys", self.entropy, now=self.clock.now())
        self.store: Store = make_store(
            settings, self.vault, worker=worker, clock=self.clock, entropy=self.entropy, unjudged=unjudged
        )
        self.data_keys = DataKeys(self.store, self.vault.service, self.entropy, unwrapping(self.store, self.clock.now))

        self._bell: Bell | None = None
        self.store.tells(self._tell)

    async def open(self) -> None:
        """Start the store. Unavailable when it is the target of a move that was not finished."""
        await self.store.open()
        if isinstance(self.store, SqliteStore):
            await self.store.system_read(require_whole)

    async def join_committer(self, settling: Settling, speaking: Callable[[], bool]) -> None:
        """Hand messages and outcomes to the committing process of the data folder, where the store has one."""
        if has_committer(self.settings):
            verbs = shared_verbs(settling)
            await self.store.join_committer(
                socket_path(self.settings), verbs, speaking=speaking, errors=(StaleJudgement,)
            )

    async def close(self) -> None:
        """Finish the store's work and stop it."""
        await self.store.close()
        if self._bell is not None:
            self._bell.close()

    def _tell(self, topic: str) -> None:
        """The workers of this machine, when what they keep in memory changed in the store."""
        folder = bell_folder(self.settings)
        if self._bell is None and folder.is_dir():  # made by the first worker, as its user; without one nobody listens
            self._bell = Bell(folder)
        if self._bell is not None:
            self._bell.ring(topic.encode())

    def now_us(self) -> int:
        """Microseconds UTC."""
        return self.clock.now_us()

    def token_key(self, workspace: bytes) -> bytes:
        """The key under which a workspace's addresses are listed (suppressions)."""
        return self.vault.derive("address-token", workspace)

    def tracking_keys(self, workspace: bytes) -> Keys:
        """The keys that sign a workspace's tracked links."""
        return Keys(self.vault.derive("tracked-link-gate"), self.vault.derive("tracked-link", workspace))

    def search_key(self, workspace: bytes) -> bytes:
        """The key of a workspace's search index."""
        return self.vault.derive("search-token", workspace)

    def seal_webhook(self, workspace: str, secret: bytes) -> bytes:
        """A webhook secret for its row."""
        return self.vault.seal("webhook", secret, workspace.encode())

    def unseal_webhook(self, workspace: str, sealed: bytes) -> bytes:
        """It again."""
        return self.vault.unseal("webhook", sealed, workspace.encode())
