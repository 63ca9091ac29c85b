"""When to try again, and how hard to knock. Pure: times are seconds passed in, jitter an argument."""

from __future__ import annotations

from dataclasses import dataclass

from mailward.base.outcome import Outcome, PermFail, TempFail

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
# Messages within a minute that say something of a destination's rate.
_ENOUGH = 10
DEFAULT_STEPS = (MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR)
GREYLIST_STEPS = (2 * MINUTE, 5 * MINUTE, 10 * MINUTE)  # common greylists open after 1 to 5 minutes


@dataclass(frozen=True, slots=True)
class Schedule:
    """Waits after the first, second,... failed attempt; the last repeats until `max_age` seconds.."""

    steps: tuple[float, ...] = DEFAULT_STEPS
    greylist_steps: tuple[float, ...] = GREYLIST_STEPS
    max_age: float = 5 * DAY
    jitter: float = 0.2


def next_wait(schedule: Schedule, attempt: int, age: float, failure: TempFail, jitter: float) -> float | None:
    """Seconds until the attempt after `attempt` (1 is the first), or None when the message has expired.

    `age` is seconds since acceptance, `jitter` in [0, 1) spreads messages that failed together. A
    wait the server asked for is kept: never sooner than it said (within reason), and not much later.
    """
    if age >= schedule.max_age:
        return None
    index = max(attempt, 1) - 1
    if failure.reason == "greylisted" and index < len(schedule.greylist_steps):
        wait = schedule.greylist_steps[index]
    elif failure.reason == "too_many_recipients":
        wait = 5.0 if index < 5 else schedule.steps[min(index - 5, len(schedule.steps) - 1)]
    else:
        wait = schedule.steps[min(index, len(schedule.steps) - 1)]
    wait *= 1 + schedule.jitter * (2 * jitter - 1)
    asked = failure.retry_after
    if asked is not None:
        asked = min(max(asked, 1.0), DAY) * (1 + schedule.jitter * jitter)
        wait = asked if failure.reason == "greylisted" or asked > wait else wait
    return min(wait, max(schedule.max_age - age, 1.0))


class DestinationState:
    """How much one destination takes from us, learnt from what it says.

    Concurrency and rate halve when it complains and creep up again while it is content; a complaint
    also pauses the destination, longer each time. `now` is seconds on a steady clock.
    """

    __slots__ = (
        "_cap",
        "_last_complaint",
        "_penalty",
        "_rate",
        "_slot",
        "_window",
        "_window_count",
        "limit",
        "paused_until",
    )

    def __init__(self, *, start: float = 20.0, cap: float = 50.0) -> None:
        self.limit = min(start, cap)
        self.paused_until = 0.0
        self._cap = cap
        self._penalty = 0.0
        self._last_complaint = -1e9
        self._rate = 0.0  # messages a second; 0 is unlimited
        self._slot = 0.0
        self._window = 0.0
        self._window_count = 0

    @property
    def rate(self) -> float:
        """Messages a second it takes, as far as we know; 0 when no limit is known."""
        return self._rate

    def pace(self, now: float) -> float:
        """Messages a second that went out lately."""
        return self._window_count / max(now - self._window, 10.0)

    def connections(self) -> int:
        """How many connections may be open at once."""
        return max(1, int(self.limit))

    def wait(self, now: float) -> float:
        """Seconds until the next message may start; 0 for at once."""
        return max(0.0, self.paused_until - now, self._slot - now if self._rate else 0.0)

    def started(self, now: float) -> None:
        """A message goes out now."""
        if now - self._window >= MINUTE:
            self._window, self._window_count = now, 0
        self._window_count += 1
        if self._rate:
            self._slot = max(self._slot, now) + 1 / self._rate

    def delivered(self, now: float) -> None:
        """A message was taken: additive increase."""
        limit = self.limit
        if limit < self._cap:
            self.limit = min(self._cap, limit + 1 / limit)
        if self._penalty or self._rate:
            self._recover(now)

    def failed(self, outcome: Outcome, now: float) -> None:
        """A message was refused: multiplicative decrease when the refusal was about us or the pace."""
        if not isinstance(outcome, TempFail | PermFail) or outcome.reason not in _COMPLAINTS:
            return
        if outcome.enhanced[1:4] in _OF_AN_ADDRESS:
            return  # one mailbox that gets too much, or is busy, says nothing of the others
        asked = outcome.retry_after if isinstance(outcome, TempFail) else None
        if now - self._last_complaint < 1.0 and asked is None:
            return  # complaints about messages already under way count once
        self._last_complaint = now
        self.limit = max(1.0, self.limit / 2)
        if outcome.reason in _PAUSING:
            self._penalty = min(max(self._penalty * 2, 10.0), HOUR)
            self.paused_until = max(self.paused_until, now + (min(asked, HOUR) if asked is not None else self._penalty))
            if self._rate or self._window_count >= _ENOUGH:  # of fewer nobody can say at what rate they went
                self._rate = max((self._rate or self.pace(now)) / 2, 1 / MINUTE)

    def _recover(self, now: float) -> None:
        quiet = now - self._last_complaint
        if self._rate:
            self._rate += 1 / MINUTE
        if quiet > 10 * MINUTE and quiet > 2 * self._penalty:
            self._penalty = 0.0
            self._rate = 0.0


_COMPLAINTS = frozenset(("rate_limited", "server_busy", "blocklisted", "connection_lost", "timeout"))
_PAUSING = frozenset(("rate_limited", "blocklisted"))
_OF_AN_ADDRESS = frozenset((".1.", ".2."))  # the subject of an enhanced status: RFC 3463 sections 3.2 and 3.3


class DeadHosts:
    """Endpoints (address and port, as text) that did not answer: a thousand messages need not each wait for them."""

    __slots__ = ("_first", "_longest", "_until")

    def __init__(self, *, first: float = 15.0, longest: float = 600.0) -> None:
        self._first = first
        self._longest = longest
        self._until: dict[str, tuple[float, float]] = {}

    def __contains__(self, ip: str) -> bool:
        return ip in self._until

    def remaining(self, ip: str, now: float) -> float:
        """Seconds for which the address is not worth trying; 0 when it may be tried."""
        entry = self._until.get(ip)
        return 0.0 if entry is None else max(0.0, entry[0] - now)

    def failed(self, ip: str, now: float) -> None:
        """It did not answer. Only failures to connect count, not what a server said."""
        entry = self._until.get(ip)
        if entry is not None and entry[0] > now:
            return
        wait = self._first if entry is None else min(entry[1] * 2, self._longest)
        if len(self._until) >= 10_000:
            self._until = {k: v for k, v in self._until.items() if v[0] > now}
        self._until[ip] = (now + wait, wait)

    def answered(self, ip: str) -> None:
        """It lives."""
        self._until.pop(ip, None)
