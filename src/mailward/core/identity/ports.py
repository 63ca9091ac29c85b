"""What identity needs from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from mailward.base.ids import SessionId, UserId, WorkspaceId
from mailward.core.identity.entry import EntryRepo
from mailward.core.identity.model import (
    Arrival,
    Credential,
    CredentialKind,
    Factor,
    Member,
    Session,
    Standing,
    Ticket,
    TicketKind,
    TrustedDevice,
    User,
)
from mailward.core.identity.roles import RolesRepo
from mailward.core.workspaces.ports import AuditLog, RevocationsRepo, WorkspacesRepo
from mailward.policy.access import Role
from mailward.policy.bursts import BurstRule
from mailward.policy.suspicion import Suspicion

T = TypeVar("T")


class PasswordThreads(Protocol):
    """Runs the slow hashing off the event loop, a bounded number at once."""

    def run(self, work: Callable[[], T]) -> Awaitable[T]:
        """The result of `work`. LimitReached when too many wait."""


class Guard(Protocol):
    """Stands before every secret that people and machines guess at: web, API and SMTP alike.

    `kind` is "password", "factor", "reset", "key" or "smtp"; `account` is what was typed, known
    or not; `source` the address it came from. What was counted counts for every process.
    """

    async def before(
        self,
        account: str,
        source: str,
        kind: str,
        *,
        proof: str = "",
        device: bytes | None = None,
        now: datetime,
    ) -> None:
        """Count a try, before anything is verified. `device` is the digest of the cookie that the browser showed.

        LimitReached while locked (a time that grows and ends); ChallengeRequired until
        `proof` solves the challenge.
        """

    async def failed(self, account: str, source: str, kind: str, *, now: datetime) -> None:
        """The try was wrong."""

    async def passed(self, account: str, source: str, kind: str, *, device: bytes | None = None, now: datetime) -> None:
        """The try was right: it was no guess."""

    async def weigh(self, user: UserId, arrival: Arrival, *, now: datetime) -> Suspicion:
        """How strange this sign-in of a known person looks."""


class Entrance(Protocol):
    """What stands between a proof and a session: the guard before, suspicion and the letter to the owner after."""

    @property
    def guard(self) -> Guard: ...

    async def let_in(self, user: User, arrival: Arrival, *, factor: bool = False, proven: bool = False) -> Suspicion:
        """May a session begin for a person who proved who they are? How strange it looks.

        `factor`: a second factor was shown; `proven`: a challenge was solved. Forbidden when it
        is held until the owner confirms by letter, ChallengeRequired when more is asked.
        """

    async def began(self, user: User, arrival: Arrival, suspicion: Suspicion) -> None:
        """A session began: remembered, and told to the owner. Raises nothing for a letter that could not be sent."""


class CredentialsRepo(Protocol):
    """API keys and SMTP credentials. The scope's own; in the system scope, of all workspaces."""

    async def insert(self, credential: Credential, token_hash: bytes | None) -> None: ...

    async def get(self, id: str) -> Credential | None: ...

    async def page(
        self,
        kinds: Sequence[CredentialKind],
        *,
        before: str | None,
        limit: int,
        revoked: bool = True,
        without: str = "",
    ) -> list[Credential]:
        """Newest first, ids below `before`; without the revoked ones if asked, and without those made by `without`."""

    async def live(self, *, before: str | None, limit: int) -> list[tuple[str, str, datetime]]:
        """(id, kind, when it was made) of what is not revoked, newest first; nothing else of a row is read."""

    async def revoke(self, id: str, now: datetime) -> bool:
        """True when it was live."""

    async def succeed(self, id: str, successor: str, ends: datetime) -> None:
        """Name the successor and bring the expiry forward to `ends`, never back."""

    async def pause(self, id: str, reason: str, now: datetime) -> bool:
        """True when it was live and not paused."""

    async def release(self, id: str, now: datetime) -> bool:
        """True when it was paused."""

    async def paused(self) -> list[Credential]:
        """Live ones that are paused, the newest pause first, at most 100."""

    async def bound_to(self, workspace: WorkspaceId, domain: str, limit: int) -> list[Credential]:
        """Live ones of a workspace that may send from that domain alone. System scope."""

    async def exceptions(self, revoked_since: datetime) -> list[Standing]:
        """Every credential that was revoked since, is paused, or ends some day. System scope."""

    async def add_traffic(self, workspace: WorkspaceId, id: str, slot: int, recipients: int) -> int:
        """Count recipients written to in a slot; the slot's sum. System scope."""

    async def busiest(self, workspace: WorkspaceId, id: str, first: int, last: int) -> int | None:
        """The largest slot among `first` to `last`; None when there is none. System scope."""

    async def bursting(self, since: int, rule: BurstRule) -> int:
        """How many live credentials burst in a slot from `since` on and are neither paused nor freshly released.

        System scope. It reads the history apart from `note_traffic`, to see whether that did its work.
        """

    async def forget_traffic(self, before: int) -> int:
        """Drop older slots. System scope."""

    async def by_token(self, token_hash: bytes) -> Credential | None:
        """The credential a token belongs to. System scope."""

    async def networks(self) -> list[Credential]:
        """Every live NETWORK credential. System scope."""

    async def used(self, uses: Sequence[tuple[str, WorkspaceId, datetime]]) -> None:
        """Note last uses, later ones only. System scope."""


