"""Labelled replays: each attack raises exactly its alert, and normal weeks raise none."""

from __future__ import annotations

import random

import pytest

from mailward.policy.detection import Kind, Observed, detect

DAY = 144
NOW = 200_000
Slots = dict[int, tuple[int, int]]


def _one(kind: Kind, slots: Slots) -> Observed:
    return Observed(kind, b"s", "who", b"", slots)


def _habit(count: int, items: int) -> Slots:
    return {NOW - d * DAY + n: (count, items) for d in range(1, 28) for n in range(-3, 3)}


ATTACKS: dict[str, tuple[str, Observed]] = {
    "a list of paths is tried": ("scanning", _one(Kind.MISSED, {NOW: (300, 100)})),
    "one address, many accounts": ("credential-stuffing", _one(Kind.FAILED, {NOW: (40, 40)})),
    "many addresses, one account": ("credential-stuffing", _one(Kind.FAILED_FROM, {NOW: (200, 100)})),
    "keys are made up": ("key-abuse", _one(Kind.BAD_KEY, {NOW: (50, 50)})),
    "a stolen key looks around": ("key-abuse", _one(Kind.REFUSED, {NOW - 1: (20, 5), NOW: (25, 6)})),
    "a leaked key is used everywhere": ("key-abuse", _one(Kind.USED, _habit(500, 2) | {NOW: (500, 12)})),
    "a stolen credential sends": ("spam-burst", _one(Kind.SENT, _habit(100, 1) | {NOW: (5000, 1)})),
    "everything is fetched": ("export-exfiltration", _one(Kind.READ, _habit(5, 1) | {NOW - 1: (300, 1), NOW: (90, 1)})),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_replayed_attack_raises_exactly_its_alert(name: str) -> None:
    """One finding, under the rule's name, in a sentence that names who."""
    rule, observed = ATTACKS[name]
    (found,) = detect([observed], NOW)
    assert found.rule == rule
    assert found.sentence.endswith(".") and ("who" in found.sentence or name.startswith("many addresses"))


def test_four_normal_weeks_raise_none() -> None:
    """People mistype, a client has an old key, an office shares an address, mail comes in waves: no alert, any slot."""
    draw = random.Random(3)
    weeks = range(NOW - 28 * DAY, NOW)

    def busy(chance: float, most: int, items: int) -> Slots:
        return {s: (draw.randint(1, most), draw.randint(1, items)) for s in weeks if draw.random() < chance}

    office = busy(0.2, 6, 4)
    stale_client: Slots = dict.fromkeys(weeks, (200, 1))
    wave = {s: (draw.randint(100, 900) if s % DAY < 20 else draw.randint(0, 50), 1) for s in weeks}
    normal = [
        _one(Kind.FAILED, office), _one(Kind.FAILED_FROM, busy(0.1, 5, 2)), _one(Kind.BAD_KEY, stale_client),
        _one(Kind.MISSED, busy(0.3, 30, 12)), _one(Kind.REFUSED, busy(0.1, 6, 2)), _one(Kind.USED, busy(0.5, 900, 3)),
        _one(Kind.SENT, wave), _one(Kind.READ, busy(0.2, 20, 3)),
    ]  # fmt: skip
    for slot in range(NOW - 7 * DAY, NOW, 20):
        assert detect(normal, slot) == []


def test_an_attack_of_yesterday_is_not_told_today() -> None:
    """Rules look at the newest slots only."""
    for _, observed in ATTACKS.values():
        assert detect([observed], NOW + DAY) == []
