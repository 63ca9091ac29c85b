"""One call of the API without any I/O: what to send, when to try again, what the answer means.

`exchange()` is a generator. It yields a `Sending` (answered with a `Reply` or a `Lost`) or a
`Waiting` (answered with None), and returns the result. The synchronous and the asynchronous
client drive the same generator, so they cannot differ.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from mailward_client.errors import BadAnswer, Unreachable, problem
from mailward_client.values import OMIT, from_json, to_json

_JSON = "application/json"
# Refused before anything was done, whatever the method (see /problems/busy and /problems/unavailable).
_NOTHING_DONE = frozenset({"busy", "unavailable"})


@dataclass(frozen=True, slots=True)
class Operation:
    """A line of the API: `answers` gives the type for each status that is an answer, None for an empty one."""

    method: str
    path: str
    answers: Mapping[int, Any]
    keyed: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does what sending it once does (RFC 9110 section 9.2.2, or by its key)."""
        return self.keyed or self.method in ("GET", "PUT", "DELETE")


@dataclass(frozen=True, slots=True)
class Retries:
    """When to try again: `attempts` in all, waits from `first` seconds doubling up to `longest`, with jitter.

    A `Retry-After` is obeyed; one that is longer than `longest` ends the trying at once.
    """

    attempts: int = 4
    first: float = 0.5
    longest: float = 30.0
    jitter: Callable[[], float] = field(default=random.random)

    def wait(self, attempt: int, retry_after: float | None) -> float | None:
        """Seconds before the attempt after the `attempt`th (from 1); None: not again."""
        if attempt >= self.attempts:
            return None
        if retry_after is not None:
            return retry_after if retry_after <= self.longest else None
        # Half of it by chance: clients that failed together do not come back together.
        return min(self.longest, self.first * 2.0 ** (attempt - 1)) * (0.5 + self.jitter() / 2)


@dataclass(frozen=True, slots=True)
class Sending:
    """Send this and answer with a Reply or a Lost."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing came back. `sent` is False when no connection was made, so nothing can have happened."""

    error: Exception
    sent: bool


Exchange = Generator[Sending | Waiting, Reply | Lost | None, Any]


def prepare(
    op: Operation,
    path: Mapping[str, str],
    query: Mapping[str, Any],
    body: Mapping[str, Any] | bytes | None,
    headers: Mapping[str, str | None],
    media: str = _JSON,
) -> Sending:
    """The request of a call. `headers` without a value are left out."""
    if any(not value for value in path.values()):
        raise ValueError("an id is empty")
    sent = {name: value for name, value in headers.items() if value is not None}
    if op.keyed:
        sent.setdefault("idempotency-key", uuid.uuid4().hex)
    content = None
    if body is not None:
        content = body if isinstance(body, bytes) else json.dumps(to_json(body), ensure_ascii=False).encode()
        sent["content-type"] = media
    return Sending(
        op.method,
        op.path.format(**{name: quote(value, safe="") for name, value in path.items()}),
        {name: _plain(value) for name, value in query.items() if value is not None and value is not OMIT},
        sent,
        content,
    )


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(to_json(value))


def exchange(op: Operation, sending: Sending, retries: Retries) -> Exchange:
    """Send until there is an answer or no sense in another try. Raises Problem, Unreachable or BadAnswer."""
    attempt, uncertain = 0, False
    while True:
        attempt += 1
        reply = yield sending
        if isinstance(reply, Reply):
            refusal = None
            if _is_answer(op, reply):
                return _value(op, reply)
            if uncertain and op.method == "DELETE" and reply.status == 404:
                return None  # the try whose answer was lost had removed it
            refusal = problem(reply.status, reply.headers, reply.content)
            again = reply.status == 429 or (
                reply.status in (502, 503, 504) and (op.repeatable or refusal.code in _NOTHING_DONE)
            )
            wait = retries.wait(attempt, refusal.retry_after) if again else None
            if wait is None:
                raise refusal
        elif isinstance(reply, Lost):
            uncertain = uncertain or reply.sent
            again = op.repeatable or not reply.sent
            wait = retries.wait(attempt, None) if again else None
            if wait is None:
                raise Unreachable(f"{op.method} {op.path}: {reply.error}") from reply.error
        else:
            raise TypeError("a Sending is answered with a Reply or a Lost")
        yield Waiting(wait)


def _is_answer(op: Operation, reply: Reply) -> bool:
    # 422 may be a result (a batch) or a refusal; which of them, the media type says.
    return reply.status in op.answers and not reply.headers.get("content-type", "").startswith(
        "application/problem+json"
    )


def _value(op: Operation, reply: Reply) -> Any:
    kind = op.answers[reply.status]
    if kind is None:
        return None
    if kind is bytes:
        return reply.content
    try:
        told = json.loads(reply.content)
    except ValueError as e:
        raise BadAnswer(f"{op.method} {op.path} answered {reply.status} with something that is not JSON") from e
    return from_json(kind, told)
