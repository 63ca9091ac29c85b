"""What the tests of backups share: a folder that is filled once, and a copy of it for each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailward.app.settings import Server, Settings
from tests.app.backups.backups_rig import House
from tests.app.moving_rig import fill


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that is filled once; alerts in it would not be readable."""
    data = tmp_path_factory.mktemp("made") / "data"
    filled = fill(Settings(server=Server(data=str(data))), rows=2)
    db = filled.open()
    with db:
        db.execute("DELETE FROM t_alerts")
    db.close()
    return data


@pytest.fixture
async def house(tmp_path: Path, made: Path) -> AsyncIterator[House]:
    house = House(tmp_path, made)
    await house.i.open()
    yield house
    await house.i.close()
