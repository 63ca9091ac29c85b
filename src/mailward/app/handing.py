"""Handing one message to one endpoint: read, taken apart, put in form, signed, posted; and what the answer means.

Used by the courier for what is on disk, and while a sender waits for the rest. Endpoints are reached through the
egress guard only; redirects are followed in session alone, as CloudMailin does, and each is judged like the first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from mailward.base import ids
from mailward.base.errors import MailwardError, Unavailable
from mailward.base.sources import Clock, Entropy
from mailward.core.inbound.compose import Keys, Request, compose, question, read
from mailward.core.inbound.model import (
    AUTHORIZE_SECONDS,
    IN_SESSION_SECONDS,
    REDIRECTS_MAX,
    REFUSAL_TEXT_MAX,
    Attachments,
    HandedOver,
    InboundRoute,
    Mode,
    ReceivedFacts,
    SealedSecret,
)
from mailward.core.inbound.ports import Answer, Files, Poster
from mailward.policy import posting
from mailward.protocol.inbound.content import Content, File
from mailward.protocol.smtp.model import SessionFacts

# Messages up to this size are read at once; larger ones go to a thread and share a budget of memory.
_SMALL = 256 * 1024
BUDGET = 192 * 1024 * 1024

Unseal = Callable[[str, bytes], bytes]
Secrets = Callable[[bytes, bytes], Awaitable[Sequence[SealedSecret]]]
"""(workspace, route) -> the secrets that sign now."""

Hold = Callable[[bytes, bytes], contextlib.AbstractContextManager[None]]
"""(workspace, message) -> a block in which that message's content is worked on without a pause."""


def _unnoted(workspace: bytes, message: bytes) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


