"""Where checks are kept: `@check("REST-1")` ties a function to a promise of the catalogue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mailward.app.context import Context
from mailward.core.evidence.model import Finding

Check = Callable[[Context], Awaitable[Finding]]

CHECKS: dict[str, list[Check]] = {}


def check(promise: str) -> Callable[[Check], Check]:
    """Register a check. It gets the installation as the operator's shell sees it and answers with a finding."""

    def keep(function: Check) -> Check:
        CHECKS.setdefault(promise, []).append(function)
        return function

    return keep
