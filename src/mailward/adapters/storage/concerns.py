"""Whom a moved epoch concerns: what lets a commit accept a message that was judged by an older one.

Epochs are the installation's, so whoever administers one workspace moves them for all. If
that sufficed to have everybody's mail judged anew, a score of acts a second anywhere would
be enough to slow all mail down to a fifth. So with an epoch is kept when it last moved for
a share of the workspaces (256 shares, told by the id's last octet, which is random: two
workspaces of one share disturb each other, which harms nobody) and when for all of them.

The numbers lie beside the epochs. A version that does not know of them moves an epoch
without them; then the last one they speak of is not the present one, and they say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

EPOCHS = ("auth_epoch", "domains_epoch")
"""Those that a message is judged by, in the order of its `epochs`."""

_PREFIX = "moved/"


def names(workspace: bytes | None) -> list[str]:
    """The counters to be read for a workspace."""
    return [place for epoch in EPOCHS for place in (last(epoch), _share(epoch, None), _share(epoch, workspace))]


def since(found: Mapping[str, int], epochs: tuple[int, int], workspace: bytes | None) -> tuple[int, int]:
    """(auth, domains): the epochs at which something last changed that concerns a workspace, or might.

    `epochs` are the present ones, `found` the counters of `names`.
    """
    auth, domains = (
        max(found.get(_share(epoch, None), 0), found.get(_share(epoch, workspace), 0))
        if found.get(last(epoch), 0) == now
        else now
        for epoch, now in zip(EPOCHS, epochs, strict=True)
    )
    return auth, domains


def told(epoch: str, before: int, now: int, known: int, whose: Iterable[bytes | None]) -> dict[str, int]:
    """The counters to be written when an epoch has moved from `before` to `now` for these workspaces (None: all).

    `known` is the move they spoke of until then.
    """
    written = {last(epoch): now}
    if known != before:  # it moved meanwhile, and nobody said for whom
        written[_share(epoch, None)] = before
    return written | {_share(epoch, workspace): now for workspace in whose}


def last(epoch: str) -> str:
    """The counter that says which move of an epoch the others know of."""
    return f"{_PREFIX}{epoch}/last"


def _share(epoch: str, workspace: bytes | None) -> str:
    return f"{_PREFIX}{epoch}/{'all' if workspace is None else f'{workspace[-1]:02x}'}"
