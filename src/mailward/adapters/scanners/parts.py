"""Every piece of a message that a rule may match: parts, messages inside it, files inside its archives."""

from __future__ import annotations

from collections.abc import Iterator

from mailward.adapters.scanners.archives import Budget, unpack
from mailward.protocol.message import structure
from mailward.protocol.message.structure import Structure

MAX_NESTED = 5


def pieces(read: Structure, budget: Budget, depth: int = 0, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """(path, decoded octets) of each piece. A message inside the message is read by the same reading as the outer."""
    for number, leaf in enumerate(read.leaves, 1):
        path = f"{prefix}{leaf.filename or number}"
        yield path, leaf.content
        if leaf.content_type == "message/rfc822" or leaf.filename.lower().endswith(".eml"):
            if depth >= MAX_NESTED:
                budget.note("message_nested_too_deep")
            else:
                yield from pieces(structure.read(leaf.content), budget, depth + 1, f"{path}/")
            continue
        yield from _inside(path, leaf.content, budget, depth)


def _inside(path: str, content: bytes, budget: Budget, depth: int) -> Iterator[tuple[str, bytes]]:
    for name, data in unpack(path, content, budget):
        yield name, data
        if name.lower().endswith(".eml") and depth < MAX_NESTED:
            yield from pieces(structure.read(data), budget, depth + 1, f"{name}/")
