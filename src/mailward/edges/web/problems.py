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
from mailward.edges.web.catalogue import CATALOGUE
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
