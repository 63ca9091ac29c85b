"""`mailward verify` as upkeep runs it: a process of its own that gets the settings on standard input.

The checks ask, sign, hash and parse for half a minute; in a worker a message would wait for that.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Container, Sequence
from datetime import datetime

import msgspec

from mailward.adapters.vault.files import UNGUARDED
from mailward.app.context import Context, begin_verb, choose, cli_actor
from mailward.app.installation import COMMAND_LINE, Installation
from mailward.app.settings import Settings, SettingsError
from mailward.app.stores import access_of
from mailward.base.errors import NotFound
from mailward.core.evidence.catalogue import CATALOGUE
from mailward.core.evidence.keep import SCHEDULE, keep
from mailward.core.evidence.model import Change, Control, Finding, Line, failed, not_configured, not_reached
from mailward.core.evidence.verify import state_of, verify

WITHIN_SECONDS = 600
"""What the command gives all checks together; they take about half a minute where nothing is slow."""
# Beside mail and at the lowest priority they may take longer. Less than what upkeep waits for this process.
_SCHEDULED_SECONDS = 1500


class Deadline:
    """Bounds a run as a whole, from when this is made. What takes too long is broken off, what follows is not begun."""

    def __init__(self, seconds: float) -> None:
        self._until = asyncio.get_running_loop().time() + seconds

    async def __call__(self, check: Callable[[], Awaitable[Finding]]) -> Finding:
        """The check's finding, or that it was not reached: neither is proved by that, nor failing."""
        if asyncio.get_running_loop().time() >= self._until:
            return not_reached("not begun: the time for the run was up")
        try:
            async with asyncio.timeout_at(self._until) as limit:
                found = await check()
        except TimeoutError:
            if not limit.expired():
                raise
        # What a check says after it was told to stop is no finding about the promise.
        return not_reached("broken off: the time for the run was up") if limit.expired() else found


async def store_lines(context: Context, lines: list[Line], cause: str, *, whole: bool, now: datetime) -> list[Change]:
    """Keep what was found; the controls that stand elsewhere than before."""
    return await context.store.system_write(
        lambda tx: keep(tx, lines, cause, whole=whole, now=now, entropy=context.entropy)
    )


async def run_all(settings: Settings) -> int:
    """Every check, its results stored. 0 also where nobody has a workspace yet: there is nothing to ask with."""
    from mailward.app.checks import CHECKS

    UNGUARDED.set(True)
    installation = Installation(settings, worker=COMMAND_LINE + os.getpid() % 900, unjudged=True)
    await installation.open()
    try:
        try:
            workspace = await choose(installation.store, None)
        except NotFound:
            return 0
        context = Context(installation, cli_actor(workspace))
        now = installation.clock.now()
        lines = await verify(CATALOGUE, CHECKS, context, now=now, within=Deadline(_SCHEDULED_SECONDS))
        await store_lines(context, lines, SCHEDULE, whole=True, now=now)
        return 0
    finally:
        await installation.close()


def barred(settings: Settings, controls: Sequence[Control], checks: Container[str], now: datetime) -> list[Line]:
    """The lines where not even a look is possible: the database is elsewhere, and not reached by verified TLS.

    Empty where it can be looked at. TRANSIT-6 fails; whatever else has a check was not asked,
    since asking would send what is stored over that very way.
    """
    if settings.storage.kind != "postgres":
        return []
    try:
        access_of(settings, unjudged=True)
    except SettingsError as e:
        why = failed(f"a start would be refused: {e}")
    else:
        return []
    unasked = not_configured("not asked: the database is not reached in a way that may be used (TRANSIT-6)")
    findings = {c.id: why if c.id == "TRANSIT-6" else unasked for c in controls if c.id in checks}
    return [
        Line(c.id, state_of(c, [f] if f else []), c.claim, (f.evidence,) if f else (), c.missing, c.duty, now)
        for c in controls
        for f in [findings.get(c.id)]
    ]


def main() -> None:
    """Read the settings, yield to everybody else, run."""
    os.nice(10)
    begin_verb("verify")
    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=Settings)
    sys.exit(asyncio.run(run_all(settings)))


if __name__ == "__main__":
    main()