class Handing:
    """One a process."""

    def __init__(
        self,
        poster: Poster,
        *,
        secrets: Secrets,
        unseal: Unseal,
        files: Files | None,
        clock: Clock,
        entropy: Entropy,
        budget: int = BUDGET,
        hold: Hold = _unnoted,
    ) -> None:
        """`files` is where attachments go that a route wants stored; None when this installation has no such place.
        `hold` notes what is worked on, for whoever comes after a crash.
        """
        self._hold = hold
        self._poster = poster
        self._secrets = secrets
        self._unseal = unseal
        self._files = files
        self._clock = clock
        self._entropy = entropy
        self._room = Budget(budget)

    async def post(
        self,
        route: InboundRoute,
        id: bytes,
        at: int,
        facts: ReceivedFacts,
        raw: bytes,
        secrets: Sequence[SealedSecret],
        *,
        deadline: float,
    ) -> Answer:
        """Hand the message over once. Raises MailwardError when there was no answer."""
        async with self._room.hold(len(raw)):
            request = await self._request(route, id, at, facts, raw, secrets)
            return await self._poster.post(
                route.url,
                request.headers,
                request.body,
                deadline=deadline,
                max_response=posting.RESPONSE_READ_MAX,
                redirects=REDIRECTS_MAX if route.mode is Mode.IN_SESSION else 0,
            )

    async def in_session(
        self, route: InboundRoute, id: bytes, at: int, facts: ReceivedFacts, content: bytes
    ) -> HandedOver:
        """Ask the endpoint while the sender waits: "handed_over" (2xx), "refused" (4xx) or "deferred" (all else).

        Attachments that were stored for a message it did not take are removed.
        """
        secrets = await self._secrets(route.workspace, route.id)
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(IN_SESSION_SECONDS + 1):
                answer = await self.post(route, id, at, facts, content, secrets, deadline=IN_SESSION_SECONDS)
            found = self._meaning(route, answer)
        except (MailwardError, TimeoutError) as e:
            found = self._no_answer(route, began, e)
        if found.outcome != "handed_over" and route.attachments is Attachments.STORE:
            await self.remove_files(route.workspace, id)
        return found

    async def authorize(
        self, route: InboundRoute, recipient: str, mail_from: str, size: int, session: SessionFacts
    ) -> HandedOver:
        """Ask at RCPT whether a recipient is wanted; answers mean the same."""
        keys = await self._keys(route, await self._secrets(route.workspace, route.id), route.authorize_credentials)
        now = self._clock.now()
        began = self._clock.monotonic()
        event = ids.new("evt", now, self._entropy)
        request = question(
            route,
            keys,
            event=event,
            to=recipient,
            mail_from=mail_from,
            size=size or None,
            ip=session.ip,
            helo=session.helo,
            now=int(now.timestamp()),
        )
        try:
            answer = await self._poster.post(
                route.authorize_url,
                request.headers,
                request.body,
                deadline=AUTHORIZE_SECONDS,
                max_response=posting.RESPONSE_READ_MAX,
                redirects=REDIRECTS_MAX,
            )
        except MailwardError as e:
            return self._no_answer(route, began, e)
        return self._meaning(route, answer)

    async def remove_files(self, workspace: bytes, id: bytes) -> None:
        """Remove what was stored for a message. What cannot be removed now goes with the sweep."""
        if self._files is not None:
            with contextlib.suppress(Unavailable):
                await self._files.remove(workspace, id)

    # -- the request -----------------------------------------------------------------------------

    async def _request(
        self,
        route: InboundRoute,
        id: bytes,
        at: int,
        facts: ReceivedFacts,
        raw: bytes,
        secrets: Sequence[SealedSecret],
    ) -> Request:
        keys = await self._keys(route, secrets, route.credentials)

        def take_apart() -> Content:
            with self._hold(route.workspace, id):
                return read(raw, facts)

        content = take_apart() if len(raw) <= _SMALL else await asyncio.to_thread(take_apart)
        if route.attachments is Attachments.STORE:
            content = await self._stored(route, id, content)
        now = int(self._clock.now().timestamp())

        def make() -> Request:
            with self._hold(route.workspace, id):
                return compose(route, id, at, facts, content, keys, now=now, entropy=self._entropy)

        return make() if len(raw) <= _SMALL else await asyncio.to_thread(make)

    async def _keys(self, route: InboundRoute, secrets: Sequence[SealedSecret], credentials: bytes) -> Keys:
        workspace = ids.encode("ws", route.workspace)
        plain = [self._unseal(workspace, s.sealed) for s in secrets]
        if not plain:
            raise Unavailable("no_secret", "There is no secret to sign with; rotate it.")
        return Keys(plain, self._unseal(workspace, credentials).decode() if credentials else "")

    async def _stored(self, route: InboundRoute, id: bytes, content: Content) -> Content:
        if not content.files:
            return content
        if self._files is None:
            raise Unavailable("no_object_store", "This installation has no object store for attachments any more.")
        files = [(f.file_name, f.content_type, f.content) for f in content.files]
        urls = await self._files.put(route.workspace, id, files)
        placed = tuple(
            File(f.file_name, f.content_type, f.disposition, f.content_id, f.size, url=url)
            for f, url in zip(content.files, urls, strict=True)
        )
        return replace(content, files=placed)

    # -- the answer ------------------------------------------------------------------------------

    def _meaning(self, route: InboundRoute, answer: Answer) -> HandedOver:
        at = int(self._clock.now().timestamp() * 1_000_000)
        said = posting.said(answer.body, "")
        if 200 <= answer.status < 300:
            outcome = "handed_over"
        elif 400 <= answer.status < 500:
            outcome = "refused"
        else:
            outcome = "deferred"
        text = reply_text(answer) if outcome == "refused" else ""
        return HandedOver(route.id, at, outcome, answer.status, answer.elapsed_ms, said, text)

    def _no_answer(self, route: InboundRoute, began: float, error: BaseException) -> HandedOver:
        at = int(self._clock.now().timestamp() * 1_000_000)
        why = error.public if isinstance(error, MailwardError) else "The endpoint did not answer in time."
        return HandedOver(route.id, at, "deferred", 0, int((self._clock.monotonic() - began) * 1000), why)


def reply_text(answer: Answer) -> str:
    """What a refusing endpoint wants the sender to read: its text/plain body as one line of ASCII, or "".

    A page of HTML or a JSON problem is no text for an SMTP reply (RFC 5321 section 4.2 allows printable ASCII).
    """
    if answer.media != "text/plain":
        return ""
    text = " ".join(answer.body[: 4 * REFUSAL_TEXT_MAX].decode("utf-8", "replace").split())
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:REFUSAL_TEXT_MAX].strip()


class Budget:
    """Octets of large messages that are in memory at once. Small ones pass; one larger than all of it goes alone."""

    def __init__(self, octets: int) -> None:
        self._all = octets
        self._left = octets
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def hold(self, octets: int) -> AsyncIterator[None]:
        """Wait until there is room for a message of that size."""
        if octets <= _SMALL:
            yield
            return
        # In memory as raw octets, as parts, and as the request: about four times its size.
        taken = min(4 * octets, self._all)
        async with self._changed:
            await self._changed.wait_for(lambda: self._left >= taken)
            self._left -= taken
        try:
            yield
        finally:
            async with self._changed:
                self._left += taken
                self._changed.notify_all()
