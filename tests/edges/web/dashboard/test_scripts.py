"""Our own scripts give nobody a way to the prototype of all objects."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mailward.edges.web.dashboard as dashboard

SCRIPTS = sorted((Path(dashboard.__path__[0]) / "static").glob("*.js"))
_WAYS = re.compile(r"Object\.(assign|setPrototypeOf|defineProperty)|__proto__|\bprototype\b|\w\[[^\]\"']+\]\s*=[^=>]")


@pytest.mark.asvs("15.3.6")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_no_script_writes_to_a_computed_key_or_merges_into_an_object(script: Path) -> None:
    """What comes from outside names no property that is written: only spreading, which makes properties of its own."""
    assert not (found := _WAYS.search(script.read_text("utf-8"))), found


@pytest.mark.parametrize("text", ["o[key] = 1", "Object.assign(o, p)", "o.__proto__.x = 1", "Array.prototype.x = 1"])
def test_a_way_is_seen(text: str) -> None:
    """The look can fail; comparing, reading and taking a list apart are no ways."""
    assert _WAYS.search(text)
    assert not _WAYS.search("const [a, b] = c; if (o[k] === 1) f(o[k]); x = {...y}")
