"""Leases are found among the open copies, however many delivered ones are kept."""

from __future__ import annotations

from mailward.adapters.storage.sqlite.deliveries import _LEASED, _NOBODYS
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.storage.sqlite.tx import SqliteTx


async def test_leases_are_looked_for_in_the_index_of_open_copies(store: SqliteStore) -> None:
    """SQLite takes the partial index for each statement on leases, not the table."""

    async def plans(tx: SqliteTx) -> list[str]:
        found = []
        for more in ("lessee=1", "lessee=1 AND due<=9", _NOBODYS):
            sql = f"EXPLAIN QUERY PLAN SELECT message FROM t_deliveries WHERE {_LEASED} AND {more}"
            found.append(tx.rows(sql, (b"w" * 16,))[0][3])
        return found

    assert all("INDEX t_deliveries_open" in plan for plan in await store.system_read(plans))
