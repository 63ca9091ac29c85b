"""A platform of two workspaces whose clock moves: messages go in, days pass, retention runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mailward.adapters.storage.records import BodyRef, open_record, record_key
from mailward.adapters.storage.sqlite.sweep import Sweeper, Swept
from mailward.adapters.vault.vault import Vault
from mailward.app.retention import Done, Retention
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.messages.find import index
from mailward.core.messages.model import DeliveryState, Message, MessageFacts
from mailward.core.submission.model import Recipient, Submission
from mailward.core.submission.record import record
from mailward.core.workspaces import change
from mailward.core.workspaces.data_keys import DataKeys
from mailward.core.workspaces.model import WorkspaceSettings
from mailward.core.workspaces.retention import DAY_US, Terms
from mailward.policy.access import Actor, Permission
from tests.conftest import MovingClock, SeededEntropy
from tests.raw import raw

A, B = b"a" * 16, b"b" * 16
_DEFAULT = Terms(60, 60)
SEARCH_KEY = b"s" * 32


def manager(workspace: bytes) -> Actor:
    """Somebody who may do everything in a workspace."""
    return Actor(WorkspaceId(ids.encode("ws", workspace)), "session", "usr_x", frozenset(Permission))


@dataclass
class Rig:
    """Everything retention touches, on a real store."""

    store: Store
    clock: MovingClock
    entropy: SeededEntropy
    folder: Path
    default: Terms = _DEFAULT
    keys: DataKeys = field(init=False)
    vault: Vault = field(init=False)

    def __post_init__(self) -> None:
        self.vault = Vault(self.folder.parent / "keys", self.entropy, now=self.clock.now())
        self.keys = DataKeys(self.store, self.vault.service, self.entropy)

    async def workspace(self, raw: bytes, settings: WorkspaceSettings | None = None) -> None:
        """Make a workspace, or give it other settings."""
        actor, now = manager(raw), self.clock.now()
        if await self.store.read(actor.workspace, lambda tx: tx.workspaces.get(actor.workspace)) is None:
            make = partial(change.create, actor=actor, name="W", now=now, entropy=self.entropy, id=actor.workspace)
            await self.store.system_write(make)
        if settings is not None:
            await self.store.write(
                actor.workspace, partial(change.change_settings, actor=actor, settings=settings, now=now)
            )

    def now_us(self) -> int:
        """Microseconds."""
        return int(self.clock.now().timestamp() * 1_000_000)

    async def accept(
        self, content: bytes, workspace: bytes = A, state: DeliveryState = DeliveryState.DELIVERED, **facts: Any
    ) -> bytes:
        """Record a message now; its raw id."""
        now = self.now_us()
        id = ids.new_raw(now // 1000, self.entropy)
        known: dict[str, Any] = {
            "source": "api", "actor": "key_x", "domain": "d.test", "mail_from": "a@d.test",
            "header_from": "a@d.test", "to": "b@x.test", "subject": "hello there", "message_id": f"<{id.hex()}@d.test>",
            "size": len(content), **facts,
        }  # fmt: skip
        item = Submission(
            id, now, MessageFacts(**known), [Recipient("b@x.test", b"t" * 8)], state, now, 0, await self._epochs()
        )
        key = await self.keys.seal_key(workspace, now // DAY_US)
        await self.store.write_item(record, workspace, item, body=(id, key, content))
        return id

    async def _epochs(self) -> tuple[int, int]:
        counters = await self.store.system_read(lambda tx: tx.counters.all())
        return counters.get("auth_epoch", 0), counters.get("domains_epoch", 0)

    async def move(self, message: bytes, to: DeliveryState, workspace: bytes = A) -> None:
        """A copy's state changes behind everybody's back."""
        scope = ids.encode("ws", workspace)
        states = list(DeliveryState)
        await self.store.write(
            scope, lambda tx: tx.deliveries.move(message, states, to, due=0, now=self.now_us(), reason=None)
        )

    async def index(self, workspace: bytes = A) -> None:
        """Write the search tokens of everything there is."""
        verb = partial(index, key=SEARCH_KEY, below=b"\xff" * 16, limit=1000)
        await self.store.write(ids.encode("ws", workspace), verb)

    async def keep(self) -> Done:
        """One run of retention."""
        found = Retention(self.store, default=self.default, search_key=lambda workspace: SEARCH_KEY, now=self.clock.now)
        return await found.run()

    async def sweep(self) -> Swept:
        """One look at the segment files."""
        return await Sweeper(
            self.folder / "segments", lambda places: self.store.system_read(lambda tx: tx.data_keys.alive(places))
        ).run()

    async def message(self, id: bytes, workspace: bytes = A) -> Message | None:
        """As it is in the store."""
        return await self.store.read(ids.encode("ws", workspace), lambda tx: tx.messages.get(id))

    async def read(self, id: bytes, workspace: bytes = A) -> bytes:
        """The content, or the refusal."""
        found = await self.message(id, workspace)
        assert found is not None
        assert found.body is not None
        return await self.open(workspace, id, BodyRef(*found.body))

    async def open(self, workspace: bytes, id: bytes, ref: BodyRef) -> bytes:
        """What a body reference leads to."""
        sealed = await self.store.read_body(ref)
        day, version = record_key(sealed)
        return open_record(sealed, workspace, id, await self.keys.open_key(workspace, day, version))

    async def facts(self, act: str) -> list[str]:
        """The personal facts beside every entry of an act, opened."""
        found = await self.store.system_read(lambda tx: tx.audit.page(
            A, before=None, limit=1000, act=act, since=None, until=None
        ))  # fmt: skip
        return [row.facts or "" for row in found]

    async def rows(self, sql: str, *params: Any) -> list[Any]:
        """Raw rows, past every wall."""

        return await raw(self.store, sql, *params)
