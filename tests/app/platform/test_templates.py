"""Templates as the platform has them, on a real store with a real child: what is sent, and when it stops being sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from mailward.adapters.rendering.renderer import LimitedRenderer
from mailward.app.platform.templates import Templates
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import Invalid, NotFound
from mailward.base.ids import WorkspaceId
from mailward.edges.web.schema import templates as schema
from mailward.edges.web.schema.messages import SendRequest
from mailward.policy.access import IN_WORKSPACE, Actor, Role
from mailward.protocol.message import headers, structure

RAW = (
    b"From: a@demo.test\r\nTo: b@example.com\r\nX-Mailward-Template: hello\r\n"
    b'X-Mailward-Data: {"name": "Bo"}\r\n\r\nignored\r\n'
)


@pytest.fixture
async def renderer(clock: Any) -> AsyncIterator[LimitedRenderer]:
    """One child."""
    made = LimitedRenderer(clock.monotonic, count=1)
    yield made
    await made.close()


@pytest.fixture
def actor(clock: Any, entropy: Any) -> Actor:
    """Somebody who may do everything in a workspace."""
    return Actor(WorkspaceId(ids.new("ws", clock.now(), entropy)), "session", "usr_1", IN_WORKSPACE, Role.MANAGER)


@pytest.fixture
async def area(store: Store, clock: Any, entropy: Any, renderer: LimitedRenderer) -> Templates:
    """The area."""
    return Templates(store, clock, entropy, renderer, changed=lambda: None)


async def make(area: Templates, actor: Actor, subject: str = "Hello {{ name }}") -> None:
    """A published template."""
    request = schema.CreateTemplate(name="hello", subject=subject, html="<p>{{ name }}</p>", sample={"name": "Ada"})
    await area.create(actor, request)
    await area.publish(actor, "hello")


def asked(**data: Any) -> SendRequest:
    """A request by template."""
    return SendRequest(from_="a@demo.test", to=["b@example.com"], template="hello", data=data)


async def test_a_request_is_filled_with_the_published_version(area: Templates, actor: Actor) -> None:
    """Never with the draft; after publishing and rolling back with the new one at once."""
    await make(area, actor)
    await area.change(actor, "hello", schema.ChangeTemplate(subject="Bye {{ name }}"))
    filled = await area.filled(actor, asked(name="<Bo>"))
    assert (filled.subject, filled.html, filled.text) == ("Hello <Bo>", "<p>&lt;Bo&gt;</p>", "<Bo>\n")
    await area.publish(actor, "hello")
    assert (await area.filled(actor, asked(name="Bo"))).subject == "Bye Bo"
    await area.roll_back(actor, "hello", 1)
    assert (await area.filled(actor, asked(name="Bo"))).subject == "Hello Bo"
    await area.remove(actor, "hello")
    with pytest.raises(NotFound):
        await area.filled(actor, asked(name="Bo"))


async def test_another_worker_sends_the_new_version_once_it_forgets(
    area: Templates, actor: Actor, store: Store, clock: Any, entropy: Any, renderer: LimitedRenderer
) -> None:
    """What it keeps is good until the epoch moves."""
    await make(area, actor)
    other = Templates(store, clock, entropy, renderer, changed=lambda: None)
    assert (await other.filled(actor, asked(name="Bo"))).subject == "Hello Bo"
    await area.change(actor, "hello", schema.ChangeTemplate(subject="Bye {{ name }}"))
    await area.publish(actor, "hello")
    other.forget()
    assert (await other.filled(actor, asked(name="Bo"))).subject == "Bye Bo"


async def test_a_message_that_names_a_template_is_filled(area: Templates, actor: Actor) -> None:
    """Its subject and body are the template's, and what named it is gone; others are left as they are."""
    await make(area, actor)
    for content in (RAW, RAW.replace(b"\r\n", b"\n").replace(b"X-Mailward", b"x-mailWARD")):
        made = await area.filled_raw(actor, content)
        assert structure.read(made).subject == "Hello Bo"
        assert b"ailward" not in made
        assert b"ignored" not in made
    plain = b"From: a@demo.test\r\n\r\nX-Mailward-Template: hello\r\n"
    assert await area.filled_raw(actor, plain) is plain


@pytest.mark.parametrize("name", ["a\\r\\nBcc: x@example.com", "a\\nb", "a\\u0000", "a\\u2028b", "a\\u0085b"])
async def test_data_never_makes_another_header(area: Templates, actor: Actor, name: str) -> None:
    """A line break in data is refused where the subject would hold it, through both doors."""
    await make(area, actor)
    before = len(headers.split(await area.filled_raw(actor, RAW)).fields)
    with pytest.raises(Invalid, match="header_injection"):
        await area.filled_raw(actor, RAW.replace(b"Bo", name.encode()))
    encoded = RAW.replace(b"Bo", b"=?UTF-8?Q?a=0D=0ABcc:_x?=")
    with pytest.raises(Invalid):
        await area.filled_raw(actor, encoded)
    assert len(headers.split(await area.filled_raw(actor, RAW.replace(b"Bo", b"%0D%0A"))).fields) == before


async def test_a_draft_that_does_not_render_is_not_published(area: Templates, actor: Actor) -> None:
    """With part, line and reason; what is sent stays."""
    await make(area, actor)
    await area.change(actor, "hello", schema.ChangeTemplate(html="<p>\n{{ nobody }}</p>"))
    with pytest.raises(Invalid) as refused:
        await area.publish(actor, "hello")
    assert "(html, line 2): `nobody` is undefined" in refused.value.public
    assert (await area.get(actor, "hello")).version == 1


@pytest.mark.parametrize("beside", ["subject", "text", "html"])
async def test_a_template_and_content_are_not_both_given(area: Templates, actor: Actor, beside: str) -> None:
    """It would not be clear what is meant."""
    await make(area, actor)
    request = asked(name="Bo")
    setattr(request, beside, "x")
    with pytest.raises(Invalid, match="template_and_content"):
        await area.filled(actor, request)
