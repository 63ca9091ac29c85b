"""Where a webhook may go."""

from __future__ import annotations

import pytest

from mailward.base.errors import Invalid
from mailward.core.webhooks.endpoints import PUBLIC, judge_url


@pytest.mark.parametrize(("given", "kept"), [
    ("https://bücher.example/hooks?x=1", "https://xn--bcher-kva.example/hooks?x=1"),
    ("https://BÜCHER.example:8443", "https://xn--bcher-kva.example:8443"),
    ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
    ("https://example.com/a", "https://example.com/a"),
])  # fmt: skip
def test_a_host_in_unicode_is_kept_with_a_labels(given: str, kept: str) -> None:
    """Whatever else stands in the URL stays."""
    assert judge_url(given, PUBLIC) == kept


@pytest.mark.parametrize("wrong", [
    "https://a\u2024b.example\u2028/", "https://ex\u00adample.com@bücher.example/", "https://bücher.example/ä",
    "https://１２７.0.0.1/", "https://\u200b.example/",
])  # fmt: skip
def test_what_is_no_host_is_refused(wrong: str) -> None:
    """A look-alike of an address or of a delimiter does not become one."""
    with pytest.raises(Invalid, match="invalid_url"):
        judge_url(wrong, PUBLIC)
