"""The operator's file of breached passwords, opened for each look: nothing of it stays in memory."""

from __future__ import annotations

from mailward.base.errors import Unavailable
from mailward.core.identity.breached import Breached, in_sorted_file


def breached_file(path: str) -> Breached | None:
    """A look into the file; None without one. The look raises Unavailable when it cannot be read."""
    if not path:
        return None

    def look(password: str) -> bool:
        try:
            with open(path, "rb") as file:
                return in_sorted_file(file, password)
        except OSError as e:
            raise Unavailable("breached_file", "The list of breached passwords cannot be read.", detail=path) from e

    return look
