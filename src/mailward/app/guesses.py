"""How often a password may be guessed: by source address and by account, counted before the password is looked at.

Counting first means that guesses made side by side are as few as guesses made one after
another. An address that signed in to an account lately does not share that account's
bucket with strangers, so that nobody keeps the owner out by guessing from elsewhere.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from mailward.base.errors import LimitReached
from mailward.policy.gcra import Rate, decide

_MOST = 20_000


class Guesses:
    """Buckets of one process; `monotonic` in seconds."""

    def __init__(self, rate: Rate, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._monotonic = monotonic
        self._tats: dict[str, float] = {}
        self._at_home: OrderedDict[tuple[str, str], None] = OrderedDict()

    def take(self, account: str, ip: str) -> None:
        """Count one guess. LimitReached, with the seconds to wait, when there were too many."""
        now = self._monotonic()
        taken = {}
        for key in self._keys(account, ip):
            tat, decision = decide(self._rate, self._tats.get(key, 0.0), now)
            if not decision.allowed:
                minutes = max(1, round(decision.retry_after / 60))
                raise LimitReached(
                    "too_many_failures",
                    f"Too many failed sign-ins. Try again in {minutes} minute{'s' if minutes > 1 else ''}.",
                    retry_after=decision.retry_after,
                )
            taken[key] = tat
        self._tats |= taken
        if len(self._tats) > _MOST:
            # A bucket that is full again equals no bucket.
            self._tats = {k: t for k, t in self._tats.items() if t > now}

    def right(self, account: str, ip: str) -> None:
        """It was no guess: give it back, and remember the address as one of the owner's."""
        for key in self._keys(account, ip):
            if key in self._tats:
                self._tats[key] -= self._rate.spacing
        place = (_folded(account), ip)
        self._at_home[place] = None
        self._at_home.move_to_end(place)
        if len(self._at_home) > _MOST:
            self._at_home.popitem(last=False)

    def _keys(self, account: str, ip: str) -> tuple[str, str]:
        folded = _folded(account)
        own = f"@{ip}" if (folded, ip) in self._at_home else ""
        return f"ip:{ip}", f"account:{folded}{own}"


def _folded(account: str) -> str:
    return account.strip().casefold()[:254]
