"""Fixtures every test may use: a clock that moves on request, seeded entropy, a store, the published data."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mailward.adapters.storage.sqlite.engine import SqliteStore

if TYPE_CHECKING:
    from tests.postgres_server import PostgresServer


class MovingClock:
    """A clock that stands still until told to move."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._mono = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._mono

    def move(self, **kw: float) -> datetime:
        """Move by timedelta keywords; returns the new time."""
        step = timedelta(**kw)
        self._now += step
        self._mono += step.total_seconds()
        return self._now


class SeededEntropy:
    """Repeatable bytes. For tests only."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)

    def bytes(self, n: int) -> bytes:
        return self._random.randbytes(n)


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock(_START)


@pytest.fixture
def entropy() -> SeededEntropy:
    return SeededEntropy()


_START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
_KEY = bytes(range(32))
_LONGEST = (
    "nodes", "database_and_bucket", "every_page", "disk_failures", "nothing_lost", "alike", "bad_endpoints",
    "on_postgresql", "receiving", "outside_failures", "webhooks", "dashboard_chromium", "certificates", "moving_house",
    "inbound_nothing_lost", "verify", "second_factors_chromium", "people_chromium", "roles_apart", "clients", "erasure",
    "credentials",
)  # fmt: skip
"""Scenarios by how long they take (each is `tests/scenarios/test_NAME.py`), the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long modules start first, so that at the end no worker is left alone with one (with `--no-loadscope-reorder`)."""
    place = {f"tests/scenarios/test_{name}.py": n for n, name in enumerate(_LONGEST)}
    place["tests/edges/web/test_schema.py"] = 3

    def turn(item: pytest.Item) -> int:
        module = item.nodeid.partition("::")[0]
        return place.get(module, len(place) + (not module.startswith("tests/scenarios/")))

    items.sort(key=turn)


STORES = ("embedded", "postgres")


def on_every_store(metafunc: pytest.Metafunc) -> None:
    """Run the tests of a folder that use `store` on each store: its conftest has this as `pytest_generate_tests`."""
    chosen = [m for m in metafunc.definition.iter_markers("parametrize") if m.args[0] == "store"]
    if "store" in metafunc.fixturenames and not chosen:
        metafunc.parametrize("store", STORES, indirect=True)


@pytest.fixture
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: MovingClock, entropy: SeededEntropy
) -> AsyncIterator[Any]:
    """A store, fresh and migrated: the embedded one, or in folders that run on every store each in turn."""
    kind = getattr(request, "param", "embedded")
    if kind == "embedded":
        data = tmp_path / "data"
        data.mkdir(mode=0o700)
        shutil.copy(request.getfixturevalue("migrated_file"), data / "state.db")
        made: Any = SqliteStore(data, _KEY, worker=0, entropy=entropy)
        await made.open()
        yield made
        await made.close()
        return
    from tests.postgres_server import open_store

    server: PostgresServer = request.getfixturevalue("postgres_server")
    database = await server.fresh_database()
    made = await open_store(server, database, tmp_path / "data", clock=clock, entropy=entropy)
    yield made
    await made.close()
    await server.give_back(database)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded store's file with every migration and no rows; each test has a copy of its own."""
    folder = tmp_path_factory.mktemp("migrated")
    SqliteStore.prepare(folder, _KEY, MovingClock(_START))
    assert not (folder / "state.db-wal").exists()
    return folder / "state.db"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """PostgreSQL for the session, from the wheel; each test makes a database of its own in it."""
    from tests.postgres_server import running_server

    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[int]:
    """The port of an S3 server on 127.0.0.1, one for the session."""
    from tests.adapters.storage.objects.conftest import running_s3

    with running_s3() as port:
        yield port


@pytest.fixture
def bucket_name(s3: int, request: pytest.FixtureRequest) -> str:
    """A fresh bucket's name."""
    from tests.adapters.storage.objects.conftest import make_bucket

    name = f"b{abs(hash(request.node.nodeid)):x}"[:40]
    make_bucket(s3, name)
    return name


@pytest.fixture(scope="session")
def conformance() -> Path:
    """Published test data; in CI its absence is an error."""
    where = os.environ.get("MAILWARD_CONFORMANCE_DIR")
    folder = Path(where) if where else Path(__file__).resolve().parents[2] / "shared" / "conformance"
    if not folder.is_dir():
        if os.environ.get("CI") == "true":
            raise FileNotFoundError(f"no conformance data at {folder}; set MAILWARD_CONFORMANCE_DIR")
        pytest.skip(f"no conformance data at {folder}; set MAILWARD_CONFORMANCE_DIR")
    return folder
