"""Who runs which role on a data folder: one supervisor a role, and worker numbers that never meet.

Several supervisors may share a folder on one machine, each with roles of its own. Two
locks a role say so: `roles/<role>.lock` is the supervisor's, and a second one for the
role is refused at once. `roles/<role>.workers` is inherited by its workers: when a
supervisor is killed they finish what they have in hand, and the next one waits for them,
so that no two processes ever believe to hold the same worker number. The kernel drops
both with the last process that has them; there is no stale lock to remove.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mailward.app.settings import ROLES

ORDER = ("web", "submission", "sender", "upkeep", "mx")
assert frozenset(ORDER) == ROLES

# Worker numbers of a supervisor start at its first role's block. A supervisor has far fewer workers than this.
BLOCK = 100
# Longer than any drain: workers whose supervisor was killed end by themselves before that.
_PATIENCE = 90.0


class StartError(Exception):
    """The platform cannot start; the text says what to do."""


def first_slot(roles: Sequence[str]) -> int:
    """The first worker number of a supervisor with these roles."""
    return BLOCK * min(ORDER.index(role) for role in roles)


class Hold:
    """The roles a supervisor holds on a data folder, until `release()` or the end of the process.

    While `starting`, no other supervisor of the folder is between taking its roles and
    having prepared the folder; `started()` lets the next one go on.
    """

    def __init__(
        self,
        data: Path,
        roles: Sequence[str],
        *,
        waiting: Callable[[], None] = lambda: None,
        patience: float = _PATIENCE,
    ) -> None:
        """Take the roles. StartError when another supervisor has one of them.

        `waiting` is called once when workers of a killed supervisor have to be waited for,
        for at most `patience` seconds.
        """
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._data = data
        self._folder = data / "roles"
        self._own: list[int] = []
        self.workers: list[int] = []
        self._gate = _open(data / "mailward.lock")
        try:
            fcntl.flock(self._gate, fcntl.LOCK_EX)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._take(roles)
            self._await_orphans(roles, waiting, patience)
            self.idle_blocks = frozenset(ORDER.index(role) for role in ORDER if role in roles or not self._taken(role))
            self._note_pid()
        except BaseException:
            self.release()
            raise

    def idle(self, slot: int) -> bool:
        """True for the number of a worker that cannot be alive: its whole block was nobody's when we took ours."""
        return slot // BLOCK in self.idle_blocks

    def started(self) -> None:
        """The folder is prepared: others may start."""
        if self._gate >= 0:
            fcntl.flock(self._gate, fcntl.LOCK_UN)

    def release(self) -> None:
        """Let go. Workers that still run keep their own hold."""
        for fd in (*self._own, *self.workers, self._gate):
            if fd >= 0:
                os.close(fd)
        self._own, self.workers, self._gate = [], [], -1

    def held_by_anyone(self, role: str) -> bool:
        """Does any supervisor run this role now?"""
        return self._busy(f"{role}.lock")

    def _take(self, roles: Sequence[str]) -> None:
        for role in roles:
            path = self._folder / f"{role}.lock"
            fd = _open(path)
            self._own.append(fd)
            if not _lock(fd):
                pid = path.read_text().strip() or "unknown"
                raise StartError(
                    f"another mailward runs on {self._data} with the role {role} (process {pid}); "
                    "stop it, or choose another data folder or other roles"
                )
            os.ftruncate(fd, 0)
            os.write(fd, f"{os.getpid()}\n".encode())

    def _await_orphans(self, roles: Sequence[str], waiting: Callable[[], None], patience: float) -> None:
        end = time.monotonic() + patience
        said = False
        for role in roles:
            fd = _open(self._folder / f"{role}.workers")
            self.workers.append(fd)
            while not _lock(fd):
                if not said:
                    waiting()
                    said = True
                if time.monotonic() > end:
                    raise StartError(
                        f"workers of an earlier mailward still run on {self._data} with the role {role}; "
                        f"end them (their log lines carry their pid; `fuser {self._folder}/{role}.workers` lists them)"
                    )
                # Others may start meanwhile: the roles are ours already, only the folder's gate is given back.
                fcntl.flock(self._gate, fcntl.LOCK_UN)
                time.sleep(0.1)
                fcntl.flock(self._gate, fcntl.LOCK_EX)

    def _taken(self, role: str) -> bool:
        return self._busy(f"{role}.lock") or self._busy(f"{role}.workers")

    def _busy(self, name: str) -> bool:
        try:
            fd = os.open(self._folder / name, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _lock(fd)
        finally:
            os.close(fd)

    def _note_pid(self) -> None:
        """`mailward.lock` lists the supervisors of the folder, one process id a line."""
        with os.fdopen(os.dup(self._gate), "r+") as file:
            pids = [p for p in file.read().split() if p.isdigit() and Path(f"/proc/{p}").exists()]
            file.seek(0)
            file.truncate()
            file.write("".join(f"{p}\n" for p in dict.fromkeys([*pids, str(os.getpid())])))


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
