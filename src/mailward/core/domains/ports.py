"""What the domain verbs need from outside: a store with these repositories, and DNS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from mailward.base.ids import WorkspaceId
from mailward.core.domains.model import Domain, KeyPair, Transfer, TransferState
from mailward.policy.access import Actor
from mailward.protocol.dns import Lookup

T = TypeVar("T")
Tx_co = TypeVar("Tx_co", covariant=True)


class DomainsRepo(Protocol):
    """Domains and their keys. Scoped to the transaction's workspace unless said otherwise."""

    async def insert(self, domain: Domain) -> bool:
        """Keep a new domain; False when the workspace has that name already."""

    async def update(self, domain: Domain) -> bool:
        """Store every changeable field; False when another workspace holds that name verified."""

    async def get(self, id: str) -> Domain | None: ...

    async def by_name(self, name: str) -> Domain | None: ...

    async def page(self, *, before: str | None, limit: int) -> list[Domain]:
        """Newest first."""

    async def delete(self, id: str) -> bool:
        """Remove the domain and its keys; used selectors stay remembered."""

    async def take_selector(self, name: str, stem: str) -> bool:
        """Mark a selector of a domain name as used, in any workspace; False when it was."""

    async def insert_pair(self, domain: str, pair: KeyPair) -> None: ...

    async def update_pair(self, pair: KeyPair) -> None: ...

    async def pairs(self, domain: str) -> list[KeyPair]:
        """Oldest first."""

    async def held_by(self, workspace: bytes, name: str) -> Domain | None:
        """The domain of that canonical name in a workspace. System scope."""

    async def held(self, workspace: bytes, id: str) -> Domain | None:
        """A workspace's domain by its id. System scope."""

    async def take_away(self, workspace: bytes, id: str) -> None:
        """Remove a domain and its keys from a workspace; used selectors stay remembered. System scope."""

    async def holder(self, name: str) -> tuple[bytes, Domain] | None:
        """Which workspace has verified that canonical name. System scope."""

    async def due(self, now: datetime, limit: int) -> list[tuple[WorkspaceId, str]]:
        """Domains whose next check has come. System scope."""

    async def senders(self) -> list[tuple[bytes, Domain, list[KeyPair]]]:
        """(workspace, domain, its active pairs) of every domain that may send. System scope."""


class TransfersRepo(Protocol):
    """Domains that one workspace asks of another; they belong to both. System scope."""

    async def insert(self, t: Transfer) -> None: ...

    async def get(self, id: str) -> Transfer | None: ...

    async def open(self, domain: str) -> Transfer | None:
        """The undecided one of an asker's domain."""

    async def of(self, workspace: WorkspaceId, limit: int) -> list[Transfer]:
        """Asked by a workspace or of it, newest first."""

    async def decide(self, id: str, state: TransferState, now: datetime) -> bool:
        """True when it was undecided."""


class Counters(Protocol):
    """Epochs."""

    async def bump(self, name: str) -> int:
        """One more. Any scope."""

    async def value(self, name: str) -> int:
        """The number now. Any scope."""


class AuditLog(Protocol):
    """Where acts are recorded, in the same transaction."""

    async def append(
        self, actor: Actor, act: str, target: str, facts: Mapping[str, str] | None = None, *, now: datetime
    ) -> str: ...

    async def in_turn(self, workspace: str) -> None: ...


class Tell(Protocol):
    """Tells the workspace's endpoints what happened, in the same transaction."""

    async def __call__(self, tx: Any, happened: Sequence[tuple[str, str, int, Mapping[str, object]]]) -> None:
        """(event type, the domain's id, microseconds UTC, data) each."""


class DomainsTx(Protocol):
    """A transaction with what these verbs use."""

    @property
    def domains(self) -> DomainsRepo: ...

    @property
    def counters(self) -> Counters: ...

    @property
    def audit(self) -> AuditLog: ...


class DomainStore(Protocol):
    """Transactions bound to one workspace."""

    def write(self, workspace: str, verb: Callable[[Any], Awaitable[T]]) -> Awaitable[T]: ...

    def read(self, workspace: str, verb: Callable[[Any], Awaitable[T]]) -> Awaitable[T]: ...


class Dns(Protocol):
    """Runs a computation that asks DNS. `fresh` passes by what is remembered."""

    async def drive(self, lookup: Lookup[T], *, fresh: bool = False) -> T: ...


Due = Sequence[tuple[WorkspaceId, str]]
