"""When a call is tried again, and when never."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from mailward_client import Mailward, NotFound, Problem, RateLimited, Retries, Unavailable, Unreachable
from mailward_client.models import SendRequest
from tests.client.conftest import URL

Step = httpx.Response | type[httpx.TransportError]
_DOMAINS = httpx.Response(200, json={"data": [], "next_cursor": None})
_ACCEPTED = httpx.Response(202, json={"id": "msg_1", "message_id": "<1@x>", "status": "queued", "deliveries": []})


class Script:
    """A server that answers by a script, and a client of it that notes how long it would have waited."""

    def __init__(self, *steps: Step) -> None:
        self.steps, self.requests, self.waits = list(steps), list[httpx.Request](), list[float]()
        self.mail = Mailward(
            URL,
            "mw_k",
            transport=httpx.MockTransport(self._answer),
            sleep=self.waits.append,
            retries=Retries(jitter=lambda: 1.0),
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        step = self.steps.pop(0)
        if isinstance(step, httpx.Response):
            return step
        raise step("gone", request=request)


def _refusal(status: int, code: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(
        status,
        json={"code": code, "detail": "no", "request_id": "req_1"},
        headers={"content-type": "application/problem+json", **named},
    )


def _send(mail: Mailward) -> object:
    return mail.send_message(from_="a@example.com", to=["b@example.net"], text="x")


def test_lost_answers() -> None:
    """A sending whose answer was lost is tried again under the same Idempotency-Key, waiting longer each time."""
    script = Script(httpx.ReadError, httpx.ReadTimeout, _ACCEPTED)
    _send(script.mail)
    assert script.waits == [0.5, 1.0]
    assert len({r.headers["idempotency-key"] for r in script.requests}) == 1


def test_new_calls_have_new_keys() -> None:
    """Two calls are two messages: each has a key of its own."""
    script = Script(_ACCEPTED, _ACCEPTED)
    _send(script.mail)
    _send(script.mail)
    assert len({r.headers["idempotency-key"] for r in script.requests}) == 2


def test_retry_after() -> None:
    """429 and 503 are tried again after the seconds the server names."""
    script = Script(_refusal(429, "rate_limited", retry_after="7"), _refusal(503, "busy", retry_after="5"), _DOMAINS)
    script.mail.list_domains()
    assert script.waits == [7.0, 5.0]


def test_long_waits_are_the_callers() -> None:
    """A Retry-After beyond the longest wait is raised at once, with the seconds."""
    script = Script(_refusal(429, "rate_limited", retry_after="3600"))
    with pytest.raises(RateLimited) as refusal:
        script.mail.list_domains()
    assert (script.waits, refusal.value.retry_after) == ([], 3600.0)


def test_gives_up() -> None:
    """After the last attempt the last failure is raised."""
    script = Script(*[httpx.ReadError] * 4)
    with pytest.raises(Unreachable):
        script.mail.list_domains()
    assert len(script.requests) == 4


@pytest.mark.parametrize(
    ("step", "error", "tries"),
    [
        (httpx.ReadError, Unreachable, 1),  # it may have been done
        (httpx.ConnectError, Unreachable, 4),  # it was not
        (_refusal(503, "deadline_passed"), Unavailable, 1),
        (_refusal(503, "busy"), Unavailable, 4),
        (_refusal(500, "internal_error"), Unavailable, 1),
        (_refusal(409, "conflict"), Problem, 1),
    ],
)
def test_acts_without_a_key(step: Step, error: type[Exception], tries: int) -> None:
    """An act that takes no key is tried again only when it is certain that nothing was done."""
    script = Script(*[step] * 4)
    with pytest.raises(error):
        script.mail.create_webhook(url="https://example.com/hook")
    assert len(script.requests) == tries


@pytest.mark.parametrize("lost", [True, False])
def test_removed_by_the_lost_try(lost: bool) -> None:
    """A removal whose answer was lost, and then finds nothing, was done; one that finds nothing at first was not."""
    script = Script(*([httpx.ReadError] if lost else []), _refusal(404, "not_found"))
    call: Callable[[], object] = lambda: script.mail.remove_domain("dom_1")  # noqa: E731 - called in both branches
    if lost:
        call()
    else:
        with pytest.raises(NotFound):
            call()


def test_a_result_that_is_also_a_refusal() -> None:
    """A batch refused as a whole is a result with each message's reason, not an exception."""
    item = {
        "index": 0,
        "error": {"type": "/p", "title": "t", "status": 422, "code": "c", "detail": "d", "request_id": "r"},
    }
    script = Script(httpx.Response(422, json={"accepted": 0, "refused": 1, "results": [item]}))
    told = script.mail.send_batch(messages=[SendRequest(from_="a@example.com", to=["b@example.net"])], atomic=True)
    assert told.results[0].error is not None
    assert b"cc" not in script.requests[0].content  # what was not given is not sent
