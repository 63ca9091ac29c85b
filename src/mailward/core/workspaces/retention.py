"""How long a workspace keeps what, and destroying the data keys of days whose content is over.

A data key serves one workspace and day. It is spent when every message of that day has let
go of its content: from then on the day's bodies are noise wherever their octets lie, in
segment files, in a copy of them, or on a disk that was thrown away.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, Protocol

from mailward.base import ids
from mailward.core.workspaces.model import WorkspaceSettings
from mailward.core.workspaces.ports import AuditLog
from mailward.policy import access
from mailward.policy.access import Actor, Permission

DAY_US = 86_400_000_000
_DAY_MS = 86_400_000
LONGEST_DAYS = 3650
# Tells every worker to forget the data keys it holds unwrapped. Not the auth epoch: that re-judges mail under way.
KEYS_EPOCH = "data_keys_epoch"


class Terms(NamedTuple):
    """Days that messages (what is known of them) and their content are kept, counted from acceptance."""

    messages_days: int
    content_days: int


def terms(settings: WorkspaceSettings, default: Terms) -> Terms:
    """The terms in force: the workspace's own, else the installation's. Content is never kept longer than the rest."""
    messages = settings.messages_days if settings.messages_days is not None else default.messages_days
    content = settings.content_days if settings.content_days is not None else default.content_days
    return Terms(messages, min(content, messages))


def first_id(day: int) -> bytes:
    """The smallest message id of a UTC day (counted from 1970-01-01): ids begin with their milliseconds."""
    return (day * _DAY_MS).to_bytes(6, "big") + bytes(10)


def day_named(day: int) -> str:
    """A day as people and the audit log read it."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


class SpendingKeys(Protocol):
    """What this needs of the data keys repository."""

    async def days(self, workspace: bytes, below: int, limit: int) -> list[int]:
        """Days before `below` whose key is not destroyed, oldest first."""

    async def destroy_days(self, workspace: bytes, days: Sequence[int], now: int) -> int:
        """Overwrite every version of those days' keys; how many went. The markers stay."""


class ContentProgress(Protocol):
    """What this needs of the retention repository."""

    async def content_upto(self) -> bytes: ...

    async def waits_between(self, first: bytes, below: bytes) -> bool: ...

    async def open_between(self, first: bytes, below: bytes) -> bool: ...


class Epochs(Protocol):
    """Counters that announce a change to every worker."""

    async def bump(self, name: str) -> int: ...


class SpendTx(Protocol):
    """A transaction of one workspace."""

    @property
    def data_keys(self) -> SpendingKeys: ...

    @property
    def retention(self) -> ContentProgress: ...

    @property
    def counters(self) -> Epochs: ...

    @property
    def audit(self) -> AuditLog: ...


async def spent_days(tx: SpendTx, workspace: bytes, *, limit: int) -> list[int]:
    """Days whose key can go: let go to their end, none of their messages waiting, no copy of them open. Reads only.

    The look at open copies repeats what "waiting" says already. It costs a walk over the queue, and it
    would be the one to notice a message accepted under a day long past by a clock that was set back.
    """
    upto = await tx.retention.content_upto()
    if not upto:
        return []
    passed = (int.from_bytes(upto[:6], "big") + 1) // _DAY_MS
    out: list[int] = []
    # Days that wait must not keep later ones from being looked at, so every key is: there are at most LONGEST_DAYS.
    for day in await tx.data_keys.days(workspace, passed, 2 * LONGEST_DAYS):
        if len(out) == limit:
            break
        span = (first_id(day), first_id(day + 1))
        if not await tx.retention.waits_between(*span) and not await tx.retention.open_between(*span):
            out.append(day)
    return out


async def destroy_spent(tx: SpendTx, actor: Actor, days: Sequence[int], *, now: datetime) -> int:
    """Destroy the keys of days that `spent_days` found, unless a message of one waits after all; how many keys went.

    Cannot be undone. One entry of the audit log names the days and the count, nothing personal.
    """
    access.require(actor, Permission.WORKSPACE_CHANGE)
    workspace = ids.decode("ws", actor.workspace)
    upto = await tx.retention.content_upto()
    sure = [
        d
        for d in days
        if _before(first_id(d + 1)) <= upto and not await tx.retention.waits_between(first_id(d), first_id(d + 1))
    ]
    gone = await tx.data_keys.destroy_days(workspace, sure, int(now.astimezone(UTC).timestamp() * 1_000_000))
    if gone:
        await tx.counters.bump(KEYS_EPOCH)
        facts = {"keys": str(gone), "days": " ".join(day_named(d) for d in sure), "reason": "retention"}
        await tx.audit.append(actor, "data_keys.destroyed", actor.workspace, facts, now=now)
    return gone


def _before(id: bytes) -> bytes:
    """The id just below."""
    return (int.from_bytes(id, "big") - 1).to_bytes(16, "big")
