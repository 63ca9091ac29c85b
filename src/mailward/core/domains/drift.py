"""What a look at DNS is worth telling: a domain may send, no longer shows its records, or stops sending."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from mailward.core.domains.model import GRACE, Domain, DomainState, RecordCheck

# "Nobody could say" is no loss.
_GONE = frozenset(("missing", "wrong", "multiple"))


def lost(before: Domain, checks: Sequence[RecordCheck]) -> list[RecordCheck]:
    """The records that were there at the look before and are not now.

    A required one counts by its value, so that a key whose record is to change in a rotation
    is no loss; of the others the value that is advised follows what the owner publishes.
    """
    shown = {_identity(c) for c in before.checks if c.state == "ok"}
    return [c for c in checks if c.state in _GONE and _identity(c) in shown]


def _identity(check: RecordCheck) -> tuple[str, ...]:
    r = check.record
    return (r.purpose, r.type, r.name, r.value if r.required else "")


def drifted(before: Domain, after: Domain, checks: Sequence[RecordCheck]) -> list[RecordCheck] | None:
    """The records to tell about when a verified domain has just begun to drift, else None.

    It is told once: at the first failed look, or when a record that does not stop sending vanishes.
    """
    if before.state is not DomainState.VERIFIED:
        return None
    gone = lost(before, checks)
    if before.failures == 0 and after.failures > 0:
        return gone or [c for c in checks if c.record.required and c.state in _GONE]
    return gone or None


def events(before: Domain, after: Domain, checks: Sequence[RecordCheck]) -> list[tuple[str, dict[str, object]]]:
    """(type, data) of what this look changed."""
    told: list[tuple[str, dict[str, object]]] = []
    recovered = before.failures > 0 and after.failures == 0
    if after.state is DomainState.VERIFIED and (before.state is not DomainState.VERIFIED or recovered):
        again = recovered or before.state is DomainState.FAILING
        told.append(("domain.verified", {**_about(after), "recovered": again}))
    if (gone := drifted(before, after, checks)) is not None:
        told.append(("domain.drifted", {**_about(after), "records": [_record(c) for c in gone]}))
    if after.state is DomainState.FAILING and before.state is not DomainState.FAILING:
        missing = [_record(c) for c in checks if c.record.required and c.state in _GONE]
        told.append(("domain.failing", {**_about(after), "records": missing}))
    return told


def stops_at(domain: Domain) -> datetime | None:
    """When a verified domain that drifts stops sending, at the earliest; None when it does not drift."""
    if domain.state is not DomainState.VERIFIED or domain.failing_since is None:
        return None
    return domain.failing_since + GRACE


def _about(domain: Domain) -> dict[str, object]:
    stops = stops_at(domain)
    return {
        "domain": domain.id,
        "name": domain.name,
        "status": domain.state.value,
        "failing_since": _instant(domain.failing_since),
        "stops_sending_at": _instant(stops),
    }


def _record(check: RecordCheck) -> dict[str, object]:
    r = check.record
    return {
        "purpose": r.purpose,
        "type": r.type,
        "name": r.name,
        "value": r.value,
        "required": r.required,
        "state": check.state,
        "found": list(check.found),
        "hint": check.hint,
    }


def _instant(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at is not None else None
