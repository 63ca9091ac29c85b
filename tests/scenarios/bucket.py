"""A bucket for a whole platform: an S3 server, and before it a proxy that fails on request, in its own thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mailward.adapters.storage.objects.bucket import open_bucket
from mailward.adapters.storage.objects.place import Place, check_place
from tests.adapters.storage.objects.faults import FaultProxy


class ServedBucket:
    """What a platform needs to know of the bucket, and what a test does to it."""

    def __init__(self, name: str, s3_port: int, proxy: FaultProxy) -> None:
        self.name = name
        self.proxy = proxy
        self._s3_port = s3_port

    def settings(self, **more: Any) -> dict[str, Any]:
        """The platform's settings: by way of the proxy."""
        address = f"127.0.0.1:{self.proxy.port}"
        return {
            "objects.url": f"s3://{self.name}/mail",
            "objects.endpoint": f"http://{address}",
            "objects.plaintext": [address],
            "objects.access_key": "key",
            "objects.secret_key": "secret",
            **{f"objects.{key}": value for key, value in more.items()},
        }

    def everything(self) -> dict[str, bytes]:
        """Every object, whole, past the proxy."""
        address = f"127.0.0.1:{self._s3_port}"
        place = Place(
            url=f"s3://{self.name}", endpoint=f"http://{address}", access_key="k", secret_key="s", plaintext=(address,)
        )

        async def read() -> dict[str, bytes]:
            bucket = open_bucket(check_place(place))
            names = [(e.name, e.size) async for entries in bucket.list("") for e in entries]
            return {name: await bucket.read(name, 0, size, seconds=20) for name, size in names}

        return asyncio.run(read())


@contextmanager
def served(name: str, s3_port: int) -> Iterator[ServedBucket]:
    """The proxy runs on a loop of its own until the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fault-proxy", daemon=True)
    thread.start()
    proxy = FaultProxy(s3_port)
    try:
        asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(10)
        try:
            yield ServedBucket(name, s3_port, proxy)
        finally:
            asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
