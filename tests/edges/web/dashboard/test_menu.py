"""The menu leads to pages, each with its picture: a line without one would leave every page of its reader unshown."""

from __future__ import annotations

import re
from importlib import resources

from mailward.edges.web.dashboard.menu import menu
from mailward.policy.access import Permission


def test_every_line_of_the_menu_has_its_icon() -> None:
    """Of whoever may do everything and runs the installation besides; keys are told apart."""
    folder = resources.files("mailward.edges.web.dashboard") / "templates"
    drawn = re.findall(r'^  "([a-z-]+)": "M', (folder / "icons.html").read_text("utf-8"), re.MULTILINE)
    keys = [entry.key for group in menu(frozenset(Permission), operator=True) for entry in group.entries]
    assert len(keys) == len(set(keys)) > 15
    assert set(keys) <= set(drawn)
    assert len(drawn) == len(set(drawn))
