"""What the machine's shell may read of a customer's mail: by a grant, where there is a customer to be told.

Whoever has the key file can read everything on the machine by a program of their own; no
command prevents that. What is prevented is that the product offers a way to read which
leaves no trace. Two installations have nobody to protect from the shell, and there it reads
freely: one in capture mode, whose mail is its owner's tests, and one with a single
workspace and no operators, whose owner and operator are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailward.app.platform.operators import Operators
from mailward.base.errors import Forbidden
from mailward.core.operators.model import Reach

if TYPE_CHECKING:
    from mailward.app.context import Context
    from mailward.app.platform.messages import Messages
    from mailward.policy.access import Actor


def operators(context: Context) -> Operators:
    """The operators' area on this installation."""
    i = context.installation
    return Operators(i.store, i.data_keys, i.clock, i.entropy, i.search_key)


async def exempt(context: Context) -> bool:
    """Whether the shell reads without a grant here."""
    if context.settings.capture:
        return True

    async def look(tx: Any) -> bool:
        return len(await tx.workspaces.all()) < 2 and not await tx.operators.serving()

    return await context.store.system_read(look)


async def messages_for(context: Context, grant: str | None, what: str, target: str) -> tuple[Messages, Actor]:
    """The messages area and who reads in it. Forbidden 'grant_needed' where a grant is needed and none is given."""
    if grant is None:
        await require_exempt(context)
        return context.messages, context.actor
    area = operators(context)
    reader = await area.reader(None, grant)
    return area.messages(reader, what, target, content=what == "content of a message"), reader


async def store_for(context: Context, grant: str | None, what: str, target: str, *, content: bool) -> tuple[Any, Actor]:
    """The store for other areas, the same way."""
    if grant is None:
        await require_exempt(context)
        return context.store, context.actor
    area = operators(context)
    reader = await area.reader(None, grant)
    return area.granted(reader, Reach.CONTENT if content else Reach.METADATA, what, target), reader


async def require_exempt(context: Context) -> None:
    """Raise Forbidden 'grant_needed' unless the shell reads freely here."""
    if not await exempt(context):
        raise Forbidden(
            "grant_needed",
            "This installation has customers: reading their mail takes a grant (`mailward operator request`), "
            "named with --grant. Reads by it are in the customer's log.",
        )
