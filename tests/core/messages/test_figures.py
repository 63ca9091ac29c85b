"""How long delivering took, in buckets."""

from __future__ import annotations

from mailward.core.messages.figures import percentile, took, waited_since
from mailward.core.messages.model import MessageFacts

FACTS = MessageFacts("api", "key", "a.test", "a@a.test", "a@a.test", "b@b.test", "s", "<1@a.test>", 9)


def test_a_share_is_found_from_the_buckets() -> None:
    """Half of the deliveries lie below the bound named, and what lies beyond all bounds has none."""
    counts = {took(us): n for us, n in ((20_000, 60), (900_000, 35), (200_000_000_000, 5))}
    assert counts == {"took_ms_50": 60, "took_ms_1000": 35, "took_ms_more": 5}
    assert percentile({**counts, "accepted": 10_000}, 0.5) == 50
    assert percentile(counts, 0.95) == 1000
    assert percentile(counts, 0.99) is None
    assert percentile({}, 0.5) is None


def test_a_scheduled_message_waits_from_its_own_time() -> None:
    """What was scheduled for tomorrow was not late because it was written today."""
    from msgspec.structs import replace

    message = (1_700_000_000_000).to_bytes(6, "big") + b"\0" * 10
    assert waited_since(message, FACTS) == 1_700_000_000_000_000
    assert waited_since(message, replace(FACTS, due=1_700_000_900_000_000)) == 1_700_000_900_000_000
