"""What the first start makes and nobody sees again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class First:
    """Secrets made at this start: shown once on the console, or where that is a journal put aside for their owner."""

    link: str | None = None
    key: str | None = None
    smtp: tuple[str, str] | None = None
