"""Preparing in a child process: what it made and what went wrong come back."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailward.app.first import First
from mailward.app.settings import load
from mailward.app.welcome import FIRST_CREDENTIALS, is_kept, prepare_apart, welcome


def test_what_is_prepared_apart_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first start brings a setup link and credentials back; the second one no credentials."""
    settings = load(None, {"MAILWARD_SERVER__DATA": str(tmp_path / "data"), "HOME": str(tmp_path)})
    first = prepare_apart(settings, lambda slot: True)
    assert isinstance(first, First)
    assert first.link
    assert first.key
    assert first.smtp
    welcome(settings, first, kept=False)
    assert first.key in capsys.readouterr().out
    assert prepare_apart(settings, lambda slot: True).key is None


def test_what_is_printed_can_be_reached(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a container everything listens on every address: what is printed names one, and takes our own certificate."""
    where = {"MAILWARD_HTTP__LISTEN": "0.0.0.0:8080", "MAILWARD_SUBMISSION__STARTTLS": "0.0.0.0:1587"}
    settings = load(None, {"MAILWARD_SERVER__DATA": str(tmp_path), **where})
    welcome(settings, First("mwl_x", "mwk_x", ("smtp_x", "mws_x")), kept=False)
    told = capsys.readouterr().out
    assert "https://localhost:8080/setup/mwl_x" in told
    assert "curl -sS --insecure https://localhost:8080/v1/messages" in told
    assert "host localhost  port 1587" in told
    assert "0.0.0.0" not in told


def test_an_error_of_the_child_is_the_callers(tmp_path: Path) -> None:
    """A data folder that cannot be made is the same error as without a child."""
    (tmp_path / "file").write_text("")
    settings = load(None, {"MAILWARD_SERVER__DATA": str(tmp_path / "file" / "data"), "HOME": str(tmp_path)})
    with pytest.raises(OSError, match="Not a directory"):
        prepare_apart(settings, lambda slot: True)


@pytest.mark.parametrize(
    ("environ", "kept"),
    [({}, False), ({"HOME": "/root"}, False), ({"JOURNAL_STREAM": "8:1234"}, True), ({"OUTPUT_IS_KEPT": "1"}, True)],
)
def test_only_a_log_keeps_what_is_printed(environ: dict[str, str], kept: bool) -> None:
    """A pipe or a file is somebody's who reads it: a script that starts the platform and goes on with its key."""
    assert is_kept(environ) is kept


def test_a_journal_gets_no_credentials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a log keeps is read by others: key and password go to a file for the owner, the link is shown."""
    settings = load(None, {"MAILWARD_SERVER__DATA": str(tmp_path)})
    (tmp_path / FIRST_CREDENTIALS).symlink_to(tmp_path / "elsewhere")
    welcome(settings, First("mwl_x", "mwk_x", ("smtp_x", "mws_x")), kept=True)
    told, file = capsys.readouterr().out, tmp_path / FIRST_CREDENTIALS
    assert "/setup/mwl_x" in told
    assert str(file) in told
    assert "mwk_x" not in told and "mws_x" not in told
    assert file.stat().st_mode & 0o777 == 0o600 and not file.is_symlink()
    assert "Bearer mwk_x" in file.read_text() and "password mws_x" in file.read_text()
    assert not (tmp_path / "elsewhere").exists()
    file.unlink()
    welcome(settings, First("mwl_x"), kept=True)
    assert not file.exists() and "credentials" not in capsys.readouterr().out
