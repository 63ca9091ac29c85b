"""What `mailward up` does before the workers start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from mailward.adapters.host.clock import SystemClock, SystemEntropy
from mailward.adapters.vault.vault import Vault
from mailward.app.belonging import require_no_bodies, require_own_keys, require_store
from mailward.app.certificates import ensure_self_signed
from mailward.app.first import First
from mailward.app.installation import COMMAND_LINE, Installation
from mailward.app.nodes import identity
from mailward.app.roles import StartError
from mailward.app.settings import Settings
from mailward.app.signing import make_keys
from mailward.app.store import Tx
from mailward.app.stores import prepare_store
from mailward.base.ids import WorkspaceId
from mailward.core.delivery.lease import clear_idle_slots
from mailward.core.domains.add import ensure_capture_domain
from mailward.core.domains.model import CAPTURE_DOMAIN
from mailward.core.identity.credentials import Wish, create_key, create_smtp
from mailward.core.identity.people import new_setup_link
from mailward.core.workspaces import change
from mailward.policy.access import Actor, Scope
from mailward.policy.boundaries import job_actor


def prepare(settings: Settings, idle: Callable[[int], bool]) -> First:
    """Data folder, keys, schema, certificate, the first workspace, its capture domain; again and again harmless.

    What workers that cannot be alive (`idle` by number) had leased becomes due again. StartError, and nothing is
    changed, when store, keys and bodies do not belong together; Corrupt when a key is damaged.
    """
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_store(settings)
    clock = SystemClock()
    vault = Vault(settings.data / "keys", SystemEntropy(), now=clock.now())
    vault.require_whole()
    missing = vault.missing()
    prepare_store(settings, vault, clock)
    if not settings.tls.certificate:
        ensure_self_signed(settings.data / "tls", settings.hostname, clock.now())
    first = First()
    asyncio.run(_first_things(settings, idle, missing, first))
    return first


async def _first_things(settings: Settings, idle: Callable[[int], bool], missing: Sequence[str], first: First) -> None:
    i = Installation(settings, worker=COMMAND_LINE + 999)
    await i.open()
    try:
        now = i.clock.now()
        workspaces = await i.store.system_read(lambda tx: tx.workspaces.all())
        await require_own_keys(i)
        if workspaces and missing:
            folder = settings.data / "keys"
            raise StartError(
                f"{folder} lacks {', '.join(missing)}: put it back as it was; on a further node, copy it from the first"
            )
        if not workspaces:
            await require_no_bodies(i)
            # All of them before anything depends on one: from now on a missing one is a loss.
            i.vault.wrapped_secrets()
            id = change.new_id(now, i.entropy)
            actor = _system(id)
            made = await i.store.system_write(
                lambda tx: change.create(tx, actor, "My workspace", now=now, entropy=i.entropy, id=id)
            )
            workspaces = [made]
            if settings.capture:
                await _first_credentials(i, made.id, first)
        for workspace in workspaces:
            await _capture_domain(i, workspace.id)
        if (nodes := i.store.nodes()) is not None:
            # Before anything is done in the name of this node's number.
            await nodes.claim(identity(settings, i.entropy))
        due = i.now_us()
        await i.store.system_write(lambda tx: clear_idle_slots(tx, idle, now=due))
        if "web" in settings.server.roles:
            link = await i.store.system_write(lambda tx: new_setup_link(tx, now=now, entropy=i.entropy))
            first.link = link.reveal() if link is not None else None
        started = {"version": _version(), "mode": "capture" if settings.capture else "live"}
        await i.store.system_write(
            lambda tx: tx.audit.append(_system(WorkspaceId("")), "process.started", "installation", started, now=now)
        )
    finally:
        await i.close()


async def _first_credentials(i: Installation, workspace: WorkspaceId, first: First) -> None:
    """In capture mode the console shows commands that work as they stand, so they need a key."""
    actor, now = _system(workspace), i.clock.now()

    async def act(tx: Tx) -> None:
        printed = "Printed at the first start"
        wish = Wish(printed, frozenset({Scope.SEND, Scope.READ}))
        key = await create_key(tx, actor, wish, now=now, entropy=i.entropy)
        smtp = await create_smtp(tx, actor, Wish(printed), now=now, entropy=i.entropy)
        assert key.secret is not None
        assert smtp.secret is not None
        first.key = key.secret.reveal()
        first.smtp = (smtp.credential.username, smtp.secret.reveal())

    await i.store.write(workspace, act)


async def _capture_domain(i: Installation, workspace: WorkspaceId) -> None:
    there = await i.store.read(workspace, lambda tx: tx.domains.by_name(CAPTURE_DOMAIN))
    if there is None:
        keys = await asyncio.to_thread(make_keys, i.vault, workspace)
        actor, now = _system(workspace), i.clock.now()
        await i.store.write(workspace, lambda tx: ensure_capture_domain(tx, actor, keys, now=now, entropy=i.entropy))


def _system(workspace: WorkspaceId) -> Actor:
    return job_actor(workspace, "start")


def _version() -> str:
    from mailward import __version__

    return __version__
