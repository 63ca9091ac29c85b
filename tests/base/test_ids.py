"""Ids: prefixed, ordered by time, and a stranger's id tells nothing."""

from __future__ import annotations

import pytest

from mailward.base import ids
from mailward.base.errors import NotFound


@pytest.mark.parametrize("prefix", sorted(ids.PREFIXES))
def test_an_id_comes_back_as_its_bytes(prefix: str) -> None:
    """Every kind of id is read back as the sixteen bytes it was made from."""
    raw = bytes(range(16))
    assert ids.decode(prefix, ids.encode(prefix, raw)) == raw


@pytest.mark.parametrize(
    "text", ["xx", "dom_00000000000000000000000000", "msg_0", "msg_" + "u" * 26, "msg_" + "z" * 26]
)
def test_a_strange_id_is_answered_in_words(text: str) -> None:
    """What is no id of a message is answered as an unknown one is, in a word people use."""
    with pytest.raises(NotFound) as found:
        ids.decode("msg", text)
    assert found.value.public == "There is no message with that id."


def test_an_id_of_no_kind_is_not_repeated() -> None:
    """`mailward key revoke nope` hands on the caller's own word as the kind; it is no word for a thing."""
    with pytest.raises(NotFound) as found:
        ids.decode("nope", "nope")
    assert found.value.public == "There is no such thing with that id."
