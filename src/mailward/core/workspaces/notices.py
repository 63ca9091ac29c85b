"""tell_owner(): note in this transaction that the owners of a workspace are to be mailed about something."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Protocol

from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.workspaces.model import Notice
from mailward.core.workspaces.ports import NoticesRepo


class NoticesTx(Protocol):
    """A transaction with what owners are to be told."""

    @property
    def notices(self) -> NoticesRepo: ...


async def tell_owner(tx: NoticesTx, workspace: WorkspaceId, kind: str, about: str, *, now: datetime) -> None:
    """Once for each kind, thing and time. System scope; the mail follows within seconds of the commit."""
    stamp = int(now.timestamp() * 1000).to_bytes(6, "big")
    raw = stamp + hashlib.sha256(f"{workspace} {kind} {about} {now.timestamp()}".encode()).digest()[:10]
    await tx.notices.add(Notice(ids.encode("ntc", raw), workspace, now, kind, about))
