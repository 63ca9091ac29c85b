"""Unsubscribe tokens."""

from __future__ import annotations

from mailward.protocol.message import unsubscribe
from mailward.protocol.message.unsubscribe import Target

KEY, OTHER = b"k" * 32, b"o" * 32
TARGET = Target(b"w" * 16, b"d" * 16, "broadcast")


def test_a_token_names_its_target() -> None:
    """Round trip, also under a former key."""
    token = unsubscribe.encode(TARGET, KEY)
    assert unsubscribe.decode(token, KEY) == TARGET
    assert unsubscribe.decode(token, OTHER, KEY) == TARGET
    assert unsubscribe.decode(token, OTHER) is None
    assert unsubscribe.decode(token) is None


def test_each_changed_character_is_refused() -> None:
    """No character of a token can be changed, added or dropped, and there is one spelling only."""
    token = unsubscribe.encode(TARGET, KEY)
    for position in range(len(token)):
        for new in "A_9":
            if token[position] != new:
                assert unsubscribe.decode(token[:position] + new + token[position + 1 :], KEY) is None
    for other in (token + "A", token[:-1], token + "=", token.replace("-", "+"), "", "é" * 80, token + "\n"):
        assert other == token or unsubscribe.decode(other, KEY) is None
