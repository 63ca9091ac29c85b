"""Sessions: begin, list, renew, end. A session belongs to one workspace; going to another begins a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from mailward.base import ids
from mailward.base.errors import NotFound, StepUpRequired
from mailward.base.ids import SessionId, UserId, WorkspaceId
from mailward.base.secret import Secret
from mailward.base.sources import Entropy
from mailward.core.identity import restrictions, tokens
from mailward.core.identity.model import Session
from mailward.core.identity.ports import IdentityTx
from mailward.policy.access import ROLE_PERMISSIONS, Actor, Role

RECENT = timedelta(minutes=10)
"""How long a proof is good for dangerous acts."""


async def create_session(
    tx: IdentityTx,
    user: UserId,
    workspace: WorkspaceId,
    role: Role,
    *,
    device: str,
    address: str,
    network: str = "",
    place: str = "",
    factors: frozenset[str] = frozenset({"password"}),
    recent: bool = True,
    now: datetime,
    entropy: Entropy,
) -> tuple[Session, Secret[str]]:
    """Begin a session for a person who proved who they are; the token is shown to their browser only.

    `device` is what the browser calls itself, `address` where it comes from; both are
    shown in the list of sessions and kept as long as the session. `recent` False when a
    trusted device stood in for a factor: dangerous acts ask for the real one.
    """
    token = tokens.new_token(tokens.SESSION, entropy)
    digest = tokens.hash_token(token.reveal(), tokens.SESSION)
    assert digest is not None
    id = SessionId(ids.new("ses", now, entropy))
    shown = now if recent else None
    session = Session(id, user, workspace, now, now, _printable(device)[:200], address, factors, shown, network, place)
    await tx.people.add_session(session, digest)
    facts = {"session": id, "device": session.device, "address": address, "factors": " ".join(sorted(factors))}
    await tx.audit.append(session_actor(session, role), "session.created", user, facts, now=now)
    return session, token


def require_recent(session: Session, now: datetime) -> None:
    """Raise StepUpRequired unless the person proved themselves in this session within ten minutes."""
    shown = session.stepped_up
    if session.missing == "step-up" or shown is None or not timedelta() <= now - shown < RECENT:
        raise StepUpRequired("step_up_required", "Please confirm that it is you.")


async def step_up(
    tx: IdentityTx, session: Session, factor: str, *, now: datetime, entropy: Entropy
) -> tuple[Session, Secret[str]]:
    """The same session with what was proved now, under another token: the old one is worth nothing. System scope."""
    token = tokens.new_token(tokens.SESSION, entropy)
    digest = tokens.hash_token(token.reveal(), tokens.SESSION)
    assert digest is not None
    after = replace(session, factors=session.factors | {factor}, stepped_up=now, missing="")
    if not await tx.people.renew_session(after, digest):
        raise NotFound("not_found", "There is no such session.")
    await tx.revocations.bump()
    facts = {"session": session.id, "factor": factor}
    await note_everywhere(tx, session.user, "session.stepped_up", facts, address=session.address, now=now)
    return after, token


async def note_everywhere(
    tx: IdentityTx, user: UserId, act: str, facts: Mapping[str, str], *, address: str = "", now: datetime
) -> None:
    """An act on a person, in the log of each of their workspaces; `address` is where they did it from. System scope."""
    for workspace, role in await tx.people.memberships(user):
        actor = Actor(workspace, "session", user, ROLE_PERMISSIONS[role], role, address=address)
        await tx.audit.append(actor, act, user, facts, now=now)


async def list_sessions(tx: IdentityTx, actor: Actor) -> list[Session]:
    """The actor's own sessions in this workspace, newest first."""
    return await tx.people.sessions(_user(actor))


async def revoke_session(tx: IdentityTx, actor: Actor, id: SessionId, *, now: datetime) -> None:
    """End one of the actor's own sessions (signing out ends the one in use). NotFound when it is not theirs."""
    if id not in {s.id for s in await tx.people.sessions(_user(actor))}:
        raise NotFound("not_found", "There is no such session.")
    await tx.people.revoke_session(id)
    await tx.revocations.bump()
    await tx.audit.append(actor, "session.revoked", actor.id, {"session": id}, now=now)


async def revoke_all_sessions(tx: IdentityTx, actor: Actor, *, keep: SessionId | None = None, now: datetime) -> int:
    """End all of the actor's sessions but `keep`; how many ended."""
    ended = await tx.people.revoke_sessions(_user(actor), keep=keep)
    if ended:
        await tx.revocations.bump()
        await tx.audit.append(actor, "session.all_revoked", actor.id, {"ended": str(ended)}, now=now)
    return ended


async def switch_workspace(
    tx: IdentityTx, session: Session, workspace: WorkspaceId, *, address: str, now: datetime, entropy: Entropy
) -> tuple[Session, Secret[str]]:
    """Go on in another of the person's workspaces, under another token; the old one is worth nothing. System scope.

    What was proved at sign-in stays proved, and the session grows no younger by it. NotFound for a workspace that
    does not exist and for one the person has no place in alike; Forbidden when it does not allow the address.
    """
    member = await tx.people.member(workspace, session.user)
    if member is None:
        raise NotFound("not_found", "You have no place in such a workspace.")
    await restrictions.admit(tx, session.user, [(workspace, member.role)], address)
    token = tokens.new_token(tokens.SESSION, entropy)
    digest = tokens.hash_token(token.reveal(), tokens.SESSION)
    assert digest is not None
    moved = replace(session, id=SessionId(ids.new("ses", now, entropy)), workspace=workspace, last_seen=now)
    await tx.people.revoke_session(session.id)
    await tx.people.add_session(moved, digest)
    await tx.revocations.bump()
    actor = session_actor(moved, member.role)
    left = Actor(session.workspace, "session", session.user, address=address)
    await tx.audit.append(left, "session.revoked", session.user, {"session": session.id, "reason": "moved"}, now=now)
    facts = {"session": moved.id, "device": moved.device, "address": address, "moved": "yes"}
    await tx.audit.append(actor, "session.created", session.user, facts, now=now)
    return moved, token


def session_actor(session: Session, role: Role) -> Actor:
    """Who acts in a session: the person, with the permissions of their role."""
    return Actor(session.workspace, "session", session.user, ROLE_PERMISSIONS[role], role)


def _user(actor: Actor) -> UserId:
    if actor.kind != "session":
        raise NotFound("not_found", "Only people have sessions.")
    return UserId(actor.id)


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())
