"""`python -m mailward.app.process supervisor|nursery|committer`: how the processes that do the work are started.

Before anything else is imported, the console decorations that the log library would load for people at a terminal are
declared absent: they cost each process five megabytes and several of its milliseconds, and it never uses them.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

_PARTS = ("supervisor", "nursery", "committer")
# What does the work of many messages. Children and threads inherit it.
_IN_BATCHES = ("nursery", "committer")


def supervising(config: str | None, roles: Sequence[str]) -> list[str]:
    """The words that start a supervisor with a settings file and, unless there are none, only some of the roles.

    `-P`: what lies in the current folder is not taken for a module, for this one may run as root.
    """
    return [sys.executable, "-P", "-m", "mailward.app.process", "supervisor", config or "", ",".join(roles)]


def run_in_batches() -> None:
    """Ask the kernel not to interrupt others for our sake (sched(7), SCHED_BATCH), unless somebody chose otherwise.

    A worker that is woken for each packet at once finds one; a moment later it finds ten, for the price of one turn.
    """
    with contextlib.suppress(OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def main() -> None:
    """Run the process named by the first argument."""
    modules: dict[str, Any] = sys.modules
    modules.setdefault("rich", None)
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in _PARTS:
        sys.exit(f"usage: python -m mailward.app.process {'|'.join(_PARTS)}")
    if name in _IN_BATCHES:
        run_in_batches()
    importlib.import_module(f"mailward.app.{name}").main()


if __name__ == "__main__":
    main()
