"""The page that says who may do what is the tables that decide."""

from __future__ import annotations

import pytest

from tests.access.document import PLACE, document


@pytest.mark.asvs("8.1.1")
@pytest.mark.claim("AUTHZ-1")
def test_the_documented_table_is_the_one_in_force() -> None:
    """A new operation, page, command or job, or a permission moved, has to be written to docs/access.md."""
    assert PLACE.read_text("utf-8") == document(), "run `python -m tests.access.document` and review what changed"
