"""Messages and archives that the tests of scanners are about, and the real scanners."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_ROOT = str(Path(__file__).resolve().parents[3])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from tests.scenarios.scanners import Clamd, Rspamd  # noqa: E402 - found by the path above


def zipped(files: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "zip": lambda data: zipped({"a/b.bin": data}),
    "stored zip": lambda data: zipped({"b.bin": data}, zipfile.ZIP_STORED),
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "tar": lambda data: tarred({"x/y": data}),
    "tar.gz": lambda data: gzip.compress(tarred({"x/y": data})),
    "zip in zip": lambda data: zipped({"inner.zip": zipped({"c.bin": data})}),
}


def attached(data: bytes, kind: str = "application/octet-stream", name: str = "file.bin") -> bytes:
    """A message with a text and one file."""
    encoded = base64.encodebytes(data).replace(b"\n", b"\r\n")
    return (
        b"From: a@example.org\r\nTo: b@example.net\r\nSubject: a file\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n"
        b"--b1\r\nContent-Type: " + kind.encode() + b'; name="' + name.encode() + b'"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n" + encoded + b"--b1--\r\n"
    )


def forwarded(message: bytes) -> bytes:
    """A message with another one in it."""
    return (
        b"From: c@example.org\r\nSubject: Fwd\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b2\r\n\r\n"
        b"--b2\r\nContent-Type: message/rfc822\r\n\r\n" + message + b"\r\n--b2--\r\n"
    )


@pytest.fixture(scope="session")
def clamd() -> Iterator[Clamd]:
    """A clamd that knows EICAR."""
    with Clamd() as running:
        yield running


@pytest.fixture(scope="session")
def rspamd() -> Iterator[Rspamd]:
    """An rspamd that asks no network."""
    with Rspamd() as running:
        yield running
