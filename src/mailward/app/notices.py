"""Mailing owners what happened to their credentials and domains."""

from __future__ import annotations

from datetime import timedelta

import structlog

from mailward.app.letters import Letters
from mailward.app.store import Store
from mailward.base.sources import Clock
from mailward.core.domains.model import TRANSFER_ASKED, TRANSFER_WAIT, TRANSFERRED
from mailward.core.identity.model import LEAKED, PAUSED
from mailward.core.workspaces.model import Notice
from mailward.policy.access import Role

MAILED, NOT_MAILED = "mailed", "not mailed"
_AT_ONCE = 20
_KEEP = timedelta(days=90)
_AGAIN = timedelta(days=1)

log = structlog.get_logger()

_TEXTS = {
    LEAKED: (
        "A key of yours was reported as leaked",
        "Somebody who holds the secret of {name} ({about}) has reported it: it was found where it does not belong.\n\n"
        "{state}\n\nReplace it, put the new secret where the old one was used, and revoke the old one:\n"
        "{url}/keys\n\nThe audit log has the time of the report.\n",
    ),
    PAUSED: (
        "A credential of yours was paused",
        "{name} ({about}) sent far more than it ever did and is paused: nothing is accepted on it until you release "
        "it. If that was not you, revoke it.\n\n{url}/keys\n",
    ),
    TRANSFER_ASKED: (
        "Another workspace asks for a domain of yours",
        "Another workspace of this installation has proved by DNS that it controls {name}, and asks for it. If you "
        "agree, or if it is not yours any more, grant it: its keys and routes here are then dropped. If you do not, "
        "refuse. Without an answer within {days} days the installation's operator may decide.\n\n{url}/domains\n",
    ),
    TRANSFERRED: (
        "A domain has left your workspace",
        "{name} was transferred to another workspace. Its signing keys and routes here are gone, and nothing more is "
        "sent from it.\n\n{url}/domains\n",
    ),
}


def letter_of(notice: Notice, name: str, state: str, public_url: str) -> tuple[str, str]:
    """Subject and text. `name` is what the thing is called, `state` a sentence on how it stands, or ""."""
    subject, text = _TEXTS[notice.kind]
    url = public_url.rstrip("/")
    return subject, text.format(name=name, about=notice.about, state=state, url=url, days=TRANSFER_WAIT.days)


class OwnerNotices:
    """One an installation, run by upkeep. Owners are the managers of the workspace."""

    def __init__(self, store: Store, letters: Letters, clock: Clock, *, public_url: str) -> None:
        self._store = store
        self._letters = letters
        self._clock = clock
        self._public_url = public_url

    async def run(self) -> int:
        """Mail what is due; how many notices. What cannot be mailed now is tried for a day."""
        mailed = 0
        now = self._clock.now()
        for notice in await self._store.system_read(lambda tx: tx.notices.due(_AT_ONCE)):
            if await self._mail(notice):
                how = MAILED
            elif now - notice.at >= _AGAIN:
                how = NOT_MAILED
            else:
                continue
            await self._note(notice, how)
            log.info("owner_noticed", about=notice.about, kind=notice.kind, how=how)
            mailed += how == MAILED
        await self._store.system_write(lambda tx: tx.notices.prune(now - _KEEP))
        return mailed

    async def _note(self, notice: Notice, how: str) -> None:
        await self._store.system_write(lambda tx: tx.notices.set_told(notice.id, how))

    async def _mail(self, notice: Notice) -> bool:
        members = await self._store.read(notice.workspace, lambda tx: tx.people.members(notice.workspace))
        owners = [m.email for m in members if m.role is Role.MANAGER]
        name, state = await self._facts(notice)
        subject, body = letter_of(notice, name, state, self._public_url)
        sent = [await self._letters.send(owner, subject, body, notice.kind.replace(".", "-")) for owner in owners]
        return any(sent)

    async def _facts(self, notice: Notice) -> tuple[str, str]:
        """What it is called, and how it stands."""
        if notice.kind in (LEAKED, PAUSED):
            found = await self._store.read(notice.workspace, lambda tx: tx.credentials.get(notice.about))
            if found is None:
                return "A credential", ""
            gone = "It was revoked at once, as your workspace asks." if found.revoked else "It still works."
            return f'"{found.name}"', gone
        if notice.kind == TRANSFERRED:
            return notice.about, ""
        domain = await self._store.read(notice.workspace, lambda tx: tx.domains.get(notice.about))
        return domain.name if domain is not None else "a domain", ""
