"""Real messages from a folder, with the demo domain put in From and everything else kept as it is."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

_SUFFIXES = (".eml", ".txt", ".msg")


@dataclass(frozen=True)
class Sample:
    """One file, ready to be submitted. Line ends are CRLF."""

    name: str
    content: bytes


def default_folder() -> Path | None:
    """The messages that Python tests its own parser with; None where the distribution left them out."""
    try:
        found = importlib.util.find_spec("test.test_email")
    except ModuleNotFoundError:
        return None
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "data"
    return folder if folder.is_dir() else None


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
