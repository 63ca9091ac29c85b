"""Personal logins to the database by a grant, for the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mailward.adapters.storage.postgres.personal import drop_ended, make_login
from mailward.app.stores import access_of, connect
from mailward.base import ids
from mailward.base.errors import Forbidden, Unavailable
from mailward.core.operators.model import Grant, Reach
from mailward.core.operators.read import reader_by, reading
from mailward.core.operators.register import operator_actor

if TYPE_CHECKING:
    from mailward.app.context import Context


@asynccontextmanager
async def _both(context: Context, url: str) -> AsyncIterator[tuple[Any, Any]]:
    """(administrator, owner) of the database. Unavailable without storage.owner_url."""
    if not context.settings.storage.owner_url:
        raise Unavailable("no_owner", "Set storage.owner_url: the policies of such a login are the owner's to make.")
    owner_access = access_of(context.settings, owner=True)
    owner = await connect(owner_access)
    try:
        admin = await connect(replace(owner_access, url=url))
        try:
            yield admin, owner
        finally:
            await admin.close()
    finally:
        await owner.close()


async def make(context: Context, url: str, grant: str) -> dict[str, str]:
    """A login for a live grant that reaches metadata; making it is in the customer's log. Forbidden otherwise."""
    now = context.clock.now()
    found = await context.store.system_read(lambda tx: tx.operators.grant(grant))
    if found is None or found.ends is None:
        raise Forbidden("no_grant", "There is no live grant for this. Ask for one.")
    reader, ends = reader_by(found), found.ends

    async def nothing(tx: Any) -> Grant:
        return found

    await context.store.write(
        found.workspace,
        lambda tx: reading(tx, reader, Reach.METADATA, "login to the database", grant, nothing, now=now),
    )
    raw, workspace = ids.decode("grt", grant), ids.decode("ws", found.workspace)
    async with _both(context, url) as (admin, owner):
        await drop_ended(admin, owner, now)
        role, password = await make_login(admin, owner, raw, workspace, ends, context.entropy)
    return {
        "role": role,
        "password": password,
        "until": ends.isoformat(),
        "operator": operator_actor(found.operator).id,
    }


async def drop(context: Context, url: str) -> int:
    """Drop the logins whose grant is over; how many."""
    async with _both(context, url) as (admin, owner):
        return await drop_ended(admin, owner, context.clock.now())
