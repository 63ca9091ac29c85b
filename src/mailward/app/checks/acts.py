"""LOG-1: acts on access, keys and configuration, made in transactions that are undone, and looked for in the log."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.signing import make_keys
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.ids import UserId
from mailward.core.audit.read import list_entries
from mailward.core.domains.add import add_domain, remove_domain
from mailward.core.domains.keys import FreshKeys
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.identity import people
from mailward.core.identity.credentials import Wish, create_key, create_smtp, revoke_key
from mailward.core.identity.model import User
from mailward.core.identity.passwords import NOBODY
from mailward.core.identity.succession import rotate
from mailward.core.suppression import change as suppressions
from mailward.core.webhooks import endpoints
from mailward.core.workspaces import change
from mailward.policy.access import Role

_GRACE = timedelta(hours=1)
_Acts = list[tuple[str, str]]
"""(act, target), as the log is to have them."""


class _Undone(Exception):
    """Carries what the log lacks out of a transaction that is to leave nothing behind."""

    def __init__(self, missing: list[str], acts: int) -> None:
        super().__init__()
        self.missing, self.acts = missing, acts


@check("LOG-1")
async def acts_are_in_the_log(context: Context) -> Finding:
    """Change keys, domains, endpoints, suppressions, people and settings: each act has its entry, by whoever acted."""
    fresh = await asyncio.to_thread(make_keys, context.installation.vault, context.actor.workspace)
    place = context.actor.workspace

    async def ours(tx: Tx) -> None:
        raise await _looked_for(tx, context, await _on_what_is_ours(tx, context, fresh))

    async def people_and_settings(tx: Tx) -> None:
        raise await _looked_for(tx, context, await _on_people_and_settings(tx, context))

    seen: list[_Undone] = []
    for made in (context.store.write(place, ours), context.store.system_write(people_and_settings)):
        try:
            await made
        except _Undone as undone:
            seen.append(undone)
    if len(seen) < 2:
        return failed("the rehearsal was not undone")
    acts, missing = sum(undone.acts for undone in seen), [act for undone in seen for act in undone.missing]
    if missing:
        return failed(f"acts that are not in the log: {', '.join(missing)}")
    return passed(f"{acts} acts on keys, domains, endpoints, suppressions, people and settings: each has its entry")


async def _looked_for(tx: Tx, context: Context, acts: _Acts) -> _Undone:
    found = await list_entries(tx, context.actor, limit=2 * len(acts), by=context.actor.id)
    there = {(entry.act, entry.target) for entry in found}
    return _Undone([act for act, target in acts if (act, target) not in there], len(acts))


async def _on_what_is_ours(tx: Tx, context: Context, fresh: FreshKeys) -> _Acts:
    actor, now, entropy = context.actor, context.clock.now(), context.entropy
    wish = Wish("verify: is it in the log?")
    key = (await create_key(tx, actor, wish, now=now, entropy=entropy)).credential.id
    smtp = (await create_smtp(tx, actor, wish, now=now, entropy=entropy)).credential.id
    await rotate(tx, actor, key, grace=_GRACE, now=now, entropy=entropy)
    await revoke_key(tx, actor, smtp, now=now)
    name = f"verify-{entropy.bytes(8).hex()}.invalid"
    domain = (await add_domain(tx, actor, name, fresh, now=now, entropy=entropy)).id
    await remove_domain(tx, actor, domain, now=now)
    found, _ = await endpoints.create(
        tx, actor, f"https://{name}/", seal=lambda raw: raw, now=now, entropy=entropy
    )  # fmt: skip
    endpoint = ids.encode("whk", found.id)
    await endpoints.remove(tx, actor, endpoint, now=now)
    token_key = context.installation.token_key(ids.decode("ws", actor.workspace))
    entry = await suppressions.add(tx, actor, f"a@{name}", key=token_key, now=now, entropy=entropy)
    listed = ids.encode("sup", entry.id)
    await suppressions.remove(tx, actor, listed, key=token_key, now=now)
    return [
        ("credential.created", key), ("credential.created", smtp), ("credential.rotated", key),
        ("credential.revoked", smtp), ("domain.added", domain), ("domain.removed", domain),
        ("webhook.created", endpoint), ("webhook.removed", endpoint), ("suppression.added", listed),
        ("suppression.removed", listed),
    ]  # fmt: skip


async def _on_people_and_settings(tx: Tx, context: Context) -> _Acts:
    actor, now = context.actor, context.clock.now()
    name = UserId(ids.new("usr", now, context.entropy))
    user = User(name, f"{name}@evidence.invalid", "Evidence", NOBODY, now)
    await tx.people.add_user(user)
    await people.add_member(tx, actor, user, Role.MEMBER, now=now)
    await people.change_role(tx, actor, name, Role.ADMIN, now=now)
    await people.remove_member(tx, actor, name, now=now)
    await change.rename(tx, actor, "verify: is it in the log?", now=now)
    own = await change.show(tx, actor)
    await change.change_settings(tx, actor, own.settings, now=now)
    return [
        ("member.added", name), ("member.role_changed", name), ("member.removed", name),
        ("workspace.renamed", actor.workspace), ("workspace.settings_changed", actor.workspace),
    ]  # fmt: skip
