"""One recorded script of API calls and SMTP sessions, answered alike by the embedded and the PostgreSQL product."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from mailward.protocol.smtp import replies
from tests.postgres_server import PostgresServer
from tests.scenarios.bucket import served
from tests.scenarios.peers import Dns
from tests.scenarios.platform import Platform
from tests.scenarios.recorded_access import BURST
from tests.scenarios.recorded_script import play
from tests.scenarios.recording import Recorder, Taker

# One worker, so that what is answered does not depend on who answers; nobody to ask for names; no limit to rates.
_SETTINGS: dict[str, Any] = {
    "limits.auth_failures_per_minute_ip": 1_000_000,
    "submission.max_message_bytes": 1_000_000,
    "limits.smtp_connections_per_minute_ip": 0,
    "limits.api_per_minute": 0,
    **BURST,
}
# The first two are said when time runs out or the server stops; listeners without AUTH count as authenticated.
_UNSAID = {"SHUTTING_DOWN", "TIMED_OUT", "NO_AUTH", "NO_ROOM", "TOO_SLOW"}


@contextmanager
def ready(**settings: Any) -> Iterator[Recorder]:
    """A platform with a resolver and an endpoint of its own, and who talks to it."""
    endpoint = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()
    try:
        with Dns(["nothing.test. IN A 192.0.2.1"]) as dns:
            common = _SETTINGS | {"delivery.resolvers": [dns.address]}
            with (
                Platform(settings=common | settings, workers=1) as platform,
                closing(Recorder(platform, dns, f"http://127.0.0.1:{endpoint.server_port}/in")) as recorder,
            ):
                yield recorder
    finally:
        endpoint.shutdown()
        endpoint.server_close()


@pytest.fixture
def pair(bucket_name: str, s3: int, postgres_server: PostgresServer) -> Iterator[tuple[Recorder, Recorder]]:
    """The same platform on both stores, the second with its bodies in a bucket."""
    database = asyncio.run(postgres_server.fresh_database())
    with ExitStack() as stack:
        storage = {
            "storage.kind": "postgres",
            "storage.url": postgres_server.url("mailward_app", database),
            "storage.owner_url": postgres_server.url("mailward_owner", database),
            "storage.plaintext": ["127.0.0.1"],
        }
        bucket = stack.enter_context(served(bucket_name, s3))
        both = [ready(), ready(**storage, **bucket.settings())]
        with ThreadPoolExecutor(2) as pool:
            embedded, postgres = pool.map(stack.enter_context, both)
        yield embedded, postgres
    asyncio.run(postgres_server.drop_database(database))


def differences(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """Where two answers differ, and how."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        for key in ours:
            yield from differences(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(ours, list | tuple) and isinstance(theirs, list | tuple) and len(ours) == len(theirs):
        for n, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(a, b, f"{where}[{n}]")
    elif ours != theirs:
        yield f"{where}\n  embedded: {str(ours)[:400]}\n  postgres: {str(theirs)[:400]}"


@pytest.mark.timeout(180)
def test_both_products_answer_alike(pair: tuple[Recorder, Recorder]) -> None:
    """Status codes, bodies and SMTP replies are the same, step by step; every operation succeeded at least once."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(play, pair))
    embedded, postgres = pair
    assert [name for name, _ in embedded.record] == [name for name, _ in postgres.record]
    different = [
        f"step {n}, {name}: {where}"
        for n, ((name, ours), (_, theirs)) in enumerate(zip(embedded.record, postgres.record, strict=True))
        for where in differences(ours, theirs)
    ]
    assert not different, f"{len(different)} differences:\n" + "\n".join(different[:30])
    assert len(embedded.record) > 500
    assert embedded.succeeded == postgres.succeeded
    unused = set(embedded.operations) - embedded.succeeded
    assert not unused, "an operation has to succeed once in recorded_script.py"
    said = b"".join(embedded.said)
    sentences = {k: v for k, v in vars(replies).items() if k.isupper() and isinstance(v, bytes) and k not in _UNSAID}
    assert not [name for name, sentence in sentences.items() if sentence not in said], "sentences nobody provoked"
