"""Templates on both stores: drafts, versions that stay, and what other workspaces do not see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, Invalid, NotFound
from mailward.base.ids import WorkspaceId
from mailward.core.templates import change, publish, render
from mailward.core.templates.model import Rendered, Sheet, Sources
from mailward.policy.access import IN_WORKSPACE, Actor, Permission, Role

FIRST = Sources(subject="One {{ x }}", text="T", sample='{"x": 1}')
SECOND = Sources(subject="Two {{ x }}", text="T", sample='{"x": 1}')


class Author:
    """Somebody who writes templates in one workspace."""

    def __init__(self, store: Store, clock: Any, entropy: Any) -> None:
        self.store, self.clock, self.entropy = store, clock, entropy
        workspace = WorkspaceId(ids.new("ws", clock.now(), entropy))
        self.actor = Actor(workspace, "session", "usr_1", IN_WORKSPACE, Role.MANAGER)

    async def act(self, verb: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """A verb in the author's workspace."""

        async def work(tx: Tx) -> Any:
            return await verb(tx, self.actor, *given, **named)

        return await self.store.write(self.actor.workspace, work)

    async def create(self, name: str, sources: Sources = FIRST) -> Any:
        """A draft."""
        return await self.act(change.create, name, sources, now=self.clock.now(), entropy=self.entropy)

    async def publish(self, name: str, sources: Sources = FIRST) -> Any:
        """A version."""
        return await self.act(publish.publish, name, sources, now=self.clock.now())


@pytest.fixture
async def author(store: Store, clock: Any, entropy: Any) -> Author:
    """The one whose workspace the test is about."""
    return Author(store, clock, entropy)


async def epoch(store: Store) -> int:
    """What workers compare."""

    async def work(tx: Tx) -> int:
        return await tx.revocations.current()

    return await store.system_read(work)


async def test_what_is_sent_is_the_published_version(author: Author) -> None:
    """A draft is sent by nobody; a published one stays what is sent while the draft moves on."""
    await author.create("hello")
    with pytest.raises(NotFound, match="template_not_published"):
        await author.act(render.gather, "hello")
    before = await epoch(author.store)
    await author.publish("hello")
    assert await epoch(author.store) == before + 1
    await author.act(change.change, "hello", SECOND, description="d", now=author.clock.now())
    ready = await author.act(render.gather, "hello")
    assert (ready.sheet.subject, ready.version) == ("One {{ x }}", 1)
    preview = await author.act(render.gather_for_people, "hello")
    assert (preview.sheet.subject, preview.version) == ("Two {{ x }}", render.DRAFT)


async def test_every_version_is_kept_and_can_be_current_again(author: Author) -> None:
    """Rolling back changes what is sent, not what was published nor the draft; the next version has the next number."""
    await author.create("hello")
    await author.publish("hello")
    await author.act(change.change, "hello", SECOND, description="", now=author.clock.now())
    await author.publish("hello", SECOND)
    assert (await author.act(render.gather, "hello")).sheet.subject == "Two {{ x }}"
    await author.act(publish.roll_back, "hello", 1, now=author.clock.now())
    assert (await author.act(render.gather, "hello")).sheet.subject == "One {{ x }}"
    assert (await author.act(render.gather, "hello", 2)).sheet.subject == "Two {{ x }}"
    assert (await author.publish("hello", SECOND)).current == 3
    assert [v.number for v in await author.act(publish.versions, "hello", limit=2)] == [3, 2]
    assert [v.number for v in await author.act(publish.versions, "hello", below=2)] == [1]
    assert (await author.act(publish.version, "hello", 1)).sources == FIRST
    for number in (0, 4, 2**31 - 1):
        with pytest.raises(NotFound):
            await author.act(publish.roll_back, "hello", number, now=author.clock.now())


async def test_a_draft_that_changed_while_it_was_tried_is_not_published(author: Author) -> None:
    """What was rendered before is what must be published."""
    await author.create("hello")
    with pytest.raises(Conflict, match="template_changed"):
        await author.publish("hello", SECOND)


async def test_a_layout_is_another_published_template_with_a_place(author: Author) -> None:
    """It is looked for at each rendering; it cannot be removed while it is used."""
    await author.create("frame", Sources(html="<div>{{ content }}</div>"))
    await author.create("hello", Sources(html="x", layout="frame"))
    await author.publish("hello", Sources(html="x", layout="frame"))
    with pytest.raises(Invalid, match="template_layout"):
        await author.act(render.gather, "hello")
    assert (await author.act(render.gather_for_people, "hello")).sheet.layout_html == "<div>{{ content }}</div>"
    await author.publish("frame", Sources(html="<div>{{ content }}</div>"))
    assert (await author.act(render.gather, "hello")).sheet.layout_html == "<div>{{ content }}</div>"
    with pytest.raises(Conflict, match="template_in_use"):
        await author.act(change.remove, "frame", now=author.clock.now())
    await author.act(change.remove, "hello", now=author.clock.now())
    await author.act(change.remove, "frame", now=author.clock.now())
    assert await author.act(change.page) == []
    await author.create("hello", Sources(html="x", layout="nowhere"))
    with pytest.raises(Invalid, match="template_layout"):
        await author.act(render.gather_for_people, "hello")


