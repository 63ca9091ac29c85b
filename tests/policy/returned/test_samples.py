"""Returned mail as servers and people write it. A sample's name tells what it is: `name.kind[.status].eml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailward.policy.returned import classify

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.eml"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.stem)
def test_a_sample_is_what_its_name_says(path: Path) -> None:
    """Kind and status code of every sample."""
    _, kind, *status = path.stem.split(".", 2)
    verdict = classify(path.read_bytes())
    assert (verdict.kind, verdict.status) == (kind, status[0] if status else ""), verdict


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.stem)
def test_line_endings_do_not_matter(path: Path) -> None:
    """The same with CRLF, and with a line of an mbox in front."""
    content = path.read_bytes()
    plain = classify(content)
    assert classify(content.replace(b"\n", b"\r\n")) == plain
    assert classify(b"From MAILER-DAEMON Mon Jan  5 10:00:00 2026\n" + content) == plain
