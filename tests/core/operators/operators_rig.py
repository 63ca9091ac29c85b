"""Operators, their customer and the steps of a grant, for the tests of operators."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mailward.app.store import Store
from mailward.base import ids
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.audit.model import to_entry
from mailward.core.identity.model import Member, User
from mailward.core.operators import grants, register
from mailward.core.operators.model import Grant, Ground, Reach, Reader, Wish
from mailward.core.operators.read import reader_by, reading
from mailward.core.operators.register import operator_actor
from mailward.core.workspaces.change import create
from mailward.policy.access import ROLE_PERMISSIONS, Actor, Permission, Role
from tests.conftest import MovingClock, SeededEntropy

SHELL = Actor(WorkspaceId(""), "cli", "cli", frozenset(Permission))
CONTENT = Wish(
    reach=frozenset((Reach.METADATA, Reach.CONTENT)), reason="mail does not arrive, asked for help", ticket="T-1",
    ground=Ground.PERMISSION,
)  # fmt: skip
METADATA = Wish(reach=frozenset((Reach.METADATA,)), reason="mail does not arrive, asked for help", ticket="T-1")


@dataclass
class Rig:
    """Two operators who have served for long, and a workspace with its manager."""

    store: Store
    clock: MovingClock
    entropy: SeededEntropy
    workspace: WorkspaceId = field(init=False)
    ann: UserId = field(init=False)
    bob: UserId = field(init=False)
    owner: UserId = field(init=False)

    @property
    def now(self) -> Any:
        return self.clock.now()

    async def person(self, email: str) -> UserId:
        id = UserId(ids.new("usr", self.now, self.entropy))
        await self.store.system_write(lambda tx: tx.people.add_user(User(id, email, email, "x", self.now)))
        return id

    async def operator(self, email: str, *, in_order: bool = True) -> UserId:
        id = await self.person(email)
        await self.store.system_write(lambda tx: register.add(tx, SHELL, email, now=self.now))
        if in_order:
            await self.file(id)
        return id

    async def file(self, id: UserId) -> None:
        """Everything that must be on file of an operator, done today."""
        for what in ("confidentiality", "background", "training"):
            await self.store.system_write(
                lambda tx, what=what: register.note(tx, SHELL, id, what, self.now, now=self.now)  # type: ignore[misc]
            )

    async def settle(self) -> Rig:
        """The people and the workspace."""
        self.workspace = WorkspaceId(ids.new("ws", self.now, self.entropy))
        shell = Actor(self.workspace, "cli", "cli", frozenset(Permission))
        await self.store.system_write(
            lambda tx: create(tx, shell, "Acme", now=self.now, entropy=self.entropy, id=self.workspace)
        )
        self.owner = await self.person("owner@acme.test")
        member = Member(self.owner, "owner@acme.test", "owner", Role.MANAGER, self.now)
        await self.store.write(self.workspace, lambda tx: tx.people.add_member(self.workspace, member))
        self.ann, self.bob = await self.operator("ann@ops.test"), await self.operator("bob@ops.test")
        self.clock.move(hours=25)
        return self

    def acting(self, operator: UserId) -> Actor:
        return operator_actor(operator, self.workspace)

    @property
    def customer(self) -> Actor:
        return Actor(self.workspace, "session", self.owner, ROLE_PERMISSIONS[Role.MANAGER], Role.MANAGER)

    async def request(self, wish: Wish = METADATA, *, by: UserId | None = None) -> Grant:
        actor = self.acting(by or self.ann)
        return await self.store.write(
            self.workspace, lambda tx: grants.request(tx, actor, wish, now=self.now, entropy=self.entropy)
        )

    async def do(self, verb: Any, actor: Actor, *args: Any) -> Any:
        """A verb of the workspace."""
        return await self.store.write(self.workspace, lambda tx: verb(tx, actor, *args, now=self.now))

    async def do_read(self, verb: Any, actor: Actor, *args: Any) -> Any:
        """A verb of the workspace that only reads."""
        return await self.store.read(self.workspace, lambda tx: verb(tx, actor, *args))

    async def live(self, wish: Wish = METADATA) -> Grant:
        """A grant of Ann's that Bob let through, permitted where that is needed, and begun."""
        asked = await self.request(wish)
        await self.do(grants.approve, self.acting(self.bob), asked.id)
        if wish.ground is Ground.PERMISSION:
            await self.do(grants.permit, self.customer, asked.id)
        begun = await self.do(grants.begin, self.acting(self.ann), asked.id)
        assert isinstance(begun, Grant)
        return begun

    async def read(self, grant: Grant | Reader, reach: Reach = Reach.METADATA) -> str:
        """A read by the grant."""
        reader = grant if isinstance(grant, Reader) else reader_by(grant)

        async def look(tx: Any) -> str:
            return "what is theirs"

        return await self.store.write(
            self.workspace, lambda tx: reading(tx, reader, reach, "a look", "msg_x", look, now=self.now)
        )

    async def log(self) -> list[tuple[str, str]]:
        """(act, actor) of the workspace's audit log about operators, oldest first."""
        raw = ids.decode("ws", self.workspace)

        async def acts(tx: Any) -> list[tuple[str, str]]:
            rows = await tx.audit.leaves(raw, 0, await tx.audit.size(raw))
            entries = [to_entry(row) for row in rows]
            return [(e.act.partition(".")[2], e.actor) for e in entries if e.act.startswith("operator_access.")]

        return await self.store.read(self.workspace, acts)
