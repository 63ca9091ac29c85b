"""Which files are taken, by number and by ending."""

from __future__ import annotations

import pytest

from mailward.policy.attachments import MOST, PROGRAMS, decide, ending_of


@pytest.mark.claim("INPUT-3")
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("report.pdf", "allowed"),
        ("exe", "allowed"),
        ("archive.exe.zip", "allowed"),
        ("invoice.pdf.exe", "attachment_type_refused"),
        ("SETUP.EXE", "attachment_type_refused"),
        ("setup.exe. ", "attachment_type_refused"),
        ("a.js\u00a0", "attachment_type_refused"),
        ("a.exe::$DATA", "attachment_type_refused"),
    ],
)
def test_endings(name: str, code: str) -> None:
    """An ending counts as a desktop reads it, whatever hides it."""
    assert decide([name], PROGRAMS).code == code
    assert decide([name], ()).code == "allowed"


@pytest.mark.claim("INPUT-3")
def test_numbers() -> None:
    """A hundred are taken, one more is not."""
    assert decide(["a.txt"] * MOST, PROGRAMS).code == "allowed"
    assert decide(["a.txt"] * (MOST + 1), PROGRAMS).code == "too_many_attachments"


def test_no_ending() -> None:
    """A name without a dot has none."""
    assert (ending_of("README"), ending_of(".profile"), ending_of("")) == ("", "profile", "")
