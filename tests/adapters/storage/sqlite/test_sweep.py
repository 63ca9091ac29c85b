"""Segment files: which go, which stay, and what a kill at any point leaves."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.adapters.storage.records import HEAD, BodyRef, open_record
from mailward.adapters.storage.sqlite.segments import SegmentWriter, read_record, segment_path
from mailward.adapters.storage.sqlite.sweep import Place, Sweeper, overwrite, records, segments_of
from mailward.base.errors import Corrupt
from mailward.core.workspaces.model import DataKey
from tests.conftest import SeededEntropy

A, B = b"a" * 16, b"b" * 16


def key(day: int) -> DataKey:
    return DataKey(day, 1, AESGCM(bytes(32)))


def message(n: int) -> bytes:
    return n.to_bytes(16, "big")


class Keys:
    """Which keys exist, and how often somebody asked."""

    def __init__(self, *places: Place) -> None:
        self.live = set(places)
        self.asked = 0

    async def alive(self, places: Sequence[Place]) -> set[Place]:
        self.asked += 1
        return self.live & set(places)


def written(folder: Path, days: Sequence[int], worker: int = 0, workspace: bytes = A) -> list[BodyRef]:
    """One record a day, each in a segment of its own; the writer closes."""
    writer = SegmentWriter(folder, worker, SeededEntropy())
    refs = [writer.append([(workspace, message(d), key(d), b"body %d" % d)])[0] for d in days]
    writer.close()
    return refs


def names(folder: Path) -> list[str]:
    return [p.name for p in segments_of(folder)]


@pytest.mark.claim("PRIVACY-1")
async def test_a_segment_goes_when_its_last_key_is_gone(tmp_path: Path) -> None:
    """A day's file stays while the key exists and goes with it; the newest keeps its name, empty."""
    written(tmp_path, [1, 2, 3])
    keys = Keys((A, 1, 1), (A, 2, 1), (A, 3, 1))
    sweeper = Sweeper(tmp_path, keys.alive)
    assert (await sweeper.run()).files == 0
    keys.live.discard((A, 1, 1))
    assert (await sweeper.run()).files == 1
    assert names(tmp_path) == ["0000-00000002.seg", "0000-00000003.seg"]
    keys.live.clear()
    assert (await sweeper.run()).files == 2
    assert [(p.name, p.stat().st_size) for p in segments_of(tmp_path)] == [("0000-00000003.seg", 0)]
    assert (await sweeper.run()).files == 0
    written(tmp_path, [4])
    assert names(tmp_path)[-1] == "0000-00000004.seg"


async def test_one_live_record_among_dead_ones_keeps_the_file(tmp_path: Path) -> None:
    """Another workspace's body at the very end is found; once it is known, the file is not read again."""
    writer = SegmentWriter(tmp_path, 0, SeededEntropy())
    writer.append([(A, message(n), key(1), b"x" * 50) for n in range(40)] + [(B, message(99), key(1), b"theirs")])
    writer.append([(A, message(100), key(2), b"next day")])
    writer.close()
    keys = Keys((B, 1, 1))
    sweeper = Sweeper(tmp_path, keys.alive)
    assert (await sweeper.run()).files == 1
    assert names(tmp_path)[0] == "0000-00000001.seg"
    before = keys.asked
    await sweeper.run()
    assert keys.asked == before + 1
    keys.live.clear()
    await sweeper.run()
    assert names(tmp_path) == ["0000-00000002.seg"]


@pytest.mark.claim("AVAIL-1")
async def test_a_segment_that_a_writer_holds_is_never_touched(tmp_path: Path) -> None:
    """Not even when it is not the newest of its number and every key in it is gone: its process may still append."""
    writer = SegmentWriter(tmp_path, 0, SeededEntropy())
    (ref,) = writer.append([(A, message(1), key(1), b"first")])
    written(tmp_path, [2])
    sweeper = Sweeper(tmp_path, Keys().alive)
    await sweeper.run()
    assert "0000-00000001.seg" in names(tmp_path)
    (after,) = writer.append([(A, message(2), key(1), b"second")])
    assert after.segment == ref.segment
    assert open_record(read_record(tmp_path, after), A, message(2), key(1)) == b"second"
    writer.close()
    await sweeper.run()
    assert "0000-00000001.seg" not in names(tmp_path)


