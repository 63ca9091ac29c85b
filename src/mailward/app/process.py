"""`python -m mailward.app.process nursery|committer`: how the supervisor starts the processes that do the work.

Before anything else is imported, the console decorations that the log library would load for people at a terminal are
declared absent: they cost each process five megabytes and several of its milliseconds, and it never uses them.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

_PARTS = ("nursery", "committer")


def main() -> None:
    """Run the process named by the first argument."""
    modules: dict[str, Any] = sys.modules
    modules.setdefault("rich", None)
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in _PARTS:
        sys.exit(f"usage: python -m mailward.app.process {'|'.join(_PARTS)}")
    importlib.import_module(f"mailward.app.{name}").main()


if __name__ == "__main__":
    main()
