"""Whether store, keys and bodies belong together. A start where they do not would begin anew over somebody's mail."""

from __future__ import annotations

import os
from pathlib import Path

from mailward.adapters.storage.sqlite.sweep import records, segments_of
from mailward.adapters.vault.vault import Vault
from mailward.app.installation import Installation
from mailward.app.objects import place_of
from mailward.app.roles import StartError
from mailward.app.settings import Settings
from mailward.base.errors import Corrupt, Unavailable
from mailward.core.workspaces.data_keys import aad

# Damage to a key or two is no proof of another installation.
_KEYS_TRIED = 20


def require_store(settings: Settings) -> None:
    """StartError when the data folder holds what belongs to a store and no store, or a store and not its keys.

    Call it before anything is made in the folder. What a first start leaves that was broken off is no reason.
    """
    if settings.storage.kind != "embedded":
        return
    data = settings.data
    state, keys = data / "state.db", data / "keys"
    try:
        empty = not state.stat().st_size
        what = f"{state} is empty"
    except FileNotFoundError:
        empty, what = True, f"{state} is missing"
    except NotADirectoryError:
        return  # said better by whoever makes the folder
    if not empty:
        if not (keys / "database.wrapped").exists():
            raise StartError(
                f"{state} is there, and not the keys that open it: put {keys} back as it was. Nothing was changed"
            )
        return
    # The first start makes the database's key before the database, and other secrets after it.
    made_later = sorted(p.name for p in keys.glob("*.wrapped") if p.name != "database.wrapped")
    if with_content := _with_content(data / "segments"):
        held = f"{data / 'segments'} holds mail ({with_content.name})"
    elif made_later:
        held = f"{keys} holds an installation's secrets ({', '.join(made_later)})"
    else:
        return
    raise StartError(
        f"{what}, but {held}: put state.db back (from postgresql, set storage.kind again); or move {data} away as a "
        "whole and restore a backup (docs/backups.md). Nothing was changed"
    )


async def require_no_bodies(i: Installation) -> None:
    """StartError when a store in which nothing was ever kept is about to be used beside bodies of another one.

    Unavailable when the object store does not answer.
    """
    settings = i.settings
    if (place := place_of(settings.objects)) is not None:
        from mailward.adapters.storage.objects.bucket import Trouble, open_bucket
        from mailward.adapters.storage.objects.naming import FOLDER

        where = settings.objects.url
        try:
            async for found in open_bucket(place).list(FOLDER, chunk=1):
                if found:
                    raise StartError(_not_its_own(where, found[0].name))
        except Trouble as e:
            raise Unavailable(
                "storage_unavailable",
                f"The object store at {where} does not say whether it is empty, and a new installation needs an "
                "empty place.",
                detail=f"{type(e).__name__}: {e}",
            ) from e
    elif with_content := _with_content(settings.data / "segments"):
        raise StartError(_not_its_own(str(settings.data / "segments"), with_content.name))


async def require_own_keys(i: Installation) -> None:
    """StartError when the store's data keys were wrapped by another installation's key file."""
    wrapped = await i.store.system_read(lambda tx: tx.data_keys.page(None, _KEYS_TRIED))
    if wrapped and not any(_opens(i.vault, key.wrapped, (key.workspace, key.day, key.version)) for key in wrapped):
        key_file = i.settings.data / "keys" / "master.key"
        raise StartError(
            f"the database belongs to another installation: {key_file} opens none of its data keys. Set storage.url to "
            "this installation's database, or put its own keys in place"
        )


def _opens(vault: Vault, wrapped: bytes | None, place: tuple[bytes, int, int]) -> bool:
    try:
        return wrapped is not None and bool(vault.service.unwrap_now(wrapped, aad(*place)))
    except Corrupt:
        return False


def _with_content(folder: Path) -> Path | None:
    """The first segment file with a record in it. A file that was only made, or emptied, has none."""
    for path in segments_of(folder):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if next(records(fd), None) is not None:
                return path
        finally:
            os.close(fd)
    return None


def _not_its_own(where: str, name: str) -> str:
    return (
        f"nothing was ever kept in the database, but {where} holds mail ({name}): set storage.url to the database that "
        "belongs to it, or restore that; a new installation needs an empty place"
    )
