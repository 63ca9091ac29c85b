"""The messages area of the platform: sending, and reading what became of it."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from mailward.adapters.storage.records import BodyRef
from mailward.app.bodies import Bodies
from mailward.app.platform import views
from mailward.app.platform.batches import Batches
from mailward.app.retention import overwrite
from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, Invalid, MailwardError, NotFound, Unavailable
from mailward.core.messages import change, erase, find, pause
from mailward.core.messages.dated import redated
from mailward.core.messages.find import Found, Query
from mailward.core.messages.model import LETTERS, OPEN, Attempt, DeliveryState
from mailward.core.messages.words import subject_words
from mailward.core.webhooks.enqueue import tell
from mailward.edges.web.dashboard.mail_html import sanitise
from mailward.edges.web.schema import messages as schema
from mailward.edges.web.schema.submission import Asked, Given, Idempotency, Keyed, Outcome, Outgoing
from mailward.policy import access
from mailward.policy.access import Actor, Permission
from mailward.protocol.message import structure

_ARRIVED = frozenset({DeliveryState.DELIVERED, DeliveryState.DISCARDED})


class Messages:
    """Implements `edges.web.ports.Messages` on the store."""

    def __init__(
        self, store: Store, batches: Batches | None, bodies: Bodies, *, now_us: Callable[[], int],
        search_key: Callable[[bytes], bytes], wake: Callable[[], None],
        letters_open: bool = False,
    ) -> None:  # fmt: skip
        self._store = store
        self._batches = batches
        self._bodies = bodies
        self._now_us = now_us
        self._search_key = search_key
        self._wake = wake
        self._letters_open = letters_open

    async def submit(
        self, actor: Actor, items: Sequence[Outgoing | MailwardError], *, atomic: bool, keyed: Keyed | None = None
    ) -> list[Outcome]:
        """Accept a batch; see the port."""
        return await self._accepting().submit(actor, items, atomic=atomic, keyed=keyed)

    async def repeat(
        self, actor: Actor, key: Idempotency, asked: Callable[[int], Asked], *, batch: bool
    ) -> list[Outcome | None] | None:
        """What was answered before; see the port."""
        return await self._accepting().repeat(actor, key, asked, batch=batch)

    def _accepting(self) -> Batches:
        if self._batches is None:
            raise Unavailable("not_accepting", "This process does not accept messages.")
        return self._batches

    async def find(self, actor: Actor, query: schema.MessageQuery) -> schema.MessagePage:
        """One page of the list, or of a search."""
        if query.subject is not None and not subject_words(query.subject):
            # Not found by anything, it would stand for no condition at all.
            text = "Give a word of two letters or digits at least."
            raise Invalid("invalid_parameter", text, field="subject")
        asked = Query(
            limit=query.limit,
            before=_cursor(query.cursor),
            status=query.status,
            stream=query.stream,
            to=query.to,
            sender=query.from_,
            subject=query.subject,
            tag=query.tag,
            message_id=query.message_id,
            since=_us(query.since),
            until=_us(query.until),
        )
        now = self._now_us()
        key = self._search_key(ids.decode("ws", actor.workspace))
        page = await self._store.read(actor.workspace, lambda tx: find.find(tx, actor, asked, key=key, now=now))
        return schema.MessagePage(
            data=[views.summary(f, now) for f in page.found],
            next_cursor=base64.urlsafe_b64encode(page.next).decode() if page.next else None,
        )

    async def get(self, actor: Actor, message: str) -> schema.MessageDetail:
        """One message with its copies."""
        return views.detail(await self._found(actor, message), self._now_us())

    async def events(self, actor: Actor, message: str) -> schema.EventPage:
        """Its timeline."""
        found, attempts, timeline = await self._whole(actor, message)
        return schema.EventPage(data=views.events(found, attempts, timeline))

    async def explain(self, actor: Actor, message: str) -> schema.Explanation:
        """Every attempt of every copy."""
        found, attempts, _ = await self._whole(actor, message)
        return views.explanation(found, attempts, self._now_us())

    async def raw(self, actor: Actor, message: str) -> bytes:
        """The stored bytes. Reading content is audited."""
        access.require(actor, Permission.MESSAGE_CONTENT)
        found = await self._found(actor, message)
        if found.message.facts.actor == LETTERS and not self._letters_open:
            # It holds a code or a link by which its recipient proves who they are: colleagues must not read it.
            raise Forbidden("letter_sealed", "Mailward wrote this to one person, and only they may read it.")
        if "body" in found.message.facts.redacted:
            raise _redacted("The content of this message is not stored: the workspace redacts it.")
        if found.message.body is None:
            raise _gone(found.message.content_gone)
        now = views.at(self._now_us())

        async def note(tx: Tx) -> None:
            await tx.audit.append(actor, "message.content_read", message, {}, now=now)

        await self._store.write(actor.workspace, note)
        raw_id = found.message.id
        workspace, ref = ids.decode("ws", actor.workspace), BodyRef(*found.message.body)
        return redated(await self._bodies.read(workspace, raw_id, ref, reader=actor), found.message.facts)

    async def content(self, actor: Actor, message: str) -> schema.Content:
        """Text, sanitised HTML and the list of attachments."""
        return structure_view(await self.raw(actor, message))

    async def cancel(self, actor: Actor, message: str) -> schema.MessageDetail:
        """Stop what waits."""
        raw, now = ids.decode("msg", message), self._now_us()
        await self._store.write(actor.workspace, lambda tx: change.cancel(tx, actor, raw, now=now, tell=tell))
        return views.detail(await self._found(_as_reader(actor), message), now)

    async def release(self, actor: Actor, message: str) -> schema.MessageDetail:
        """Send what is held."""
        raw, now = ids.decode("msg", message), self._now_us()
        await self._store.write(actor.workspace, lambda tx: change.release(tx, actor, raw, now=now, tell=tell))
        self._wake()
        return views.detail(await self._found(_as_reader(actor), message), now)

    async def sending(self, actor: Actor) -> schema.Sending:
        """What is paused, and whether anything is held."""

        async def verb(tx: Tx) -> schema.Sending:
            found = await pause.pauses(tx, actor)
            held = bool(await tx.deliveries.held(after=None, limit=1))
            shown = [
                schema.Pause(stream=p.stream or None, since=views.at(p.at), reason=p.reason)  # type: ignore[arg-type]
                for p in found
            ]
            return schema.Sending(paused=shown, held=held)

        return await self._store.read(actor.workspace, verb)

    async def pause(self, actor: Actor, request: schema.PauseSending) -> schema.Sending:
        """Hold new mail: what commits after this does so by the epoch that this moved."""
        now = self._now_us()
        await self._store.write(
            actor.workspace,
            lambda tx: pause.pause(tx, actor, stream=request.stream or "", reason=request.reason, now=now),
        )
        return await self.sending(_as_reader(actor))

    async def resume(self, actor: Actor, request: schema.ResumeSending) -> schema.Sending:
        """Let new mail flow."""
        now = self._now_us()
        await self._store.write(
            actor.workspace, lambda tx: pause.resume(tx, actor, stream=request.stream or "", now=now)
        )
        return await self.sending(_as_reader(actor))

    async def release_held(self, actor: Actor, request: schema.ReleaseHeld) -> schema.Released:
        """Send what is held, of one stream or of all."""
        now = self._now_us()
        done = await self._store.write(
            actor.workspace, lambda tx: change.release_held(tx, actor, stream=request.stream, now=now, tell=tell)
        )
        self._wake()
        return schema.Released(released=done.messages, more=done.more)

    async def reschedule(self, actor: Actor, message: str, request: schema.Reschedule) -> schema.MessageDetail:
        """Move the time of what waits."""
        raw, now = ids.decode("msg", message), self._now_us()
        due = int(request.scheduled_at.timestamp() * 1e6)
        await self._store.write(actor.workspace, lambda tx: change.reschedule(tx, actor, raw, due=due, now=now))
        self._wake()
        return views.detail(await self._found(_as_reader(actor), message), now)

    async def resend(self, actor: Actor, message: str) -> schema.Accepted:
        """Send the stored bytes again, as a new message, to whom they did not reach; to all when they reached all."""
        access.require(actor, Permission.MESSAGE_SEND)
        if redacted := (await self._found(_as_reader(actor), message)).message.facts.redacted:
            raise _redacted(f"This message cannot be sent again: its {' and '.join(redacted)} are not stored any more.")
        content = await self.raw(_as_reader(actor), message)
        found = await self._found(_as_reader(actor), message)
        facts = found.message.facts
        if any(d.state in OPEN for d in found.deliveries):
            raise Conflict("still_waiting", "A copy of this message is still to be sent. Cancel or reschedule it.")
        missed = [d.recipient for d in found.deliveries if d.state not in _ARRIVED]
        outgoing = Outgoing(
            content=content,
            recipients=missed or [d.recipient for d in found.deliveries],
            header_from=facts.header_from,
            message_id=facts.message_id,
            mail_from=facts.mail_from,
            to=facts.to,
            subject=facts.subject,
            stream=facts.stream,
            tags=facts.tags,
            metadata=facts.metadata,
            test_mode=facts.test_mode,
            # As it was: nobody asked for this one to be tracked otherwise.
            tracking=facts.tracking.mode if facts.tracking is not None else "off",
        )
        (outcome,) = await self.submit(actor, [outgoing], atomic=False)
        if isinstance(outcome, MailwardError):
            raise outcome
        assert isinstance(outcome, Given)
        return outcome.accepted

    async def erase(self, actor: Actor, message: str) -> None:
        """Remove it and overwrite its content. Should that fail now, upkeep goes on until it is done."""
        raw, now = ids.decode("msg", message), self._now_us()
        workspace = ids.decode("ws", actor.workspace)
        key = self._search_key(workspace)
        erased = await self._store.write(actor.workspace, lambda tx: erase.erase(tx, actor, raw, key=key, now=now))
        if erased.body is not None:
            with contextlib.suppress(Unavailable, OSError):
                await overwrite(self._store, workspace, raw, erased.body)

    async def _found(self, actor: Actor, message: str) -> Found:
        raw = ids.decode("msg", message)

        async def verb(tx: Tx) -> Found:
            got = await change.get(tx, actor, raw)
            return Found(got, (await tx.deliveries.of([raw]))[raw])

        return await self._store.read(actor.workspace, verb)

    async def _whole(self, actor: Actor, message: str) -> tuple[Found, list[Attempt], list[tuple[int, str, str]]]:
        raw = ids.decode("msg", message)

        async def verb(tx: Tx) -> tuple[Found, list[Attempt], list[tuple[int, str, str]]]:
            got = await change.get(tx, actor, raw)
            found = Found(got, (await tx.deliveries.of([raw]))[raw])
            return found, await tx.deliveries.attempts(raw), await tx.messages.timeline(raw)

        return await self._store.read(actor.workspace, verb)


def _gone(since: int | None) -> NotFound:
    told = f" since {views.at(since):%Y-%m-%d %H:%M} UTC" if since else ""
    text = f"The content of this message is no longer kept{told}. What is known of the message can still be read."
    return NotFound("content_gone", text)


def _redacted(text: str) -> NotFound:
    return NotFound("message_redacted", text)


def _us(moment: datetime | None) -> int | None:
    """Ids begin with the time since 1970: before that there is nothing."""
    return max(0, int(moment.timestamp() * 1e6)) if moment is not None else None


def _cursor(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(text)
    except ValueError:
        raw = b""
    if len(raw) != 16:
        raise Invalid("invalid_cursor", "This cursor is not one of ours; start again without it.", field="cursor")
    return raw


def _as_reader(actor: Actor) -> Actor:
    more = actor.permissions | {Permission.MESSAGE_READ, Permission.MESSAGE_CONTENT}
    return replace(actor, permissions=more)


def structure_view(raw: bytes) -> schema.Content:
    """A message for reading: HTML sanitised, nothing remote."""
    found = structure.read(raw)
    return schema.Content(
        subject=found.subject,
        text=found.text,
        html=sanitise(found.html) if found.html else "",
        attachments=[
            schema.ContentAttachment(
                filename=a.filename, content_type=a.content_type, size=a.size, content_id=a.content_id or None
            )
            for a in found.attachments
        ],
        defects=list(found.defects),
    )
