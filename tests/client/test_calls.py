"""Calls against the real web application, synchronous and asynchronous."""

from __future__ import annotations

import httpx
import pytest

from mailward_client import (
    AsyncMailward,
    BadAnswer,
    Mailward,
    NotFound,
    Problem,
    Unacceptable,
    Unauthenticated,
    models,
)
from tests.client.conftest import URL, InProcess
from tests.edges.web.conftest import Site


def _send(mail: Mailward, key: str | None = None) -> models.Accepted:
    return mail.send_message(
        from_="Ada <ada@example.com>", to=["bob@example.net"], subject="Hello", text="Hi Bob", idempotency_key=key
    )


def test_sends_and_reads_back(mail: Mailward) -> None:
    """A message that is sent comes back typed."""
    accepted = _send(mail)
    assert accepted.id.startswith("msg_")
    assert accepted.deliveries[0].recipient == "bob@example.net"
    detail = mail.get_message(accepted.id)
    assert detail.subject == "Hello"
    assert detail.created_at.tzinfo is not None


async def test_sends_and_reads_back_async(mail_async: AsyncMailward) -> None:
    """The same, awaited."""
    async with mail_async as mail:
        accepted = await mail.send_message(
            from_="ada@example.com",
            to=["bob@example.net"],
            text="Hi",
            attachments=[models.Attachment(filename="a.bin", content=bytes(range(256)))],
        )
        assert (await mail.get_message(accepted.id)).id == accepted.id
        assert [m.id async for m in mail.iter_messages(limit=1)][:1] == [accepted.id]


def test_same_key_same_message(mail: Mailward) -> None:
    """An Idempotency-Key of one's own makes the second sending the first; with another body it is a conflict."""
    assert _send(mail, "order-1").id == _send(mail, "order-1").id
    with pytest.raises(Problem) as refusal:
        mail.send_message(from_="ada@example.com", to=["eve@example.net"], text="x", idempotency_key="order-1")
    assert (refusal.value.status, refusal.value.code) == (409, "idempotency_key_reused")


def test_dry_run(mail: Mailward) -> None:
    """A dry run has an answer of its own type."""
    told = mail.send_message(from_="ada@example.com", to=["bob@example.net"], text="x", dry_run=True)
    assert told.would == "queue"


def test_pages() -> None:
    """An iterator asks for page after page with the cursor it was given, and ends with the last."""
    pages = {"": (["a", "b"], "1"), "1": (["c"], "2"), "2": ([], None)}
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        names, following = pages[request.url.params.get("cursor", "")]
        data = [{"id": n, "name": n, "status": "verified", "created_at": "2026-01-01T00:00:00Z"} for n in names]
        return httpx.Response(200, json={"data": data, "next_cursor": following})

    with Mailward(URL, "mw_k", transport=httpx.MockTransport(answer)) as mail:
        assert [d.id for d in mail.iter_domains(limit=2)] == ["a", "b", "c"]
    assert asked == [{"limit": "2"}, {"limit": "2", "cursor": "1"}, {"limit": "2", "cursor": "2"}]


def test_refusals_say_why(mail: Mailward) -> None:
    """A refusal carries code, field and request id."""
    with pytest.raises(Unacceptable) as refusal:
        mail.send_message(from_="not an address", to=["bob@example.net"], text="x")
    assert refusal.value.code == "invalid_address"
    assert refusal.value.field == "from"
    assert refusal.value.request_id.startswith("req_")
    with pytest.raises(NotFound):
        mail.get_message("msg_" + "0" * 26)


def test_wrong_key(site: Site) -> None:
    """A key nobody knows is Unauthenticated."""
    with Mailward(URL, "mw_nobody", transport=InProcess(site)) as mail, pytest.raises(Unauthenticated):
        mail.list_domains()


def test_ids_cannot_change_the_path(mail: Mailward) -> None:
    """What stands in an id stays in its segment of the path."""
    with pytest.raises(NotFound):
        mail.get_message("../keys")
    with pytest.raises(ValueError, match="empty"):
        mail.get_message("")


def test_nothing_that_is_not_promised() -> None:
    """An answer that is not of the promised type is a BadAnswer that names the place."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"data": [{"id": 3}]}))
    with Mailward(URL, "mw_k", transport=transport) as mail, pytest.raises(BadAnswer, match=r"\$\.data\[0\]"):
        mail.list_domains()


def test_keys_travel_privately() -> None:
    """A key is not sent over plain http to another machine."""
    with pytest.raises(ValueError, match="https only"):
        Mailward("http://mail.example.com", "mw_k")
