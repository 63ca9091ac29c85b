"""Bring a backup back into a folder and compare it with its manifest, for a test and for the day it matters."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from mailward.adapters.storage.backup.access import Access
from mailward.adapters.storage.backup.compare import compare
from mailward.adapters.storage.backup.reading import KeyRow
from mailward.adapters.storage.backup.stream import append, lay_over, settle_log
from mailward.adapters.vault.vault import Vault
from mailward.app.backups.place import Files
from mailward.base import ids
from mailward.base.errors import Corrupt, MailwardError, NotFound
from mailward.core.backup.model import Manifest
from mailward.core.backup.moment import Moment
from mailward.core.backup.ports import Tell


@dataclass
class Brought:
    """What came back. Without faults it is what was copied."""

    rows: int = 0
    bodies: int = 0
    opened: int = 0
    over: int = 0
    faults: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    """Names of parts that did not open."""
    data_keys: list[KeyRow] = field(default_factory=list)
    erased: list[tuple[bytes, str]] = field(default_factory=list)
    access: Access | None = None
    """Who had access when the data keys were last copied; None when that was not kept."""
    usable: bool = True
    """The database opened: what is damaged besides can be lived with."""


async def bring_back(files: Files, manifest: Manifest, folder: Path, vault: Vault, tell: Tell) -> Brought:
    """Fetch every part into a folder, and look at all of it. Unavailable when the place is away."""
    found = Brought()
    (folder / "segments").mkdir(mode=0o700, parents=True)
    wanted = [(manifest.database, folder / "state.db")]
    wanted += [(part, folder / "segments" / name) for name, part in sorted(manifest.bodies.items())]
    total = sum(part.sealed for part, _ in wanted)
    done = 0
    for part, target in wanted:
        try:
            await files.get(part, target)
        except (Corrupt, NotFound) as e:
            found.bad.append(part.name)
            found.faults.append(f"{part.name}: {'is missing' if isinstance(e, NotFound) else 'was changed or damaged'}")
            target.unlink(missing_ok=True)
        done += part.sealed
        tell("fetching", done, total)
    if manifest.database.name in found.bad:
        found.usable = False
        return found
    await _look(files, manifest, manifest.data_keys.name, found, folder, vault, tell)
    return found


async def bring_moment(files: Files, moment: Moment, folder: Path, vault: Vault, tell: Tell) -> Brought:
    """Put a moment together in a folder, as a backup is brought back: one database without data keys, and segments."""
    found = Brought()
    (folder / "segments").mkdir(mode=0o700, parents=True)
    piece, file, log = folder / "piece", folder / "state.db", folder / "state.db-wal"
    file.touch(mode=0o600)
    total, done = sum(part.sealed for part in moment.parts), 0
    wanted = [(part, file) for part in moment.pages] + [(part, log) for part in moment.log]
    wanted += [(part, folder / "segments" / name) for name in sorted(moment.bodies) for part in moment.bodies[name]]
    spoilt: set[Path] = set()
    for part, target in wanted:
        try:
            await files.get(part, piece)
            await asyncio.to_thread(lay_over if target == file else append, target, piece)
        except (Corrupt, NotFound) as e:
            found.bad.append(part.name)
            found.faults.append(f"{part.name}: {'is missing' if isinstance(e, NotFound) else 'was changed or damaged'}")
            spoilt.add(target)
        piece.unlink(missing_ok=True)
        done += part.sealed
        tell("fetching", done, total)
    if spoilt & {file, log}:
        found.usable = False
        return found
    await asyncio.to_thread(settle_log, file, moment.size, vault.database_key())
    await _look(files, None, "keys", found, folder, vault, tell)
    return found


async def _look(
    files: Files, manifest: Manifest | None, keys: str, found: Brought, folder: Path, vault: Vault, tell: Tell
) -> None:
    try:
        kept = await files.newest_keys()
        found.data_keys, found.erased, found.access = kept.rows, kept.erased, kept.access
    except (Corrupt, NotFound):
        found.bad.append(keys)
        found.faults.append("no copy of the data keys opens: no content can be read")
    erased = {raw for _, name in found.erased if (raw := _raw(name)) is not None}
    compared = await asyncio.to_thread(
        compare,
        folder,
        vault.database_key(),
        manifest,
        found.data_keys,
        erased,
        vault.service.unwrap_now,
        tell,
    )
    found.rows, found.bodies = compared.rows, compared.bodies
    found.opened, found.over = compared.opened, compared.over
    found.faults += compared.faults


def _raw(name: str) -> bytes | None:
    try:
        return ids.decode(name.partition("_")[0], name)
    except MailwardError:
        return None
