"""A person of the checks' own: no password fits, and outside a question they have no place and no session.

Their account stays in the installation between questions, as a name without access.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mailward.app.checks.probe import NotThere
from mailward.app.context import Context
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.ids import UserId
from mailward.core.identity import people, restrictions
from mailward.core.identity.model import User
from mailward.core.identity.sessions import create_session
from mailward.policy.access import Role

# .invalid never resolves (RFC 6761 section 6.4): no letter reaches this address.
EMAIL = "verify@evidence.invalid"
_FACTORS = frozenset({"password", "totp"})


class Nobody(NotThere):
    """No person can be tried here; the text says why. Nothing is wrong with that."""


@dataclass(frozen=True, slots=True)
class Somebody:
    """A person with a place in the check's workspace, and the token of their session."""

    id: UserId
    token: str

    def cookie(self, context: Context) -> dict[str, str]:
        """What their browser sends."""
        secure = context.settings.http.public_url.startswith("https:")
        return {"Cookie": f"{'__Host-' if secure else ''}mailward={self.token}"}


@asynccontextmanager
async def somebody(context: Context, role: Role, address: str) -> AsyncIterator[Somebody]:
    """A person with a role and a session from `address`; their place is taken away at the end, whatever happens."""
    now, entropy, actor = context.clock.now(), context.entropy, context.actor

    async def arrive(tx: Tx) -> Somebody | str:
        # Accounts end the setup link, and the first one has to be its owner's.
        if not await tx.people.any_user():
            return "nobody has an account here yet"
        # The last manager of a workspace cannot be taken away again.
        if not any(m.role is Role.MANAGER and m.email != EMAIL for m in await tx.people.members(actor.workspace)):
            return "nobody manages the workspace that is asked"
        if not restrictions.within(restrictions.of_workspace(await tx.workspaces.get(actor.workspace)), address):
            return "people work in this workspace from listed networks alone, which this machine is not in"
        user = await tx.people.user_by_email(EMAIL)
        if user is None:
            user = User(UserId(ids.new("usr", now, entropy)), EMAIL, "Verify", _no_password(context), now)
            await tx.people.add_user(user)
        if await tx.people.member(actor.workspace, user.id) is not None:  # a run that was cut off
            await people.remove_member(tx, actor, user.id, now=now)
        await people.add_member(tx, actor, user, role, now=now)
        _, token = await create_session(
            tx, user.id, actor.workspace, role, device="verify", address=address, factors=_FACTORS, now=now,
            entropy=entropy,
        )  # fmt: skip
        return Somebody(user.id, token.reveal())

    made = await context.store.system_write(arrive)
    if isinstance(made, str):
        raise Nobody(made)
    try:
        yield made
    finally:
        await leave(context, made)


async def leave(context: Context, who: Somebody) -> None:
    """Take the person's place away, and with it their session."""
    now, actor = context.clock.now(), context.actor

    async def act(tx: Tx) -> None:
        if await tx.people.member(actor.workspace, who.id) is not None:
            await people.remove_member(tx, actor, who.id, now=now)

    await context.store.system_write(act)


def _no_password(context: Context) -> str:
    """The form of an Argon2id hash, of random octets: the hash of nothing that anybody knows."""
    salt, digest = (base64.b64encode(context.entropy.bytes(n)).decode().rstrip("=") for n in (16, 32))
    return f"$argon2id$v=19$m=65536,t=3,p=1${salt}${digest}"
