"""Passwords that others know are refused offline: from the list that ships, and from an operator's sorted file."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailward.adapters.host.breaches import breached_file
from mailward.base.errors import Invalid, Unavailable
from mailward.core.identity import breached, passwords


@pytest.fixture(autouse=True)
def no_list_left() -> Iterator[None]:
    """What a test told the process is forgotten."""
    yield
    breached.also_in(None)


def _lines(words: list[str], end: str) -> bytes:
    hashes = sorted(hashlib.sha1(w.encode()).hexdigest().upper() for w in words)
    return "".join(f"{h}{end}" for h in hashes).encode()


@pytest.mark.asvs("6.2.12")
@pytest.mark.parametrize("end", ["\n", ":3\n", ":1234567\r\n"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 64, 500])
def test_every_line_of_a_sorted_file_is_found_and_no_other(count: int, end: str) -> None:
    """First, last and every line between are found in files of any length and form; what is not there is not."""
    words = [f"word {n}" for n in range(count)]
    file = io.BytesIO(_lines(words, end))
    assert all(breached.in_sorted_file(file, w) for w in words)
    assert not any(breached.in_sorted_file(file, f"other {n}") for n in range(200))


def test_a_look_reads_little_of_a_long_file(tmp_path: Path) -> None:
    """In a file of 20,000 lines a look reads some dozens of lines."""
    read = 0

    class Counting(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            nonlocal read
            read += 1
            return super().readline(size)

    assert not breached.in_sorted_file(Counting(_lines([str(n) for n in range(20_000)], ":1\n")), "not there")
    assert read < 60


@pytest.mark.asvs("6.2.4")
@pytest.mark.parametrize("password", ["password1", "PassWord1", "qwertyuiop"])
def test_a_common_password_is_refused_with_advice(password: str) -> None:
    """The refusal says why and what to do instead."""
    with pytest.raises(Invalid) as e:
        passwords.judge(password)
    assert e.value.field == "password"
    assert "most common" in e.value.public and "unrelated words" in e.value.public


@pytest.mark.asvs("6.2.12")
def test_a_password_of_the_operators_file_is_refused_and_says_so(tmp_path: Path) -> None:
    """A strong-looking one that was in a breach is refused where it is listed, and taken where it is not."""
    long = "correct-unicorn-battery-staple-47"
    passwords.judge(long)
    (tmp_path / "hashes").write_bytes(_lines([long, "else"], ":2\n"))
    breached.also_in(breached_file(str(tmp_path / "hashes")))
    with pytest.raises(Invalid) as e:
        passwords.judge(long)
    assert e.value.code == "password_breached"
    passwords.judge(long + "8")


@pytest.mark.asvs("16.5.3")
def test_a_list_that_is_away_is_no_pass(tmp_path: Path) -> None:
    """When the file cannot be read nothing is judged, and the answer does not name it."""
    breached.also_in(breached_file(str(tmp_path / "gone")))
    with pytest.raises(Unavailable) as e:
        passwords.judge("correct-unicorn-battery-staple-47")
    assert "gone" not in e.value.public
