"""change(): other rules for a workspace, audited, in force for every message that commits after it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from msgspec import structs

from mailward.base.errors import Invalid, NotFound
from mailward.core.workspaces.ports import TenantTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission
from mailward.policy.redaction import EPOCH, FIELDS, LONGEST_HOURS, Mode, Redaction


class Epochs(Protocol):
    """Counters that announce a change to every worker."""

    async def bump(self, name: str) -> int: ...


class ChangeTx(TenantTx, Protocol):
    """A transaction of one workspace in which its rules change."""

    @property
    def counters(self) -> Epochs: ...


async def change(tx: ChangeTx, actor: Actor, wanted: Callable[[Redaction], Redaction], *, now: datetime) -> Redaction:
    """Change the rules, starting from those there are; Invalid for hours that make no sense. Audited.

    What is stored already is redacted by upkeep from then on. What was redacted does not come back by a change.
    """
    access.require(actor, Permission.WORKSPACE_CHANGE)
    await tx.audit.in_turn(actor.workspace)
    found = await tx.workspaces.get(actor.workspace)
    if found is None:
        raise NotFound("not_found", "There is no such workspace.")
    rules = wanted(found.settings.redaction)
    for field in FIELDS:
        rule = rules.rule(field)
        if not 0 <= rule.after_hours <= LONGEST_HOURS:
            raise Invalid("bad_hours", f"Hours are from 0 to {LONGEST_HOURS}.", field=field)
        if rule.after_hours and rule.mode is not Mode.REDACT:
            raise Invalid("hours_without_redact", "Hours are for fields that are redacted later.", field=field)
    await tx.workspaces.change_settings(found.id, structs.replace(found.settings, redaction=rules))
    # The first makes workers read the rules anew; the second makes a message that was judged before wait for that.
    await tx.counters.bump(EPOCH)
    await tx.revocations.bump()
    facts: dict[str, str] = {field: told(rules, field) for field in FIELDS}
    await tx.audit.append(actor, "workspace.redaction_changed", found.id, facts, now=now)
    return rules


def told(rules: Redaction, field: str) -> str:
    """A rule as the audit log and people read it."""
    rule = getattr(rules, field)
    return f"{rule.mode.value} after {rule.after_hours} hours" if rule.after_hours else str(rule.mode.value)