async def test_another_workspace_sees_and_touches_nothing(author: Author) -> None:
    """Names are a workspace's own."""
    await author.create("hello")
    await author.publish("hello")
    other = Author(author.store, author.clock, author.entropy)
    for verb in (change.find, render.gather, publish.versions):
        with pytest.raises(NotFound):
            await other.act(verb, "hello")
    with pytest.raises(NotFound):
        await other.act(change.remove, "hello", now=author.clock.now())
    await other.create("hello", SECOND)
    await other.act(change.remove, "hello", now=author.clock.now())
    assert (await author.act(render.gather, "hello")).sheet.subject == "One {{ x }}"


async def test_names_are_unique_and_listed_in_order(author: Author) -> None:
    """By their octets; a page begins behind the name it is given."""
    for name in ("b", "a-1", "a1"):
        await author.create(name)
    with pytest.raises(Conflict, match="name_taken"):
        await author.create("b")
    assert [t.name for t in await author.act(change.page)] == ["a-1", "a1", "b"]
    assert [t.name for t in await author.act(change.page, after="a-1", limit=1)] == ["a1"]


@pytest.mark.parametrize(
    ("name", "sources", "code"),
    [
        ("Hello", FIRST, "invalid_name"),
        ("../x", FIRST, "invalid_name"),
        ("x\n", FIRST, "invalid_name"),
        ("x", Sources(subject="a\nb"), "invalid_field"),
        ("x", Sources(html="x" * 500_001), "invalid_field"),
        ("x", Sources(html="x", layout="x"), "invalid_field"),
        ("x", Sources(html="x", sample="[]"), "template_data_invalid"),
        ("x", Sources(html="x", sample="{"), "template_data_invalid"),
        ("x", Sources(html="x", sample='{"x": "' + "y" * 262_144 + '"}'), "template_data_too_large"),
    ],
)
async def test_what_cannot_be_a_template_is_refused(author: Author, name: str, sources: Sources, code: str) -> None:
    """Each with its own code, and nothing is kept."""
    with pytest.raises(Invalid, match=code):
        await author.create(name, sources)
    with pytest.raises(Invalid, match="invalid_field"):
        await author.act(change.create, "x", FIRST, description="a\0b", now=author.clock.now(), entropy=author.entropy)
    assert await author.act(change.page) == []


async def test_each_act_asks_for_its_permission(author: Author) -> None:
    """Who may only send neither reads nor changes; who may only read does not change."""
    await author.create("hello")
    await author.publish("hello")
    held = author.actor
    author.actor = Actor(held.workspace, "key", "key_1", frozenset({Permission.MESSAGE_SEND}))
    await author.act(render.gather, "hello")
    with pytest.raises(Forbidden):
        await author.act(change.find, "hello")
    author.actor = Actor(held.workspace, "key", "key_1", frozenset({Permission.TEMPLATE_READ}))
    await author.act(change.find, "hello")
    for refused in (author.act(render.gather, "hello"), author.publish("hello")):
        with pytest.raises(Forbidden):
            await refused


class Says:
    """A renderer with an answer."""

    def __init__(self, subject: str, text: str = "T") -> None:
        self._mail = Rendered(subject, "", text)

    async def render(self, workspace: str, sheet: Sheet, data: str) -> Rendered:
        """The answer."""
        return self._mail


@pytest.mark.parametrize("c", ["\r", "\n", "\0", "\x1b", "\x85", "\u2028", "\u2029"])
async def test_a_rendered_subject_never_holds_a_line_break(author: Author, c: str) -> None:
    """Whatever rendered it: what would begin another header line is refused."""
    await author.create("hello")
    ready = await author.act(render.gather_for_people, "hello")
    assert (await render.render(Says("fine"), author.actor, ready, None)).subject == "fine"
    with pytest.raises(Invalid, match="header_injection"):
        await render.render(Says(f"a{c}Bcc: x@example.com"), author.actor, ready, None)
    with pytest.raises(Invalid, match="template_error"):
        await render.render(Says("fine", ""), author.actor, ready, None)
