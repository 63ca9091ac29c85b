"""Errors about one word of several name them."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from mailward.base.errors import Invalid
from mailward.edges.web.decoding import QueryReader, decode
from mailward.edges.web.schema.keys import CreateKey
from mailward.edges.web.schema.members import Invite, RoleName
from mailward.edges.web.schema.messages import MessageQuery
from mailward.policy.access import Scope


@pytest.mark.parametrize(
    ("kind", "body", "field", "some"),
    [
        (CreateKey, b'{"name": "x", "scopes": ["send", "everything"]}', "scopes[1]", sorted(Scope)),
        (Invite, b'{"email": "a@b.example", "role": "king"}', "role", sorted(get_args(RoleName))),
    ],
)
def test_a_body_with_a_wrong_word_is_told_the_right_ones(kind: Any, body: bytes, field: str, some: list[str]) -> None:
    """Every choice; never the word that was sent."""
    with pytest.raises(Invalid) as refused:
        decode(msgspec.json.Decoder(kind), body)
    assert refused.value.public == f"Choose from: {', '.join(some)}."
    assert refused.value.field == field


def test_so_is_a_query() -> None:
    """A filter by a state there is not."""
    with pytest.raises(Invalid) as refused:
        QueryReader(MessageQuery).read(b"status=lost")
    assert refused.value.public.startswith("Choose from: ")
    assert "delivered" in refused.value.public and "lost" not in refused.value.public
    assert (refused.value.code, refused.value.field) == ("invalid_parameter", "status")
