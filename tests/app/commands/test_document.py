"""docs/cli.md is what the commands say of themselves, and what lists can be read by programs."""

from __future__ import annotations

import inspect

from tests.app.commands.document import PLACE, commands, document

# Shown with `list` in mind, under other names.
_LISTS = {"list", "events", "attempts", "grants", "reviews", "fields", "installation"}


def test_the_page_is_current() -> None:
    """docs/cli.md is what `make cli` would write now."""
    assert PLACE.read_text("utf-8") == document(), "run `make cli` and review what changed"


def test_every_command_says_what_it_does() -> None:
    """Each command has a docstring that begins with a sentence."""
    silent = [" ".join(words) for words, c in commands() if not inspect.getdoc(c.default_command)]
    assert silent == []


def test_what_lists_can_be_read_by_programs() -> None:
    """Each command that lists takes --json."""
    listing = [(words, c) for words, c in commands() if words[-1] in _LISTS]
    assert len(listing) > 15
    bare = [w for w, c in listing if not any("--json" in a.names for a in c.assemble_argument_collection())]
    assert bare == []
