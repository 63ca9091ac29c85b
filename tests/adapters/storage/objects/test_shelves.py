"""The places where backups lie: a folder and a bucket behave alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailward.adapters.storage.backup.folder import FolderShelf
from mailward.app.backup_options import Backup, BackupError, check_backup, shelf_of
from mailward.app.settings import SettingsError, load
from mailward.base import ids
from mailward.base.errors import NotFound, Unavailable
from mailward.core.backup.model import Item
from mailward.core.backup.ports import Shelf

ID = ids.encode("bak", bytes(16))


@pytest.fixture(params=["folder", "bucket"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    if request.param == "folder":
        (tmp_path / "place").mkdir()
        options = Backup(to=str(tmp_path / "place"))
    else:
        name, port = request.getfixturevalue("bucket_name"), request.getfixturevalue("s3")
        options = Backup(
            to=f"s3://{name}/deep/prefix",
            endpoint=f"http://127.0.0.1:{port}",
            access_key="a",
            secret_key="b",
            plaintext=[f"127.0.0.1:{port}"],
        )
    check_backup(options, data=tmp_path / "data", embedded=True)
    made = shelf_of(options)
    assert made is not None
    return made


@pytest.mark.claim("AVAIL-5")
async def test_what_is_put_is_there_under_its_name(shelf: Shelf, tmp_path: Path) -> None:
    """Files and few octets come back, are listed with their sizes, and go; what is not there is told apart."""
    assert await shelf.items("parts/") == []
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(b"x" * 9_000_000)
    await shelf.put(f"parts/{ID}-database.mwb", source)
    await shelf.write(f"backups/{ID}.json", b"{}")
    await shelf.get(f"parts/{ID}-database.mwb", back)
    assert back.read_bytes() == source.read_bytes()
    assert await shelf.read(f"backups/{ID}.json") == b"{}"
    assert await shelf.items("parts/") == [Item(f"parts/{ID}-database.mwb", 9_000_000)]
    assert await shelf.items("backups/") == [Item(f"backups/{ID}.json", 2)]
    await shelf.remove([f"parts/{ID}-database.mwb", f"parts/{ID}-none.mwb"])
    assert await shelf.items("parts/") == []
    with pytest.raises(NotFound):
        await shelf.get(f"parts/{ID}-database.mwb", back)
    with pytest.raises(NotFound):
        await shelf.read("backups/none.json")


async def test_a_place_that_is_away_is_unavailable(tmp_path: Path) -> None:
    """A disk that is not mounted is no empty place, and no folder is made in its stead."""
    shelf = FolderShelf(tmp_path / "away")
    for act in (shelf.items("parts/"), shelf.write("backups/x", b""), shelf.read("backups/x")):
        with pytest.raises(Unavailable):
            await act
    assert not (tmp_path / "away").exists()


async def test_a_name_is_given_once(tmp_path: Path) -> None:
    """What lies under a name is never replaced."""
    shelf = FolderShelf(tmp_path)
    await shelf.write("backups/x", b"one")
    with pytest.raises(Unavailable):
        await shelf.write("backups/x", b"two")
    assert await shelf.read("backups/x") == b"one"


@pytest.mark.parametrize(
    ("options", "embedded"),
    [
        ({"to": "relative/place"}, True),
        ({"to": "/data/inside"}, True),
        ({"to": "ftp://host/place"}, True),
        ({"to": "s3://bucket?key=1"}, True),
        ({"to": "/elsewhere"}, False),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(options: dict[str, object], embedded: bool) -> None:
    """A place inside the data, one that is no place, and a folder for PostgreSQL."""
    with pytest.raises(BackupError, match=r"^backup\."):
        check_backup(Backup(**options), data=Path("/data"), embedded=embedded)  # type: ignore[arg-type]
    check_backup(Backup(to="/elsewhere"), data=Path("/data"), embedded=True)


@pytest.mark.parametrize("line", ["keep_days = 0", "every_hours = 25", "every_minutes = 61", "test_days = 91"])
def test_terms_that_cannot_be_meant_are_refused(tmp_path: Path, line: str) -> None:
    """A term of nothing, and intervals beyond what is promised."""
    file = tmp_path / "mailward.toml"
    file.write_text(f"[backup]\n{line}\n")
    with pytest.raises(SettingsError, match=f"^backup.{line.partition(' ')[0]}: at least"):
        load(str(file), {})
