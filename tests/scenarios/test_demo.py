"""`make demo`, as a person runs it; and how it prepares a message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from demo.messages import crlf, with_sender
from tests.scenarios.peers import REPOSITORY


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"From: a@b\nTo: c@d\n\nx\n", b"From: me@us\r\nTo: c@d\r\n\r\nx\r\n"),
        (b"To: c@d\nFROM: a@b,\n c@d\nX: y\n\nFrom: z\n", b"To: c@d\r\nFrom: me@us\r\nX: y\r\n\r\nFrom: z\r\n"),
        (b"To: c@d\n\nx", b"From: me@us\r\nTo: c@d\r\n\r\nx"),
    ],
)
def test_only_from_changes(content: bytes, expected: bytes) -> None:
    """The From field gets the demo sender, folded or not; the body and every other field stay."""
    assert with_sender(crlf(content), "me@us") == expected


@pytest.mark.timeout(240)
def test_the_demo_shows_every_message(tmp_path: Path) -> None:
    """Of three files two are delivered through both doors; the third is refused with its reason; exit code 0."""
    (tmp_path / "plain.eml").write_bytes(b"From: a@b.test\nTo: c@d.test\nSubject: one\n\nhello\n")
    (tmp_path / "umlaut.eml").write_bytes(
        "From: a@b.test\nTo: c@d.test\nSubject: two\nMIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGrüße\n".encode()
    )
    (tmp_path / "two-from.eml").write_bytes(b"From: a@b.test\nFrom: other@b.test\nTo: c@d.test\n\nx\n")
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--folder", str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count("  delivered ") == 4
    assert "two-from.eml" in done.stdout
    assert "6 submissions: 4 delivered, 2 refused" in done.stdout
    assert "mailward message explain" in done.stdout
