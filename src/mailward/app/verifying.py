"""`mailward verify` as upkeep runs it: a process of its own that gets the settings on standard input.

The checks ask, sign, hash and parse for half a minute; in a worker a message would wait for that.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime

import msgspec

from mailward.app.context import Context, begin_verb, choose, cli_actor
from mailward.app.installation import COMMAND_LINE, Installation
from mailward.app.settings import Settings
from mailward.base.errors import NotFound
from mailward.core.evidence.catalogue import CATALOGUE
from mailward.core.evidence.keep import SCHEDULE, keep
from mailward.core.evidence.model import Change, Line
from mailward.core.evidence.verify import verify


async def store_lines(context: Context, lines: list[Line], cause: str, *, whole: bool, now: datetime) -> list[Change]:
    """Keep what was found; the controls that stand elsewhere than before."""
    return await context.store.system_write(
        lambda tx: keep(tx, lines, cause, whole=whole, now=now, entropy=context.entropy)
    )


async def run_all(settings: Settings) -> int:
    """Every check, its results stored. 0 also where nobody has a workspace yet: there is nothing to ask with."""
    from mailward.app.checks import CHECKS

    installation = Installation(settings, worker=COMMAND_LINE + os.getpid() % 900)
    await installation.open()
    try:
        try:
            workspace = await choose(installation.store, None)
        except NotFound:
            return 0
        context = Context(installation, cli_actor(workspace))
        now = installation.clock.now()
        lines = await verify(CATALOGUE, CHECKS, context, now=now)
        await store_lines(context, lines, SCHEDULE, whole=True, now=now)
        return 0
    finally:
        await installation.close()


def main() -> None:
    """Read the settings, yield to everybody else, run."""
    os.nice(10)
    begin_verb("verify")
    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=Settings)
    sys.exit(asyncio.run(run_all(settings)))


if __name__ == "__main__":
    main()
