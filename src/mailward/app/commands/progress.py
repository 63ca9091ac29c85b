"""How long work shows that it goes on: a bar on a terminal; elsewhere a line for each step, and one now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_LINE_SECONDS = 5.0
_REDRAW_SECONDS = 0.1
_WIDTH = 30


class Bar:
    """Rows, octets or checks: so many of so many, under the name of what is being done."""

    def __init__(self, out: TextIO, *, lines: bool = True, terminal: bool | None = None) -> None:
        """Without `lines` nothing is written where nobody looks; `terminal` says whether somebody does."""
        self._out = out
        self._terminal = out.isatty() if terminal is None else terminal
        self._silent = not (self._terminal or lines)
        self._said = ("", 0.0)

    def table(self, name: str, rows: int, of: int) -> None:
        """So much of this step is done. The name the port of moves gives it: a table is one of its steps."""
        if self._silent:
            return
        now = time.monotonic()
        last, at = self._said
        every = _REDRAW_SECONDS if self._terminal else _LINE_SECONDS
        if name == last and rows < of and now - at < every:
            return
        if not self._terminal and name == last and rows == of and at == 0.0:
            return
        if self._terminal:
            full = _WIDTH if not of else _WIDTH * rows // of
            bar = "#" * full + "." * (_WIDTH - full)
            self._out.write(f"\r\x1b[K{name:<24} [{bar}] {rows:,} of {of:,}")
        elif of and (rows == of or name == last):
            self._out.write(f"{name}: {rows} of {of}\n")
        self._out.flush()
        self._said = (name, 0.0 if rows == of and not self._terminal else now)

    def end(self) -> None:
        """Leave the line."""
        if self._terminal:
            self._out.write("\r\x1b[K")
            self._out.flush()


@contextmanager
def bar(*, lines: bool = True) -> Iterator[Bar]:
    """A bar on standard error while the block runs. Without `lines` it is silent where nobody looks."""
    shown = Bar(sys.stderr, lines=lines)
    try:
        yield shown
    finally:
        shown.end()
