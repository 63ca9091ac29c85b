"""What the repositories stand on: SQL in a scope, with the cipher of its columns and the days of its tables."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import Any

import asyncpg

from mailward.adapters.storage.postgres.counters import PgCounters
from mailward.adapters.storage.postgres.partitions import PgPartitions
from mailward.adapters.storage.postgres.sealed import FieldCipher
from mailward.adapters.storage.postgres.sql import Sql


class _Over(Exception):
    """Ends a savepoint that was made to be undone."""


class SealedSql(Sql):
    """A connection's transactions, with what seals their columns."""

    def __init__(self, connection: Any, cipher: FieldCipher) -> None:
        """`cipher` seals what is personal; one for the process."""
        super().__init__(connection)
        self.cipher = cipher

    @property
    def own(self) -> bytes:
        """Raw id of the workspace this transaction is bound to. PermissionError in the system scope.

        Statements name it beside what the policies demand: the planner, and a router in
        front of several servers, then know which rows are meant.
        """
        if self.workspace is None:
            raise PermissionError("no workspace scope")
        return self.workspace

    async def found_in(self, scope: str, sql: str) -> bool:
        """Whether a statement finds a row under another role and setting. A refusal finds none. For the checks only."""
        found = False
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError, _Over):
            async with self.attempt():
                await self._db.execute(scope)
                found = bool(await self._db.fetch(sql))
                raise _Over  # the savepoint takes the scope back
        return found

    @cached_property
    def counters(self) -> PgCounters:
        """Named numbers of the installation (epochs)."""
        return PgCounters(self)

    @cached_property
    def partitions(self) -> PgPartitions:
        """Days of the tables that grow by the message."""
        return PgPartitions(self)
