"""The one translator from errors to `application/problem+json` (RFC 9457).

`CATALOGUE` lists the codes an integrator meets most, with the status and the sentence
shown at `/problems/<code>`; a code that is not listed takes its status from its class.
"""

from __future__ import annotations

import math

import msgspec

from mailward.base.errors import (
    ChallengeRequired,
    Conflict,
    Corrupt,
    Forbidden,
    Invalid,
    LimitReached,
    MailwardError,
    NotFound,
    Refused,
    StepUpRequired,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from mailward.edges.web.schema.common import Problem

CONTENT_TYPE = "application/problem+json"

TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length required",
    413: "Too large",
    415: "Unsupported media type",
    422: "Not acceptable as it is",
    429: "Too many requests",
    431: "Request header fields too large",
    500: "Internal error",
    503: "Unavailable",
}

# code -> (status, what to do about it)
CATALOGUE: dict[str, tuple[int, str]] = {
    "self_approval": (403, "Somebody else has to decide this."),
    "self_review": (403, "Somebody else reviews your own access."),
    "already_invited": (409, "Send the open invitation again, or withdraw it first."),
    "already_member": (409, "The address belongs to a member; change their role instead."),
    "attachment_type_refused": (422, "Receivers refuse files of this kind, so they are not taken as attachments."),
    "attachment_too_large": (413, "The attachments of a message together may have 25 MB."),
    "body_too_large": (413, "Send less in one request: 40 MB for messages, 1 MB for everything else."),
    "busy": (503, "The server holds as much request data as it may. Try again in a moment."),
    "conflict": (409, "The thing is in a state that does not allow this."),
    "connection_not_private": (403, "Use HTTPS. Plain HTTP is answered only on the loopback interface."),
    "credential_paused": (429, "It sent far more than ever before, and is paused until its owner releases it."),
    "content_gone": (410, "The content was let go when its term ended, or erased. What is known of the message stays."),
    "content_outlives_message": (422, "Keep messages at least as long as their content."),
    "decided": (409, "Each item of an access review is decided once."),
    "deadline_passed": (503, "The request took too long inside the platform. Nothing of it is promised; ask again."),
    "domain_not_verified": (403, "Publish the records shown for the domain, then have it checked."),
    "duplicate_header": (400, "A header that may appear once appeared twice."),
    "duplicate_key": (400, "A JSON object names a key twice, so its meaning depends on the reader."),
    "duplicate_parameter": (422, "A query parameter was given twice."),
    "forbidden": (403, "The credential is good but does not reach this act. Use a key with the scope named."),
    "header_injection": (422, "A value holds a line break or a control character where a header is made of it."),
    "hours_without_redact": (422, "Leave the hours out, or choose `redact` for the field."),
    "idempotency_key_reused": (409, "This Idempotency-Key was used with another body in the last 24 hours."),
    "internal_error": (500, "A fault on our side, recorded under the request id."),
    "invitation_over": (409, "It was accepted or withdrawn. Invite the address again."),
    "invalid_address": (422, "An address is not a mailbox as RFC 5321 defines it."),
    "invalid_cursor": (422, "Pass `next_cursor` of the page before, unchanged, with the same filters."),
    "invalid_encoding": (400, "The body is not UTF-8, or holds half of a surrogate pair."),
    "invalid_field": (422, "The field does not have the form the schema asks for."),
    "invalid_json": (400, "The body is not JSON (RFC 8259)."),
    "invalid_parameter": (422, "The parameter, of the query or a header, does not have the form the schema asks for."),
    "grant_ended": (409, "This access of an operator has ended already."),
    "grant_state": (409, "This request of an operator is at a stage that does not allow it."),
    "bad_name": (422, "A name has 1 to 100 printable characters."),
    "bad_permissions": (422, "Name at least one permission of a workspace, as docs/access.md lists them."),
    "role_exists": (409, "There is a role of that name already."),
    "role_in_use": (409, "Give its members another role first."),
    "too_many_roles": (409, "A workspace has at most 50 roles of its own."),
    "last_manager": (409, "A workspace keeps a Workspace Manager. Make somebody else one first."),
    "template_not_found": (404, "Name a template of this workspace as `GET /v1/templates` lists them."),
    "template_not_published": (404, "Publish the template first: a draft is never sent."),
    "template_version_not_found": (404, "Name a version that was published."),
    "template_error": (422, "The template does not render with this data; the detail names part, line and reason."),
    "template_too_costly": (422, "Rendering it takes more steps, time or memory than a mail may. Make it simpler."),
    "template_layout": (422, "A layout is a published template without a layout, with a place for {{ content }}."),
    "template_and_content": (422, "Give a template, or subject, text and html; not both."),
    "template_missing": (422, "Data and a version belong to a template; name it."),
    "tag_invalid": (422, "A tag has up to 64 ASCII letters, digits and `_ . : -`."),
    "test_mode_invalid": (422, "Test mode is yes or no."),
    "tracking_invalid": (422, "Tracking is off, opens, clicks or both."),
    "metadata_invalid": (422, "A metadata entry has a name of up to 64 characters and a text of up to 500, once."),
    "template_with_files": (422, "Such a message has no attachments; the API takes them beside a template."),
    "template_version_invalid": (422, "A version is a number from 1."),
    "template_data_invalid": (422, "The data is one JSON object."),
    "template_data_too_large": (422, "The data has at most 256 KiB of JSON."),
    "template_changed": (409, "Somebody changed the draft meanwhile. Look at it and publish again."),
    "template_in_use": (409, "Other templates have it for their layout; change those first."),
    "too_many_templates": (409, "A workspace has at most 500 templates."),
    "too_many_versions": (409, "A template has at most 1000 versions."),
    "name_taken": (409, "Choose another name."),
    "renderer_down": (503, "Templates cannot be rendered now. Try again in a moment."),
    "batch_beyond_limit": (
        422,
        "An atomic batch passes at once, and may not have more messages than the rate of a minute.",
    ),
    "batch_refused": (409, "The batch is atomic, and another message of it was refused. Mend that one and send all."),
    "length_required": (411, "Send Content-Length; bodies in chunks are not read."),
    "method_not_allowed": (405, "See the Allow header for the methods of this path."),
    "missing_host": (400, "HTTP/1.1 asks for one Host header."),
    "missing_field": (422, "The schema requires this field."),
    "missing_body": (400, "This operation needs a body."),
    "no_sender": (409, "Invitations are mailed. Verify a domain of this installation that may send first."),
    "no_grant": (403, "An operator reads by a live grant only."),
    "not_restorable": (422, "A review does not give this back; add it anew."),
    "message_redacted": (410, "The workspace redacts this field of its mail, or never stores it."),
    "not_found": (404, "There is no such thing in your workspace."),
    "rate_limited": (429, "Wait for the seconds named in Retry-After."),
    "request_incomplete": (400, "The body ended before its announced length."),
    "request_timeout": (408, "The body did not arrive in time."),
    "request_ambiguous": (400, "The length of the request can be read in two ways."),
    "schedule_too_far": (422, "A message can be scheduled for up to 30 days ahead."),
    "schedule_in_the_past": (422, "That time is over. Give the present one to send at once."),
    "stream_invalid": (422, "There are two streams: transactional and broadcast."),
    "subject_too_long": (422, "A subject may have 998 characters."),
    "too_many_attachments": (422, "A message may have 100 attachments."),
    "too_many_headers": (431, "A request may have 64 header fields."),
    "too_many_custom_headers": (422, "A message may have 50 headers of its own."),
    "too_many_messages": (422, "A batch may have 500 messages."),
    "too_many_metadata": (422, "A message may have 50 metadata entries."),
    "too_many_recipients": (422, "A message may have 50 recipients over to, cc and bcc."),
    "too_many_tags": (422, "A message may have 10 tags."),
    "unauthenticated": (401, "Send `Authorization: Bearer` with a key that is not revoked."),
    "unavailable": (503, "A part of the platform is away. Nothing was accepted; try again."),
    "unsubscribe_required": (422, "A broadcast names where its recipients unsubscribe (RFC 8058)."),
    "unexpected_body": (400, "This operation takes no body."),
    "unknown_field": (422, "The schema has no such field."),
    "unknown_parameter": (422, "The operation has no such query parameter."),
    "webhook_not_answering": (409, "The endpoint did not take the test event, so it stays disabled. See its attempts."),
    "unsupported_media_type": (415, "Send the media type the operation names, mostly application/json in UTF-8."),
}

