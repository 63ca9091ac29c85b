"""Sending: a request becomes bytes that are ready to be signed, then one call accepts the whole list.

The hot path: one decode for a batch, a tight loop over its messages, no task per item.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from mailward.base.errors import Conflict, Invalid, MailwardError
from mailward.edges.web import problems
from mailward.edges.web.api.compose import compose, compose_raw
from mailward.edges.web.decoding import decode, invalid
from mailward.edges.web.limits import SEND_BODY, RateClass
from mailward.edges.web.problems import Answer
from mailward.edges.web.routes import JSON, Call, Operation, Reply
from mailward.edges.web.schema import messages as types
from mailward.edges.web.schema.common import NoQuery, Problem, Request
from mailward.edges.web.schema.submission import Given, Idempotency, Outcome, Outgoing
from mailward.policy.access import Permission

RFC822 = "message/rfc822"
_REPLAYED = ((b"idempotent-replayed", b"true"),)


class _LooseBatch(Request):
    """A batch whose items are looked at one by one, because at least one is wrong."""

    messages: list[msgspec.Raw]
    atomic: bool = False


_loose = msgspec.json.Decoder(_LooseBatch)
_item = msgspec.json.Decoder(types.SendRequest)
_batch = msgspec.json.Decoder(types.BatchRequest)


async def send(call: Call[NoQuery, types.SendRequest]) -> Reply:
    """One message."""
    key = idempotency(call)
    request = call.body if plain(call.body) else await call.platform.templates.filled(call.actor, call.body)
    outgoing = compose(request, call.now, call.entropy, key)
    return _single(await call.platform.messages.submit(call.actor, (outgoing,), atomic=False))


async def send_raw(call: Call[NoQuery, types.RawRequest | None]) -> Reply:
    """One finished message, as JSON or as message/rfc822 with its envelope in headers."""
    key = idempotency(call)
    if call.media == JSON:
        assert call.body is not None
        # Left unread they would send the message to others than somebody meant.
        for name in ("Envelope-From", "Envelope-To"):
            if call.header(name.lower().encode()) is not None:
                raise Invalid("invalid_parameter", "In JSON the envelope is in from and to.", field=name)
        request = call.body
    else:
        request = types.RawRequest(
            raw=call.raw,
            from_=_envelope(call.header(b"envelope-from")),
            to=_recipients(call.header(b"envelope-to")),
        )
    if (content := await call.platform.templates.filled_raw(call.actor, request.raw)) is not request.raw:
        request = msgspec.structs.replace(request, raw=content)
    outgoing = compose_raw(request, call.now, call.entropy, key, call.hostname)
    return _single(await call.platform.messages.submit(call.actor, (outgoing,), atomic=False))


async def send_batch(call: Call[NoQuery, None]) -> Reply:
    """Up to 500 messages, each with its own result."""
    key = idempotency(call)
    requests, atomic = read_batch(call.raw)
    now, entropy = call.now, call.entropy
    outcomes: list[Outcome] = []
    good: list[Outgoing] = []
    for index, request in enumerate(requests):
        if isinstance(request, MailwardError):
            outcomes.append(request)
            continue
        try:
            if not plain(request):
                request = await call.platform.templates.filled(call.actor, request)
            item_key = Idempotency(f"{key.key}#{index}", key.body_hash) if key is not None else None
            good.append(compose(request, now, entropy, item_key))
            outcomes.append(_PENDING)
        except MailwardError as error:
            outcomes.append(error)
    if atomic and len(good) < len(requests):
        outcomes = [_BATCH_REFUSED if outcome is _PENDING else outcome for outcome in outcomes]
    elif good:
        decided = iter(await call.platform.messages.submit(call.actor, good, atomic=atomic))
        outcomes = [next(decided) if outcome is _PENDING else outcome for outcome in outcomes]
    return _batch_reply(outcomes, call.request_id)


def plain(request: types.SendRequest) -> bool:
    """Whether there is nothing to render."""
    return request.template is None and not request.data and request.template_version is None


_PENDING = Conflict("pending", "Not decided yet.")
_BATCH_REFUSED = Conflict("batch_refused", "Another message of this batch was refused and the batch is atomic.")


def read_batch(raw: bytes) -> tuple[Sequence[types.SendRequest | MailwardError], bool]:
    """The messages of a batch, each a request or what is wrong with it, and whether the batch is atomic.

    The whole is decoded at once. Only when that fails are items decoded one by one, so that
    a bad one does not spoil the others.
    """
    try:
        whole: types.BatchRequest = decode(_batch, raw)
    except Invalid as error:
        # Wrong inside an item: look at each. Wrong around them: the batch itself is refused.
        if not error.field.startswith("messages["):
            raise
    else:
        return whole.messages, whole.atomic
    loose: _LooseBatch = decode(_loose, raw)
    if len(loose.messages) > types.MAX_BATCH:
        raise Invalid("too_many_messages", f"A batch may have {types.MAX_BATCH} messages.", field="messages")
    requests: list[types.SendRequest | MailwardError] = []
    for index, item in enumerate(loose.messages):
        try:
            requests.append(_item.decode(item))
        except msgspec.ValidationError as error:
            requests.append(invalid(str(error), prefix=f"messages[{index}]", of=_item.type))
    return requests, loose.atomic


def idempotency(call: Call[Any, Any]) -> Idempotency | None:
    """The caller's key with the hash of what was asked; Invalid when it is not 1 to 255 visible ASCII characters."""
    value = call.header(b"idempotency-key")
    if value is None:
        return None
    if not 1 <= len(value) <= 255 or not all(0x21 <= byte <= 0x7E for byte in value):
        raise Invalid(
            "invalid_idempotency_key",
            "An Idempotency-Key has 1 to 255 visible ASCII characters.",
            field="Idempotency-Key",
        )
    asked = hashlib.sha256(f"{call.actor.workspace}\0{call.path}".encode())
    for name in (b"envelope-from", b"envelope-to"):
        asked.update(b"\0" + (call.header(name) or b""))
    asked.update(b"\0" + call.raw)
    return Idempotency(value.decode("ascii"), asked.digest())


