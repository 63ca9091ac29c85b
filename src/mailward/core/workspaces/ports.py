"""What workspaces need from outside: a store, a key service, and secrets derived from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from mailward.base.ids import WorkspaceId
from mailward.core.workspaces.model import Ceilings, Notice, Workspace, WorkspaceSettings, WrappedKey
from mailward.policy.access import Actor

T = TypeVar("T")
Tx_co = TypeVar("Tx_co", covariant=True)


class KeyService(Protocol):
    """Holds the key-encryption keys and never shows them. May call out to a network."""

    async def wrap(self, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt under the current version. Unavailable when the service is away."""

    async def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        """Decrypt what any version not yet retired wrapped. Corrupt when the bytes or `aad` are not the same."""

    async def rotate(self, *, now: datetime) -> int:
        """Add a version and make it current; earlier ones still unwrap. The new version's number."""

    async def retire(self, version: int) -> None:
        """Destroy a version. Conflict when it is the current one."""

    def version_of(self, wrapped: bytes) -> int:
        """Under which version something was wrapped."""


class ReadGuard(Protocol):
    """Stands before a data key that an operator's read needs."""

    async def __call__(self, workspace: bytes, reader: Actor) -> None:
        """Nothing, once a live grant for the content is found and the read is in the workspace's log; else raises."""


class Secrets(Protocol):
    """Secrets of the installation by purpose. They stay the same when the key-encryption key rotates."""

    def derive(self, purpose: str, context: bytes = b"") -> bytes:
        """32 bytes for one purpose ("verp", "session", "search-token", ...) and context (a workspace, say)."""

    def seal(self, purpose: str, plaintext: bytes, aad: bytes) -> bytes:
        """AES-256-GCM under a key of that purpose; `aad` names the place, so that it opens nowhere else."""

    def unseal(self, purpose: str, sealed: bytes, aad: bytes) -> bytes:
        """The plaintext, or Corrupt."""


class AuditLog(Protocol):
    """Where acts are recorded, in the same transaction."""

    async def append(
        self, actor: Actor, act: str, target: str, facts: Mapping[str, str] | None = None, *, now: datetime
    ) -> str: ...

    async def in_turn(self, workspace: str) -> None: ...


class WorkspacesRepo(Protocol):
    """Workspaces. Of one's own in a scoped transaction, of all in the system scope."""

    async def insert(self, workspace: Workspace) -> None: ...

    async def get(self, workspace: WorkspaceId) -> Workspace | None: ...

    async def rename(self, workspace: WorkspaceId, name: str) -> None: ...

    async def change_settings(self, workspace: WorkspaceId, settings: WorkspaceSettings) -> None: ...

    async def all(self) -> list[Workspace]:
        """Every workspace, oldest first. System scope."""

    async def unindexed(self, since: bytes, below: bytes) -> list[bytes]:
        """Raw ids of workspaces with messages the search does not know yet, of ids between the two. System scope."""


class CeilingsRepo(Protocol):
    """Limits the operator set. System scope alone: no workspace raises its own."""

    async def get(self, workspace: WorkspaceId) -> Ceilings:
        """Nothing set: both None."""

    async def put(self, workspace: WorkspaceId, ceilings: Ceilings) -> None:
        """Keep them; nothing is kept of those that say nothing."""

    async def all(self) -> dict[WorkspaceId, Ceilings]:
        """Every workspace that has some."""


class DataKeysRepo(Protocol):
    """Wrapped data keys."""

    async def insert(self, key: WrappedKey) -> None:
        """Keep a key unless that workspace, day and version has one already (or had)."""

    async def get(self, workspace: bytes, day: int, version: int | None = None) -> WrappedKey | None:
        """One version, or the newest of that day."""

    async def destroy(self, workspace: bytes, *, through_day: int | None, now: int) -> int:
        """Overwrite the keys of days up to and including `through_day` (None: all); how many."""

    async def page(self, after: tuple[bytes, int, int] | None, limit: int) -> list[WrappedKey]:
        """Every key not destroyed, in order of workspace, day, version. System scope."""

    async def replace(self, keys: Sequence[WrappedKey]) -> None:
        """Store the same keys wrapped anew; one destroyed meanwhile stays destroyed. System scope."""


class RevocationsRepo(Protocol):
    """The epoch that tells every worker to forget what it knows about credentials and keys."""

    async def bump(self) -> int:
        """One more, committed with the change that it announces. Any scope; the new value."""

    async def current(self) -> int:
        """The epoch. Any scope."""


class TenantTx(Protocol):
    """A transaction with workspaces, the audit log and the epoch of what was revoked."""

    @property
    def workspaces(self) -> WorkspacesRepo: ...

    @property
    def audit(self) -> AuditLog: ...

    @property
    def revocations(self) -> RevocationsRepo: ...


class WorkspacesTx(TenantTx, Protocol):
    """The same with data keys."""

    @property
    def data_keys(self) -> DataKeysRepo: ...


class NoticesRepo(Protocol):
    """Mail that owners are still to get. System scope."""

    async def add(self, notice: Notice) -> None: ...

    async def last(self, workspace: WorkspaceId, about: str, kind: str) -> datetime | None:
        """When one of that kind was last added about a thing."""

    async def due(self, limit: int) -> list[Notice]:
        """The oldest first."""

    async def set_told(self, id: str, how: str) -> None:
        """How it ended: mailed, or not mailed."""

    async def prune(self, before: datetime) -> int:
        """Forget what was told; how many."""


class CeilingsTx(TenantTx, Protocol):
    """The same with what the operator set."""

    @property
    def ceilings(self) -> CeilingsRepo: ...

    @property
    def revocations(self) -> RevocationsRepo: ...


class ScopedStore(Protocol[Tx_co]):
    """Transactions bound to one workspace."""

    def write(self, workspace: str, verb: Callable[[Tx_co], Awaitable[T]]) -> Awaitable[T]: ...

    def read(self, workspace: str, verb: Callable[[Tx_co], Awaitable[T]]) -> Awaitable[T]: ...
