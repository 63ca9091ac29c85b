"""What the checks ask of a store beside the product's own repositories: they look at rows as an auditor would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from mailward.core.evidence.model import Change, Line, Run, State


class EvidenceRepo(Protocol):
    """Questions about what is stored, in the system scope. Nothing here changes anything."""

    async def past_scope(self) -> tuple[int, list[str]]:
        """(how many tables belong to workspaces, those of them that raw SQL could read without a scope or past one)."""

    async def acts_holding(self, text: str) -> int:
        """How many audit entries carry a text in their facts, opened with the key."""

    async def recent_recipients(self, limit: int) -> list[str]:
        """The addresses of the newest deliveries, opened with the key."""

    async def data_keys_in_force(self) -> int:
        """How many data keys are not destroyed."""

    async def tables_holding(self, text: str) -> list[str]:
        """Tables of credentials and acts in which any stored value holds a text, as it lies there."""

    async def credential_hashes(self) -> Sequence[tuple[str, bytes | None]]:
        """(kind, hash) of every credential not revoked."""

    async def passwords(self) -> list[str]:
        """Every stored password hash."""

    async def session_hashes(self) -> list[bytes]:
        """The hash of every session."""

    async def past_terms(self, workspace: bytes, messages_before: int, content_before: int) -> tuple[int, int, int]:
        """What a workspace holds beyond its terms, messages with an open copy left out: (messages accepted before
        the first time, messages accepted before the second that still refer to their content, days wholly before
        the second whose data key exists though no message of theirs is open). Microseconds UTC.
        """

    async def oldest_message(self) -> int | None:
        """When the oldest message was accepted, microseconds UTC; None without messages."""

    async def signing_keys(self) -> Mapping[tuple[bytes, str], list[bytes]]:
        """(workspace, domain name) -> its public keys: RSA as DER, Ed25519 as 32 octets."""

    async def signing_secrets(self, now: int) -> Sequence[tuple[bytes, bytes, bytes | None]]:
        """(workspace, endpoint or route, sealed secret in force) of each that is on; None for one that has none.

        `now` in microseconds UTC.
        """

    async def verified_domains(self) -> list[tuple[int | None, int]]:
        """(last checked, failures since) of every verified domain."""


class ResultsRepo(Protocol):
    """What checks found: the newest line of each control, when its state changed, and the runs. System scope."""

    async def put(self, line: Line) -> None:
        """The newest line of its control, in the place of the one before."""

    async def latest(self) -> list[Line]:
        """The newest line of every control that ever ran."""

    async def states(self) -> dict[str, State]:
        """Where each control stood when it ran last."""

    async def add_change(self, id: bytes, change: Change) -> None:
        """A control stands elsewhere than before."""

    async def changes(self, limit: int, control: str | None = None) -> list[Change]:
        """Newest first; of one control, or of all."""

    async def add_run(self, id: bytes, run: Run) -> None: ...

    async def runs(self, limit: int) -> list[Run]:
        """Newest first."""

    async def last_run(self, cause: str) -> datetime | None:
        """When checks ran last for this cause."""

    async def forget_runs(self, before: datetime) -> int:
        """Remove runs before a time; how many went."""


class ResultsTx(Protocol):
    """A transaction with the results."""

    @property
    def results(self) -> ResultsRepo: ...
