"""Guessing passwords is slow, side by side as one after another, and keeps no owner out."""

from __future__ import annotations

from typing import Any

import pytest

from mailward.app.guesses import Guesses
from mailward.base.errors import LimitReached
from mailward.policy.gcra import Rate

RATE = Rate("sign-in", 5, 600)


def _until_refused(guesses: Guesses, account: str, addresses: Any) -> int:
    made = 0
    for ip in addresses:
        try:
            guesses.take(account, ip)
        except LimitReached:
            break
        made += 1
    return made


@pytest.mark.claim("AUTHN-5")
def test_one_address_and_one_account(clock: Any) -> None:
    """Five guesses from one address over many accounts; five at one account from many addresses."""
    guesses = Guesses(RATE, clock.monotonic)
    assert sum(_until_refused(guesses, f"user{n}@x.test", ["192.0.2.1"]) for n in range(20)) == 5
    assert _until_refused(guesses, "ada@x.test", [f"198.51.100.{n}" for n in range(20)]) == 5
    assert _until_refused(guesses, "ADA@X.test ", ["198.51.100.200"]) == 0
    clock.move(seconds=120)
    assert _until_refused(guesses, "ada@x.test", [f"203.0.113.{n}" for n in range(5)]) == 1


def test_the_answer_says_when(clock: Any) -> None:
    """The sentence and the seconds agree."""
    guesses = Guesses(RATE, clock.monotonic)
    _until_refused(guesses, "ada@x.test", ["192.0.2.1"] * 9)
    with pytest.raises(LimitReached) as told:
        guesses.take("ada@x.test", "192.0.2.1")
    assert told.value.retry_after == pytest.approx(120)
    assert "Try again in 2 minutes." in told.value.public


@pytest.mark.claim("AUTHN-5")
def test_guessing_from_elsewhere_keeps_no_owner_out(clock: Any) -> None:
    """An address that signed in before goes on while strangers are turned away; a right password costs nothing."""
    guesses = Guesses(RATE, clock.monotonic)
    for _ in range(20):
        guesses.take("ada@x.test", "192.0.2.7")
        guesses.right("ada@x.test", "192.0.2.7")
    assert _until_refused(guesses, "ada@x.test", [f"198.51.100.{n}" for n in range(20)]) == 5
    guesses.take("ada@x.test", "192.0.2.7")
    assert _until_refused(guesses, "ada@x.test", ["192.0.2.7"] * 20) == 4
