"""REST-1 and REST-2: nothing readable on the disk, and the keys that keep it so."""

from __future__ import annotations

import asyncio
import base64
import stat
from collections.abc import Iterator
from pathlib import Path

from mailward.adapters.storage.sqlite.connection import assert_encrypted
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.base.errors import Unavailable
from mailward.core.evidence.model import Finding, failed, not_configured, passed

# A file is read in pieces that overlap by more than the longest spelling of a marker.
_PIECE = 8 << 20
_OVERLAP = 4096
# A shorter address may stand in a file by chance.
_TELLING = 12


def spellings(marker: str) -> list[bytes]:
    """A marker as it could lie in a file: as it is, in UTF-16, and in base64 at each of the three alignments."""
    plain = marker.encode()
    out = [plain, marker.encode("utf-16-le"), marker.encode("utf-16-be")]
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + plain)
        # The first and last groups mix in neighbouring bytes; what lies between is the same wherever it stands.
        out.append(coded[4 if shift else 0 : -4])
    return out


def search(folder: Path, needles: list[bytes]) -> tuple[int, int, list[str]]:
    """(files, bytes, names of files that hold a needle) of everything under a folder."""
    files = total = 0
    found: list[str] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
        files += 1
        for piece in _pieces(path):
            total += len(piece)
            if any(needle in piece for needle in needles):
                found.append(str(path.relative_to(folder)))
                break
    return files, total, found


def _pieces(path: Path) -> Iterator[bytes]:
    rest = b""
    try:
        with path.open("rb") as f:
            while chunk := f.read(_PIECE):
                yield rest + chunk
                rest = chunk[-_OVERLAP:]
    except FileNotFoundError:
        # Upkeep removed it meanwhile.
        return


@check("REST-1")
async def nothing_readable(context: Context) -> Finding:
    """Plant a marker, read it back with the key, and look for it, and for recent recipients, in every file."""
    marker = "mwmarker" + context.entropy.bytes(20).hex()
    now = context.clock.now()
    workspace = context.actor.workspace

    entry = await context.store.write(
        workspace,
        lambda tx: tx.audit.append(context.actor, "evidence.marker_planted", "evidence", {"marker": marker}, now=now),
    )
    back = await context.store.system_read(lambda tx: tx.evidence.acts_holding(marker))
    if not back:
        return failed(f"the marker of {entry} could not be read back with the key: the search would prove nothing")
    recent = await context.store.system_read(lambda tx: tx.evidence.recent_recipients(5))
    recent = [address for address in recent if len(address) >= _TELLING]
    needles = [n for text in [marker, *recent] for n in spellings(text)]
    files, total, found = await asyncio.to_thread(search, context.settings.data, needles)
    if found:
        return failed(f"readable in {', '.join(found[:5])}")
    # Rows in PostgreSQL are looked at in `peers`; they are in no file of ours.
    more = ""
    if context.settings.storage.kind == "embedded":
        try:
            assert_encrypted(context.settings.data / "state.db")
        except Unavailable as e:
            return failed(e.public)
        more = "; the database does not open without its key"
    return passed(
        f"a planted marker opens with the key and is in none of {files} files ({total >> 20} MiB), "
        f"as it is, in UTF-16 or in base64{more}"
    )


@check("REST-2")
async def key_file(context: Context) -> Finding:
    """The key file and the secrets it wraps are private to their owner; it is no key service, and this says so."""
    folder = context.settings.data / "keys"
    count = await context.store.system_read(lambda tx: tx.evidence.data_keys_in_force())
    for path in (folder / "master.key", *sorted(folder.glob("*.wrapped"))):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            return failed(f"keys/{path.name} can be read by others (mode {mode:04o})")
    if (mode := stat.S_IMODE(folder.stat().st_mode)) & 0o022:
        return failed(f"the folder of keys can be written by others (mode {mode:04o})")
    return not_configured(f"no key service: a local key file, for its owner alone, wraps {count} data keys")
