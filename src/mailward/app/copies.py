"""What a sender asks about a message before it tries it: its content, whose copy is to stop, and whose not tracked."""

from __future__ import annotations

from collections.abc import Callable

from mailward.adapters.storage.records import BodyRef
from mailward.app.bodies import Bodies
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import Unavailable
from mailward.core.delivery.model import Work
from mailward.core.messages.dated import redated
from mailward.core.suppression.model import blocked, token


class Copies:
    """Answers from the store; `token_key` gives the key under which a workspace's addresses are listed."""

    def __init__(self, store: Store, bodies: Bodies, token_key: Callable[[bytes], bytes]) -> None:
        self._store = store
        self._bodies = bodies
        self._token_key = token_key

    async def load(self, work: Work) -> bytes:
        """The content as it is to go out; Unavailable when it is no longer kept."""
        if work.body is None:
            raise Unavailable("content_gone", "The content of this message is no longer kept.")
        return redated(await self._bodies.read(work.workspace, work.id, BodyRef(*work.body), reader=None), work.facts)

    async def listed(self, work: Work) -> dict[int, str]:
        """The copies whose address is on the suppression list now, with the reason."""
        tokens = self._tokens(work)
        workspace = ids.encode("ws", work.workspace)
        found = await self._store.read(workspace, lambda tx: tx.suppressions.among(list(tokens.values())))
        stream = work.facts.stream
        return {n: why.value for n, t in tokens.items() if (why := blocked(found, t, stream)) is not None}

    async def opted_out(self, work: Work) -> set[int]:
        """The copies whose recipients do not want to be tracked."""
        tokens = self._tokens(work)
        workspace = ids.encode("ws", work.workspace)
        found = await self._store.read(workspace, lambda tx: tx.tracking.opted_out(list(tokens.values())))
        return {n for n, mark in tokens.items() if mark in found}

    def _tokens(self, work: Work) -> dict[int, bytes]:
        key = self._token_key(work.workspace)
        return {copy.n: token(key, copy.recipient) for copy in work.copies}
