"""The `[backup]` section: where copies of the embedded store go, how often, and for how long.

    [backup]
    to = "/mnt/backup/mailward"        # a folder of another disk, or s3://bucket/prefix (gs://, az://)

What speaks to a bucket is as in `[objects]`. Keys best by MAILWARD_BACKUP__ACCESS_KEY_FILE and
MAILWARD_BACKUP__SECRET_KEY_FILE.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from mailward.adapters.storage.objects.place import KINDS, PlaceError, check_place
from mailward.adapters.storage.objects.place import Place as BucketPlace
from mailward.app.forms import Door, Each, Place, Secret, Text, Within

if TYPE_CHECKING:
    from mailward.core.backup.ports import Shelf


class BackupError(ValueError):
    """These settings cannot be used; the text says which key and what to do."""


class Backup(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Backups of the embedded store. Without `to` there are none."""

    to: Annotated[str, Text()] = ""
    """A folder that exists, or the URL of a bucket. Elsewhere than the data: another disk, better another machine."""
    keep_days: Annotated[int, Within(1, 3650)] = 90
    every_hours: Annotated[int, Within(0, 24)] = 24
    """0: only when somebody runs `mailward backup create`."""
    every_minutes: Annotated[int, Within(0, 60)] = 5
    """How often what changed goes there too, so that a chosen minute of the last week can be restored. 0: never."""
    test_days: Annotated[int, Within(0, 90)] = 7
    """How often the newest one is restored to try it. 0: only by `mailward backup test`."""
    endpoint: Annotated[str, Text()] = ""
    region: Annotated[str, Text(255)] = ""
    access_key: Annotated[str, Secret()] = ""
    secret_key: Annotated[str, Secret()] = ""
    session_token: Annotated[str, Secret()] = ""
    account: Annotated[str, Text(255)] = ""
    service_account: Annotated[str, Place()] = ""
    path_style: bool = True
    put_if_absent: bool = True
    ca: Annotated[str, Place()] = ""
    plaintext: Annotated[list[str], Each(Door())] = msgspec.field(default_factory=list)

    @property
    def keep(self) -> timedelta:
        """How long a backup is kept."""
        return timedelta(days=self.keep_days)

    @property
    def every(self) -> timedelta:
        """From one backup to the next; zero for none by itself."""
        return timedelta(hours=self.every_hours)

    @property
    def moment_every(self) -> timedelta:
        """From one moment to the next; zero for none."""
        return timedelta(minutes=self.every_minutes)

    @property
    def test_every(self) -> timedelta:
        """From one test of restoring to the next; zero for none by itself."""
        return timedelta(days=self.test_days)


def bucket_of(backup: Backup) -> BucketPlace | None:
    """The bucket, or None when it is a folder or nothing."""
    if backup.to.partition("://")[0] not in KINDS or "://" not in backup.to:
        return None
    b = backup
    return BucketPlace(
        url=b.to,
        endpoint=b.endpoint.rstrip("/"),
        region=b.region,
        access_key=b.access_key,
        secret_key=b.secret_key,
        session_token=b.session_token,
        account=b.account,
        service_account=b.service_account,
        path_style=b.path_style,
        put_if_absent=b.put_if_absent,
        ca_file=b.ca,
        plaintext=tuple(b.plaintext),
        section="backup",
    )


def check_backup(backup: Backup, *, data: Path, embedded: bool) -> None:
    """BackupError, naming the key, when these settings may not be used."""
    if not backup.to:
        return
    if not embedded:
        raise BackupError(
            "backup.to: PostgreSQL is backed up by its own tools (pgBackRest, WAL archiving, your provider); "
            "docs/backups.md says what has to be in it"
        )
    if (place := bucket_of(backup)) is not None:
        try:
            check_place(place)
        except PlaceError as e:
            raise BackupError(str(e)) from e
        return
    if "://" in backup.to:
        raise BackupError(f"backup.to: {backup.to!r} begins with none of s3://, gs://, az://")
    folder = Path(backup.to)
    if not folder.is_absolute():
        raise BackupError("backup.to: write the folder from / on")
    if folder.resolve().is_relative_to(data.resolve()):
        raise BackupError("backup.to: a copy inside the data folder goes with it; choose another disk or machine")


def shelf_of(backup: Backup) -> Shelf | None:
    """The place where backups lie; None when none is set. Call it after forking."""
    if not backup.to:
        return None
    if (place := bucket_of(backup)) is None:
        from mailward.adapters.storage.backup.folder import FolderShelf

        return FolderShelf(Path(backup.to))
    from mailward.adapters.storage.backup.bucket import BucketShelf
    from mailward.adapters.storage.objects.bucket import open_client

    return BucketShelf(open_client(check_place(place)), where=backup.to)
