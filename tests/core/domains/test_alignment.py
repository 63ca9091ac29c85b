"""What of mail from a domain is aligned, from what DNS showed last."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailward.core.domains.alignment import Alignment, alignment
from mailward.core.domains.model import CheckState, Domain, DomainState, KeyPair, KeyState, Record, RecordCheck
from mailward.core.domains.rotation import rotation_due_at

T0 = datetime(2026, 3, 4, tzinfo=UTC)
PAIR = KeyPair("key_1", "mw1", KeyState.ACTIVE, b"r", b"e", b"", b"", T0, T0)


def domain(
    state: DomainState, shown: CheckState, *, own: bool = False, policy: str = "", selector: str = "mw1r"
) -> Domain:
    checks = [RecordCheck(Record("dkim-rsa", "TXT", f"{selector}._domainkey.example.com", "v=DKIM1", True), shown)]
    if policy:
        checks.append(RecordCheck(Record("dmarc", "TXT", "_dmarc.example.com", "", False), "ok", (policy,)))
    return Domain("dom_1", "example.com", state, "t", T0, T0, own_return_path=own, checks=tuple(checks))


@pytest.mark.claim("EMAIL-1")
@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (domain(DomainState.VERIFIED, "ok"), Alignment(True, False, "")),
        (domain(DomainState.VERIFIED, "ok", own=True, policy="v=DMARC1; p=Reject; rua=mailto:a@b.example"),
         Alignment(True, True, "reject")),
        (domain(DomainState.VERIFIED, "missing", own=True, policy="v=DMARC1; sp=reject; p=none"),
         Alignment(False, True, "none")),
        (domain(DomainState.VERIFIED, "ok", selector="mw0r"), Alignment(False, False, "")),
        (domain(DomainState.PENDING, "ok", own=True), Alignment(False, False, "")),
    ],
)  # fmt: skip
def test_what_is_aligned(held: Domain, expected: Alignment) -> None:
    """DKIM needs a shown key of the pair that signs, SPF the return path; a domain that may not send has neither."""
    assert alignment(held, [PAIR]) == expected
    assert alignment(held, []).dkim is False


def test_when_keys_rotate_by_themselves() -> None:
    """Half a year after a pair began to sign; nobody says when while a successor is on its way."""
    due = rotation_due_at([PAIR])
    assert due is not None and (due - T0).days == 180
    waiting = KeyPair("key_2", "mw2", KeyState.SEEN, b"r", b"e", b"", b"", T0, T0)
    assert rotation_due_at([PAIR, waiting]) is rotation_due_at([]) is None
