"""`mailward setup-link`: a new single-use link for the first owner."""

from __future__ import annotations

from mailward.app.commands.output import Config
from mailward.app.context import Context, run
from mailward.core.identity.people import new_setup_link


def setup_link(*, config: Config = None) -> int:
    """Print a new setup link; it replaces an unused one. Exits 1 once there is an owner."""

    async def act(context: Context) -> int:
        now = context.clock.now()
        token = await context.store.system_write(lambda tx: new_setup_link(tx, now=now, entropy=context.entropy))
        if token is None:
            print("There is an owner already.")
            return 1
        print(f"{context.settings.http.public_url}/setup/{token.reveal()}")
        return 0

    return run(config, None, act)
