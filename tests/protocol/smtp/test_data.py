"""Content readers against a plain reference: the end of data, bare line ends, dot-unstuffing, chunks."""

from __future__ import annotations

import re
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailward.protocol.smtp.data import ChunkContent, DotContent, Progress, is_bare

OCTETS = st.lists(st.sampled_from([b"\r\n", b".", b"\r", b"\n", b"\0", b"a", b"\r\n.\r\n", b"\r\n..", b"bc"])).map(
    b"".join
)


def by_dots(stream: bytes, cuts: list[int]) -> tuple[Progress, bytes]:
    """What the reader makes of a stream cut into pieces."""
    reader = DotContent(10_000, 10_000)
    edges = [0, *sorted(c % (len(stream) + 1) for c in cuts), len(stream)]
    progress = Progress.MORE
    for start, end in pairwise(edges):
        if start == end:
            continue
        progress, _ = reader.feed(stream[start:end], 0)
        if progress is not Progress.MORE:
            break
    return progress, reader.content() if progress is Progress.DONE else b""


def reference(stream: bytes) -> tuple[Progress, bytes]:
    """The same by regular expressions over the whole."""
    end = (b"\r\n" + stream).find(b"\r\n.\r\n")
    text = (b"\r\n" + stream)[: end + 2] if end >= 0 else b"\r\n" + stream
    # A CR at the very end may yet become a CRLF.
    if re.search(rb"\r(?!\n)|(?<!\r)\n|\0", text if end >= 0 else text.removesuffix(b"\r")):
        return Progress.BARE, b""
    return (Progress.DONE, text.replace(b"\r\n.", b"\r\n")[2:]) if end >= 0 else (Progress.MORE, b"")


@given(OCTETS, st.lists(st.integers(0, 200), max_size=6))
def test_dot_content_equals_the_reference(stream: bytes, cuts: list[int]) -> None:
    """However the octets are cut, content, end and refusal are those of the simple reading."""
    assert by_dots(stream, cuts) == reference(stream)


@given(OCTETS)
def test_is_bare(piece: bytes) -> None:
    """The table test finds exactly the bare CR, bare LF and NUL."""
    assert is_bare(piece) == (re.search(rb"\r(?!\n)|(?<!\r)\n|\0", piece) is not None)


@given(OCTETS, st.lists(st.integers(0, 200), max_size=4), st.lists(st.integers(0, 200), max_size=6))
def test_chunks_equal_the_reference(stream: bytes, chunk_cuts: list[int], read_cuts: list[int]) -> None:
    """A message over any chunks and any reads is the same message, or refused."""
    edges = [0, *sorted(c % (len(stream) + 1) for c in chunk_cuts), len(stream)]
    reader = ChunkContent()
    progress = Progress.MORE
    for number, (start, end) in enumerate(pairwise(edges)):
        reader.expect(end - start, number == len(edges) - 2)
        pieces = [start, *sorted(min(max(c, start), end) for c in read_cuts), end]
        for a, b in pairwise(pieces):
            progress, _ = reader.feed(stream[a:b], 0)
            if progress is not Progress.MORE:
                break
        if progress is Progress.BARE:
            break
    if re.search(rb"\r(?!\n)|(?<!\r)\n|\0", stream):
        assert progress is Progress.BARE
    else:
        assert progress is Progress.DONE
        assert reader.content() == (stream if not stream or stream.endswith(b"\r\n") else stream + b"\r\n")


@pytest.mark.parametrize("octets", [999, 1000, 1001])
def test_the_limit_is_exact(octets: int) -> None:
    """The size limit counts content after unstuffing, without the end of data."""
    reader = DotContent(1000, 10_000)
    progress, taken = reader.feed(b"." * 2 + b"x" * (octets - 3) + b"\r\n.\r\nNOOP", 0)
    assert progress is Progress.DONE
    assert taken == octets + 4
    assert reader.size == octets
    assert reader.too_large is (octets > 1000)


@pytest.mark.parametrize("reader", [DotContent(1_000_000, 0), ChunkContent()], ids=["dots", "chunks"])
def test_crumbs_take_no_more_memory_than_a_meal(reader: DotContent | ChunkContent) -> None:
    """Content that comes two octets at a time is the same content, and weighs about what it holds."""
    sent = b"ab" * 20_000 + b"\r\n"
    pieces = [sent[at : at + 2] for at in range(0, len(sent), 2)]
    if isinstance(reader, ChunkContent):
        reader.expect(len(sent), True)
    else:
        pieces.append(b".\r\n")
    tracemalloc.start()
    try:
        progress = [reader.feed(bytes(bytearray(piece)), 0)[0] for piece in pieces][-1]
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert progress is Progress.DONE
    assert reader.content() == sent
    assert kept < 4 * len(sent)
