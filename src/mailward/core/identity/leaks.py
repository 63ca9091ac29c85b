"""report_leak(): somebody holds a secret of ours and says so."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from mailward.core.identity import tokens
from mailward.core.identity.model import LEAKED, Credential
from mailward.core.identity.ports import IdentityTx
from mailward.core.workspaces.notices import NoticesTx, tell_owner
from mailward.policy.access import Actor

_TOLD_EVERY = timedelta(hours=1)


class LeaksTx(IdentityTx, NoticesTx, Protocol):
    """A transaction with what owners are to be told."""


async def report_leak(
    tx: LeaksTx, token: str, *, where: str = "", address: str = "", now: datetime
) -> Credential | None:
    """Act on a secret that was found: its credential, revoked or about to be warned of; None for anything else.

    System scope. The credential is revoked when its workspace says so, else it goes on
    working; the owner is told in both cases, at most once an hour, and the report is in the
    workspace's audit log, with the `address` it came from. `where` is what the reporter says, never the secret. Whoever
    reports learns nothing: the caller answers alike in every case.
    """
    credential = await _live(tx, token, now)
    if credential is None:
        return None
    workspace = await tx.workspaces.get(credential.workspace)
    revoke = workspace is not None and workspace.settings.revoke_leaked
    reporter = Actor(credential.workspace, "public", "leak-report", address=address)
    revoked = revoke and await tx.credentials.revoke(credential.id, now)
    facts = {"kind": credential.kind.value, "name": credential.name, "did": "revoked" if revoked else "warned"}
    if where:
        facts["where"] = where
    last = await tx.notices.last(credential.workspace, credential.id, LEAKED)
    if revoked or last is None or now - last >= _TOLD_EVERY:
        await tx.audit.append(reporter, "credential.leak_reported", credential.id, facts, now=now)
        await tell_owner(tx, credential.workspace, LEAKED, credential.id, now=now)
    if revoked:
        await tx.revocations.bump()
        facts = {"kind": credential.kind.value, "name": credential.name, "reason": "leaked"}
        await tx.audit.append(reporter, "credential.revoked", credential.id, facts, now=now)
    return credential


async def _live(tx: LeaksTx, token: str, now: datetime) -> Credential | None:
    for prefix in (tokens.API_KEY, tokens.SMTP_PASSWORD):
        digest = tokens.hash_token(token, prefix)
        if digest is None:
            continue
        found = await tx.credentials.by_token(digest)
        if found is not None and found.revoked is None and (found.expires is None or found.expires > now):
            return found
    return None
