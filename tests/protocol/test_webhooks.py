"""Standard Webhooks signing, judged by verifiers no one here wrote."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from mailward.base.errors import Invalid, Unauthenticated
from mailward.protocol import webhooks

SECRET = bytes(range(32))
BODY = b'{"type":"message.delivered","data":{"subject":"\xc3\xa9"}}'


def test_the_reference_verifier_accepts_what_we_sign() -> None:
    """The reference library verifies our headers and gives the payload back."""
    now = int(time.time())
    headers = dict(webhooks.headers([SECRET], "evt_1", now, BODY))
    assert Webhook(webhooks.show_secret(SECRET)).verify(BODY, headers)["type"] == "message.delivered"
    assert headers["svix-signature"] == headers["webhook-signature"]


def test_the_reference_verifier_signs_the_same_bytes() -> None:
    """For the same id, time and body both give the same signature."""
    at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    theirs = Webhook(webhooks.show_secret(SECRET)).sign("evt_1", at, BODY.decode())
    assert webhooks.sign(SECRET, "evt_1", int(at.timestamp()), BODY) == theirs


@pytest.mark.parametrize("change", ["id", "body", "secret", "time"])
def test_any_change_is_refused(change: str) -> None:
    """Another id, body, secret, or a timestamp beyond five minutes does not verify."""
    now = int(time.time()) - (301 if change == "time" else 0)
    headers = dict(webhooks.headers([SECRET], "evt_1", now, BODY))
    if change == "id":
        headers["webhook-id"] = "evt_2"
    secret = bytes(32) if change == "secret" else SECRET
    body = BODY + b" " if change == "body" else BODY
    with pytest.raises(WebhookVerificationError):
        Webhook(webhooks.show_secret(secret)).verify(body, headers)
    given = (headers["webhook-id"], headers["webhook-timestamp"], headers["webhook-signature"])
    with pytest.raises(Unauthenticated):
        webhooks.verify([secret], *given, body, now=int(time.time()))


def test_during_a_rotation_both_secrets_verify() -> None:
    """With two secrets, holders of either one accept."""
    now = int(time.time())
    headers = dict(webhooks.headers([bytes(32), SECRET], "evt_1", now, BODY))
    for secret in (bytes(32), SECRET):
        assert Webhook(webhooks.show_secret(secret)).verify(BODY, headers)


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_AAAA", "whsec_!!!", "whsec_" + "A" * 200])
def test_a_secret_of_another_form_is_refused(text: str) -> None:
    """A secret is the base64 of 24 to 64 bytes."""
    with pytest.raises(Invalid):
        webhooks.read_secret(text)
    assert webhooks.read_secret(webhooks.show_secret(SECRET)) == SECRET