def _envelope(value: bytes | None) -> str | None:
    return _text(value) if value is not None else None


def _recipients(value: bytes | None) -> list[str]:
    return [part.strip() for part in _text(value).split(",")] if value else []


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Answer("invalid_encoding", "An envelope header is not UTF-8.") from None


def _single(outcomes: Sequence[Outcome]) -> Reply:
    (outcome,) = outcomes
    if isinstance(outcome, Given):
        return Reply(outcome.accepted, status=202, headers=_REPLAYED if outcome.replayed else ())
    if isinstance(outcome, MailwardError):
        raise outcome
    return Reply(outcome, status=200)


def _batch_reply(outcomes: Sequence[Outcome], request_id: str) -> Reply:
    items: list[types.BatchItem] = []
    accepted = 0
    replayed = False
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, Given):
            accepted += 1
            replayed = replayed or outcome.replayed
            items.append(types.BatchItem(index=index, accepted=outcome.accepted))
        elif isinstance(outcome, MailwardError):
            items.append(types.BatchItem(index=index, error=_told(outcome, index, request_id)))
        else:
            items.append(types.BatchItem(index=index, dry_run=outcome))
    refused = sum(1 for item in items if item.error is not msgspec.UNSET)
    result = types.BatchResult(accepted=accepted, refused=refused, results=items)
    status = 422 if refused == len(items) else 202
    return Reply(result, status=status, headers=_REPLAYED if replayed else ())


def _told(error: MailwardError, index: int, request_id: str) -> Problem:
    told = problems.problem(error, request_id)
    if told.field is not msgspec.UNSET and not told.field.startswith("messages["):
        told.field = f"messages[{index}].{told.field}"
    return told


_EXAMPLE = {
    "from": "Ada Lovelace <ada@demo.mailward.test>",
    "to": ["charles@example.com"],
    "subject": "The engine",
    "text": "It weaves algebraic patterns.",
    "tags": ["welcome"],
}
_FINISHED = (
    "From: Ada Lovelace <ada@demo.mailward.test>\r\nTo: charles@example.com\r\nSubject: The engine\r\n\r\n"
    "It weaves algebraic patterns.\r\n"
)
_ERRORS = (
    "domain_not_verified",
    "header_injection",
    "idempotency_key_reused",
    "invalid_address",
    "schedule_too_far",
    "template_and_content",
    "template_error",
    "template_not_found",
    "template_too_costly",
    "too_many_recipients",
)

OPERATIONS = [
    Operation(
        method="POST",
        path="/v1/messages/batch",
        handler=send_batch,
        permission=Permission.MESSAGE_SEND,
        rate=RateClass.SEND,
        name="sendBatch",
        tag="sending",
        summary="Send up to 500 messages",
        description="Each message has its own result; one that is refused does not stop the others unless "
        "`atomic` is true. The answer comes after the accepted ones are on disk; 422 with results when none was.",
        request=types.BatchRequest,
        undecoded=True,
        response=types.BatchResult,
        status=202,
        answers=((422, types.BatchResult),),
        errors=_ERRORS,
        body_limit=SEND_BODY,
        idempotent=True,
        example={"messages": [_EXAMPLE]},
    ),
    Operation(
        method="POST",
        path="/v1/messages",
        handler=send,
        permission=Permission.MESSAGE_SEND,
        rate=RateClass.SEND,
        name="sendMessage",
        tag="sending",
        summary="Send a message",
        description="The answer comes after the message is on disk: from then on losing it is our fault.",
        request=types.SendRequest,
        response=types.Accepted,
        status=202,
        answers=((200, types.DryRun),),
        errors=_ERRORS,
        body_limit=SEND_BODY,
        idempotent=True,
        example=_EXAMPLE,
    ),
    Operation(
        method="POST",
        path="/v1/messages/raw",
        handler=send_raw,
        permission=Permission.MESSAGE_SEND,
        rate=RateClass.SEND,
        name="sendRawMessage",
        tag="sending",
        summary="Send a finished RFC 5322 message",
        description="As JSON with the message in base64, or as message/rfc822. Without an envelope the sender and "
        "recipients are read from From, To, Cc and Bcc, those of a resent message from Resent-To, Resent-Cc and "
        "Resent-Bcc; Bcc is removed from what is sent.",
        request=types.RawRequest,
        raw_media=(RFC822,),
        response=types.Accepted,
        status=202,
        answers=((200, types.DryRun),),
        errors=_ERRORS,
        body_limit=SEND_BODY,
        idempotent=True,
        example={"raw": base64.b64encode(_FINISHED.encode()).decode()},
        request_headers=(
            ("Envelope-From", "With message/rfc822: the envelope sender."),
            ("Envelope-To", "With message/rfc822: the envelope recipients, separated by commas."),
        ),
    ),
]
