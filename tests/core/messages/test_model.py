"""One word for a message with several copies."""

from __future__ import annotations

import pytest

from mailward.core.messages.model import DeliveryState, overall

S = DeliveryState


@pytest.mark.parametrize(
    ("states", "word"),
    [
        ([S.DELIVERED, S.DELIVERED], "delivered"),
        ([S.SUPPRESSED, S.DELIVERED], "partly"),
        ([S.DELIVERED, S.CANCELLED], "partly"),
        ([S.SUPPRESSED, S.SUPPRESSED], "suppressed"),
        ([S.SUPPRESSED, S.QUEUED, S.DELIVERED], "queued"),
        ([S.DELIVERED, S.BOUNCED, S.SUPPRESSED], "bounced"),
        ([S.LEASED, S.DELIVERED], "sending"),
    ],
)
def test_the_word_says_what_to_look_at_first(states: list[DeliveryState], word: str) -> None:
    """A message that one recipient got while nothing was sent to another is partly delivered, not suppressed."""
    assert overall(states) == word
