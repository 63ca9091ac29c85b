"""The drill behind AUTHZ-3, AUTHZ-4 and PEOPLE-1: a store of its own in a temporary folder, and a clock that is moved.

Verbs, repositories, log and vault are the platform's own; only the clock and the people are not.
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.vault.vault import Vault
from mailward.app.granted import unwrapping
from mailward.base import ids
from mailward.base.errors import MailwardError
from mailward.base.ids import UserId, WorkspaceId
from mailward.base.sources import Entropy
from mailward.core.audit.model import to_entry
from mailward.core.identity.credentials import Wish as KeyWish
from mailward.core.identity.credentials import create_key
from mailward.core.identity.model import Member, User
from mailward.core.operators import end, grants, register, review
from mailward.core.operators.model import Decision, Grant, Ground, Kind, Reach, Wish
from mailward.core.operators.read import reader_by
from mailward.core.operators.register import operator_actor
from mailward.core.workspaces import change
from mailward.core.workspaces.data_keys import DataKeys
from mailward.policy.access import IN_WORKSPACE, ROLE_PERMISSIONS, Actor, Role, Scope

_WISH = Wish(
    reach=frozenset((Reach.METADATA, Reach.CONTENT)), reason="a drill of break-glass", ticket="drill",
    ground=Ground.LEGAL, legal="the drill has no content of anybody",
)  # fmt: skip
_DAY = 20_000
# What is promised (docs/operators.md), whatever the verbs have.
_ESCALATES, _SUSPENDS = timedelta(days=14), timedelta(days=30)


class Drill:
    """Open with `open()`, close with `close()`; two operators, and a workspace with its manager and a data key."""

    def __init__(self, folder: Path, entropy: Entropy) -> None:
        self.at = datetime(2026, 1, 5, 12, tzinfo=UTC)
        self._folder = folder
        self.entropy = entropy

    def now(self) -> datetime:
        """The drill's time."""
        return self.at

    def monotonic(self) -> float:
        """The same, in seconds."""
        return self.at.timestamp()

    async def open(self) -> None:
        """People, workspace and key."""
        key = self.entropy.bytes(32)
        SqliteStore.prepare(self._folder / "data", key, self)
        self.store = SqliteStore(self._folder / "data", key, worker=0, entropy=self.entropy)
        await self.store.open()
        self.raw = self.entropy.bytes(16)
        self.workspace = WorkspaceId(ids.encode("ws", self.raw))
        self.shell = Actor(self.workspace, "cli", "cli", IN_WORKSPACE)
        vault = Vault(self._folder / "keys", self.entropy, now=self.at)
        self.keys = DataKeys(self.store, vault.service, self.entropy, unwrapping(self.store, self.now))
        await self.store.system_write(
            lambda tx: change.create(tx, self.shell, "Drill", now=self.at, entropy=self.entropy, id=self.workspace)
        )
        self.owner = await self._person("owner@drill.invalid")
        seat = Member(self.owner, "owner@drill.invalid", "owner", Role.MANAGER, self.at)
        await self.store.write(self.workspace, lambda tx: tx.people.add_member(self.workspace, seat))
        await self.keys.seal_key(self.raw, _DAY)
        self.asks, self.approves = await self._operator("a@drill.invalid"), await self._operator("b@drill.invalid")
        self.at += timedelta(hours=25)

    async def close(self) -> None:
        """The store's end."""
        await self.store.close()

    async def _person(self, email: str) -> UserId:
        id = UserId(ids.new("usr", self.at, self.entropy))
        await self.store.system_write(lambda tx: tx.people.add_user(User(id, email, email, "-", self.at)))
        return id

    async def _operator(self, email: str) -> UserId:
        id = await self._person(email)
        await self.store.system_write(lambda tx: register.add(tx, self.shell, email, now=self.at))
        for what in ("confidentiality", "background", "training"):
            await self.store.system_write(
                lambda tx, what=what: register.note(tx, self.shell, id, what, self.at, now=self.at)  # type: ignore[misc]
            )
        return id

    def operator(self, id: UserId) -> Actor:
        """An operator, acting in the workspace."""
        return operator_actor(id, self.workspace)

    @property
    def customer(self) -> Actor:
        """The workspace's manager."""
        return Actor(self.workspace, "session", self.owner, ROLE_PERMISSIONS[Role.MANAGER], Role.MANAGER)

    async def do(self, verb: Any, actor: Actor, *args: Any) -> Any:
        """A verb of the workspace."""
        return await self.store.write(self.workspace, lambda tx: verb(tx, actor, *args, now=self.at))

    async def ask(self) -> Grant:
        """A request."""
        actor = self.operator(self.asks)
        return await self.store.write(
            self.workspace, lambda tx: grants.request(tx, actor, _WISH, now=self.at, entropy=self.entropy)
        )

    async def open_key(self, grant: Grant) -> None:
        """What a read of content needs."""
        await self.keys.open_key(self.raw, _DAY, 1, reader=reader_by(grant))

    async def acts(self) -> list[str]:
        """What the customer's log says of operators."""
        size = await self.store.read(self.workspace, lambda tx: tx.audit.size(self.raw))
        rows = await self.store.read(self.workspace, lambda tx: tx.audit.leaves(self.raw, 0, size))
        return [e.act for e in map(to_entry, rows) if e.act.startswith("operator_access.")]


