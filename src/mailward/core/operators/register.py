"""Who is an operator, and what must be on file of them before they are granted anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from mailward.base.errors import Conflict, Forbidden, Invalid, NotFound
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.operators.end import end_all
from mailward.core.operators.model import Operator, Register, Why
from mailward.core.operators.ports import OperatorsTx
from mailward.policy.access import ROLE_PERMISSIONS, Actor, Role

INSTALLATION = WorkspaceId("")
TELL_AGAIN = timedelta(days=7)


def operator_actor(id: UserId, workspace: WorkspaceId = INSTALLATION) -> Actor:
    """An operator acting as such: what a Super Admin may, which is nothing inside a workspace."""
    return Actor(workspace, "operator", id, ROLE_PERMISSIONS[Role.SUPER_ADMIN], Role.SUPER_ADMIN)


def require_shell(actor: Actor) -> None:
    """Raise Forbidden unless the act comes from the machine's own shell: operators make no operators."""
    if actor.kind != "cli":
        raise Forbidden("forbidden", "Operators are made and ended on the machine, with `mailward operator`.")


async def add(tx: OperatorsTx, actor: Actor, email: str, *, now: datetime) -> Operator:
    """Make a person with an account an operator. System scope.

    NotFound when nobody has the address, Conflict when they are one already. Who comes
    back starts anew: their register has to be filled in again, their seniority counts from now.
    """
    require_shell(actor)
    user = await tx.people.user_by_email(email.strip())
    if user is None or user.disabled is not None:
        raise NotFound("not_found", "Nobody with this address has an account. Invite them to a workspace first.")
    before = await tx.operators.get(user.id)
    if before is not None and before.ended is None:
        raise Conflict("already_operator", "This person is an operator already.")
    made = Operator(user.id, user.email, now, actor.id, Register())
    await tx.operators.add(made)
    # Sessions that began with one factor are not enough from now on.
    await tx.revocations.bump()
    await tx.audit.append(_installation(actor), "operator.added", user.id, {"email": user.email}, now=now)
    return made


async def end(tx: OperatorsTx, actor: Actor, id: UserId, *, now: datetime) -> int:
    """Take the role away; every grant the person asked for or approved ends. How many did. System scope."""
    found = await tx.operators.get(id)
    if found is None or found.ended is not None:
        raise NotFound("not_found", "There is no such operator.")
    if actor.kind not in ("cli", "operator", "system"):
        raise Forbidden("forbidden", "Only operators end an operator.")
    await tx.operators.change(replace(found, ended=now, ended_by=actor.id))
    gone = await end_all(tx, actor, await tx.operators.resting_on(id), Why.ROLE, now=now)
    await tx.people.revoke_sessions(id)
    await tx.revocations.bump()
    facts = {"email": found.email, "grants_ended": str(gone)}
    await tx.audit.append(_installation(actor), "operator.ended", id, facts, now=now)
    return gone


async def note(tx: OperatorsTx, actor: Actor, id: UserId, what: str, at: datetime, *, now: datetime) -> Operator:
    """Enter in the register that `what` ("confidentiality", "background" or "training") was done. System scope.

    Entered on the machine or by another operator: nobody keeps their own file.
    """
    if what not in ("confidentiality", "background", "training"):
        raise Invalid("bad_register", "The register knows confidentiality, background and training.", field="what")
    if at > now:
        raise Invalid("bad_date", "This is not over yet.", field="date")
    if actor.kind not in ("cli", "operator") or actor.id == id:
        raise Forbidden("forbidden", "Another operator, or the machine's own shell, keeps your entry.")
    found = await tx.operators.get(id)
    if found is None or found.ended is not None:
        raise NotFound("not_found", "There is no such operator.")
    changed = replace(found, register=msgspec.structs.replace(found.register, **{what: at}))
    if not changed.register.lapses(now):
        changed = replace(changed, register=msgspec.structs.replace(changed.register, lapse_told=None))
    await tx.operators.change(changed)
    facts = {"what": what, "done": at.date().isoformat()}
    await tx.audit.append(_installation(actor), "operator.register_changed", id, facts, now=now)
    return changed


async def standing(tx: OperatorsTx, id: str) -> Operator:
    """The operator of that id. NotFound when they are none (any more): the door does not show itself to others."""
    found = await tx.operators.get(UserId(id))
    if found is None or not found.serving:
        raise NotFound("not_found", "There is no such page.")
    return found


def require_in_order(operator: Operator, now: datetime) -> None:
    """Raise Forbidden 'register_lapsed' unless the register of the operator is complete and current."""
    if missing := operator.register.lapses(now):
        raise Forbidden(
            "register_lapsed",
            f"The register of {operator.email} is not in order ({', '.join(missing)}): no grant until it is.",
        )


async def lapsed(tx: OperatorsTx, actor: Actor, *, now: datetime) -> list[tuple[Operator, tuple[str, ...]]]:
    """Operators whose register lapsed and of whom nobody was told for a week; noted and audited as told. System."""
    out = []
    for operator in await tx.operators.serving():
        missing = operator.register.lapses(now)
        told = operator.register.lapse_told
        if not missing or (told is not None and now - told < TELL_AGAIN):
            continue
        register = msgspec.structs.replace(operator.register, lapse_told=now)
        await tx.operators.change(replace(operator, register=register))
        facts = {"missing": ", ".join(missing)}
        await tx.audit.append(_installation(actor), "operator.register_lapsed", operator.id, facts, now=now)
        out.append((operator, missing))
    return out


def _installation(actor: Actor) -> Actor:
    return replace(actor, workspace=INSTALLATION)
