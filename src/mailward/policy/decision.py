"""What a decision can be. `code` is stable for programs, `sentence` is for the tenant to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Allow:
    """Go on."""

    code: str = "allowed"
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """Take responsibility and keep it until somebody releases it."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do not take it."""

    code: str
    sentence: str


Decision: TypeAlias = Allow | Hold | Refuse
