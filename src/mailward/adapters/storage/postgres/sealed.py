"""Ciphertext in columns: what the database server, its log, its backups and its WAL may see of a person is nothing.

A sealed value is `nonce 12 | AES-256-GCM ciphertext and tag`. The key is derived from the
vault for the workspace and the table, and in tables that grow by the message for the day
as well: random nonces are safe for 2^32 values under one key (NIST SP 800-38D section
8.3), and a busy workspace writes that many in days. Table, column, workspace and the key
of the row are authenticated with it, so a value that is moved to another row, column or
workspace does not open.

Where a value has to be found again its row carries a token beside it: HMAC-SHA256 under
a key of its own. Equal values have equal tokens within one workspace and purpose, and
say nothing else.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.base.errors import Corrupt
from mailward.base.sources import Entropy

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

INSTALLATION = b"\x00" * 16
"""Stands for the installation where a workspace's raw id would stand."""

_NONCE = 12
_NONCES_AT_ONCE = 128
_KEYS_KEPT = 4096
_DAY_MS = 86_400_000
_TOKEN = 16

_encode = msgspec.msgpack.Encoder().encode


def day_of(id: bytes) -> int:
    """The UTC day, counted from 1970-01-01, in which an id was made: its first 48 bits are milliseconds."""
    return int.from_bytes(id[:6], "big") // _DAY_MS


def first_of(day: int) -> bytes:
    """The smallest id of a UTC day."""
    return (day * _DAY_MS).to_bytes(6, "big") + bytes(10)


class FieldCipher:
    """Seals and opens values of columns and makes their tokens; one for a process, shared by its connections."""

    def __init__(self, derive: Callable[[str, bytes], bytes], entropy: Entropy) -> None:
        """`derive(purpose, context)` gives 32 bytes that only this installation can derive (the vault's)."""
        self._derive = derive
        self._entropy = entropy
        self._nonces = b""
        self._nonce_at = 0
        self._aeads: dict[tuple[str, bytes, int], AESGCM] = {}
        self._token_keys: dict[tuple[str, bytes], bytes] = {}

    def column(self, table: str, column: str, *, daily: bool = False) -> SealedColumn:
        """What seals one column. `daily` columns belong to rows whose key begins with an id that carries its time."""
        return SealedColumn(self, table, column, daily=daily)

    def token(self, purpose: str, workspace: bytes, value: bytes) -> bytes:
        """16 bytes under which a value is found; `workspace` is INSTALLATION for what is unique in all of it."""
        key = self._token_keys.get((purpose, workspace))
        if key is None:
            key = _keep(self._token_keys, (purpose, workspace), self._derive("field-token/" + purpose, workspace))
        return hmac.digest(key, value, "sha256")[:_TOKEN]

    def nonce(self) -> bytes:
        """12 random bytes, drawn many at a time."""
        at = self._nonce_at
        if at >= len(self._nonces):
            self._nonces, at = self._entropy.bytes(_NONCE * _NONCES_AT_ONCE), 0
        self._nonce_at = at + _NONCE
        return self._nonces[at : at + _NONCE]

    def aead(self, table: str, workspace: bytes, day: int) -> AESGCM:
        """The cipher of a workspace's rows in a table; `day` is -1 where the key is not the day's."""
        known = self._aeads.get((table, workspace, day))
        if known is None:
            key = self._derive("field/" + table, workspace)
            if day >= 0:
                key = hmac.digest(key, b"day" + day.to_bytes(4, "big"), "sha256")
            known = _keep(self._aeads, (table, workspace, day), AESGCM(key))
        return known


class SealedColumn:
    """One column's values. `row` is the rest of the row's primary key, in octets."""

    __slots__ = ("_cipher", "_daily", "_place", "_table")

    def __init__(self, cipher: FieldCipher, table: str, column: str, *, daily: bool) -> None:
        self._cipher = cipher
        self._table = table
        self._daily = daily
        self._place = f"mailward field\0{table}\0{column}\0".encode()

    def seal(self, workspace: bytes, row: bytes, plain: bytes) -> bytes:
        """The value as it is stored: 28 octets longer."""
        nonce = self._cipher.nonce()
        return nonce + self._aead(workspace, row).encrypt(nonce, plain, self._place + workspace + row)

    def open(self, workspace: bytes, row: bytes, sealed: bytes) -> bytes:
        """The value again. Raises Corrupt when it was not sealed for this place."""
        try:
            aead = self._aead(workspace, row)
            return aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], self._place + workspace + row)
        except (InvalidTag, ValueError) as e:
            raise Corrupt("field_corrupt", "A stored value failed its check.", detail=self._table) from e

    def seal_text(self, workspace: bytes, row: bytes, text: str | None) -> bytes | None:
        """`seal` for text; None stays null."""
        return None if text is None else self.seal(workspace, row, text.encode("utf-8", "surrogatepass"))

    def open_text(self, workspace: bytes, row: bytes, sealed: bytes | None) -> str | None:
        """The text again, or None for null."""
        return None if sealed is None else self.open(workspace, row, sealed).decode("utf-8", "surrogatepass")

    def pack(self, workspace: bytes, row: bytes, *values: Any) -> bytes:
        """Seal several values of a row as one: fewer octets and one operation."""
        return self.seal(workspace, row, _encode(values))

    def unpack(self, workspace: bytes, row: bytes, sealed: bytes) -> tuple[Any, ...]:
        """Those values again."""
        values: tuple[Any, ...] = msgspec.msgpack.decode(self.open(workspace, row, sealed), type=tuple)
        return values

    def _aead(self, workspace: bytes, row: bytes) -> AESGCM:
        return self._cipher.aead(self._table, workspace, day_of(row) if self._daily else -1)


def _keep(cache: dict[K, V], key: K, value: V) -> V:
    """Remember a derived key; the oldest goes when there are many (it is derived again in microseconds)."""
    if len(cache) >= _KEYS_KEPT:
        cache.pop(next(iter(cache)))
    cache[key] = value
    return value
