"""The [objects] section."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailward.app.objects import opener, place_of
from mailward.app.settings import SettingsError, load
from tests.conftest import MovingClock, SeededEntropy

STORAGE = """
[storage]
kind = "postgres"
url = "postgresql://mailward_app@db.example/mailward?sslmode=verify-full"
"""
SECTION = (
    STORAGE
    + """
[objects]
url = "s3://mail/prefix"
endpoint = "https://minio.example:9000/"
region = "eu-central-1"
"""
)


def settings_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mailward.toml"
    path.write_text(text)
    return str(path)


def test_keys_come_from_files(tmp_path: Path) -> None:
    """Secrets are read from the files that the environment names, as they are."""
    (tmp_path / "key").write_text("AKIA123\n")
    (tmp_path / "secret").write_text("0123456789\n")
    environ = {
        "MAILWARD_OBJECTS__ACCESS_KEY_FILE": str(tmp_path / "key"),
        "MAILWARD_OBJECTS__SECRET_KEY_FILE": str(tmp_path / "secret"),
    }
    place = place_of(load(settings_file(tmp_path, SECTION), environ).objects)
    assert place is not None
    assert (place.access_key, place.secret_key) == ("AKIA123", "0123456789")
    assert (place.bucket, place.prefix, place.address()) == ("mail", "prefix", "https://minio.example:9000")


@pytest.mark.claim("TRANSIT-6")
@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('endpoint = "http://minio.example:9000"', "verified TLS"),
        ('endpoint = "http://127.0.0.1:9000"', "plaintext"),
        ('url = "file:///tmp"', "s3://"),
        ("uploads = 0", "uploads"),
        ("deadline_seconds = 3600", "deadline_seconds"),
        ("uploadz = 3", "uploadz"),
    ],
)
def test_the_start_refuses(tmp_path: Path, line: str, says: str) -> None:
    """Settings that would send content over a way that is not verified, or make no sense, end the start."""
    key = line.split(" ")[0]
    kept = [o for o in SECTION.removeprefix(STORAGE).splitlines() if not o.startswith(f"{key} ")]
    text = STORAGE + "\n".join([*kept, line])
    with pytest.raises(SettingsError, match=says):
        load(settings_file(tmp_path, text), {})
    load(settings_file(tmp_path, SECTION), {})


def test_a_listed_loopback_endpoint_is_used(tmp_path: Path) -> None:
    """On this machine a store may be spoken to without TLS, once it is listed."""
    text = (
        STORAGE + '[objects]\nurl = "s3://mail"\nendpoint = "http://127.0.0.1:9000"\nplaintext = ["127.0.0.1:9000"]\n'
    )
    place = place_of(load(settings_file(tmp_path, text), {}).objects)
    assert place is not None
    assert place.unencrypted


def test_the_embedded_store_takes_no_bucket(tmp_path: Path) -> None:
    """A bucket beside the embedded store would hold nothing: that is said, and not ignored."""
    with pytest.raises(SettingsError, match=r"storage\.kind"):
        load(settings_file(tmp_path, SECTION.removeprefix(STORAGE)), {})


def test_without_a_url_there_is_no_object_store(tmp_path: Path, clock: MovingClock, entropy: SeededEntropy) -> None:
    """The embedded store needs no bucket; who asks for one is told which key to set."""
    objects = load(settings_file(tmp_path, ""), {}).objects
    assert place_of(objects) is None
    with pytest.raises(ValueError, match=r"objects\.url"):
        opener(objects, clock=clock, entropy=entropy)
