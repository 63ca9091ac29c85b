"""After a restore: what was taken away since the backup is taken away again, as far as the newest copy knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailward.adapters.storage.backup.access import Access
from mailward.app.installation import Installation
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.errors import Conflict, NotFound
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.identity import people
from mailward.core.identity.credentials import revoke_key
from mailward.core.identity.model import CredentialKind
from mailward.core.operators import register
from mailward.policy.access import ROLE_PERMISSIONS, Actor, Role
from mailward.policy.boundaries import of_verb


@dataclass
class TakenAway:
    """How many of each; `kept` names the people who stayed because a workspace would have no manager."""

    credentials: int = 0
    places: int = 0
    people: int = 0
    operators: int = 0
    kept: tuple[str, ...] = ()

    @property
    def all(self) -> int:
        """Together."""
        return self.credentials + self.places + self.people + self.operators


async def take_away(i: Installation, gone: Access, *, now: datetime) -> TakenAway:
    """Revoke, remove, lower, disable and end what `gone` lists (see `taken_since`).

    Each is the same verb as by hand, with its entry in the log. A role that is another now
    is given when it reaches less far; for one of a workspace's own, of which nothing is
    known here, Member.
    """
    done = TakenAway()
    for raw in sorted({entry[0] for entry in (*gone.credentials, *gone.places)}):
        workspace = WorkspaceId(ids.encode("ws", raw))
        credentials = [(id, kind) for place, id, kind in gone.credentials if place == raw]
        done.credentials += await _credentials(i, workspace, credentials, now)
        await _places(i, workspace, [(u, role) for place, u, role in gone.places if place == raw], done, now)
    if gone.people or gone.operators:
        await i.store.system_write(lambda tx: _installation(tx, gone, done, now))
    return done


async def _credentials(i: Installation, workspace: WorkspaceId, gone: list[tuple[bytes, str]], now: datetime) -> int:
    actor = Actor(workspace, "cli", "cli", of_verb("key revoke"))

    async def act(tx: Tx) -> int:
        for id, kind in gone:
            await revoke_key(tx, actor, ids.encode("key" if kind == CredentialKind.KEY else "smtp", id), now=now)
        return len(gone)

    return await i.store.write(workspace, act)


async def _places(
    i: Installation, workspace: WorkspaceId, gone: list[tuple[bytes, str]], done: TakenAway, now: datetime
) -> None:
    actor = Actor(workspace, "cli", "cli", of_verb("member remove"))

    async def act(tx: Tx) -> None:
        for raw, said in gone:
            user = UserId(ids.encode("usr", raw))
            member = await tx.people.member(workspace, user)
            if member is None or (said and _reaches(Role(said), member.role)):
                continue
            try:
                if said:
                    role = Role.MEMBER if said == Role.CUSTOM else Role(said)
                    await people.change_role(tx, actor, user, role, now=now)
                else:
                    await people.remove_member(tx, actor, user, now=now)
                done.places += 1
            except Conflict:
                done.kept += (user,)

    await i.store.write(workspace, act)


def _reaches(now: Role, then: Role) -> bool:
    """Whether today's role may do all that the restored one may."""
    return Role.CUSTOM not in (now, then) and ROLE_PERMISSIONS[then] <= ROLE_PERMISSIONS[now]


async def _installation(tx: Tx, gone: Access, done: TakenAway, now: datetime) -> None:
    shell = Actor(WorkspaceId(""), "cli", "cli", of_verb("person disable"))
    for raw in gone.operators:
        await register.end(tx, shell, UserId(ids.encode("usr", raw)), now=now)
        done.operators += 1
    for raw in gone.people:
        try:
            await people.disable_user(tx, shell, UserId(ids.encode("usr", raw)), now=now)
        except NotFound:
            continue
        done.people += 1
