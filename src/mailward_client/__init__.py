"""A client of Mailward's API: typed, synchronous and asynchronous.

    with Mailward("https://mail.example.com", key) as mail:
        mail.send_message(from_="ada@example.com", to=["bob@example.net"], subject="Hello", text="Hi Bob")

It covers every operation of the API, under its name in the OpenAPI document. It tries again, with an
Idempotency-Key where the API takes one, so that a lost answer never sends a message twice.
"""

from mailward_client.api import Mailward
from mailward_client.api_async import AsyncMailward
from mailward_client.errors import (
    BadAnswer,
    Conflict,
    Forbidden,
    MailwardError,
    NotFound,
    Problem,
    RateLimited,
    Unacceptable,
    Unauthenticated,
    Unavailable,
    Unreachable,
)
from mailward_client.exchange import Retries
from mailward_client.values import OMIT, Omit
from mailward_client.version import __version__
from mailward_client.webhooks import BadSignature, WebhookEvent, verify_webhook

__all__ = [
    "OMIT",
    "AsyncMailward",
    "BadAnswer",
    "BadSignature",
    "Conflict",
    "Forbidden",
    "Mailward",
    "MailwardError",
    "NotFound",
    "Omit",
    "Problem",
    "RateLimited",
    "Retries",
    "Unacceptable",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
    "WebhookEvent",
    "__version__",
    "verify_webhook",
]
