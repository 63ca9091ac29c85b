"""A live grant to read for the operator of a running platform, as two operators would make it over two days."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from mailward.app.installation import Installation
from mailward.app.platform.operators import Operators
from mailward.app.settings import load
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.identity.model import User
from mailward.core.operators import register
from mailward.core.operators.model import Reach, Wish
from mailward.policy.access import Actor, Permission
from tests.scenarios.platform import Platform

SECOND = "second@ops.test"


async def live_grant(platform: Platform, workspace: str) -> str:
    """Its id. The one operator there is has it; a second one approved, after the days that the clock does not give."""
    i = Installation(load(str(platform.config), {}), worker=992)
    await i.open()
    try:
        now, shell = i.clock.now(), Actor(WorkspaceId(""), "cli", "cli", frozenset(Permission))

        async def two(tx: Tx) -> tuple[str, str]:
            (first,) = await tx.operators.serving()
            second = User(UserId(ids.new("usr", now, i.entropy)), SECOND, "Second", "x", now)
            await tx.people.add_user(second)
            for one in (first, replace(first, id=second.id)):
                await tx.operators.add(replace(one, made=one.made - timedelta(days=2)))
                for what in ("confidentiality", "background", "training"):
                    await register.note(tx, shell, one.id, what, now, now=now)
            return first.id, second.id

        first, second = await i.store.system_write(two)
        area = Operators(i.store, i.data_keys, i.clock, i.entropy, i.search_key)
        wish = Wish(reach=frozenset((Reach.METADATA,)), reason="their mail does not arrive", ticket="T-12")
        made = await area.request(first, workspace, wish)
        await area.approve(second, made.id)
        await area.begin(first, made.id)
        return made.id
    finally:
        await i.close()
