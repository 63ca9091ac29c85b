"""Checks are tried on real counterparts, whose starters lie under `tests/scenarios`."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parents[2])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from tests.conftest import on_every_store as pytest_generate_tests  # noqa: E402 - found by the path above

__all__ = ["pytest_generate_tests"]
