"""Attachments in a bucket: fetched by whoever has the signed URL, for as long as it lasts, and removed."""

from __future__ import annotations

import urllib.error
import urllib.request
from datetime import timedelta

import pytest

from mailward.adapters.storage.objects.bucket import open_client
from mailward.adapters.storage.objects.files import AttachmentStore
from mailward.adapters.storage.objects.place import Place
from mailward.base.errors import Unavailable

WS, A, B = b"\x01" * 16, (1_790_000_000_000).to_bytes(6, "big") + b"\x02" * 10, b"\x00" * 16
FILES = [("a.csv", "text/csv", b"1,2\n"), ('évil"\r\n.txt', "text/html\r\nX: y", b"<b>"), ("c", "image/png", b"")]


def place(s3: int, bucket: str) -> Place:
    return Place(
        url=f"s3://{bucket}/some/prefix",
        endpoint=f"http://127.0.0.1:{s3}",
        access_key="k",
        secret_key="s",
        plaintext=(f"127.0.0.1:{s3}",),
    )


def fetch(url: str) -> tuple[bytes, dict[str, str]]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read(), {k.lower(): v for k, v in answer.headers.items()}


@pytest.mark.asvs("5.4.1", "5.4.2")
async def test_whoever_has_the_url_gets_the_octets(s3: int, bucket_name: str) -> None:
    """Each URL gives its file, as a download, with a header nobody can break out of."""
    store = AttachmentStore(open_client(place(s3, bucket_name)), expires=timedelta(hours=72))
    urls = await store.put(WS, A, FILES)
    assert [fetch(u)[0] for u in urls] == [f[2] for f in FILES]
    _, headers = fetch(urls[1])
    assert headers["content-disposition"].startswith("attachment; filename=")
    assert "x" not in headers
    assert all("X-Amz-Expires=259200" in u for u in urls)
    assert await store.put(WS, A, FILES) is not None  # an attempt repeated
    assert await store.remove(WS, A) == 3
    for url in urls:
        with pytest.raises(urllib.error.HTTPError):
            fetch(url)
    assert await store.remove(WS, A) == 0


async def test_a_url_lasts_no_longer_than_a_week(s3: int, bucket_name: str) -> None:
    """What SigV4 allows at most."""
    store = AttachmentStore(open_client(place(s3, bucket_name)), expires=timedelta(days=30))
    (url,) = await store.put(WS, A, FILES[:1])
    assert "X-Amz-Expires=604800" in url


async def test_the_sweep_removes_what_no_message_keeps(s3: int, bucket_name: str) -> None:
    """Objects of a message that is gone, was refused, or let go of its content; a young one is left alone."""
    store = AttachmentStore(open_client(place(s3, bucket_name)), expires=timedelta(hours=1))
    for message in (A, B):
        await store.put(WS, message, FILES[:2])
    asked: list[tuple[bytes, bytes]] = []

    async def keeping(workspace: bytes, messages: list[bytes]) -> set[bytes]:
        asked.extend((workspace, m) for m in messages)
        return set()

    assert await store.sweep(keeping, young=int.from_bytes(A[:6], "big") - 1) == 2
    assert asked == [(WS, B)]

    async def all_kept(workspace: bytes, messages: list[bytes]) -> set[bytes]:
        return set(messages)

    assert await store.sweep(all_kept, young=1 << 47) == 0
    assert await store.sweep(keeping, young=1 << 47) == 2
    assert await store.sweep(keeping, young=1 << 47) == 0


async def test_a_store_that_is_away_says_so(s3: int) -> None:
    """Unavailable, so that the message is tried again."""
    store = AttachmentStore(open_client(place(s3, "no-such-bucket-here")), expires=timedelta(hours=1))
    with pytest.raises(Unavailable):
        await store.put(WS, A, FILES[:1])
