"""What was made, tested and removed, into the store and the audit log; what failed, to whoever watches alerts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.base.sources import Entropy
from mailward.core.backup.model import Backup, Trial
from mailward.core.backup.ports import BackupTx
from mailward.core.guard.model import Alert
from mailward.policy.access import Actor

MISSING, UNUSABLE = "backup-missing", "backup-unusable"
"""Rules of alerts: no backup could be made; the newest one cannot be restored."""

_QUIET = timedelta(hours=6)
_TOLD_OF = timedelta(days=730)


async def note_backup(tx: BackupTx, actor: Actor, backup: Backup, manifest: bytes, *, now: datetime) -> None:
    """A backup is in its place. The log keeps the hash of its manifest: one put in its place later shows."""
    await tx.backups.add(backup)
    await tx.backups.forget(now - _TOLD_OF)
    facts = {"rows": str(backup.rows), "octets": str(backup.size), "manifest": hashlib.sha256(manifest).hexdigest()}
    await tx.audit.append(actor, "backup.made", backup.id, facts, now=now)


async def note_gone(tx: BackupTx, actor: Actor, backups: Sequence[str], *, now: datetime) -> None:
    """Backups past their term were removed."""
    if backups:
        await tx.backups.gone(backups, now)
        facts = {"backups": str(len(backups)), "newest": backups[-1]}
        await tx.audit.append(actor, "backup.removed", "installation", facts, now=now)


async def note_test(tx: BackupTx, actor: Actor, test: Trial, *, now: datetime, entropy: Entropy) -> Alert | None:
    """A backup was restored to look whether that works; the alert when it did not, once in six hours."""
    await tx.backups.add_test(test)
    facts = {"good": "yes" if test.good else "no", "seconds": f"{test.seconds:.1f}", "faults": str(len(test.faults))}
    await tx.audit.append(actor, "backup.tested", test.backup or "installation", facts, now=now)
    if test.good:
        return None
    sentence = f"The newest backup was restored to try it, and is not as it was made: {test.faults[0]}."
    return await _alert(tx, UNUSABLE, test.backup or "installation", sentence, now=now, entropy=entropy)


async def note_failure(tx: BackupTx, why: str, *, now: datetime, entropy: Entropy) -> Alert | None:
    """No backup could be made; the alert, once in six hours."""
    return await _alert(
        tx, MISSING, "installation", f"No backup could be made: {why}.", now=now, entropy=entropy
    )  # fmt: skip


async def _alert(
    tx: BackupTx, rule: str, subject: str, sentence: str, *, now: datetime, entropy: Entropy
) -> Alert | None:
    """Of the installation, in the list and in the log; None when the same was told within six hours."""
    token = hashlib.sha256(f"{rule}\x00{subject}".encode()).digest()[:16]
    if await tx.guard.alerted(rule, token, now - _QUIET):
        return None
    alert = Alert(ids.new("alr", now, entropy), None, now, rule, "high", subject, sentence)
    await tx.guard.add_alert(alert, token)
    facts = {"rule": rule, "severity": alert.severity, "subject": subject, "why": sentence}
    await tx.audit.append(Actor(WorkspaceId(""), "system", "backup"), "alert.raised", alert.id, facts, now=now)
    return alert
