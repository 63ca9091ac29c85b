"""`mailward doctor` on the place of backups."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from mailward.app.backup_options import Backup
from mailward.app.commands.backup_place import examine_backup
from mailward.app.commands.finding import Finding


def looked(backup: Backup, data: Path) -> dict[str, Finding]:
    """The findings by what they are about."""
    return {f.what: f for f in examine_backup(backup, data)}


def at(port: int, bucket: str) -> Backup:
    listed = [f"127.0.0.1:{port}"]
    return Backup(
        to=f"s3://{bucket}/b", endpoint=f"http://{listed[0]}", access_key="k", secret_key="secret", plaintext=listed
    )


def test_a_bucket_that_keeps_no_versions_is_told(s3: int, bucket_name: str, tmp_path: Path) -> None:
    """Each thing a backup needs is tried; that its key can destroy them all is said until versions are on."""
    found = looked(at(s3, bucket_name), tmp_path)
    warnings = {what for what, f in found.items() if f.state == "warning"}
    assert warnings == {"backups, TLS", "backups, versions"}
    assert not [f for f in found.values() if f.state == "wrong"]
    assert {"backups, put", "backups, get", "backups, list", "backups, delete"} <= set(found)
    assert "secret" not in str(found)
    on = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    url, said = f"http://127.0.0.1:{s3}/{bucket_name}?versioning", {"Content-Type": "application/xml"}
    urllib.request.urlopen(urllib.request.Request(url, on, said, method="PUT"), timeout=10).close()
    assert looked(at(s3, bucket_name), tmp_path)["backups, versions"].state == "ok"


def test_a_bucket_that_cannot_be_used_is_wrong(s3: int, bucket_name: str, tmp_path: Path) -> None:
    """One that is not there, and one that would be spoken to in the clear, with the section to mend."""
    gone = looked(at(s3, bucket_name + "x"), tmp_path)["backups, put"]
    assert (gone.state, "backup.to" in gone.advice) == ("wrong", True)
    plain = at(s3, bucket_name)
    plain.endpoint = "http://192.0.2.1:9000"
    assert looked(plain, tmp_path)["backups"].state == "wrong"


def test_a_folder(tmp_path: Path) -> None:
    """One that takes a file is fine, one on the data's own disk is told, one that is away is wrong; unset, nothing."""
    place, data = tmp_path / "place", tmp_path / "data"
    data.mkdir()
    assert looked(Backup(to=str(place)), data)["backups"].state == "wrong"
    place.mkdir()
    found = looked(Backup(to=str(place)), data)
    assert (found["backups"].state, found["backups, disk"].state) == ("ok", "warning")
    assert list(place.iterdir()) == []
    assert looked(Backup(), data) == {}
