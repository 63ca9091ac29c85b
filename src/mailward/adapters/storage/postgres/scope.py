"""What the repositories stand on: SQL in a scope, with the cipher of its columns and the days of its tables."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from mailward.adapters.storage.postgres.counters import PgCounters
from mailward.adapters.storage.postgres.partitions import PgPartitions
from mailward.adapters.storage.postgres.sealed import FieldCipher
from mailward.adapters.storage.postgres.sql import Sql


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

    @cached_property
    def counters(self) -> PgCounters:
        """Named numbers of the installation (epochs)."""
        return PgCounters(self)

    @cached_property
    def partitions(self) -> PgPartitions:
        """Days of the tables that grow by the message."""
        return PgPartitions(self)
