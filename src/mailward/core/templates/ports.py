"""What the template verbs need from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from mailward.core.templates.model import Rendered, Sheet, Template, Version
from mailward.policy.access import Actor


class TemplatesRepo(Protocol):
    """Templates of one workspace and their versions."""

    async def insert(self, template: Template) -> None: ...

    async def update(self, template: Template) -> None: ...

    async def delete(self, id: bytes) -> None:
        """With its versions."""

    async def get(self, name: str) -> Template | None: ...

    async def page(self, *, after: str, limit: int) -> list[Template]:
        """By name, those behind `after`."""

    async def count(self) -> int: ...

    async def add_version(self, id: bytes, version: Version) -> None: ...

    async def version(self, id: bytes, number: int) -> Version | None: ...

    async def versions(self, id: bytes, *, below: int, limit: int) -> list[Version]:
        """The newest first, those with a smaller number than `below`."""

    async def last(self, id: bytes) -> int:
        """The highest number ever published, 0 for none."""


class AuditLog(Protocol):
    """Where acts are recorded, in the same transaction."""

    async def append(self, actor: Actor, act: str, target: str, facts: dict[str, str], *, now: datetime) -> object: ...


class Revocations(Protocol):
    """The epoch after which every worker forgets what it keeps in memory."""

    async def bump(self) -> int: ...


class TemplateTx(Protocol):
    """A transaction of one workspace."""

    @property
    def templates(self) -> TemplatesRepo: ...


class AuditedTemplateTx(TemplateTx, Protocol):
    """A transaction with the audit log and the epoch."""

    @property
    def audit(self) -> AuditLog: ...

    @property
    def revocations(self) -> Revocations: ...


class Renderer(Protocol):
    """Fills a sheet with data where it can do no harm."""

    async def render(self, workspace: str, sheet: Sheet, data: str) -> Rendered:
        """`data` is a JSON object.

        Raises Invalid `template_error` (with part, line and reason) or `template_too_costly`, Unavailable when
        nothing can be rendered now.
        """
