"""Every attempt ends in one of three values, decided in one function per transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Done:
    """The other side took responsibility. `code` and `enhanced` as it answered, 0 and "" where it has none."""

    text: str = ""
    code: int = 0
    enhanced: str = ""


@dataclass(frozen=True, slots=True)
class TempFail:
    """Worth another try. `reason` is a named class; `retry_after` seconds if the peer said so.

    Where `tried` is false nobody was asked: it was not its turn, and that is no attempt.
    """

    reason: str
    text: str = ""
    code: int = 0
    enhanced: str = ""
    retry_after: float | None = None
    tried: bool = True


@dataclass(frozen=True, slots=True)
class PermFail:
    """Never will. `reason` is a named class."""

    reason: str
    text: str = ""
    code: int = 0
    enhanced: str = ""


Outcome: TypeAlias = Done | TempFail | PermFail
