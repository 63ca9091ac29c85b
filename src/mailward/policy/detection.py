"""Attacks on the platform, recognised in counted facts: named rules, each with a severity and a sentence. Pure.

What is counted is (kind, subject, item): a source address that failed to sign in to
accounts, a key that was used from networks. It is counted in slots of ten minutes, by
every process, and added up in the store, so that an attack spread over all of them is one
attack. A rule looks at the newest slots of a subject and, where it asks for a change of
habit, at the four weeks before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SLOT_SECONDS = 600
_HOUR = 6  # slots
_DAY = 144
KEEP_SLOTS = 28 * _DAY
"""How long what habits are made of is kept."""
SHORT_SLOTS = 2 * _DAY
"""How long the rest is kept."""
QUIET_SECONDS = 6 * 3600
"""An attack that goes on is told again after this long."""


class Kind(StrEnum):
    """What is counted, of whom, and which different things."""

    MISSED = "missed"  # a source asked for paths that do not exist
    FAILED = "failed"  # a source failed to sign in to accounts
    FAILED_FROM = "failed-from"  # an account could not be signed in to from sources
    BAD_KEY = "bad-key"  # a source showed keys or SMTP passwords that are none
    REFUSED = "refused"  # a good credential was refused: its scope or network does not reach
    USED = "used"  # a credential was used from networks
    SENT = "sent"  # a credential wrote to recipients
    READ = "read"  # an actor read content, or exported
    KILLED = "killed"  # a message that workers died of; judged at once, by `core/guard/deaths`


HABITS = frozenset((Kind.USED, Kind.SENT, Kind.READ))
"""Kinds that are compared with the weeks before."""


class Severity(StrEnum):
    """How soon somebody should look."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Observation:
    """Something happened `count` times in a slot. `subject` and `item` are keyed digests, `name` the subject's own
    name for the people who are told; `workspace` its raw id, empty where it has none."""

    slot: int
    kind: Kind
    subject: bytes
    item: bytes
    count: int
    name: str = field(default="", repr=False)
    workspace: bytes = b""


@dataclass(frozen=True, slots=True)
class Observed:
    """A subject over time: slot -> (how often, how many different items)."""

    kind: Kind
    subject: bytes
    name: str = field(repr=False)
    workspace: bytes
    slots: Mapping[int, tuple[int, int]]

    def recent(self, slot: int, slots: int) -> tuple[int, int]:
        """Sum of the counts and the largest number of different items of one slot, in the newest `slots` up to it."""
        found = [self.slots[s] for s in range(slot - slots + 1, slot + 1) if s in self.slots]
        return sum(c for c, _ in found), max((d for _, d in found), default=0)

    def usual(self, slot: int, slots: int) -> tuple[int, int] | None:
        """The busiest such stretch that ended a day ago or earlier; None without one: there is no habit yet."""
        earlier = sorted(s for s in self.slots if s <= slot - _DAY)
        if not earlier:
            return None
        stretches = [self.recent(s + slots - 1, slots) for s in earlier]
        return max(c for c, _ in stretches), max(d for _, d in stretches)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found."""

    rule: str
    severity: Severity
    subject: bytes
    name: str = field(repr=False)
    workspace: bytes
    sentence: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rule:
    """A named rule over one kind. `judge` gives the sentence, or None when nothing is wrong."""

    name: str
    severity: Severity
    kind: Kind
    judge: Callable[[Observed, int], str | None]


_PATHS, _ACCOUNTS, _SOURCES, _KEYS, _REFUSALS = 40, 10, 20, 20, 30
_NETWORKS, _RECIPIENTS, _READINGS, _FACTOR = 5, 1000, 300, 10


def _scanning(o: Observed, slot: int) -> str | None:
    _, paths = o.recent(slot, 2)
    return f"{o.name} asked for {paths} paths that do not exist within ten minutes." if paths >= _PATHS else None


def _stuffing(o: Observed, slot: int) -> str | None:
    tries, accounts = o.recent(slot, 2)
    if accounts < _ACCOUNTS:
        return None
    return f"{o.name} failed to sign in to {accounts} accounts within ten minutes, in {tries} tries."


def _spread(o: Observed, slot: int) -> str | None:
    tries, sources = o.recent(slot, 2)
    if sources < _SOURCES:
        return None
    return f"Signing in to one account failed from {sources} addresses within ten minutes, in {tries} tries."


def _guessed(o: Observed, slot: int) -> str | None:
    _, keys = o.recent(slot, 2)
    return f"{o.name} showed {keys} keys that are none within ten minutes." if keys >= _KEYS else None


def _reaching(o: Observed, slot: int) -> str | None:
    refused, _ = o.recent(slot, 2)
    if refused < _REFUSALS:
        return None
    return f"{o.name} was refused {refused} times within twenty minutes, where its scope or network does not reach."


def _travelling(o: Observed, slot: int) -> str | None:
    _, networks = o.recent(slot, _HOUR)
    usual = o.usual(slot, _HOUR)
    if networks < _NETWORKS or usual is None or networks <= 2 * usual[1]:
        return None
    return f"{o.name} was used from {networks} networks within ten minutes, and from {usual[1]} at most before."


def _burst(o: Observed, slot: int) -> str | None:
    sent, _ = o.recent(slot, 2)
    usual = o.usual(slot, 2)
    if sent < _RECIPIENTS or usual is None or sent <= _FACTOR * usual[0]:
        return None
    return f"{o.name} wrote to {sent} recipients within twenty minutes; its busiest before had {usual[0]}."


def _exfiltration(o: Observed, slot: int) -> str | None:
    read, _ = o.recent(slot, _HOUR)
    usual = o.usual(slot, _HOUR)
    before = 0 if usual is None else usual[0]
    if read < _READINGS or read <= _FACTOR * before:
        return None
    return f"{o.name} read or exported {read} times within an hour; the most before was {before}."


RULES: tuple[Rule, ...] = (
    Rule("scanning", Severity.LOW, Kind.MISSED, _scanning),
    Rule("credential-stuffing", Severity.HIGH, Kind.FAILED, _stuffing),
    Rule("credential-stuffing", Severity.HIGH, Kind.FAILED_FROM, _spread),
    Rule("key-abuse", Severity.MEDIUM, Kind.BAD_KEY, _guessed),
    Rule("key-abuse", Severity.HIGH, Kind.REFUSED, _reaching),
    Rule("key-abuse", Severity.HIGH, Kind.USED, _travelling),
    Rule("spam-burst", Severity.HIGH, Kind.SENT, _burst),
    Rule("export-exfiltration", Severity.HIGH, Kind.READ, _exfiltration),
)


def slot_of(seconds: float) -> int:
    """The slot of a time in seconds since the epoch."""
    return int(seconds // SLOT_SECONDS)


def detect(observed: Iterable[Observed], slot: int) -> list[Finding]:
    """What the rules find as of a slot: one finding for each rule and subject."""
    found = []
    for o in observed:
        for rule in RULES:
            if rule.kind is o.kind and (sentence := rule.judge(o, slot)) is not None:
                found.append(Finding(rule.name, rule.severity, o.subject, o.name, o.workspace, sentence))
    return found
