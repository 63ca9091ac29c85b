"""What long work shows of itself."""

from __future__ import annotations

import io

from mailward.app.commands.progress import Bar


def shown(*steps: tuple[str, int, int], terminal: bool, lines: bool = True) -> str:
    out = io.StringIO()
    bar = Bar(out, lines=lines, terminal=terminal)
    for step in steps:
        bar.table(*step)
    bar.end()
    return out.getvalue()


def test_a_terminal_sees_a_bar_that_goes_away() -> None:
    """It is drawn anew for each step, full at its end, and leaves an empty line."""
    text = shown(("fetching", 0, 4000), ("fetching", 4000, 4000), terminal=True)
    assert "[" + "." * 30 + "] 0 of 4,000" in text
    assert "[" + "#" * 30 + "] 4,000 of 4,000" in text
    assert text.endswith("\r\x1b[K")


def test_a_log_gets_a_line_for_each_step_or_nothing() -> None:
    """No escape sequences; and silence where the command's own lines are enough."""
    steps = (("a", 1, 2), ("a", 2, 2), ("b", 3, 3))
    assert shown(*steps, terminal=False) == "a: 2 of 2\nb: 3 of 3\n"
    assert shown(*steps, terminal=False, lines=False) == ""
