"""Moments: what changed goes to the place every few minutes, and a chosen one comes back."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.adapters.storage.sqlite.segments import SegmentWriter
from mailward.app.backups.making import backup_actor
from mailward.app.backups.moments import last_known, make_moment, oldest_version, prune_moments
from mailward.app.backups.place import KEYS, STREAM, moment_name, moments_in
from mailward.app.backups.restoring import Restored, restore
from mailward.app.checks.availability import commits_are_kept_elsewhere
from mailward.app.commands.backup_place import examine_backup
from mailward.base.errors import Corrupt, NotFound
from mailward.core.backup.model import KEY_COPIES_KEPT
from mailward.core.backup.moment import Moment
from mailward.core.evidence.model import Result
from mailward.core.workspaces.model import DataKey
from tests.app.backups.backups_rig import NOW, House
from tests.app.moving_rig import Filled

MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.claim("AVAIL-3")


async def mark(house: House, n: int) -> None:
    """Commit something that is found again: an entry of the log about a number."""
    await house.i.store.system_write(lambda tx: tx.audit.append(backup_actor(), "backup.tested", f"{n}", {}, now=NOW))


def marks(house: House, name: str) -> list[int]:
    """The numbers in what was restored there, in the order in which they were committed."""
    db = Filled(house.fresh(name)).open()
    leaves = db.execute("SELECT leaf FROM t_audit WHERE act = 'backup.tested' ORDER BY seq").fetchall()
    db.close()
    return [int(msgspec.json.decode(cast("bytes", leaf))["target"]) for (leaf,) in leaves if leaf is not None]


async def back(house: House, minutes: float, name: str) -> Restored:
    return await restore(
        house.fresh(name), house.shelf, house.kept_key, backup=None, damaged=False, at=NOW + minutes * MINUTE
    )


async def moment(house: House, minutes: float) -> Moment:
    return await make_moment(house.i, house.shelf, now=NOW + minutes * MINUTE)


def checkpoint(house: House) -> None:
    """What upkeep does now and then: the log is moved into the file, and begins again."""
    db = house.filled.open()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.close()


async def test_each_minute_comes_back_as_it_was(house: House) -> None:
    """The state of a chosen time holds what was committed by then and nothing later, across checkpoints."""
    made = []
    for n in range(4):
        await mark(house, n)
        if n == 2:
            checkpoint(house)
            await mark(house, 20)
        made.append(await moment(house, n))
    assert [len(m.pages) for m in made] == [1, 1, 2, 2]
    assert made[1].log[0] == made[0].log[0] or not made[0].log
    wanted = {0.5: [0], 1.5: [0, 1], 2.0: [0, 1, 2, 20], 99.0: [0, 1, 2, 20, 3]}
    for minutes, found in wanted.items():
        done = await back(house, minutes, f"at-{minutes}")
        assert (done.in_place, done.found.faults) == (True, [])
        assert done.found.opened > 0
        assert marks(house, f"at-{minutes}") == found
    with pytest.raises(NotFound):
        await back(house, -1, "too-early")


async def test_a_state_is_one_while_others_write(house: House) -> None:
    """Commits and checkpoints go on while moments are made: each holds the commits up to some point, none left out."""
    going, n = True, 0

    async def write() -> None:
        nonlocal n
        while going:
            await mark(house, n)
            n += 1
            if n % 7 == 0:
                await asyncio.to_thread(checkpoint, house)

    writing = asyncio.create_task(write())
    least = []
    for minute in range(4):
        least.append(n)
        await moment(house, minute)
    going = False
    await writing
    for minute, committed in enumerate(least):
        done = await back(house, minute, f"busy-{minute}")
        assert done.found.faults == []
        found = marks(house, f"busy-{minute}")
        assert found == list(range(len(found)))
        assert len(found) >= committed


async def test_of_segments_only_what_was_appended_is_sent(house: House) -> None:
    """A segment grows by pieces; a record that was half written then is sent again whole, what is unchanged is not."""
    body = (b"w" * 16, b"m" * 16, DataKey(20_000, 1, AESGCM(bytes(32))), b"content")  # no row names it
    writer = SegmentWriter(house.data / "segments", 9, house.i.entropy)
    writer.append([body])
    name = "0009-00000001.seg"
    first = await moment(house, 0)
    at = writer.append([body])[0]
    path = house.data / "segments" / name
    whole = path.read_bytes()[: at.offset + at.length]
    torn = whole[:-9] + bytes(9)
    _overwrite(path, torn)
    second = await moment(house, 1)
    _overwrite(path, whole)
    writer.append([body])
    third = await moment(house, 2)
    untouched = [n for n in first.bodies if n != name]
    assert untouched
    assert all(third.bodies[n] == first.bodies[n] for n in untouched)
    assert [len(m.bodies[name]) for m in (first, second, third)] == [1, 2, 2]
    assert second.bodies[name][0] == third.bodies[name][0] == first.bodies[name][0]
    assert second.bodies[name][1].size == at.length
    assert third.bodies[name][1].size == 2 * at.length
    await back(house, 99, "grown")
    assert (house.fresh("grown").data / "segments" / name).read_bytes().startswith(whole)
    writer.close()


async def test_what_is_damaged_is_not_put_in_place(house: House) -> None:
    """A page that was changed in the place, or a record under another name, is found before anything is restored."""
    made = await moment(house, 0)
    (house.place / moment_name(made.id)).replace(house.place / moment_name("bak_" + "0" * 26))
    with pytest.raises(Corrupt):
        await restore(
            house.fresh(), house.shelf, house.kept_key, backup=None, damaged=False, at=NOW - timedelta(days=9999)
        )
    again = await moment(house, 1)
    assert again.base == again.id  # nothing is built upon one whose record is not there
    path = house.place / again.pages[0].name
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)
    done = await back(house, 2, "spoilt")
    assert (done.in_place, done.found.usable, len(done.found.bad)) == (False, False, 1)


@pytest.mark.claim("PRIVACY-1")
async def test_moments_go_after_a_week_and_with_them_the_keys_in_their_pages(house: House) -> None:
    """Data keys lie in pages: no moment is kept for longer than copies of those, and no part that none names."""
    first = await moment(house, 0)
    week = KEY_COPIES_KEPT / MINUTE + 2
    db = house.filled.open()
    with db:
        db.execute("UPDATE t_data_keys SET wrapped = NULL, destroyed = 1")
    db.close()
    last = await moment(house, week)
    assert last.base == last.id
    assert await prune_moments(house.i, house.shelf, now=NOW + week * MINUTE) == [first.id]
    assert list(await moments_in(house.shelf)) == [last.id]
    assert {p.name for p in (house.place / STREAM).iterdir()} == {p.name.removeprefix(STREAM) for p in last.parts}
    done = await back(house, week, "week")
    assert (done.found.opened, done.found.over) == (0, done.found.bodies)
    assert len(house.names(KEYS)) == 2


async def test_what_is_not_known_any_more_begins_anew(house: House) -> None:
    """Without the file that knows of the last moment, or after a key was rotated, every page is sent again."""
    first, second = await moment(house, 0), await moment(house, 1)
    assert second.base == first.id
    assert last_known(house.data) is not None
    os.unlink(house.data / "backup" / "moment")
    third = await moment(house, 2)
    assert third.base == third.id
    await house.i.vault.service.rotate(now=NOW)
    fourth = await moment(house, 3)
    assert fourth.base == fourth.id


async def test_what_turns_the_check_red(house: House) -> None:
    """Off, late, spoilt: told apart; else what was committed now is restored aside and compared."""
    look = commits_are_kept_elsewhere
    assert (await look(house.at(0))).result is Result.NOT_CONFIGURED
    house.settings.backup.every_minutes = 5
    found = await look(house.at(0))
    assert found.result is Result.PASSED, found.evidence
    assert "bodies opened" in found.evidence
    assert "sent 120 minutes ago" in (await look(house.at(2 / 24))).evidence
    spoilt = next(p for p in (house.place / STREAM).iterdir() if "pages" in p.name)
    octets = bytearray(spoilt.read_bytes())
    octets[-40] ^= 1
    spoilt.write_bytes(octets)
    found = await look(house.at(0.001))
    assert found.result is Result.FAILED
    assert "does not come back" in found.evidence


async def test_how_late_it_is_is_told(house: House) -> None:
    """Doctor says when nothing was sent for long, or never is; a version of the key that moments need stays."""

    def told() -> list[str]:
        return [
            f"{f.state} {f.found}" for f in examine_backup(house.settings.backup, house.data) if "minutes" in f.what
        ]

    assert told() == ["warning nothing is sent between backups"]
    house.settings.backup.every_minutes = 5
    assert told() == []
    await moment(house, 0)
    assert told()[0].startswith("warning what changed was sent")  # long before the clock of today
    await make_moment(house.i, house.shelf, now=datetime.now(UTC))
    assert told() == ["ok what changed was sent 0 minutes ago"]
    assert await oldest_version(house.i, house.shelf) == house.i.vault.service.current


def _overwrite(path: Path, octets: bytes) -> None:
    with path.open("r+b") as f:
        f.write(octets)
