"""What the guard needs from a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from mailward.base.ids import UserId
from mailward.core.guard.model import Alert, BucketKey, Link, LinkKind, SignedIn
from mailward.core.identity.ports import IdentityTx
from mailward.policy.detection import Observation, Observed
from mailward.policy.lockout import Bucket


class GuardRepo(Protocol):
    """What was tried, from where, and by whom it was right. System scope, but for alerts."""

    async def hold(self, keys: Sequence[BucketKey]) -> dict[BucketKey, Bucket]:
        """These buckets, kept from every other transaction until this one ends; new ones are empty."""

    async def look(self, keys: Sequence[BucketKey]) -> dict[BucketKey, Bucket]:
        """Those of these buckets that exist, without keeping them."""

    async def put(self, buckets: Mapping[BucketKey, Bucket]) -> None:
        """Store buckets that were held."""

    async def known(self, account: bytes, places: Sequence[bytes]) -> set[bytes]:
        """Which of these places are the account's own."""

    async def remember(self, account: bytes, places: Sequence[bytes], now: datetime) -> None:
        """They are the account's own from now on."""

    async def forget_places(self, account: bytes) -> int:
        """None is any more; how many were."""

    async def spend(self, token: bytes, expires: datetime) -> bool:
        """Use up a solved challenge: True once."""

    async def add_sign_in(self, signed_in: SignedIn) -> None: ...

    async def sign_ins(self, user: UserId, limit: int) -> list[SignedIn]:
        """Of a person, newest first."""

    async def add_link(self, token_hash: bytes, link: Link) -> None: ...

    async def open_link(self, token_hash: bytes, kind: LinkKind, now: datetime) -> Link | None:
        """A link that could be used now."""

    async def take_link(self, token_hash: bytes, now: datetime) -> bool:
        """Use it up: True once."""

    async def observe(self, observations: Sequence[Observation]) -> None:
        """Add to what was counted."""

    async def observed(self, since: int) -> list[Observed]:
        """Every subject that was counted lately, with its slots from `since` on and without its name."""

    async def different(self, kind: str, subject: bytes, since: int) -> int:
        """How many different items were counted with a subject from slot `since` on, by all processes."""

    async def subject(self, kind: str, subject: bytes) -> str:
        """A subject's name."""

    async def add_alert(self, alert: Alert, subject: bytes) -> None: ...

    async def alerted(self, rule: str, subject: bytes, since: datetime) -> bool:
        """Whether this was told since."""

    async def alerts(self, *, before: str | None, limit: int) -> list[Alert]:
        """Newest first: the scope's, in the system scope all."""

    async def alert(self, id: str) -> Alert | None:
        """One of the scope's, in the system scope of all."""

    async def acknowledge(self, alert: Alert) -> None:
        """Write down when it was acknowledged and by whom; nothing else of it changes."""

    async def forget(self, now: datetime) -> int:
        """Drop what is past its time."""


class GuardTx(IdentityTx, Protocol):
    """A transaction with what these verbs use."""

    @property
    def guard(self) -> GuardRepo: ...
