"""Webhooks signed by the platform verify, and what was changed does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from mailward.protocol import webhooks
from mailward_client import BadSignature, verify_webhook

_RAW = bytes(range(32))
_SECRET = webhooks.show_secret(_RAW)
_OTHER = webhooks.show_secret(bytes(32))
_AT = 1_767_225_600
_BODY = json.dumps(
    {"type": "message.delivered", "timestamp": "2026-01-01T00:00:00.123456Z", "id": "evt_1", "data": {"message": "m"}}
).encode()


def _headers(body: bytes = _BODY) -> dict[str, str]:
    return dict(webhooks.headers([_RAW], "evt_1", _AT, body))


def test_verifies() -> None:
    """An event of the platform's own signer is read."""
    event = verify_webhook(_BODY, _headers(), _SECRET, now=_AT + 299)
    assert (event.id, event.type, event.data) == ("evt_1", "message.delivered", {"message": "m"})
    assert event.timestamp == datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize("family", ["webhook", "svix"])
def test_either_family(family: str) -> None:
    """Headers of either family are enough, in any case, and one of several secrets."""
    kept = {k.title(): v for k, v in _headers().items() if k.startswith(family)}
    assert verify_webhook(_BODY, kept, [_OTHER, _SECRET], now=_AT).id == "evt_1"


@pytest.mark.parametrize(
    ("change", "now"),
    [
        ({}, _AT + 301),
        ({}, _AT - 301),
        ({"webhook-id": "evt_2"}, _AT),
        ({"webhook-timestamp": str(_AT + 1)}, _AT),
        ({"webhook-timestamp": "soon"}, _AT),
        ({"webhook-signature": "v1,AAAA v1,\u00e9"}, _AT),
    ],
)
def test_refuses(change: dict[str, str], now: int) -> None:
    """Another id, time or signature, or a request from long ago, is refused."""
    with pytest.raises(BadSignature):
        verify_webhook(_BODY, {**_headers(), **change}, _SECRET, now=now)


def test_refuses_another_body_and_secret() -> None:
    """A changed byte of the body is refused, and so is another endpoint's secret."""
    for body, secret in ((_BODY + b" ", _SECRET), (_BODY, _OTHER)):
        with pytest.raises(BadSignature):
            verify_webhook(body, _headers(), secret, now=_AT)
