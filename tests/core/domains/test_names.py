"""One spelling for each domain, and no name that nobody can own."""

from __future__ import annotations

import pytest

from mailward.base.errors import Invalid
from mailward.core.domains.names import MAX_NAME, canonical


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.COM", "example.com"),
        (" example.com. ", "example.com"),
        ("mail.example.co.uk", "mail.example.co.uk"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("bücher。example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("customer.test", "customer.test"),
    ],
)
def test_spellings(text: str, name: str) -> None:
    """Case, the final dot and the two forms of an internationalised name make no difference."""
    assert canonical(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "com",
        "co.uk",
        "github.io",
        "test",
        "localhost",
        "example..com",
        ".example.com",
        "example.com..",
        "-a.example.com",
        "a-.example.com",
        "_dmarc.example.com",
        "*.example.com",
        "exa mple.com",
        "a@example.com",
        "192.0.2.1",
        "[192.0.2.1]",
        "::1",
        "xn--zzzzzzzzz.example",
        "x" * 64 + ".example",
        ".".join(["abcdefg"] * 30) + ".example",
        "demo.mailward.test",
        "a.demo.mailward.test",
        "exämple\0.com",
        "example.com\n",
        "https://example.com",
    ],
)
def test_refusals(text: str) -> None:
    """Public suffixes, addresses, wildcards, bad labels and the reserved domain are refused."""
    if text == "example.com\n":
        assert canonical(text) == "example.com"  # white space around a pasted name is dropped
        return
    with pytest.raises(Invalid):
        canonical(text)


def test_the_longest_name_leaves_room_for_its_key_records() -> None:
    """A name of the greatest length accepted still fits below its selector within 253 characters."""
    longest = ".".join(["a" * 63] * 3 + ["b" * (MAX_NAME - 3 * 64 - 5), "test"])
    assert canonical(longest) == longest
    assert len("mw202612zr._domainkey." + longest) <= 253
    with pytest.raises(Invalid):
        canonical("a" + longest.replace("b", "bb", 1))
