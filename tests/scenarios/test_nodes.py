"""Several nodes over one PostgreSQL and one bucket: nothing acknowledged is lost, whatever ends or is cut off."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from tests.adapters.storage.objects.conftest import bucket_name, s3
from tests.postgres_server import PostgresServer
from tests.scenarios.bucket import ServedBucket, served
from tests.scenarios.cluster import ROLE_EACH, Cluster
from tests.scenarios.ledger import LedgerSink
from tests.scenarios.soak import Soak, details, table
from tests.scenarios.ways import Ways

__all__ = ["bucket_name", "s3"]

SEED = int(os.environ.get("MAILWARD_SEED", "7"))


@pytest.fixture
def bucket(bucket_name: str, s3: int) -> Iterator[ServedBucket]:
    with served(bucket_name, s3) as made:
        yield made


@pytest.fixture
def ways() -> Iterator[Ways]:
    with Ways() as made:
        yield made


@pytest.fixture
def sink() -> Iterator[LedgerSink]:
    with LedgerSink() as made:
        yield made


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    name = asyncio.run(postgres_server.fresh_database())
    yield name
    asyncio.run(postgres_server.drop_database(name))


@pytest.mark.timeout(240)
@pytest.mark.claim("AVAIL-1")
def test_any_node_may_be_killed(
    ways: Ways, bucket: ServedBucket, sink: LedgerSink, postgres_server: PostgresServer, database: str
) -> None:
    """Four nodes with a role each, each killed under load: what was acknowledged arrives, duplicates are explained."""
    with Cluster(
        ROLE_EACH, ways, bucket, database=database, servers=[postgres_server.port], route=f"127.0.0.1:{sink.port}"
    ) as cluster:
        round_ = Soak(cluster, sink, seed=SEED, relentless=False).run_round(1, 300)
        listed = cluster.cli_json("node", "list")
    print("\n".join([f"seed {SEED}", table([round_]), *details(round_)]))
    assert round_.acknowledged >= 300
    assert not round_.lost
    assert not round_.failures
    assert not [d for d in round_.duplicates if d.fault], details(round_)
    assert [(n["node"], n["state"], n["zone"], n["roles"]) for n in listed] == [
        (i, "up", f"zone-{i % 2}", [role]) for i, (role,) in enumerate(ROLE_EACH)
    ]
