"""What can go wrong, as exceptions.

    MailwardError
    ├── Unreachable        no answer came: the network, TLS, or a timeout
    ├── BadAnswer          an answer came that is not what the API promises
    └── Problem            the API refused, and said why (RFC 9457)
        ├── Unauthenticated    401
        ├── Forbidden          403
        ├── NotFound           404
        ├── Conflict           409
        ├── Unacceptable       400, 413, 415, 422 and the like: the request has to change
        ├── RateLimited        429
        └── Unavailable        5xx

`BadSignature`, of webhooks, is a `ValueError`: it has nothing to do with an answer of the API.
"""

from __future__ import annotations

import json
from collections.abc import Mapping


class MailwardError(Exception):
    """Base of all."""


class Unreachable(MailwardError):
    """No answer came. Whether the request took effect is not known, unless it carried an Idempotency-Key."""


class BadAnswer(MailwardError):
    """The answer is not what the API promises: something between us and it answered, or the versions differ."""


class Problem(MailwardError):
    """The API refused.

    `code` is stable and meant for programs, `detail` a sentence for people, `field` the path of what is wrong in
    the request (or ""), `request_id` what to quote to the operator, `retry_after` seconds to wait, when it named any.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, field: str = "", request_id: str = "", retry_after: float | None
    ) -> None:
        where = f" ({field})" if field else ""
        super().__init__(f"{status} {code}: {detail}{where} [{request_id}]")
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.request_id = request_id
        self.retry_after = retry_after


class Unauthenticated(Problem):
    """The key is missing, unknown, expired or revoked."""


class Forbidden(Problem):
    """The key is good and does not reach this."""


class NotFound(Problem):
    """There is no such thing in your workspace."""


class Conflict(Problem):
    """The thing is in a state that does not allow this, or an Idempotency-Key came again with another body."""


class Unacceptable(Problem):
    """The request has to change; `field` says where."""


class RateLimited(Problem):
    """Too many requests; `retry_after` says for how long."""


class Unavailable(Problem):
    """A fault or an outage on the server's side."""


_BY_STATUS: dict[int, type[Problem]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
}


def problem(status: int, headers: Mapping[str, str], content: bytes) -> Problem:
    """The exception for a refusal. What is no problem document still becomes one, with the code `http_<status>`."""
    try:
        told = json.loads(content)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        told = {}
    kind = _BY_STATUS.get(status, Unavailable if status >= 500 else Unacceptable)
    return kind(
        status,
        str(told.get("code") or f"http_{status}"),
        str(told.get("detail") or told.get("title") or "The server gave no reason."),
        field=str(told.get("field") or ""),
        request_id=str(told.get("request_id") or headers.get("x-request-id", "")),
        retry_after=seconds(headers.get("retry-after")),
    )


def seconds(text: str | None) -> float | None:
    """Retry-After in seconds (RFC 9110 section 10.2.3); None when absent or a date, which this API never sends."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 9 else None
