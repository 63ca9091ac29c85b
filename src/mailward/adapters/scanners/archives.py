"""Looking into archives under a budget. Runs in the limited process only.

Formats are told by their first octets, never by a name or a label: zip (so also the office formats), gzip, bzip2, xz,
tar. What cannot be opened is no error, it is a note; what would grow past the budget is cut there and noted.
"""

from __future__ import annotations

import bz2
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

MAX_BYTES = 100 * 1024 * 1024
MAX_MEMBERS = 1000
MAX_DEPTH = 5
# Honest archives rarely pass 1:100 as a whole; the classic bombs begin at 1:1000.
MAX_RATIO = 200
_RATIO_FLOOR = 10 * 1024 * 1024  # a small file of zeros inside a small archive harms nobody
_PIECE = 262_144
_LZMA_MEMORY = 64 * 1024 * 1024


@dataclass(slots=True)
class Budget:
    """What may still be unpacked of one message. `notes` name what was not looked into, and why."""

    octets: int = MAX_BYTES
    members: int = MAX_MEMBERS
    notes: list[str] = field(default_factory=list)

    def note(self, name: str) -> None:
        """Remember a reason once."""
        if name not in self.notes:
            self.notes.append(name)


def unpack(name: str, data: bytes, budget: Budget, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """Every file inside `data`, with its path, archives inside archives included; nothing when it is no archive."""
    opener = _opener(data)
    if opener is None:
        return
    if depth >= MAX_DEPTH:
        budget.note("archive_nested_too_deep")
        return
    packed = max(len(data), 1)
    unpacked = 0
    try:
        for inner, content in opener(data, budget):
            unpacked += len(content)
            if unpacked > _RATIO_FLOOR and unpacked > MAX_RATIO * packed:
                budget.note("archive_bomb")
                return
            path = f"{name}/{inner}" if inner else name
            yield path, content
            yield from unpack(path, content, budget, depth + 1)
    except (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, OSError, EOFError, ValueError,
            NotImplementedError, UnicodeError, OverflowError, IndexError, KeyError):  # fmt: skip
        budget.note("archive_unreadable")


Opener = Callable[[bytes, Budget], Iterator[tuple[str, bytes]]]


def _opener(data: bytes) -> Opener | None:
    head = data[:6]
    if head[:4] == b"PK\x03\x04" or (head[:2] == b"MZ" and b"PK\x05\x06" in data[-65_557:]):
        return _zip
    if head[:3] == b"\x1f\x8b\x08":
        return lambda d, b: _stream(d, b, lambda: zlib.decompressobj(31))
    if head[:3] == b"BZh":
        return lambda d, b: _stream(d, b, bz2.BZ2Decompressor)
    if head == b"\xfd7zXZ\x00":
        return lambda d, b: _stream(d, b, lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY))
    if data[257:262] == b"ustar":
        return _tar
    if head in (b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c"):
        return _closed
    return None


def _closed(data: bytes, budget: Budget) -> Iterator[tuple[str, bytes]]:
    budget.note("archive_format_not_opened")
    return iter(())


def _zip(data: bytes, budget: Budget) -> Iterator[tuple[str, bytes]]:
    end = data.rfind(b"PK\x05\x06")
    # The directory is counted before it is read: reading a million entries is the bomb.
    if end >= 0 and int.from_bytes(data[end + 10 : end + 12], "little") > MAX_MEMBERS:
        budget.note("archive_too_many_files")
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            if info.flag_bits & 1:
                budget.note("archive_encrypted")
                continue
            try:
                with archive.open(info) as member:
                    content = _take(member.read, budget)
            except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError, OSError):
                budget.note("archive_unreadable")  # one member that lies hides none of the others
                continue
            if content is None:
                return
            yield info.filename, content


def _tar(data: bytes, budget: Budget) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            if not member.isreg():
                continue
            source = archive.extractfile(member)
            if source is None:
                continue
            content = _take(source.read, budget)
            if content is None:
                return
            yield member.name, content


def _stream(data: bytes, budget: Budget, make: Callable[[], object]) -> Iterator[tuple[str, bytes]]:
    """One compressed file, unpacked piece by piece so that its size is known before it is in memory."""
    decoder = make()
    decompress: Callable[..., bytes] = getattr(decoder, "decompress")  # noqa: B009 - three types, one method
    pending = data

    def read(size: int) -> bytes:
        nonlocal pending
        if getattr(decoder, "eof", False):
            return b""
        out = decompress(pending, size)
        tail = getattr(decoder, "unconsumed_tail", None)  # zlib hands the rest back, the others keep it
        pending = tail if tail is not None else b""
        if not out and not getattr(decoder, "eof", False) and not pending:
            budget.note("archive_unreadable")
        return out

    content = _take(read, budget)
    if content is not None:
        yield "", content


def _take(read: Callable[[int], bytes], budget: Budget) -> bytes | None:
    """All that `read` gives, within the budget; None when there is no room for it."""
    if budget.members <= 0:
        budget.note("archive_too_many_files")
        return None
    budget.members -= 1
    out: list[bytes] = []
    while piece := read(_PIECE):
        budget.octets -= len(piece)
        if budget.octets < 0:
            budget.note("archive_too_large")
            return None
        out.append(piece)
    return b"".join(out)
