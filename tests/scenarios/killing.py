"""kill -9 for a supervisor and all its processes at one instant, as when the machine fails.

Workers are in no process group of the supervisor's: whoever kills that group kills the supervisor alone, and its
workers drain, answering on their ports meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from tests.scenarios.peers import wait_until


def kill_family(supervisor: subprocess.Popen[bytes], seconds: float = 20.0) -> None:
    """It and its children are gone when this returns; stopped first, so that it starts nobody meanwhile."""
    supervisor.send_signal(signal.SIGSTOP)
    pids = children(supervisor.pid)
    for pid in (supervisor.pid, *pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    supervisor.wait(seconds)
    # Sockets are closed when the last process that holds them has really ended.
    wait_until(lambda: not any(map(alive, pids)), f"the processes of {supervisor.pid} to end", seconds, 0.001)


def children(parent: int) -> list[int]:
    """Direct children of a process that are alive."""
    try:
        tasks = Path(f"/proc/{parent}/task").iterdir()
        found = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    except OSError:
        return []
    return [pid for pid in found if alive(pid)]


def of_kind(supervisor: int, kind: str) -> list[int]:
    """Children of a supervisor of one kind: "worker" or "committer"."""
    found = []
    for pid in children(supervisor):
        with contextlib.suppress(OSError):
            if kind.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def alive(pid: int) -> bool:
    """Whether a process runs, or has yet to end; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False