_BY_CLASS: tuple[tuple[type[MailwardError], int], ...] = (
    (Unauthenticated, 401),
    (Forbidden, 403),
    (StepUpRequired, 403),
    (ChallengeRequired, 429),
    (NotFound, 404),
    (Conflict, 409),
    (TooLarge, 413),
    (LimitReached, 429),
    (Invalid, 422),
    (Refused, 422),
    (Unavailable, 503),
    (Corrupt, 500),
)

_encode = msgspec.json.Encoder().encode


class Answer(MailwardError):
    """A refusal that only HTTP knows (405, 408, 415, 431): an error with its own headers."""

    def __init__(self, code: str, public: str = "", *, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(code, public or CATALOGUE[code][1])
        self.headers = headers


class Status(int):
    """An HTTP status that knows how many seconds whoever hears it has to wait; 0 for none."""

    wait: int = 0


def status_of(error: MailwardError) -> Status:
    """The HTTP status of an error: by its code when listed, else by its class."""
    if isinstance(error, Corrupt):
        return Status(500)
    listed = CATALOGUE.get(error.code)
    code = listed[0] if listed else next((status for cls, status in _BY_CLASS if isinstance(error, cls)), 500)
    status = Status(code)
    match error:
        case LimitReached():
            status.wait = max(1, math.ceil(error.retry_after))
        case Unavailable():
            status.wait = 5
        case _:
            pass
    return status


def problem(error: BaseException, request_id: str) -> Problem:
    """What a stranger may read of an error. Whatever is not ours, and our own 500s, say "internal error"."""
    status = int(status_of(error)) if isinstance(error, MailwardError) else 500
    if not isinstance(error, MailwardError) or status == 500:
        return Problem(
            type="/problems/internal_error",
            title=TITLES[500],
            status=500,
            code="internal_error",
            detail="Something went wrong on our side. Quote the request id if you write to the operator.",
            request_id=request_id,
        )
    return Problem(
        type=f"/problems/{error.code}",
        title=TITLES.get(status, "Refused"),
        status=status,
        code=error.code,
        detail=error.public,
        field=getattr(error, "field", "") or msgspec.UNSET,
        request_id=request_id,
    )


def response(error: BaseException, request_id: str) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """Status, body and the headers particular to this error."""
    told = problem(error, request_id)
    headers: list[tuple[bytes, bytes]] = [(b"content-type", CONTENT_TYPE.encode())]
    match error:
        case Unauthenticated():
            # Both schemes are read; naming Bearer first keeps browsers from opening a password box.
            headers.append((b"www-authenticate", b'Bearer realm="mailward"'))
        case LimitReached() | Unavailable():
            headers.append((b"retry-after", str(status_of(error).wait).encode()))
        case Answer():
            headers.extend(error.headers)
        case _:
            pass
    return told.status, _encode(told), headers
