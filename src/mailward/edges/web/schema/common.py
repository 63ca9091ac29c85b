"""What every area shares: the problem, the page, the empty query."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of everything a caller sends: a field we do not know is an error, so that a typing slip is not silent."""


class View(msgspec.Struct, kw_only=True):
    """Base of everything we answer."""


class Problem(View):
    """An error as RFC 9457 describes it; `code` is stable, `detail` is for people."""

    type: Annotated[str, Meta(description="Relative link to what this code means.", examples=["/problems/not_found"])]
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    code: Annotated[str, Meta(description="Stable, for programs.", examples=["not_found"])]
    detail: Annotated[str, Meta(description="A sentence that helps.")]
    request_id: str
    field: Annotated[str, Meta(description="Where in the request, as a path.")] | UnsetType = UNSET


class NoQuery(Request):
    """The operation takes no query parameters."""


Limit = Annotated[int, Meta(ge=1, le=100, description="How many at most.")]
Cursor = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=512,
        pattern=r"^[A-Za-z0-9_=-]+$(?!\n)",
        description="`next_cursor` of the page before.",
    ),
]


class PageQuery(Request):
    """One page, newest first."""

    limit: Limit = 25
    cursor: Cursor | None = None


class Done(View):
    """The act is done."""

    ok: bool = True
