"""`mailward vault`: the key-encryption key, rotated while mail flows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from mailward.app.commands.output import Config, Json, print_facts, print_json
from mailward.app.context import Context, run
from mailward.app.installation import Installation
from mailward.app.store import Tx
from mailward.base.ids import WorkspaceId
from mailward.core.workspaces import rotate as rotation

app = cyclopts.App(name="vault", help="The key-encryption key.")


@app.command
def status(*, config: Config = None, json: Json = False) -> int:
    """Versions of the key-encryption key, and which of them the secret files still need."""

    async def act(context: Context) -> int:
        vault = context.installation.vault
        facts = {
            "current": vault.service.current,
            "versions": vault.service.versions,
            "in_use_by_secrets": sorted(vault.versions_in_use()),
        }
        print_json(facts) if json else print_facts(facts)
        return 0

    return run(config, None, act)


@app.command
def rotate(
    *,
    retire: Annotated[bool, Parameter(negative="", help="Destroy the versions that wrap nothing any more.")] = False,
    config: Config = None,
    json: Json = False,
) -> int:
    """Make a new version, wrap every data key and secret anew, and on request retire the old ones.

    The platform goes on running: workers meet the new version by themselves. Keep a copy
    of the key file apart from backups of the data before you retire anything. A version that
    a kept backup was sealed under is retired only after that backup went.
    """

    async def act(context: Context) -> int:
        i = context.installation
        service, store = i.vault.service, i.store
        actor = replace(context.actor, workspace=WorkspaceId(""))
        version = await store.system_write(lambda tx: rotation.rotate(tx, actor, service, now=context.clock.now()))
        rewrapped = 0
        after: tuple[bytes, int, int] | None = None
        while True:
            place = after
            done, after = await store.system_write(
                lambda tx, place=place: rotation.rewrap_page(tx, service, version, place)  # type: ignore[misc]
            )
            rewrapped += done
            if after is None:
                break
        secrets = i.vault.rewrap()
        retired = []
        sent = await _of_moments(i) if retire else set()
        kept = sent | await store.system_read(_kept)

        async def end(tx: Tx, old: int) -> None:
            # Looked up again with the act: a backup may have been made since.
            needed = i.vault.versions_in_use() | sent | await _kept(tx)
            await rotation.retire(tx, actor, service, old, needed=needed, now=context.clock.now())

        if retire:
            for old in [v for v in service.versions if v != version and v not in i.vault.versions_in_use() | kept]:
                await store.system_write(partial(end, old=old))
                retired.append(old)
        facts = {
            "version": version,
            "data_keys_rewrapped": rewrapped,
            "secrets_rewrapped": secrets,
            "retired": retired,
            "kept_for_backups": sorted(kept - {version}),
        }
        print_json(facts) if json else print_facts(facts)
        return 0

    return run(config, None, act)


async def _kept(tx: Tx) -> set[int]:
    """A backup that is kept was sealed under the version of its day, and opens with no other."""
    return {v for b in await tx.backups.kept() for v in b.keys}


async def _of_moments(i: Installation) -> set[int]:
    """Versions that the oldest moment in the place of backups was sealed under, and those since."""
    from mailward.app.backup_options import shelf_of
    from mailward.app.backups.moments import oldest_version

    shelf = shelf_of(i.settings.backup) if i.settings.storage.kind == "embedded" else None
    oldest = await oldest_version(i, shelf) if shelf is not None else None
    return {v for v in i.vault.service.versions if oldest is not None and v >= oldest}