class PeopleRepo(Protocol):
    """Users (of the installation), members (of a workspace), sessions, setup links."""

    async def add_user(self, user: User) -> None:
        """System scope."""

    async def user(self, id: UserId) -> User | None:
        """System scope."""

    async def user_by_email(self, email: str) -> User | None:
        """System scope."""

    async def any_user(self) -> bool:
        """System scope."""

    async def set_password(self, id: UserId, password: str) -> None:
        """System scope."""

    async def set_email(self, id: UserId, email: str) -> None:
        """Another sign-in address, in every workspace. System scope."""

    async def disable_user(self, id: UserId, now: datetime) -> bool:
        """System scope."""

    async def users(self) -> list[User]:
        """Everybody, oldest first. System scope."""

    async def add_member(self, workspace: WorkspaceId, member: Member) -> None: ...

    async def remove_member(self, workspace: WorkspaceId, user: UserId) -> bool: ...

    async def set_role(self, workspace: WorkspaceId, user: UserId, role: Role) -> None: ...

    async def member(self, workspace: WorkspaceId, user: UserId) -> Member | None: ...

    async def members(self, workspace: WorkspaceId) -> list[Member]: ...

    async def memberships(self, user: UserId) -> list[tuple[WorkspaceId, Role]]:
        """Oldest first. System scope."""

    async def add_session(self, session: Session, token_hash: bytes) -> None: ...

    async def session_by_token(self, token_hash: bytes) -> Session | None:
        """Not revoked. System scope."""

    async def sessions(self, user: UserId) -> list[Session]:
        """Those not revoked, in scope."""

    async def seen(self, session: Session, now: datetime) -> None: ...

    async def renew_session(self, session: Session, token_hash: bytes) -> bool:
        """Another token, and what was proved since; the old token is worth nothing. True when it was there."""

    async def revoke_session(self, id: SessionId) -> bool: ...

    async def revoke_sessions(self, user: UserId, *, keep: SessionId | None = None) -> int:
        """Every session of a user in scope but `keep`; how many."""

    async def add_setup_link(self, token_hash: bytes, *, created: datetime, expires: datetime) -> None:
        """Replaces unused ones. System scope."""

    async def setup_link_open(self, token_hash: bytes, now: datetime) -> bool:
        """Whether it could be used now. System scope."""

    async def take_setup_link(self, token_hash: bytes, now: datetime) -> bool:
        """Use it up: True once. System scope."""


class FactorsRepo(Protocol):
    """Second factors, recovery codes, tickets, trusted devices: of people, so all of it in the system scope."""

    async def add(self, factor: Factor) -> None: ...

    async def of(self, user: UserId) -> list[Factor]:
        """Oldest first."""

    async def by_handle(self, handle: bytes) -> Factor | None: ...

    async def advance(self, id: str, counter: int, now: datetime) -> bool:
        """Note a use and raise the counter; False, and nothing changed, unless `counter` is above the stored one."""

    async def touch(self, id: str, now: datetime) -> bool:
        """Note a use that has no counter. True when it was there."""

    async def remove(self, user: UserId, id: str) -> bool: ...

    async def set_recovery_codes(self, user: UserId, hashes: Sequence[bytes], now: datetime) -> None:
        """These and no others."""

    async def take_recovery_code(self, user: UserId, code_hash: bytes) -> bool:
        """True once."""

    async def recovery_codes(self, user: UserId) -> int:
        """How many are left."""

    async def add_ticket(self, token_hash: bytes, ticket: Ticket) -> None: ...

    async def ticket(self, token_hash: bytes, kind: TicketKind, now: datetime) -> Ticket | None:
        """While it lives."""

    async def change_ticket(self, token_hash: bytes, facts: Mapping[str, str]) -> None: ...

    async def try_ticket(self, token_hash: bytes) -> None:
        """One try more."""

    async def take_ticket(self, token_hash: bytes) -> bool:
        """True once; then it is gone."""

    async def drop_tickets(self, user: UserId) -> None: ...

    async def forget(self, now: datetime) -> int:
        """Drop tickets and trusted devices that ended; how many."""

    async def add_device(self, device: TrustedDevice, token_hash: bytes) -> None: ...

    async def device(self, token_hash: bytes, now: datetime) -> TrustedDevice | None:
        """While it is trusted."""

    async def devices(self, user: UserId) -> list[TrustedDevice]:
        """Newest first."""

    async def use_device(self, id: str, now: datetime) -> None: ...

    async def revoke_device(self, user: UserId, id: str) -> bool: ...

    async def revoke_devices(self, user: UserId) -> int: ...


class Sealer(Protocol):
    """Seals what must be read again (TOTP secrets), bound to its owner."""

    def seal(self, owner: str, secret: bytes) -> bytes: ...

    def unseal(self, owner: str, sealed: bytes) -> bytes: ...


class IdentityTx(Protocol):
    """A transaction with what these verbs use."""

    @property
    def credentials(self) -> CredentialsRepo: ...

    @property
    def people(self) -> PeopleRepo: ...

    @property
    def factors(self) -> FactorsRepo: ...

    @property
    def entry(self) -> EntryRepo: ...

    @property
    def roles(self) -> RolesRepo: ...

    @property
    def workspaces(self) -> WorkspacesRepo: ...

    @property
    def revocations(self) -> RevocationsRepo: ...

    @property
    def audit(self) -> AuditLog: ...
