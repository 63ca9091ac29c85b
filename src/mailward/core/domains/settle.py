"""What a look at DNS changes: the domain's state, and the keys that move on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mailward.base.errors import Conflict, NotFound
from mailward.core.domains import drift
from mailward.core.domains.add import EPOCH
from mailward.core.domains.model import (
    CHECK_EVERY,
    CHECK_SELDOM,
    CHECK_SOON,
    DOMAIN_TRANSITIONS,
    FAILURES_BEFORE_FAILING,
    GRACE,
    PATIENCE,
    Domain,
    DomainState,
    Inspection,
    KeyPair,
    KeyState,
    RecordCheck,
    require_move,
)
from mailward.core.domains.ports import DomainsTx, Tell
from mailward.core.domains.records import TRACKING, tracks
from mailward.core.domains.rotation import WAITING, active, advance
from mailward.policy import access
from mailward.policy.access import Actor, Permission


def proven(domain: Domain, pairs: list[KeyPair], inspection: Inspection) -> bool | None:
    """True when the token and both keys that sign (or will) are shown, None when nobody could say."""
    signing = active(pairs) or next((p for p in pairs if p.state in WAITING), None)
    if signing is None:
        return False
    shown = inspection.shown.get(signing.id, "unknown")
    if inspection.ownership == "ok" and shown == "shown":
        return True
    if inspection.ownership in ("ok", "temporary") and shown in ("shown", "unknown"):
        return None
    return False


async def settle_check(
    tx: DomainsTx, actor: Actor, id: str, inspection: Inspection, *, now: datetime, tell: Tell
) -> Domain:
    """Take over what was seen, and tell what it changed.

    Conflict `domain_taken` when the name is verified in another workspace.
    """
    access.require(actor, Permission.DOMAIN_CHANGE)
    before = await tx.domains.get(id)
    if before is None:
        raise NotFound("not_found", "There is no domain with that id.")
    if before.state is DomainState.CAPTURE_ONLY:
        return before
    pairs = await tx.domains.pairs(id)
    seen = proven(before, pairs, inspection)
    domain = _judge(before, seen, now=now)
    moved = advance(pairs, inspection, now=now) if domain.verified_at is not None else []
    # "Nobody could say" leaves the return path as it was.
    own = before.own_return_path if inspection.return_path == "temporary" else inspection.return_path == "ok"
    domain = replace(
        domain,
        own_return_path=own,
        checks=_kept(before, inspection),
        checked_at=now,
        next_check=_next_check(domain, pairs, now=now),
    )
    if not await tx.domains.update(domain):
        raise Conflict(
            "domain_taken",
            f"{domain.name} is verified in another workspace of this installation. Ask for its transfer; it has "
            "to be granted there, removed, or released by the installation's operator.",
        )
    for pair in moved:
        await tx.domains.update_pair(pair)
        facts = {"name": domain.name, "selector": pair.stem, "state": pair.state.value}
        await tx.audit.append(actor, "domain.key_moved", id, facts, now=now)
    if domain.state is not before.state:
        facts = {"name": domain.name, "from": before.state.value, "to": domain.state.value}
        await tx.audit.append(actor, f"domain.{domain.state.value}", id, facts, now=now)
    if drift.drifted(before, domain, inspection.checks) is not None:
        await tx.audit.append(actor, "domain.drifted", id, {"name": domain.name}, now=now)
    at = int(now.timestamp() * 1_000_000)
    told = drift.events(before, domain, inspection.checks)
    if told:
        await tell(tx, [(type, id, at, data) for type, data in told])
    leads = own != before.own_return_path or tracks(domain) != tracks(before)
    if domain.state is not before.state or leads or _signers_changed(moved):
        await tx.counters.bump(EPOCH)
    return domain


def _kept(before: Domain, inspection: Inspection) -> tuple[RecordCheck, ...]:
    """What was seen; where nobody could say whether tracked links lead to us, what was known before."""
    known = [c for c in before.checks if c.record.purpose == TRACKING]
    return tuple(
        known[0] if known and c.record.purpose == TRACKING and c.state == "temporary" else c for c in inspection.checks
    )


def _next_check(domain: Domain, pairs: list[KeyPair], *, now: datetime) -> datetime:
    if domain.state is DomainState.PENDING:
        return now + (CHECK_SOON if now - domain.created < PATIENCE else CHECK_SELDOM)
    waiting = any(p.state in WAITING for p in pairs)
    return now + (CHECK_SOON if waiting or domain.state is DomainState.FAILING else CHECK_EVERY)


async def postpone(tx: DomainsTx, actor: Actor, id: str, *, now: datetime) -> None:
    """Look again in a day: what was seen cannot be taken over now."""
    access.require(actor, Permission.DOMAIN_CHANGE)
    if domain := await tx.domains.get(id):
        await tx.domains.update(replace(domain, checked_at=now, next_check=now + CHECK_SELDOM))


def _signers_changed(moved: list[KeyPair]) -> bool:
    return any(p.state in (KeyState.ACTIVE, KeyState.RETIRING) for p in moved)


def _judge(domain: Domain, seen: bool | None, *, now: datetime) -> Domain:
    """The domain's next state and its count of failures."""
    if seen is None:
        return domain
    if seen:
        domain = replace(domain, failures=0, failing_since=None)
        if domain.state is DomainState.VERIFIED:
            return domain
        require_move(DOMAIN_TRANSITIONS, domain.state, DomainState.VERIFIED)
        return replace(domain, state=DomainState.VERIFIED, verified_at=now)
    if domain.state is not DomainState.VERIFIED:
        return domain
    since = domain.failing_since or now
    domain = replace(domain, failures=domain.failures + 1, failing_since=since)
    if domain.failures >= FAILURES_BEFORE_FAILING and now - since >= GRACE:
        require_move(DOMAIN_TRANSITIONS, domain.state, DomainState.FAILING)
        return replace(domain, state=DomainState.FAILING)
    return domain
