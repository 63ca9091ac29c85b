"""Sending: a request becomes bytes that are ready to be signed, then one call accepts the whole list.

The hot path: one decode for a batch, a tight loop over its messages, no task per item.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from mailward.base.errors import Invalid, LimitReached, MailwardError
from mailward.edges.web import problems
from mailward.edges.web.api.compose import asked, asked_raw, compose, compose_raw
from mailward.edges.web.decoding import decode, invalid
from mailward.edges.web.limits import SEND_BODY, RateClass
from mailward.edges.web.problems import Answer
from mailward.edges.web.routes import JSON, Call, Operation, Reply
from mailward.edges.web.schema import messages as types
from mailward.edges.web.schema.common import NoQuery, Problem, Request
from mailward.edges.web.schema.submission import Asked, Given, Idempotency, Keyed, Outcome, Outgoing
from mailward.policy.access import Permission

_LARGE = 1 << 20  # octets of a finished message from which it is prepared in a thread
RFC822 = "message/rfc822"
# What a comma between addresses is told from: quoted strings, in which a backslash takes the next character along.
_MARKS = re.compile(r'[,"\\]')
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
    if key is not None:
        earlier = await call.platform.messages.repeat(call.actor, key, lambda _: asked(call.body, key), batch=False)
        if earlier is not None:
            return _single(earlier)
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
            from_=_envelope(_only(call, "Envelope-From")),
            to=_recipients(_only(call, "Envelope-To")),
        )
    if key is not None:
        earlier = await call.platform.messages.repeat(
            call.actor, key, lambda _: asked_raw(request, call.now, key, call.hostname), batch=False
        )
        if earlier is not None:
            return _single(earlier)
    if (content := await call.platform.templates.filled_raw(call.actor, request.raw)) is not request.raw:
        request = msgspec.structs.replace(request, raw=content)
    compose_it = partial(compose_raw, request, call.now, call.entropy, key, call.hostname)
    outgoing = await asyncio.to_thread(compose_it) if len(request.raw) > _LARGE else compose_it()
    return _single(await call.platform.messages.submit(call.actor, (outgoing,), atomic=False))


async def send_batch(call: Call[NoQuery, None]) -> Reply:
    """Up to 500 messages, each with its own result."""
    key = idempotency(call)
    requests, atomic = read_batch(call.raw)
    keyed = None
    if key is not None:
        keyed = Keyed(key, _reader(requests, key))
        earlier = await call.platform.messages.repeat(call.actor, key, keyed.asked, batch=True)
        if earlier is not None:
            return _batch_reply(await _dry_again(call, key, requests, earlier), call.request_id)
    items: list[Outgoing | MailwardError] = []
    for index, request in enumerate(requests):
        items.append(await _item_of(call, request, None if key is None else _of_item(key, index)))
    return _batch_reply(
        await call.platform.messages.submit(call.actor, items, atomic=atomic, keyed=keyed), call.request_id
    )


async def _item_of(
    call: Call[NoQuery, None], request: types.SendRequest | MailwardError, key: Idempotency | None
) -> Outgoing | MailwardError:
    """The message of an item, or what is wrong with it. The key is for what follows from it; the batch's own counts."""
    if isinstance(request, MailwardError):
        return request
    try:
        if not plain(request):
            request = await call.platform.templates.filled(call.actor, request)
        made = compose(request, call.now, call.entropy, key)
    except MailwardError as error:
        return error
    made.idempotency = None
    return made


def _of_item(key: Idempotency, index: int) -> Idempotency:
    # NUL, which no caller's key holds: what follows from it is never that of another request.
    return Idempotency(f"{key.key}\0{index}", key.body_hash)


def _reader(requests: Sequence[types.SendRequest | MailwardError], key: Idempotency) -> Callable[[int], Asked]:
    def read(index: int) -> Asked:
        request = requests[index]
        assert not isinstance(request, MailwardError)  # it was accepted, and the request is the same
        return asked(request, _of_item(key, index))

    return read


async def _dry_again(
    call: Call[NoQuery, None],
    key: Idempotency,
    requests: Sequence[types.SendRequest | MailwardError],
    earlier: list[Outcome | None],
) -> list[Outcome]:
    """An earlier answer with its dry runs, of which nothing is kept, made again."""
    open_ = [n for n, outcome in enumerate(earlier) if outcome is None]
    if open_:
        items = [await _item_of(call, requests[n], _of_item(key, n)) for n in open_]
        made = await call.platform.messages.submit(call.actor, items, atomic=False)
        for n, outcome in zip(open_, made, strict=True):
            earlier[n] = outcome
    return [outcome for outcome in earlier if outcome is not None]


def plain(request: types.SendRequest) -> bool:
    """Whether there is nothing to render."""
    return request.template is None and not request.data and request.template_version is None


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
    value = _only(call, "Idempotency-Key")
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


def _only(call: Call[Any, Any], name: str) -> bytes | None:
    """The value of a header field. Raises Answer when it was sent twice: nobody can tell which was meant."""
    wanted = name.lower().encode()
    values = [value for field, value in call.headers if field == wanted]
    if len(values) > 1:
        raise Answer("duplicate_header", f"There are {len(values)} {name} fields; send one.")
    return values[0] if values else None


def _envelope(value: bytes | None) -> str | None:
    return _text(value) if value is not None else None


def _recipients(value: bytes | None) -> list[str]:
    """The addresses of the field. One may hold a comma inside its quotes (RFC 5321 section 4.1.2)."""
    if not value:
        return []
    text = _text(value)
    found, begin, quoted, passed = [], 0, False, -1
    for mark in _MARKS.finditer(text):
        at, sign = mark.start(), mark[0]
        if at == passed:
            continue
        if sign == '"':
            quoted = not quoted
        elif sign == "\\":
            passed = at + 1 if quoted else -1
        elif not quoted:
            found.append(text[begin:at].strip())
            begin = at + 1
    return [*found, text[begin:].strip()]


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Answer("invalid_encoding", "An envelope header is not UTF-8.") from None


def _single(outcomes: Sequence[Outcome | None]) -> Reply:
    (outcome,) = outcomes
    if isinstance(outcome, Given):
        return Reply(outcome.accepted, status=202, headers=_REPLAYED if outcome.replayed else ())
    if isinstance(outcome, MailwardError):
        raise outcome
    assert outcome is not None
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
    headers: tuple[tuple[bytes, bytes], ...] = _REPLAYED if replayed else ()
    # Items beyond the rate, while others passed: when to send those again.
    if wait := max((int(problems.status_of(o).wait) for o in outcomes if isinstance(o, LimitReached)), default=0):
        headers += ((b"retry-after", str(wait).encode()),)
    return Reply(result, status=status, headers=headers)


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
        "`atomic` is true: then all are accepted in one transaction, or none. The answer comes after the accepted ones "
        "are on disk; 422 with results when none was. Beyond the rate some may pass: the others say `rate_limited`, "
        "and `Retry-After` when to send them again. An `Idempotency-Key` stands for the whole batch: once some of it "
        "was accepted, a repeat gets that answer again, refused messages with their code and field included, "
        "and nothing of it is tried anew. Send those again under another key.",
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
