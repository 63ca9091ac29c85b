"""Opening connections, and holding back while the server does not answer."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import asyncpg

from mailward.adapters.storage.postgres.access import Access
from mailward.adapters.storage.postgres.failures import unavailable
from mailward.base.errors import Unavailable
from mailward.base.sources import Entropy

_CONNECT_SECONDS = 10.0
# After the first failure, and at most; doubled in between, spread so that the nodes do not come back as one.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


class Connector:
    """Makes connections for one process. While the server is away, callers are told at once instead of each trying."""

    def __init__(self, access: Access, entropy: Entropy) -> None:
        self._access = access
        self._entropy = entropy
        self._failures = 0
        self._not_before = 0.0

    @property
    def pause(self) -> float:
        """Seconds until it is worth trying again; 0 when nothing is known to be wrong."""
        return max(0.0, self._not_before - asyncio.get_running_loop().time())

    async def connect(self) -> Any:
        """A new connection to a server that takes writes. Unavailable when there is none, or none was a moment ago."""
        if self.pause > 0:
            raise unavailable(ConnectionRefusedError())
        try:
            made = await self._open()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as e:
            self._failed()
            raise unavailable(e) from e
        self._failures, self._not_before = 0, 0.0
        return made

    async def _open(self) -> Any:
        access = self._access
        tls = access.tls()
        # Behind a pooler a prepared statement may belong to another session by the time it is used.
        cached = 0 if access.pooler else 256
        return await asyncpg.connect(
            access.url,
            ssl=tls if tls is not None else False,
            timeout=_CONNECT_SECONDS,
            statement_cache_size=cached,
            max_cached_statement_lifetime=0,
            target_session_attrs="read-write",
            server_settings={"application_name": "mailward"},
        )

    def _failed(self) -> None:
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**self._failures)
        self._failures = min(self._failures + 1, 16)
        share = 0.5 + self._entropy.bytes(1)[0] / 510
        self._not_before = asyncio.get_running_loop().time() + pause * share


def drop(connection: Any) -> None:
    """Close without a word: the server rolls back whatever was under way."""
    if connection is not None:
        with contextlib.suppress(Exception):
            connection.terminate()


async def part(connection: Any) -> None:
    """Close in good order, or drop when that takes long."""
    if connection is None:
        return
    try:
        await connection.close(timeout=2.0)
    except Exception:
        drop(connection)


__all__ = ["Connector", "Unavailable", "drop", "part"]
