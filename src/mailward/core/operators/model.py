"""Nouns of operators: who they are, what a grant says and through which states it goes, what a review holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from mailward.base.ids import UserId, WorkspaceId
from mailward.policy.access import Actor, Permission

STANDARD = timedelta(minutes=60)
LONGEST = timedelta(hours=4)
ALONE_WAITS = timedelta(hours=24)
"""How long a request waits, with the customer told, where there is no second operator."""
SENIORITY = timedelta(hours=24)
"""Who has been an operator for less approves nothing: a second account made for the purpose is no second person."""
USE_WITHIN = timedelta(hours=24)
"""What was let through and not begun by then ends."""
TRAINING_LASTS = timedelta(days=365)


class Reach(StrEnum):
    """What a grant opens. METADATA: who wrote whom, when, and what became of it; CONTENT: messages themselves too."""

    METADATA = "metadata"
    CONTENT = "content"
    CONFIGURATION = "configuration"


REACH_PERMISSIONS: Mapping[Reach, frozenset[Permission]] = {
    Reach.METADATA: frozenset((Permission.MESSAGE_READ, Permission.SUPPRESSION_READ, Permission.INBOUND_READ)),
    Reach.CONTENT: frozenset((Permission.MESSAGE_READ, Permission.MESSAGE_CONTENT, Permission.INBOUND_READ)),
    Reach.CONFIGURATION: frozenset(
        (Permission.DOMAIN_READ, Permission.WEBHOOK_READ, Permission.INBOUND_READ, Permission.WORKSPACE_READ)
    ),
}
"""Reading only: a grant changes nothing."""


class Ground(StrEnum):
    """On what the reading of content rests. PERMISSION is given in the product by a manager of the workspace."""

    NONE = "none"
    PERMISSION = "permission"
    LEGAL = "legal"


class GrantState(StrEnum):
    """REQUESTED waits for another operator, WAITING for a day to pass; READY may begin; LIVE opens; ENDED is final."""

    REQUESTED = "requested"
    WAITING = "waiting"
    READY = "ready"
    LIVE = "live"
    ENDED = "ended"


TRANSITIONS: Mapping[GrantState, frozenset[GrantState]] = {
    GrantState.REQUESTED: frozenset((GrantState.READY, GrantState.ENDED)),
    GrantState.WAITING: frozenset((GrantState.READY, GrantState.LIVE, GrantState.ENDED)),
    GrantState.READY: frozenset((GrantState.LIVE, GrantState.ENDED)),
    GrantState.LIVE: frozenset((GrantState.ENDED,)),
    GrantState.ENDED: frozenset(),
}


class Why(StrEnum):
    """How a grant ended."""

    TIME = "time"
    UNUSED = "unused"
    REFUSED = "refused"
    OPERATOR = "revoked_by_operator"
    CUSTOMER = "revoked_by_customer"
    ROLE = "role_changed"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. Written once; nothing in it ever changes."""

    reach: frozenset[Reach]
    reason: str
    ticket: str
    ground: Ground = Ground.NONE
    legal: str = ""
    """The legal ground in words, where `ground` is LEGAL."""
    minutes: int = 60
    asked_by: str = ""
    """The operator's address, as the customer is shown it."""


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """What must be on file of an operator, each with the time it was done. None: not yet."""

    confidentiality: datetime | None = None
    background: datetime | None = None
    training: datetime | None = None
    """The last one; it is good for a year."""
    lapse_told: datetime | None = None
    """When the others were last told of what is missing; None once nothing is."""

    def lapses(self, now: datetime) -> tuple[str, ...]:
        """What is missing or over, in words of one; empty when all is in order."""
        out = []
        if self.confidentiality is None:
            out.append("confidentiality")
        if self.background is None:
            out.append("background check")
        if self.training is None or now - self.training >= TRAINING_LASTS:
            out.append("training")
        return tuple(out)


@dataclass(frozen=True, slots=True)
class Operator:
    """A person who runs the installation. `disabled` is that of the person."""

    id: UserId
    email: str = field(repr=False)
    made: datetime
    made_by: str
    register: Register
    ended: datetime | None = None
    ended_by: str = ""
    disabled: bool = False

    @property
    def serving(self) -> bool:
        """Whether they are an operator now."""
        return self.ended is None and not self.disabled


@dataclass(frozen=True, slots=True)
class Grant:
    """One operator's access to one workspace. `ready`: from when a WAITING one may begin."""

    id: str
    workspace: WorkspaceId
    operator: UserId
    wish: Wish
    state: GrantState
    requested: datetime
    ready: datetime | None = None
    approver: UserId | None = None
    approved: datetime | None = None
    permitted: datetime | None = None
    permitted_by: str = ""
    began: datetime | None = None
    ends: datetime | None = None
    ended: datetime | None = None
    ended_by: str = ""
    why: Why | None = None
    told: str = ""
    """The last thing that the customer's managers were mailed: "requested", "live", "ended"."""

    @property
    def permissions(self) -> frozenset[Permission]:
        """What it opens."""
        return frozenset(p for reach in self.wish.reach for p in REACH_PERMISSIONS[reach])

    def is_live(self, now: datetime) -> bool:
        """Begun, not over, and not longer than any grant may be, whatever its row says."""
        return (
            self.state is GrantState.LIVE
            and self.began is not None
            and self.ends is not None
            and self.began <= now < self.ends
            and self.ends - self.began <= min(LONGEST, timedelta(minutes=self.wish.minutes))
        )


@dataclass(frozen=True, slots=True)
class Reader(Actor):
    """An operator reading in a workspace by a grant: the only actor of kind "operator" a workspace's data is shown."""

    grant: str = ""


class Kind(StrEnum):
    """What a review looks at."""

    MEMBER = "member"
    KEY = "key"
    GRANT = "grant"
    OPERATOR = "operator"


class Decision(StrEnum):
    """What is to become of it."""

    KEEP = "keep"
    REMOVE = "remove"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One access under review, as it was when the review opened."""

    kind: Kind
    id: str
    name: str
    facts: dict[str, str] = {}
    decision: Decision | None = None
    decided: datetime | None = None
    decided_by: str = ""
    outcome: str = ""
    """What was done: "kept", "removed", "suspended", "gone" (it ended meanwhile), "last manager"."""


@dataclass(frozen=True, slots=True)
class Review:
    """The access review of one workspace, or (workspace "") of the operators, in one quarter."""

    id: str
    workspace: WorkspaceId
    quarter: str
    opened: datetime
    items: tuple[Item, ...]
    escalated: datetime | None = None
    suspended: datetime | None = None
    closed: datetime | None = None
    told: str = ""

    @property
    def undecided(self) -> tuple[Item, ...]:
        """What nobody decided on."""
        return tuple(i for i in self.items if not i.outcome)
