"""Real messages from a folder, with the demo domain put in From and everything else kept as it is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_SUFFIXES = (".eml", ".txt", ".msg")
_WHERE = "import test.test_email as t, os; print(os.path.join(os.path.dirname(t.__file__), 'data'))"


@dataclass(frozen=True)
class Sample:
    """One file, ready to be submitted. Line ends are CRLF."""

    name: str
    content: bytes


def default_folder() -> Path | None:
    """The messages that Python tests its own parser with: this interpreter's, or those of another one on the path.

    Debian keeps them in a package of its own (libpython3.11-testsuite). None when nobody has them.
    """
    for python in (sys.executable, "python3.11", "python3"):
        if (found := shutil.which(python)) is None:
            continue
        asked = subprocess.run([found, "-c", _WHERE], capture_output=True, text=True, check=False)  # noqa: S603  # ours
        folder = Path(asked.stdout.strip() or "/nowhere")
        if asked.returncode == 0 and folder.is_dir():
            return folder
    return None


def read(folder: Path, sender: str) -> list[Sample]:
    """Every message file of a folder, by name."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.suffix in _SUFFIXES)
    return [Sample(p.name, with_sender(crlf(p.read_bytes()), sender)) for p in files]


def crlf(content: bytes) -> bytes:
    """Files on a disk end lines in their own way; on the wire it is CRLF (RFC 5321 section 2.3.8)."""
    return re.sub(rb"\r\n|\r|\n", b"\r\n", content)


def with_sender(content: bytes, sender: str) -> bytes:
    """The message with its From field's value replaced, or one put in front when it has none."""
    head, blank, body = content.partition(b"\r\n\r\n")
    field = f"From: {sender}".encode()
    # A field goes on over the lines that begin with a blank (RFC 5322 section 2.2.3).
    changed, count = re.subn(rb"(?im)^From:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*", lambda _: field, head, count=1)
    return (changed if count else field + b"\r\n" + head) + blank + body
