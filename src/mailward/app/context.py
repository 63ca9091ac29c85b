"""What a command of the command line works with: the installation, a workspace, and an actor that may act there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mailward.adapters.host.clock import SystemClock, SystemEntropy
from mailward.app.installation import COMMAND_LINE, Installation
from mailward.app.settings import Settings, load
from mailward.app.store import Store
from mailward.app.stores import is_prepared
from mailward.base import ids
from mailward.base.errors import NotFound, Unavailable
from mailward.base.ids import WorkspaceId
from mailward.core.workspaces.model import Workspace
from mailward.policy.access import Actor
from mailward.policy.boundaries import of_verb

if TYPE_CHECKING:
    from mailward.adapters.net.resolver import Resolver
    from mailward.app.platform.messages import Messages


@dataclass
class Context:
    """Whoever can read the key file may give every command; in the audit log they are "cli".

    A command acts with the permissions it needs and no more, so that a fault in one that looks cannot change anything.
    """

    installation: Installation
    actor: Actor

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.installation.settings

    @property
    def store(self) -> Store:
        """The store."""
        return self.installation.store

    @property
    def clock(self) -> SystemClock:
        """The machine's clock."""
        return self.installation.clock

    @property
    def entropy(self) -> SystemEntropy:
        """The machine's randomness."""
        return self.installation.entropy

    @cached_property
    def resolver(self) -> Resolver:
        """DNS as the platform asks it."""
        from mailward.app.wiring import resolver

        return resolver(self.installation)

    @cached_property
    def messages(self) -> Messages:
        """The messages area, reading only."""
        from mailward.app.wiring import reading_messages

        return reading_messages(self.installation)


_verb = ""


def begin_verb(verb: str) -> None:
    """Which command this process was started for; what it may do is written in `policy/boundaries.py`."""
    global _verb  # one process runs one command
    of_verb(verb)
    _verb = verb


def cli_actor(workspace: WorkspaceId, verb: str = "verify") -> Actor:
    """The operator at the machine's own shell, with what the command they gave may do."""
    return Actor(workspace, "cli", "cli", of_verb(verb))


async def workspaces(store: Store) -> list[Workspace]:
    """Every workspace, oldest first."""
    return await store.system_read(lambda tx: tx.workspaces.all())


async def choose(store: Store, wanted: str | None) -> WorkspaceId:
    """The workspace a command means: the named one, or the oldest."""
    found = await workspaces(store)
    if not found:
        raise NotFound("no_workspace", "There is no workspace yet; start the platform once with `mailward up`.")
    if wanted is None:
        return found[0].id
    ids.decode("ws", wanted)
    for workspace in found:
        if workspace.id == wanted:
            return workspace.id
    raise NotFound("not_found", "There is no workspace with that id.")


def run(
    config: str | None, workspace: str | None, act: Callable[[Context], Awaitable[int]], *, unjudged: bool = False
) -> int:
    """Open the installation, do one thing in a workspace, close it; the exit code.

    `unjudged`: open it even where a start would be refused, for what reports on that.
    """
    settings = load(config, os.environ)
    if not is_prepared(settings):
        raise Unavailable(
            "no_installation", f"There is no data in {settings.data}; start the platform once with `mailward up`."
        )

    async def main() -> int:
        installation = Installation(settings, worker=COMMAND_LINE + os.getpid() % 900, unjudged=unjudged)
        await installation.open()
        try:
            chosen = await choose(installation.store, workspace)
            return await act(Context(installation, cli_actor(chosen, _verb)))
        finally:
            await installation.close()

    return asyncio.run(main())
