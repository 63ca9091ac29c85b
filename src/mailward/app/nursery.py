"""The process that workers are forked from: it has imported what a worker needs and does nothing else.

Importing costs a second of the processor and some forty megabytes. Done once for all
workers, each starts in milliseconds, and what none of them changes lies in memory once.
When all are steady it is ended, since what each of them did change is kept there for nobody;
for the one that takes a dead one's place it is started anew.

A worker is the supervisor's child all the same: an intermediate process forks it and ends
while the supervisor has declared itself the one who adopts orphans. So the supervisor sees
how each worker ends, and the kernel ends each worker with it.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from mailward.app.plan import HEAP, Plan, decode, encode

_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36
_FRAME = struct.Struct("!I")
_BORN = struct.Struct("!i")
_PATIENCE = 60.0  # seconds for the modules to be imported on a machine that is busy with something else


class NurseryFailed(OSError):
    """No worker could be forked."""


class Born:
    """A worker of the nursery; has of `subprocess.Popen` what the supervisor asks."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it lives."""
        if self._code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self._code = -signal.SIGKILL  # it ended before it was ours
            else:
                if pid:
                    self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, timeout: float) -> int:
        """Its exit code once it has ended; subprocess.TimeoutExpired after `timeout` seconds."""
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("worker", timeout)
            time.sleep(0.01)
        return code

    def terminate(self) -> None:
        """SIGTERM: it drains."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class Nursery:
    """The supervisor's side. `inherited` are the descriptors that workers get, under the same numbers."""

    def __init__(self, inherited: Sequence[int], owner: tuple[int, int] | None) -> None:
        """Starts importing at once; nobody waits for it before the first `bear`."""
        self._inherited = inherited
        self._owner = owner
        self._process: subprocess.Popen[bytes] | None = None
        self._start()

    @property
    def pid(self) -> int:
        """The process that forks."""
        assert self._process is not None
        return self._process.pid

    def bear(self, plan: Plan) -> Born:
        """A new worker. NurseryFailed when there is none; a nursery that died is started anew first."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        raw = encode(plan)
        _adopt(True)
        try:
            self._socket.sendall(_FRAME.pack(len(raw)) + raw)
            answer = _read(self._socket, _BORN.size)
        except OSError as e:
            self.close()
            raise NurseryFailed(f"no worker was forked: {e.strerror or e}") from None
        finally:
            _adopt(False)
        (pid,) = _BORN.unpack(answer)
        if pid <= 0:
            raise NurseryFailed(-pid, os.strerror(-pid))
        return Born(pid)

    def close(self) -> None:
        """End it; the workers live on."""
        if self._process is not None:
            self._socket.close()
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        self.close()
        ours, its = socket.socketpair()
        with its:
            owner = self._owner
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mailward.app.process", "nursery"],
                stdin=its.fileno(),
                pass_fds=self._inherited,
                start_new_session=True,
                env={**os.environ, **HEAP},
                user=owner[0] if owner else None,
                group=owner[1] if owner else None,
                extra_groups=[] if owner else None,
            )
        ours.settimeout(_PATIENCE)
        self._socket = ours


def main() -> None:
    """Entry point of `python -m mailward.app.process nursery`: fork a worker for each plan read from standard input."""
    # It holds the listening sockets and the locks of the data folder, and must not outlive the supervisor with them.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    asked = socket.socket(fileno=os.dup(0))
    gc.disable()
    from mailward.app import worker  # the long part
    from mailward.app.signing import signing_library
    from mailward.app.stores import import_store

    while True:
        try:
            (length,) = _FRAME.unpack(_read(asked, _FRAME.size))
            plan = decode(_read(asked, length))
        except OSError:
            sys.exit(0)  # the supervisor is gone
        # Of one kind in each plan: the first one imports it for all.
        import_store(plan.settings.storage.kind)
        signing_library(plan.settings)
        # The collector of a worker never writes to what is shared. Nor is rubbish collected before: what a worker makes
        # would fill the holes, and each lies in a page that is shared.
        gc.freeze()
        born = _fork()
        if born == 0:
            asked.close()
            gc.enable()
            worker.begin(plan)
        asked.sendall(_BORN.pack(born))


def _fork() -> int:
    """0 in the worker, whose parent is then the adopting ancestor; its number, or a negative errno, in the nursery."""
    reading, writing = os.pipe()
    try:
        between = os.fork()
    except OSError as e:
        os.close(reading)
        os.close(writing)
        return -(e.errno or 1)
    if between == 0:
        os.close(reading)
        _be_parent(writing)
        return 0
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        (pid,) = _BORN.unpack(told.read(_BORN.size) or _BORN.pack(-1))
    os.waitpid(between, 0)
    return int(pid)


def _be_parent(writing: int) -> None:
    """Between nursery and worker: returns in the worker alone."""
    between = os.getpid()
    try:
        pid = os.fork()
    except OSError as e:
        pid = -(e.errno or 1)
    if pid:
        _say_and_go(writing, pid)
    os.close(writing)
    while os.getppid() == between:
        time.sleep(0.0005)  # it has nothing left to do but to end
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    _call_it_worker()


def _say_and_go(writing: int, pid: int) -> NoReturn:
    os.write(writing, _BORN.pack(pid))
    os._exit(0)


def _call_it_worker() -> None:
    """What `ps` and `top` show: the last word of the command line, and the name of the process."""
    _prctl(_PR_SET_NAME, b"mailward-worker")
    words = open("/proc/self/cmdline", "rb").read()  # noqa: SIM115  # CPython closes it here
    fields = open("/proc/self/stat", "rb").read().rpartition(b")")[2].split()  # noqa: SIM115
    start, at = int(fields[45]), words.rfind(b"nursery\0")
    if start and at >= 0:
        ctypes.memmove(start + at, b"worker\0\0", 8)


def _read(source: socket.socket, size: int) -> bytes:
    """That many octets; OSError when the other side is gone."""
    read = b""
    while len(read) < size:
        piece = source.recv(size - len(read))
        if not piece:
            raise ConnectionResetError(0, "the other side is gone")
        read += piece
    return read


def _adopt(wanted: bool) -> None:
    _prctl(_PR_SET_CHILD_SUBREAPER, int(wanted))


def _prctl(option: int, value: int | bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