@pytest.mark.claim("PRIVACY-1")
async def test_what_a_killed_process_left_goes_in_time(tmp_path: Path) -> None:
    """SIGKILL between the body and its row: the lock is gone with the process, the body with its day's key."""
    script = (
        "import sys, os, signal\n"
        "from pathlib import Path\n"
        "from tests.adapters.storage.sqlite.test_sweep import SegmentWriter, SeededEntropy, key, message, A\n"
        "w = SegmentWriter(Path(sys.argv[1]), 0, SeededEntropy())\n"
        "w.append([(A, message(1), key(1), b'orphan')])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).resolve().parents[4]
    done = subprocess.run(  # our own interpreter and script
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    written(tmp_path, [5])
    keys = Keys((A, 1, 1), (A, 5, 1))
    sweeper = Sweeper(tmp_path, keys.alive)
    await sweeper.run()
    assert len(names(tmp_path)) == 2
    keys.live.discard((A, 1, 1))
    await sweeper.run()
    assert names(tmp_path) == ["0000-00000002.seg"]


async def test_a_kill_between_any_two_steps_is_repaired_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the removal stops, the file is whole and dead or gone, and the next sweep ends it."""
    for step in ("unlink", "fsync", "ftruncate"):
        folder = tmp_path / step
        written(folder, [1, 2])

        def killed(*args: object, **kw: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Path if step == "unlink" else os, step, killed)
            with pytest.raises(KeyboardInterrupt):
                await Sweeper(folder, Keys().alive).run()
        await Sweeper(folder, Keys().alive).run()
        assert [(p.name, p.stat().st_size) for p in segments_of(folder)] == [("0000-00000002.seg", 0)], step


async def test_damage_hides_no_record_behind_it(tmp_path: Path) -> None:
    """A beginning that was lost, a length that is wrong, a hole of zeros: what lies behind keeps the file alive."""
    for damage in (b"XXXX", b"MWS1\xff\xff\xff\xff", b"MWS1\x00\x00\x00\x05", bytes(60)):
        folder = tmp_path / damage.hex()[:16]
        writer = SegmentWriter(folder, 0, SeededEntropy())
        first, _ = writer.append([(A, message(1), key(1), b"dead" * 30), (B, message(2), key(1), b"alive")])
        writer.append([(A, message(3), key(2), b"x")])
        writer.close()
        path = segment_path(folder, first.segment)
        octets = bytearray(path.read_bytes())
        octets[: len(damage)] = damage
        path.write_bytes(octets)
        await Sweeper(folder, Keys((B, 1, 1)).alive).run()
        assert path.exists(), damage
        await Sweeper(folder, Keys().alive).run()
        assert not path.exists(), damage


def test_records_are_walked_up_to_the_preallocated_rest(tmp_path: Path) -> None:
    """Every record is met once, at its offset, in an open segment too."""
    writer = SegmentWriter(tmp_path, 0, SeededEntropy())
    refs = writer.append([(A, message(n), key(1), bytes(n)) for n in range(1, 30)])
    fd = os.open(segments_of(tmp_path)[0], os.O_RDONLY)
    found = [(at, head.message, head.length) for at, head in records(fd)]
    os.close(fd)
    writer.close()
    assert found == [(r.offset, message(n), r.length) for n, r in enumerate(refs, 1)]


@pytest.mark.claim("PRIVACY-1")
async def test_overwriting_one_record_leaves_its_neighbours(tmp_path: Path) -> None:
    """Its ciphertext becomes zeros, twice is the same, a wrong place is left alone, the file is still walked."""
    writer = SegmentWriter(tmp_path, 0, SeededEntropy())
    refs = writer.append([(A, message(n), key(1), b"body %d" % n) for n in range(3)])
    overwrite(tmp_path, refs[1], A, message(2))
    overwrite(tmp_path, refs[1], B, message(1))
    assert open_record(read_record(tmp_path, refs[1]), A, message(1), key(1)) == b"body 1"
    for _ in range(2):
        overwrite(tmp_path, refs[1], A, message(1))
        sealed = read_record(tmp_path, refs[1])
        assert set(sealed[HEAD:]) == {0}
        with pytest.raises(Corrupt):
            open_record(sealed, A, message(1), key(1))
        for n in (0, 2):
            assert open_record(read_record(tmp_path, refs[n]), A, message(n), key(1)) == b"body %d" % n
    (after,) = writer.append([(A, message(9), key(1), b"appended later")])
    assert open_record(read_record(tmp_path, after), A, message(9), key(1)) == b"appended later"
    writer.close()
    overwrite(tmp_path, BodyRef(77, 0, 100), A, message(1))


def test_a_segment_holds_one_day_and_gives_its_rest_back(tmp_path: Path) -> None:
    """The first body of another day begins another file; the one before ends with its last record."""
    refs = written(tmp_path, [1, 1, 2])
    assert [r.segment & 0xFF for r in refs] == [1, 1, 2]
    assert segment_path(tmp_path, 1).stat().st_size == refs[1].offset + refs[1].length


@pytest.mark.claim("AVAIL-1")
async def test_appending_beside_a_sweep_loses_nothing(tmp_path: Path) -> None:
    """Two writers change days while a sweep runs without pause: every body of a day whose key exists can be read."""
    keys = Keys()
    kept: list[tuple[int, int, BodyRef]] = []
    done = threading.Event()

    def write(worker: int) -> None:
        writer = SegmentWriter(tmp_path, worker, SeededEntropy(worker))
        for day in range(8):
            keys.live.add((A, day, 1))
            for n in range(10):
                (ref,) = writer.append([(A, message(day * 100 + n), key(day), b"%d.%d" % (day, n))])
                kept.append((day, n, ref))
            if day >= 3:
                keys.live.discard((A, day - 3, 1))
        writer.close()

    async def sweep() -> None:
        sweeper = Sweeper(tmp_path, keys.alive)
        while not done.is_set():
            await sweeper.run()
        await sweeper.run()

    sweeping = asyncio.create_task(sweep())
    await asyncio.gather(*(asyncio.to_thread(write, worker) for worker in (1, 2)))
    done.set()
    await sweeping
    live = [k for k in kept if (A, k[0], 1) in keys.live]
    assert len(live) == 2 * 3 * 10
    for day, n, ref in live:
        sealed = read_record(tmp_path, ref)
        assert open_record(sealed, A, message(day * 100 + n), key(day)) == b"%d.%d" % (day, n)
    assert len(names(tmp_path)) == 2 * 3
