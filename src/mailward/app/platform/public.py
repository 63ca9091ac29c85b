"""What signed-in people do with the public side: operators edit it, managers follow and sign."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec

from mailward.app.installation import Installation
from mailward.app.public.keys import ReportSeal
from mailward.app.public.reading import PublicReader
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.base.ids import UserId
from mailward.core.availability.model import Post
from mailward.core.availability.record import post, update
from mailward.core.disclosure.intake import move, open_message, open_report
from mailward.core.disclosure.model import Content, Report, ReportState
from mailward.core.operators.register import operator_actor
from mailward.core.registers.change import put, read_fields, remove
from mailward.core.registers.customers import Signer, follow, sign
from mailward.core.registers.model import Entry, Kind, Notice, Signing
from mailward.policy import access
from mailward.policy.access import Actor, Permission


class PublicArea:
    """Implements `edges.web.dashboard.pages.public.PublicArea`."""

    def __init__(self, installation: Installation) -> None:
        self._i = installation
        self._store = installation.store
        self._reader = PublicReader(installation)
        self._seal = ReportSeal(installation)

    async def _operator(self, user: str) -> Actor:
        """The person as an operator; NotFound for anybody else: the door does not show."""

        found = await self._store.system_read(lambda tx: tx.operators.get(UserId(user)))
        if found is None or not found.serving:
            raise NotFound("not_found", "There is nothing at this path.")
        return operator_actor(found.id)

    @property
    def today(self) -> date:
        """In UTC."""
        return self._i.clock.now().date()

    async def entries(self, user: str) -> list[Entry]:
        """Every entry, as it is now."""
        await self._operator(user)
        return await self._store.system_read(lambda tx: tx.registers.entries())

    async def put(self, user: str, kind: str, given: Mapping[str, str], id: str) -> None:
        """Add or change one."""
        actor, now = await self._operator(user), self._i.clock.now()
        if kind not in set(Kind):
            raise NotFound("not_found", "There is no such register.")
        fields = read_fields(Kind(kind), given, today=now.date())
        await self._store.system_write(
            lambda tx: put(tx, actor, Kind(kind), fields, id=id, now=now, entropy=self._i.entropy)
        )

    async def remove(self, user: str, id: str) -> None:
        """Strike one."""
        actor, now = await self._operator(user), self._i.clock.now()
        await self._store.system_write(lambda tx: remove(tx, actor, id, now=now, entropy=self._i.entropy))

    async def reports(self, user: str) -> list[Report]:
        """Newest first."""
        await self._operator(user)
        return await self._store.system_read(lambda tx: tx.reports.newest(200))

    async def report(self, user: str, id: str) -> tuple[Report, Content]:
        """Open one; audited."""
        actor, now = await self._operator(user), self._i.clock.now()
        return await self._store.system_write(lambda tx: open_report(tx, actor, id, self._seal, now=now))

    async def message(self, user: str, id: str) -> bytes:
        """The mail it came as; audited."""
        actor, now = await self._operator(user), self._i.clock.now()
        return await self._store.system_write(lambda tx: open_message(tx, actor, id, self._seal, now=now))

    async def answer(self, user: str, id: str, state: str, text: str) -> None:
        """Answer one."""
        actor, now = await self._operator(user), self._i.clock.now()
        if state not in set(ReportState):
            raise NotFound("not_found", "There is no such state.")
        await self._store.system_write(lambda tx: move(tx, actor, id, ReportState(state), text, self._seal, now=now))

    async def posts(self, user: str) -> list[Post]:
        """What the status page says."""
        await self._operator(user)
        return await self._store.system_read(lambda tx: tx.availability.posts(50))

    async def post(self, user: str, title: str, text: str) -> None:
        """Tell of an incident."""
        actor, now = await self._operator(user), self._i.clock.now()
        await self._store.system_write(lambda tx: post(tx, actor, title, text, now=now, entropy=self._i.entropy))

    async def update(self, user: str, id: str, text: str, ended: bool) -> None:
        """Say more of one."""
        actor, now = await self._operator(user), self._i.clock.now()
        await self._store.system_write(lambda tx: update(tx, actor, id, text, ended=ended, now=now))

    async def following(self, actor: Actor) -> tuple[bool, list[tuple[Notice, str]], list[tuple[Signing, Signer]]]:
        """Whether the workspace follows, what it was told, and what it signed."""
        access.require(actor, Permission.WORKSPACE_READ)
        raw = ids.decode("ws", actor.workspace)

        async def look(tx: Tx) -> tuple[bool, list[tuple[Notice, str]], list[Signing]]:
            return (
                await tx.registers.follows(raw),
                await tx.registers.notices(raw, 20),
                await tx.registers.signings(raw),
            )

        follows, notices, signings = await self._store.read(actor.workspace, look)
        return follows, notices, [(s, self._signer(actor, s)) for s in signings]

    async def follow(self, actor: Actor, on: bool) -> None:
        """Be told of changes, or no longer."""
        now = self._i.clock.now()
        await self._store.write(actor.workspace, lambda tx: follow(tx, actor, on, now=now))

    async def agreement_hash(self) -> str:
        """Of the text in force."""
        return (await self._reader.agreement()).hash.hex()

    async def sign(self, actor: Actor, name: str, title: str, company: str) -> None:
        """Sign the text in force; the whole of it is kept, sealed, with who signed."""
        now = self._i.clock.now()
        text = await self._reader.agreement()
        signer = Signer(name=name, title=title, company=company)
        kept: dict[str, Any] = {**msgspec.structs.asdict(signer), "text": text.text}
        sealed = self._i.vault.seal("agreement", msgspec.json.encode(kept), actor.workspace.encode())
        await self._store.write(
            actor.workspace,
            lambda tx: sign(tx, actor, signer, sealed, text.hash, now=now, entropy=self._i.entropy),
        )

    def _signer(self, actor: Actor, signing: Signing) -> Signer:
        kept = self._i.vault.unseal("agreement", signing.sealed, actor.workspace.encode())
        return msgspec.json.decode(kept, type=Signer)
