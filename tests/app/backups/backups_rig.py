"""An installation that is filled, and a place for its backups."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from mailward.adapters.storage.backup.folder import FolderShelf
from mailward.app.backup_options import Backup
from mailward.app.backups.daily import attend
from mailward.app.context import Context
from mailward.app.installation import Installation
from mailward.app.settings import Server, Settings
from tests.app.moving_rig import Filled

NOW = datetime(2026, 5, 1, 3, tzinfo=UTC)
DAY = timedelta(days=1)


class House:
    """An installation that is filled, and a folder for its backups."""

    def __init__(self, folder: Path, made: Path) -> None:
        self.data, self.place, self.kept_key = folder / "data", folder / "place", folder / "master.key"
        self.place.mkdir()
        self.settings = Settings(server=Server(data=str(self.data)), backup=Backup(to=str(self.place), every_minutes=0))
        shutil.copytree(made, self.data)
        self.filled = Filled(self.settings)
        self.shelf = FolderShelf(self.place)
        self.i = Installation(self.settings, worker=0)
        self.kept_key.write_bytes((self.data / "keys" / "master.key").read_bytes())

    async def day(self, n: float) -> list[str]:
        """What upkeep does on that day."""
        return await attend(self.i, self.shelf, now=NOW + n * DAY)

    def at(self, n: float) -> Context:
        """The installation as a check sees it on that day."""
        clock = SimpleNamespace(now=lambda: NOW + n * DAY, monotonic=self.i.clock.monotonic)
        i = SimpleNamespace(vault=self.i.vault, entropy=self.i.entropy, clock=clock, settings=self.settings)
        found = SimpleNamespace(
            installation=i, settings=self.settings, store=self.i.store, clock=clock, entropy=self.i.entropy
        )
        return cast("Context", found)

    def fresh(self, name: str = "fresh") -> Settings:
        """Settings of a machine that has nothing yet."""
        return Settings(server=Server(data=str(self.data.parent / name)), backup=self.settings.backup)

    def names(self, folder: str) -> list[str]:
        """What lies in the place."""
        return sorted(p.name for p in (self.place / folder).iterdir())
