"""Errors about one word of several name them."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from mailward.base.errors import Invalid
from mailward.edges.web.decoding import QueryReader, decode
from mailward.edges.web.schema.inbound import CreateRoute
from mailward.edges.web.schema.keys import CreateKey
from mailward.edges.web.schema.members import ChangeMember, Invite, RoleName
from mailward.edges.web.schema.messages import BatchRequest, MessageQuery, SendRequest
from mailward.edges.web.schema.webhooks import ChangeWebhook, CreateWebhook
from mailward.policy.access import Scope


@pytest.mark.parametrize(
    ("kind", "body", "field", "some"),
    [
        (CreateKey, b'{"name": "x", "scopes": ["send", "everything"]}', "scopes[1]", sorted(Scope)),
        (ChangeMember, b'{"role": "king"}', "role", sorted(get_args(RoleName))),
    ],
)
def test_a_body_with_a_wrong_word_is_told_the_right_ones(kind: Any, body: bytes, field: str, some: list[str]) -> None:
    """Every choice; never the word that was sent."""
    with pytest.raises(Invalid) as refused:
        decode(msgspec.json.Decoder(kind), body)
    assert refused.value.public == f"Choose from: {', '.join(some)}."
    assert refused.value.field == field


def test_what_has_a_form_says_which() -> None:
    """A role is one of three names or an id; the pattern itself is shown to nobody."""
    with pytest.raises(Invalid) as refused:
        decode(msgspec.json.Decoder(Invite), b'{"email": "a@b.example", "role": "king"}')
    assert refused.value.field == "role"
    assert "workspace_manager, or the id of a role" in refused.value.public
    assert "[0-9" not in refused.value.public


def test_so_is_a_query() -> None:
    """A filter by a state there is not."""
    with pytest.raises(Invalid) as refused:
        QueryReader(MessageQuery).read(b"status=lost")
    assert refused.value.public.startswith("Choose from: ")
    assert "delivered" in refused.value.public and "lost" not in refused.value.public
    assert (refused.value.code, refused.value.field) == ("invalid_parameter", "status")


_SEND = b'{"from": "a@b.example", "to": "c@d.example", '


@pytest.mark.parametrize(
    ("kind", "body", "field", "form"),
    [
        (SendRequest, _SEND + b'"tags": ["fine", "a b"]}', "tags[1]", "letters, digits"),
        (SendRequest, _SEND + b'"template": "A B"}', "template", "inner hyphens"),
        (SendRequest, _SEND + b'"list_unsubscribe": {"url": "http://b.example/"}}', "list_unsubscribe.url", "An https"),
        (BatchRequest, b'{"messages": [' + _SEND + b'"tags": ["a b"]}]}', "messages[0].tags[0]", "letters, digits"),
        (CreateWebhook, b'{"url": "https://b.example?x=1"}', "url", "with a path"),
        (ChangeWebhook, b'{"url": "https://b.example#x"}', "url", "fragment"),
        (CreateRoute, b'{"url": "b.example/inbound"}', "url", "An http or https address"),
    ],
)
def test_a_form_is_told_wherever_it_stands(kind: Any, body: bytes, field: str, form: str) -> None:
    """In a list, beside null, under a field that is described itself: words about the form, and no pattern."""
    with pytest.raises(Invalid) as refused:
        decode(msgspec.json.Decoder(kind), body)
    assert refused.value.field == field
    assert form in refused.value.public
    assert "regex" not in refused.value.public
