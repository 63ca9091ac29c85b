"""That both adapters satisfy the port is said here for the type checker, and kept true at run time."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from mailward.adapters.storage.postgres.engine import PostgresStore
from mailward.adapters.storage.postgres.tx import PgTx
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.storage.sqlite.tx import SqliteTx
from mailward.app.store import Store, Tx


def _transactions(embedded: SqliteTx, postgres: PgTx) -> tuple[Tx, Tx]:
    return embedded, postgres


@pytest.mark.parametrize("made", [SqliteStore, PostgresStore])
def test_a_store_has_every_door(made: type[Any]) -> None:
    """Each door of the port is there, with the arguments that the port names."""
    for name, door in inspect.getmembers(Store, inspect.isfunction):
        if name.startswith("_"):
            continue
        ours = inspect.signature(getattr(made, name)).parameters
        assert set(inspect.signature(door).parameters) <= set(ours), name


@pytest.mark.parametrize("made", [SqliteTx, PgTx])
def test_a_transaction_has_every_repository(made: type[Any]) -> None:
    """Each repository of the port is there."""
    wanted = {n for n, m in inspect.getmembers(Tx) if isinstance(m, property)} - {"epochs"}
    assert wanted <= set(dir(made))