async def refused(what: Awaitable[Any]) -> str:
    """The code something was refused with; "" when it was not."""
    try:
        await what
    except MailwardError as e:
        return e.code
    return ""


async def break_glass(drill: Drill) -> list[str]:
    """Ask, approve, begin, read, and every way around it; what went wrong."""
    wrong = []
    asked = await drill.ask()
    if await refused(drill.open_key(asked)) != "no_grant":
        wrong.append("a key was unwrapped on a request")
    if await refused(drill.do(grants.approve, drill.operator(drill.asks), asked.id)) != "self_approval":
        wrong.append("an operator approved their own request")
    await drill.do(grants.approve, drill.operator(drill.approves), asked.id)
    live = await drill.do(grants.begin, drill.operator(drill.asks), asked.id)
    if code := await refused(drill.open_key(live)):
        wrong.append(f"a live grant was refused: {code}")
    if "operator_access.read" not in await drill.acts():
        wrong.append("a read is not in the customer's log")
    drill.at += timedelta(minutes=61)
    if await refused(drill.open_key(live)) != "no_grant":
        wrong.append("a key was unwrapped after the grant's time")
    second = await drill.ask()
    await drill.do(grants.approve, drill.operator(drill.approves), second.id)
    begun = await drill.do(grants.begin, drill.operator(drill.asks), second.id)
    await drill.do(end.revoke, drill.customer, second.id)
    if await refused(drill.open_key(begun)) != "no_grant":
        wrong.append("a key was unwrapped after the customer ended the grant")
    return wrong


async def quarter(drill: Drill) -> list[str]:
    """A review from its opening to the suspension of what nobody looked at; what went wrong."""
    wrong = []
    keys = []
    for name in ("kept", "forgotten"):
        made = await drill.store.write(
            drill.workspace,
            lambda tx, n=name: create_key(  # type: ignore[misc]
                tx, drill.shell, KeyWish(n, frozenset({Scope.SEND})), now=drill.at, entropy=drill.entropy
            ),
        )
        keys.append(made.credential.id)
    opened = await drill.store.write(
        drill.workspace, lambda tx: review.open_review(tx, drill.shell, now=drill.at, entropy=drill.entropy)
    )
    if opened is None or not {i.id for i in opened.items} >= {*keys, drill.owner}:
        return ["a review left something out"]
    await drill.do(review.decide, drill.customer, opened.id, Kind.KEY, keys[0], Decision.KEEP)
    drill.at += _ESCALATES
    if await drill.do(review.escalate, drill.shell, opened.id) is None:
        wrong.append("a late review was not escalated")
    drill.at += _SUSPENDS - _ESCALATES
    done = await drill.do(review.suspend, drill.shell, opened.id)
    outcome = {i.id: i.outcome for i in done.items} if done is not None else {}
    if (outcome.get(keys[0]), outcome.get(keys[1])) != ("kept", "suspended"):
        wrong.append("what nobody reviewed was not suspended, or what was kept was")
    if outcome.get(drill.owner) != "last one":
        wrong.append("the last manager was suspended")
    paused = await drill.store.read(drill.workspace, lambda tx: tx.credentials.get(keys[1]))
    if paused is None or paused.paused is None:
        wrong.append("a suspended key goes on")
    return wrong


async def lapse(drill: Drill) -> list[str]:
    """Training that is a year old; what went wrong."""
    wrong = []
    if code := await refused(drill.ask()):
        wrong.append(f"an operator in order was refused: {code}")
    drill.at += timedelta(days=365)
    if await refused(drill.ask()) != "register_lapsed":
        wrong.append("a lapsed operator was not refused")
    told = await drill.store.system_write(lambda tx: register.lapsed(tx, drill.shell, now=drill.at))
    if len(told) != 2:
        wrong.append("nobody was told of a lapse")
    return wrong
