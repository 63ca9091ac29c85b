"""Rotation with a moved clock: at no moment does a key sign that DNS does not show."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailward.base.errors import Conflict
from mailward.core.domains.model import KEEP_OLD_SELECTOR, KEY_TRANSITIONS, Inspection, KeyPair, KeyState
from mailward.core.domains.rotation import WAITING, active, advance, move, rotation_due

START = datetime(2026, 3, 4, tzinfo=UTC)


def pair(n: int, now: datetime) -> KeyPair:
    return KeyPair(f"key_{n}", f"mw{n}", KeyState.PUBLISHING, b"", b"", b"sealed", b"sealed", now, now)


def inspection(shown: dict[str, str], ttl: int = 300) -> Inspection:
    return Inspection((), "ok", "ok", shown, dict.fromkeys(shown, ttl))  # type: ignore[arg-type]


def apply(pairs: list[KeyPair], changed: list[KeyPair]) -> list[KeyPair]:
    by_id = {p.id: p for p in changed}
    return [by_id.get(p.id, p) for p in pairs]


def test_a_whole_rotation() -> None:
    """Shown, waited for, switched, kept seven days, revoked with its private keys destroyed, removed."""
    now = START
    old = replace(pair(1, now), state=KeyState.ACTIVE)
    pairs = [old, pair(2, now)]
    both = inspection({"key_1": "shown", "key_2": "shown"}, ttl=7200)
    pairs = apply(pairs, advance(pairs, both, now=now))
    assert [p.state for p in pairs] == ["active", "seen"]
    now += timedelta(seconds=7199)
    assert not advance(pairs, both, now=now)
    now += timedelta(seconds=1)
    pairs = apply(pairs, advance(pairs, both, now=now))
    assert [p.state for p in pairs] == ["retiring", "active"]
    assert pairs[0].rsa_sealed
    now += KEEP_OLD_SELECTOR - timedelta(seconds=1)
    assert not advance(pairs, both, now=now)
    now += timedelta(seconds=1)
    pairs = apply(pairs, advance(pairs, both, now=now))
    assert [p.state for p in pairs] == ["revoked", "active"]
    assert not pairs[0].rsa_sealed
    assert not pairs[0].ed25519_sealed
    now += timedelta(days=30)
    pairs = apply(pairs, advance(pairs, both, now=now))
    assert [p.state for p in pairs] == ["removed", "active"]


def test_the_first_pair_signs_once_shown() -> None:
    """With nothing older remembered anywhere, there is nothing to wait for."""
    pairs = [pair(1, START)]
    assert advance(pairs, inspection({"key_1": "shown"}), now=START)[0].state is KeyState.ACTIVE
    assert not advance(pairs, inspection({"key_1": "unknown"}), now=START)


def test_rotation_is_due_after_half_a_year() -> None:
    """The schedule counts from the switch, and not while a rotation is under way."""
    signing = replace(pair(1, START), state=KeyState.ACTIVE)
    assert not rotation_due([signing], now=START + timedelta(days=179))
    assert rotation_due([signing], now=START + timedelta(days=180))
    assert not rotation_due([signing, pair(2, START)], now=START + timedelta(days=200))


@pytest.mark.parametrize("state", list(KeyState))
def test_only_moves_of_the_table(state: KeyState) -> None:
    """Any move that the table lacks raises."""
    for target in KeyState:
        start = replace(pair(1, START), state=state)
        if target in KEY_TRANSITIONS[state]:
            assert move(start, target, now=START).state is target
        else:
            with pytest.raises(Conflict):
                move(start, target, now=START)


Steps = st.lists(
    st.tuples(
        st.integers(0, 400),  # hours that pass
        st.sampled_from(["shown", "absent", "unknown"]),  # what DNS says of the waiting pair
        st.booleans(),  # somebody asks for a rotation
        st.integers(0, 100_000),  # TTL
    ),
    max_size=60,
)


@given(Steps)
@settings(max_examples=150, deadline=None)
def test_no_moment_without_a_published_signing_key(steps: list[tuple[int, str, bool, int]]) -> None:
    """Whatever DNS shows and whenever, one pair signs, it was shown at its switch, and old ones overlap a week."""
    now = START
    pairs = [replace(pair(0, now), state=KeyState.ACTIVE)]
    published = {"key_0"}
    stopped: dict[str, datetime] = {}
    for hours, word, ask, ttl in steps:
        now += timedelta(hours=hours)
        if ask and not any(p.state in WAITING for p in pairs):
            pairs.append(pair(len(pairs), now))
        shown = {p.id: word if p.state in WAITING else "shown" for p in pairs}
        before = active(pairs)
        pairs = apply(pairs, advance(pairs, inspection(shown, ttl), now=now))
        published |= {i for i, w in shown.items() if w == "shown"}
        signing = [p for p in pairs if p.state is KeyState.ACTIVE]
        assert len(signing) == 1
        assert signing[0].id in published
        assert signing[0].rsa_sealed
        assert before is not None
        if signing[0].id != before.id:
            stopped[before.id] = now
            assert shown[signing[0].id] == "shown"
        for p in pairs:
            if p.state in (KeyState.REVOKED, KeyState.REMOVED):
                assert now >= stopped[p.id] + KEEP_OLD_SELECTOR
                assert not p.rsa_sealed
