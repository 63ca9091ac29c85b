"""Send one letter to one person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import structlog

from mailward.app.candidate import Candidate
from mailward.app.knowledge import KnownDomain
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import MailwardError
from mailward.base.ids import WorkspaceId
from mailward.base.sources import Clock, Entropy
from mailward.core.messages.model import LETTERS
from mailward.policy.access import Actor, Permission
from mailward.policy.tracking import Mode
from mailward.protocol.message.build import build
from mailward.protocol.message.draft import Draft
from mailward.protocol.message.mailbox import Mailbox

log = structlog.get_logger()


class _Sender(NamedTuple):
    workspace: WorkspaceId
    address: str


class Letters:
    """One a process. `domains` are those a workspace (raw id) may send from, by name.

    `author` is the address letters come from, "" for `mailward@` the first domain that may
    send, looked for in the oldest workspace first: that of whoever runs the installation.
    """

    def __init__(
        self,
        store: Store,
        *,
        domains: Callable[[bytes], Mapping[str, KnownDomain]],
        accept: Callable[[Actor, Candidate], Awaitable[Any]],
        clock: Clock,
        entropy: Entropy,
        capture: bool,
        author: str = "",
    ) -> None:
        self._store = store
        self._domains = domains
        self._accept = accept
        self._clock = clock
        self._entropy = entropy
        self._capture = capture
        self._author = author

    async def send(self, to: str, subject: str, text: str, kind: str) -> bool:
        """Hand a letter over for delivery; False when this installation cannot mail now (the log says why).

        `kind` ("sign-in-code") becomes the message's tag. Nothing secret belongs in
        `subject`: whoever may list messages sees it.
        """
        try:
            sender = await self._sender()
            if sender is None:
                log.warning("letter_not_sent", kind=kind, why="no domain of this installation may send")
                return False
            actor = Actor(sender.workspace, "system", LETTERS, frozenset({Permission.MESSAGE_SEND}))
            await self._accept(actor, self._candidate(sender.address, to, subject, text, kind))
        except MailwardError as e:
            log.warning("letter_not_sent", kind=kind, why=e.code)
            return False
        return True

    async def able(self) -> bool:
        """Whether there is a domain to send from."""
        return await self._sender() is not None

    async def _sender(self) -> _Sender | None:
        places = await self._store.system_read(lambda tx: tx.workspaces.all())
        wanted = self._author.rpartition("@")[2].lower()
        for place in places:
            for domain in sorted(self._domains(ids.decode("ws", place.id)).values(), key=lambda d: d.name):
                usable = self._capture or not domain.capture_only
                if usable and (not wanted or domain.name == wanted):
                    return _Sender(place.id, self._author or f"mailward@{domain.name}")
        return None

    def _candidate(self, author: str, to: str, subject: str, text: str, kind: str) -> Candidate:
        now = self._clock.now()
        domain = author.rpartition("@")[2].lower()
        message_id = f"<{self._entropy.bytes(16).hex()}@{domain}>"
        local, _, at = to.rpartition("@")
        recipient = Mailbox("", local, at)
        draft = Draft(
            author=Mailbox("Mailward", author.rpartition("@")[0], domain),
            to=[recipient],
            message_id=message_id,
            date=now,
            subject=subject,
            text=text,
            # No autoresponder answers, and nothing files it as conversation (RFC 3834 section 5).
            headers=(("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")),
        )
        return Candidate(
            content=build(draft, self._entropy).content,
            mail_from=author,
            recipients=[(recipient.address, None)],
            header_from=f"Mailward <{author}>",
            from_domain=domain,
            domains=(domain,),
            to=recipient.address,
            subject=subject,
            message_id=message_id,
            source="api",
            tags=(kind,),
            tracking=Mode.OFF,  # what proves who somebody is leads nowhere else first
        )
