"""When a worker looks at what others changed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mailward.adapters.host.bell import Bell
from mailward.app.installation import COMMAND_LINE, Installation, bell_folder
from mailward.app.lookout import Lookout
from mailward.app.settings import Server, Settings
from mailward.app.stores import prepare_store
from mailward.base.errors import Corrupt, Unavailable
from mailward.core.inbound.model import EPOCH


class Looks:
    """The first looks fail in these ways, each other one waits until it is let go."""

    def __init__(self, *failures: Exception) -> None:
        self.begun = 0
        self._failures = list(failures)
        self.go = asyncio.Event()

    async def __call__(self) -> None:
        self.begun += 1
        if self._failures:
            raise self._failures.pop(0)
        await self.go.wait()


async def test_what_is_told_before_a_look_is_one_look() -> None:
    """Told ten times before it begins, it looks once; what is told while it looks, it looks for afterwards."""
    looks = Looks()
    lookout = Lookout(looks)
    for _ in range(10):
        lookout.soon()
    await asyncio.sleep(0)
    assert looks.begun == 1
    for _ in range(10):
        lookout.soon()
    await asyncio.sleep(0)
    assert looks.begun == 2
    looks.go.set()


async def test_looking_goes_on_after_any_failure() -> None:
    """A store that was away, a row that does not open, a fault of ours: the next look is made all the same, and so is
    the one at something else."""
    looks = Looks(Unavailable("away", "Later."), Corrupt("broken", "Broken."), RuntimeError("nobody foresaw this"))
    others = Looks()
    for one in (looks, others):
        one.go.set()
    lookout = Lookout(looks, others, seconds=0)
    lookout.soon()
    keeping = asyncio.create_task(lookout.run())
    while looks.begun < 5:
        await asyncio.sleep(0)
    assert others.begun >= 4
    assert not keeping.done()
    keeping.cancel()


async def _shell(settings: Settings) -> Installation:
    """The installation as a command of the shell has it."""
    shell = Installation(settings, worker=COMMAND_LINE)
    prepare_store(settings, shell.vault, shell.clock)
    await shell.open()
    return shell


async def test_workers_hear_of_what_the_shell_changed(tmp_path: Path) -> None:
    """A commit that moves an epoch rings the bell of the data folder, also when its process ends right after it; other
    commits ring for nobody."""
    settings = Settings(server=Server(data=str(tmp_path)))
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    worker = Bell(bell_folder(settings))
    worker.listen(1, heard.put_nowait)
    for counter in ("worker_generation", EPOCH):
        shell = await _shell(settings)
        await shell.store.system_write(lambda tx, counter=counter: tx.counters.bump(counter))  # type: ignore[misc]
        await shell.close()
    assert await asyncio.wait_for(heard.get(), 10) == b"epochs"
    worker.ring(b"mail")
    assert await asyncio.wait_for(heard.get(), 10) == b"mail"
    worker.close()


async def test_without_a_worker_there_is_nothing_to_ring(tmp_path: Path) -> None:
    """The shell makes no folder that the workers, as another user, could not use then."""
    settings = Settings(server=Server(data=str(tmp_path)))
    shell = await _shell(settings)
    await shell.store.system_write(lambda tx: tx.counters.bump(EPOCH))
    await shell.close()
    assert not bell_folder(settings).exists()
