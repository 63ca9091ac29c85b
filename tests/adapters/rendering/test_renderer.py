"""Rendering in limited children: what is too much ends a child, never the worker."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mailward.adapters.rendering.renderer import LimitedRenderer
from mailward.base.errors import Invalid
from mailward.core.templates.model import Sheet


class Time:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
async def renderer() -> AsyncIterator[LimitedRenderer]:
    """One child, and a clock at `renderer._monotonic`."""
    made = LimitedRenderer(Time(), count=1)
    yield made
    await made.close()


BOMBS = {
    "doubling": "{% set n = namespace(s='xxxxxxxx') %}{% for i in range(40) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
    "joining": "{{ range(99999)|list|join('x' * 1000000)|length }}",
    "replacing": "{{ 'a'|replace('a', 'b' * 10000000)|replace('b', 'c' * 1000)|length }}",
    "slicing": "{{ [1, 2]|slice(1000000000)|list|length }}",
    "formatting": "{{ '{:>1000000000}'.format(1) }}",
    "indenting": "{{ 'x\ny'|indent(1000000000)|length }}",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
async def test_memory_bombs_end_a_child(renderer: LimitedRenderer, bomb: str) -> None:
    """What counted steps do not see meets the memory of the child; the next mail is rendered by another."""
    with pytest.raises(Invalid) as refused:
        await renderer.render("ws_a", Sheet("", bomb, ""), "{}")
    assert refused.value.code == "template_too_costly"
    assert renderer.replaced == 1
    assert (await renderer.render("ws_a", Sheet("S", "", "T"), "{}")).text == "T"


async def test_cpu_time_is_measured_inside_native_code() -> None:
    """One filter that never returns to the engine is ended by the kernel."""
    renderer = LimitedRenderer(Time(), memory_bytes=900 << 20, cpu_seconds=0.05, count=1)
    slow = "{{ ('ab' * 20000000)|replace('a', 'b')|replace('b', 'c')|upper|replace('C', 'd')|length }}"
    try:
        with pytest.raises(Invalid, match="template_too_costly") as refused:
            await renderer.render("ws_a", Sheet("", slow, ""), "{}")
        assert "time" in refused.value.public
    finally:
        await renderer.close()


async def test_a_sheet_that_broke_a_child_rests(renderer: LimitedRenderer) -> None:
    """The same sheet with other data is refused unseen for a while, for that workspace only."""
    clock = renderer._monotonic
    assert isinstance(clock, Time)
    sheet = Sheet("", "{% if big %}" + BOMBS["formatting"] + "{% endif %}fine", "")
    with pytest.raises(Invalid):
        await renderer.render("ws_a", sheet, '{"big": true}')
    with pytest.raises(Invalid, match="template_too_costly"):
        await renderer.render("ws_a", sheet, '{"big": false}')
    assert renderer.replaced == 1
    assert (await renderer.render("ws_b", sheet, '{"big": false}')).html == "fine"
    clock.at += 11
    assert (await renderer.render("ws_a", sheet, '{"big": false}')).html == "fine"


async def test_a_child_can_open_nothing(renderer: LimitedRenderer) -> None:
    """Its descriptors are used up when it begins to work."""
    await renderer.render("ws_a", Sheet("S", "", "T"), "{}")
    pid = renderer._children._idle[0].process.pid
    with open(f"/proc/{pid}/limits") as file:
        (line,) = [line for line in file if line.startswith("Max open files")]
    assert line.split()[3:5] == ["0", "0"]


async def test_the_error_names_part_and_line(renderer: LimitedRenderer) -> None:
    """So that its author finds it."""
    with pytest.raises(Invalid) as refused:
        await renderer.render("ws_a", Sheet("", "a\n{{ b }}", ""), "{}")
    assert (refused.value.code, refused.value.field) == ("template_error", "html")
    assert "(html, line 2): `b` is undefined" in refused.value.public
