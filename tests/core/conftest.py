"""Messages ready to be recorded, for the tests of submission, delivery and messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.app.store import Store
from mailward.base import ids
from mailward.core.messages.model import DeliveryState, MessageFacts
from mailward.core.submission.model import Recipient, Submission
from mailward.core.submission.record import record
from mailward.core.suppression.model import token
from mailward.core.workspaces.model import DataKey
from tests.conftest import on_every_store as pytest_generate_tests

__all__ = ["pytest_generate_tests"]

KEY = DataKey(20000, 1, AESGCM(bytes(32)))
TOKEN_KEY = b"t" * 32
WS = b"a" * 16
WS_ID = ids.encode("ws", WS)
T0 = 1_770_000_000_000_000


def submission(n: int, *recipients: str, **over: Any) -> Submission:
    """A queued message number n, due at T0."""
    facts_over = {k: over.pop(k) for k in list(over) if k in MessageFacts.__struct_fields__ and k != "due"}
    facts = MessageFacts(
        **{
            "source": "api", "actor": "key_x", "domain": "d.test",
            "mail_from": "a@d.test", "header_from": "A <a@d.test>",
            "to": ", ".join(recipients), "subject": f"Message {n} hello", "message_id": f"<{n}@d.test>", "size": 10,
            **facts_over,
        }
    )  # fmt: skip
    created = over.pop("created", T0)
    return Submission(
        **{
            "id": (created // 1000).to_bytes(6, "big") + n.to_bytes(10, "big"),
            "created": created,
            "facts": facts,
            "recipients": [Recipient(r, token(TOKEN_KEY, r)) for r in recipients or ("b@x.test",)],
            "state": DeliveryState.QUEUED,
            "due": created,
            "lessee": 0,
            "epochs": (0, 0),
            **over,
        }
    )


async def put(store: Store, item: Submission, workspace: bytes = WS) -> Any:
    """Record one message with a small body."""
    return await store.write_item(record, workspace, item, body=(item.id, KEY, b"Subject: x\r\n\r\nbody\r\n"))


@pytest.fixture
def make() -> Callable[..., Submission]:
    return submission
