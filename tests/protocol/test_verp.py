"""Signed return-paths."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailward.protocol import verp

KEY, OTHER = b"k" * 32, b"o" * 32


@given(st.binary(min_size=16, max_size=16), st.integers(0, verp.MAX_INDEX) | st.just(255), st.booleans())
def test_round_trip(delivery: bytes, recipient: int, shared: bool) -> None:
    """A return-path names its delivery, in any case of letters, under present and former keys, within 64 characters.

    Whether it is one copy's own or shared is part of it, whatever the index.
    """
    local = verp.encode(delivery, recipient, KEY, shared=shared)
    assert len(local) <= 64 and local.isascii() and local.startswith("b+")
    assert verp.decode(local, KEY) == (delivery, recipient, shared)
    assert verp.decode(local.upper(), OTHER, KEY) == (delivery, recipient, shared)
    assert verp.decode(local, OTHER) is None


def test_paths_that_were_shared_before_are_still_known() -> None:
    """They carry index 255 under the label of all others: several copies, the first of which is not told."""
    former = (
        "b+" + verp._base32(payload := b"d" * 16 + b"\0\xff") + "-" + verp._base32(verp._mac(KEY, verp._OWN, payload))
    )
    assert verp.decode(former, OTHER, KEY) == (b"d" * 16, None, True)
    assert verp.decode(former, OTHER) is None
    assert former not in {verp.encode(b"d" * 16, 255, KEY, shared=shared) for shared in (False, True)}


def test_forgeries_are_refused() -> None:
    """Each changed character, other lengths and other shapes name nothing."""
    local = verp.encode(b"d" * 16, 3, KEY)
    for position in range(len(local)):
        for new in "b7-+":
            if local[position] != new:
                changed = local[:position] + new + local[position + 1 :]
                assert verp.decode(changed, KEY) is None, changed
    for other in ("", "b+", local + "a", local[:-1], "bounce", "é" * 48, "b+" + "1" * 46, "b+" + "-" * 46):
        assert verp.decode(other, KEY) is None
