"""Memory is given back after work, in a quiet moment, once."""

from __future__ import annotations

import ctypes
from pathlib import Path

from mailward.app.heap import Rest, trim


def test_memory_is_given_back_once_after_work_and_never_beside_it() -> None:
    """A busy worker keeps what it will need at once; an idle one that did nothing has nothing to give."""
    given: list[float] = []
    rest = Rest(lambda: given.append(used))
    for now, used, expected in (
        (2.0, 1.9, 0),  # busy
        (4.0, 3.8, 0),
        (6.0, 3.81, 1),  # the first quiet moment
        (8.0, 3.82, 1),
        (60.0, 4.2, 1),  # quiet, and little was done
        (62.0, 6.0, 1),
        (64.0, 6.01, 2),
    ):
        rest.look(now, used)
        assert len(given) == expected, now


def test_what_lies_free_between_what_is_used_goes_back_to_the_system() -> None:
    """Every second block of many is freed: the process holds fewer pages after trimming."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    size = 65_536
    blocks = [libc.malloc(size) for _ in range(256)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    for block in blocks[::2]:
        libc.free(block)
    before = _resident()
    trim()
    assert _resident() < before - 4_000_000
    for block in blocks[1::2]:
        libc.free(block)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
