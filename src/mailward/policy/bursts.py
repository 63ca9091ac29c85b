"""Is this much mail from one credential far above what it ever sent?

Traffic is counted in slots of ten minutes. A slot is compared with the busiest one of the
past four weeks that is older than a day: a thief who raises the volume step by step is
still measured against what the owner used to send, and an honest sender may grow tenfold
a day. Without a day of history nothing is judged, and neither is what stays under `floor`:
small senders are uneven by nature.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailward.policy.decision import Allow, Decision, Refuse

SLOT_SECONDS = 600
DAY_SLOTS = 86_400 // SLOT_SECONDS
KEEP_SLOTS = 28 * DAY_SLOTS

CALM = Allow("usual_traffic")
LEARNING = Allow("learning", "There is less than a day of history to compare with.")
RELEASED = Allow("released", "Its owner said less than a day ago that this traffic is theirs.")
CODE = "unusual_burst"


@dataclass(frozen=True, slots=True)
class BurstRule:
    """`factor` times the busiest earlier slot is a burst, if it is more than `floor` recipients. 0 switches it off."""

    factor: int = 10
    floor: int = 1000

    @property
    def on(self) -> bool:
        """Whether anything is judged at all."""
        return self.factor > 0 and self.floor > 0


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one credential sent, in recipients: the slot `now`, and the `usual` peak of older ones.

    `usual` is None while no slot older than a day is known. `released` is the slot in which
    the owner last released the credential, None if never.
    """

    now: int
    slot: int
    usual: int | None
    released: int | None = None


def slot_of(seconds: float) -> int:
    """The number of the slot a time (seconds since 1970) lies in."""
    return int(seconds // SLOT_SECONDS)


def decide(rule: BurstRule, traffic: Traffic) -> Decision:
    """Allow, or Refuse with the sentence the owner reads."""
    if not rule.on or traffic.now <= rule.floor:
        return CALM
    if traffic.usual is None:
        return LEARNING
    if traffic.released is not None and traffic.slot - traffic.released < DAY_SLOTS:
        return RELEASED
    if traffic.now <= rule.factor * traffic.usual:
        return CALM
    return Refuse(
        CODE,
        f"{traffic.now} recipients within ten minutes; the busiest ten minutes of the four weeks before "
        f"had {traffic.usual}.",
    )
