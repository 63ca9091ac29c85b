"""What the parts of the recorded script have in common: a message, waiting until it got there, looking at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.scenarios.recording import Recorder

ME = "ada@demo.mailward.test"


def mail(subject: str, /, **more: Any) -> dict[str, Any]:
    """A message as the API takes it."""
    plain = {"from": ME, "to": [f"{subject}@example.com"], "subject": subject, "text": f"text {subject}"}
    return {name: value for name, value in (plain | more).items() if value is not None}


def settled(r: Recorder, message: str) -> None:
    """Wait until a message has got where it goes."""
    done = ("delivered", "bounced", "discarded", "suppressed", "partly", "held", "cancelled")
    r.until(lambda: r.call("getMessage", message=message, quiet=True)["status"] in done)


def look(r: Recorder, message: str) -> None:
    """Everything there is to ask about one message."""
    for name in ("getMessage", "listMessageEvents", "explainMessage", "getMessageContent", "getRawMessage"):
        r.call(name, message=message)


def soon(days: int = 1) -> str:
    """A time so many days from now, as the API writes it."""
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
