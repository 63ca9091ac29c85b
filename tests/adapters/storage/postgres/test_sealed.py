"""Values in columns: they open in their place only, and their tokens say nothing but that they are equal."""

from __future__ import annotations

import pytest

from mailward.adapters.storage.postgres.sealed import INSTALLATION, FieldCipher, day_of
from mailward.base.errors import Corrupt
from tests.adapters.storage.postgres.transactions import DAY, OTHER, WS, cipher, derive, id_of
from tests.conftest import SeededEntropy

ROW = id_of(1)


@pytest.mark.claim("REST-1")
def test_a_value_opens_in_its_place() -> None:
    """What was sealed for a row is read there again, and its octets are not in what is stored."""
    column = cipher().column("messages", "facts", daily=True)
    sealed = column.seal(WS, ROW, b"ann@example.com")
    assert column.open(WS, ROW, sealed) == b"ann@example.com"
    assert b"ann" not in sealed
    assert len(sealed) == len(b"ann@example.com") + 28


@pytest.mark.parametrize(
    ("table", "name", "workspace", "row"),
    [
        ("attempts", "facts", WS, ROW),
        ("messages", "recipient", WS, ROW),
        ("messages", "facts", OTHER, ROW),
        ("messages", "facts", WS, id_of(2)),
        ("messages", "facts", WS, id_of(1, DAY + 1)),
    ],
    ids=["table", "column", "workspace", "row", "day"],
)
def test_a_value_moved_elsewhere_does_not_open(table: str, name: str, workspace: bytes, row: bytes) -> None:
    """Table, column, workspace and row are part of what is authenticated: a row put together from others is Corrupt."""
    keys = cipher()
    sealed = keys.column("messages", "facts", daily=True).seal(WS, ROW, b"x")
    with pytest.raises(Corrupt):
        keys.column(table, name, daily=True).open(workspace, row, sealed)


@pytest.mark.asvs("11.3.3")
@pytest.mark.parametrize("cut", [0, 5, 12, 27])
def test_a_damaged_value_does_not_open(cut: int) -> None:
    """A value that is short or changed anywhere is Corrupt, not garbage."""
    column = cipher().column("messages", "facts")
    sealed = column.seal(WS, ROW, b"value")
    with pytest.raises(Corrupt):
        column.open(WS, ROW, sealed[:cut])
    changed = bytearray(sealed)
    changed[cut] ^= 1
    with pytest.raises(Corrupt):
        column.open(WS, ROW, bytes(changed))


def test_nonces_do_not_repeat() -> None:
    """Equal values are different each time they are sealed, however many are sealed in a row."""
    column = cipher().column("messages", "facts")
    assert len({column.seal(WS, ROW, b"same")[:12] for _ in range(1000)}) == 1000


def test_several_values_are_one() -> None:
    """Values packed together come back with their types, text that is no UTF-8 and nothing at all included."""
    column = cipher().column("sessions", "place")
    values = ("Firefox", "", None, b"\xff\x00", 7)
    assert column.unpack(WS, ROW, column.pack(WS, ROW, *values)) == values
    assert column.seal_text(WS, ROW, None) is None
    assert column.open_text(WS, ROW, None) is None
    assert column.open_text(WS, ROW, column.seal_text(WS, ROW, "a\ud800b")) == "a\ud800b"


def test_tokens_find_equals_and_tell_nothing_else() -> None:
    """A token is the same for the same value, purpose and workspace, and another for any other."""
    keys = cipher()
    token = keys.token("idempotency", WS, b"value")
    assert token == cipher().token("idempotency", WS, b"value")
    others = {
        keys.token("idempotency", WS, b"Value"),
        keys.token("idempotency", OTHER, b"value"),
        keys.token("idempotency", INSTALLATION, b"value"),
        keys.token("user-email", WS, b"value"),
    }
    assert token not in others
    assert len(others) == 4
    assert FieldCipher(lambda p, c: derive(p, c)[::-1], SeededEntropy()).token("idempotency", WS, b"value") != token


def test_the_day_is_in_the_id() -> None:
    """An id's first 48 bits are milliseconds: its day runs from its first to its last of them."""
    assert day_of(id_of(0)) == DAY
    assert day_of(id_of(86_399_999)) == DAY
    assert day_of(id_of(86_400_000)) == DAY + 1


def test_keys_that_went_from_memory_are_derived_again() -> None:
    """A process that serves more workspaces than it keeps keys for opens the first one's values all the same."""
    keys = cipher()
    column = keys.column("members", "person")
    sealed = column.seal(WS, ROW, b"x")
    for n in range(5000):
        column.seal(n.to_bytes(16, "big"), ROW, b"x")
    assert column.open(WS, ROW, sealed) == b"x"
