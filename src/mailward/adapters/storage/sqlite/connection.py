"""Opening the encrypted file, and proving that it is encrypted and durable before it is used."""

from __future__ import annotations

from pathlib import Path

import apsw

from mailward.adapters.storage.sqlite.same_file import SameFile
from mailward.base.errors import Unavailable

PAGE_SIZE = 2048

DAMAGED = "A page of the database failed its check, and nothing of it is served. A backup has to be restored."


def connect(path: Path, key: bytes, *, cache_kib: int = 16384) -> apsw.Connection:
    """A connection with AES-256 and a MAC per page, WAL, and a sync at every commit.

    `key` is 32 raw bytes. Each pragma is sent alone and the ones that matter are read
    back: apsw stops a multi-statement string at `journal_mode` without a word.
    Raises Unavailable when the key does not open the file.
    """
    db = apsw.Connection(str(path))
    db.pragma("cipher", "sqlcipher")
    # A commit encrypts every page it touched, most of them for one small row: smaller pages are a third cheaper.
    db.pragma("legacy_page_size", PAGE_SIZE)
    db.pragma("key", f"x'{key.hex()}'")
    db.pragma("page_size", PAGE_SIZE)
    try:
        mode = db.pragma("journal_mode", "wal")
    except apsw.NotADBError as e:
        raise Unavailable(
            "wrong_key", "The store cannot be opened.", detail=f"{path}: not readable with this key"
        ) from e
    except apsw.CorruptError as e:
        raise Unavailable("storage_unavailable", DAMAGED, detail=f"{path}: {e}") from e
    db.pragma("synchronous", 2)
    db.pragma("wal_autocheckpoint", 0)
    db.pragma("temp_store", 2)
    # A destroyed data key or an erased fact must leave nothing on a free page.
    db.pragma("secure_delete", 1)
    db.pragma("cache_size", -cache_kib)
    db.set_busy_timeout(30_000)
    # True makes a commit fail: the caller is told to try again, instead of being told that it is stored.
    db.set_commit_hook(SameFile(path).replaced)
    if mode != "wal" or db.pragma("synchronous") != 2 or db.pragma("cipher") != "sqlcipher":
        raise Unavailable(
            "store_unsafe", "The store cannot be opened.", detail=f"{path}: wal/synchronous/cipher not in force"
        )
    return db


def assert_encrypted(path: Path) -> None:
    """Raise Unavailable when the file can be read without its key."""
    with path.open("rb") as f:
        head = f.read(16)
    if head == b"SQLite format 3\x00":
        raise Unavailable("store_plain", "The store is not encrypted.", detail=f"{path} opens without the key")
    probe = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        probe.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except (apsw.NotADBError, apsw.CantOpenError):
        return
    finally:
        probe.close()
    raise Unavailable("store_plain", "The store is not encrypted.", detail=f"{path} opens without the key")
