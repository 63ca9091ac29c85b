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
        ("=?utf-8?q?evil.exe?=", "attachment_type_refused"),
        ("=?utf-8?B?ZXZpbC5leGU=?=", "attachment_type_refused"),
        ("=?utf-8?q?report=2Epdf?=", "allowed"),
        ("evil.exe\u200b", "attachment_type_refused"),
        ("evil.e\u2060xe\ufeff", "attachment_type_refused"),
        ("evil.\uff45\uff58\uff45", "attachment_type_refused"),
        ("\u202efdp.exe", "attachment_type_refused"),
        ("résumé.pdf", "allowed"),
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
