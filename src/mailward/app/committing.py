"""The supervisor's hand on the committing process: one for a data folder, whoever of its supervisors got there first.

Workers do without it when it is away, only slower; so it is started beside them, started
again when it dies, and stopped after them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import structlog

from mailward.adapters.storage.committing.door import listen
from mailward.app.plan import HEAP, CommitterPlan, encode
from mailward.app.settings import Settings
from mailward.app.watchdog import Watchdog

log = structlog.get_logger()

# In the page of the watchdog; workers have the places after it.
PLACE = 0

_LOOK_SECONDS = 1.0
_LONGEST_PAUSE = 10.0
_STEADY_SECONDS = 5.0
_STOP_SECONDS = 10.0


def socket_path(settings: Settings) -> Path:
    """Where workers find the committing process."""
    return settings.data / "run" / "commit.sock"


def has_committer(settings: Settings) -> bool:
    """Whether this machine has a committing process: always for the file, for PostgreSQL where workers can share it."""
    return settings.storage.kind == "embedded" or settings.workers > 1


class Committing:
    """Call `look` often; `stop` once, after the workers have ended."""

    def __init__(self, settings: Settings, owner: tuple[int, int] | None, watchdog: Watchdog) -> None:
        self._settings = settings
        self._watchdog = watchdog
        self._owner = owner
        self._lock = -1
        self._listener: socket.socket | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._next = 0.0
        self._pause = 0.0

    def look(self, now: float) -> None:
        """Start the process if it is ours to run and not running. `now` is monotonic seconds."""
        if self._child is not None and (code := self._child.poll()) is not None:
            self._child = None
            lived = now - self._started
            self._pause = 0.0 if lived > _STEADY_SECONDS else min(max(self._pause * 2, 0.1), _LONGEST_PAUSE)
            self._next = now + self._pause
            log.error("committer_died", code=code, lived=round(lived, 1), restart_in=self._pause)
        elif self._child is not None and self._watchdog.hung(PLACE, self._child.pid, now):
            # What it held is looked up by the workers. Who waits for a disk in the kernel ends when that has answered.
            log.error("committer_hung", pid=self._child.pid)
            self._child.kill()
        if self._child is None and now >= self._next:
            self._next = now + _LOOK_SECONDS
            if self._hold():
                self._spawn(now)

    def stop(self) -> None:
        """End the process, once it has answered what it was asked."""
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                log.error("committer_killed", pid=self._child.pid)
                self._child.kill()
                self._child.wait()
        if self._listener is not None:
            self._listener.close()
            socket_path(self._settings).unlink(missing_ok=True)
        if self._lock >= 0:
            os.close(self._lock)

    def _hold(self) -> bool:
        """Whether this supervisor runs the committer: the first one of a data folder does, and keeps it."""
        if self._lock < 0:
            fd = os.open(self._settings.data / "committer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return False
            self._lock = fd
        if self._listener is None:
            path = socket_path(self._settings)
            self._listener = listen(path)
            if self._owner is not None:
                for name in (path.parent, path):
                    os.chown(name, *self._owner)
        return True

    def _spawn(self, now: float) -> None:
        assert self._listener is not None
        plan = CommitterPlan(
            settings=self._settings,
            supervisor=os.getpid(),
            listener=self._listener.fileno(),
            signs=self._watchdog.fd,
            place=PLACE,
        )
        child = subprocess.Popen(
            [sys.executable, "-m", "mailward.app.process", "committer"],
            stdin=subprocess.PIPE,
            # The lock goes with it: a committer whose supervisor was killed is not joined by a second one.
            pass_fds=[self._listener.fileno(), self._lock, self._watchdog.fd],
            start_new_session=True,
            env={**os.environ, **HEAP},
            user=self._owner[0] if self._owner else None,
            group=self._owner[1] if self._owner else None,
            extra_groups=[] if self._owner else None,
        )
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(encode(plan))
            child.stdin.close()
        self._child, self._started = child, now
        log.info("committer_started", pid=child.pid)


def start(settings: Settings, owner: tuple[int, int] | None, watchdog: Watchdog) -> Committing:
    """The committing process of a data folder, started."""
    committing = Committing(settings, owner, watchdog)
    committing.look(time.monotonic())
    return committing
