"""An S3 server (moto) in a process of its own, a bucket for each test, and a proxy that fails on request."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.adapters.storage.objects.bucket import Bucket, open_bucket
from mailward.adapters.storage.objects.limits import Limits
from mailward.adapters.storage.objects.place import Place
from mailward.adapters.storage.objects.segments import ObjectSegments, open_objects
from mailward.core.workspaces.model import DataKey
from tests.adapters.storage.objects.faults import FaultProxy
from tests.conftest import MovingClock, SeededEntropy

Opener = Callable[..., ObjectSegments]

# Short times, so that a test of a lost answer or of a deadline takes a second and not fifteen.
QUICK = Limits(deadline=8.0, attempt=1.0, read_deadline=8.0, backoff=0.01, longest_backoff=0.05)


@contextmanager
def running_s3() -> Iterator[int]:
    """The port of an S3 server on 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert server.poll() is None, "the S3 server ended"
                time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(10)


def make_bucket(s3: int, name: str) -> None:
    """An empty bucket."""
    made = urllib.request.Request(f"http://127.0.0.1:{s3}/{name}", method="PUT")
    urllib.request.urlopen(made, timeout=10).close()


@pytest.fixture
async def proxy(s3: int) -> AsyncIterator[FaultProxy]:
    """A way to the S3 server that fails on request."""
    made = FaultProxy(s3)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def place(bucket_name: str, proxy: FaultProxy) -> Place:
    """The bucket, through the proxy."""
    return place_at(bucket_name, proxy.port)


def place_at(bucket: str, port: int, **more: object) -> Place:
    """A bucket of the S3 server at a port of 127.0.0.1."""
    return Place(
        url=f"s3://{bucket}/mail/one",
        endpoint=f"http://127.0.0.1:{port}",
        region="us-east-1",
        access_key="key",
        secret_key="secret",
        plaintext=(f"127.0.0.1:{port}",),
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture
def bucket(place: Place) -> Bucket:
    return open_bucket(place)


@pytest.fixture
async def open_at(clock: MovingClock, entropy: SeededEntropy) -> AsyncIterator[Opener]:
    """Opens ObjectSegments at a place and closes them afterwards."""
    opened: list[ObjectSegments] = []

    def make(place: Place, *, writer: int = 7, limits: Limits = QUICK) -> ObjectSegments:
        made = open_objects(place, writer=writer, clock=clock, entropy=entropy, limits=limits)
        opened.append(made)
        return made

    yield make
    for made in opened:
        await made.close()


@pytest.fixture
def objects(open_at: Opener, place: Place) -> ObjectSegments:
    return open_at(place)


@pytest.fixture
def key() -> DataKey:
    return DataKey(20_000, 1, AESGCM(bytes(range(32))))
