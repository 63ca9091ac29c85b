"""What a request to a tracked link does: the port of the web edge, on the store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.core.tracking import opting
from mailward.core.tracking.seen import Result, seen
from mailward.core.webhooks.enqueue import tell
from mailward.edges.web.tracking.ports import Answer, Visit
from mailward.policy.tracking import Seen
from mailward.protocol.tracking import targets, tokens
from mailward.protocol.tracking.tokens import Keys, Kind, Link

_KNOWN_MOST = 10_000


class Visits:
    """Implements `edges.web.tracking.ports.Visits`. `keys` are those of links, `token_key` that of addresses."""

    def __init__(
        self,
        store: Store,
        *,
        keys: Callable[[bytes], Keys],
        token_key: Callable[[bytes], bytes],
        now_us: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        """`wake` is called when endpoints are to be told of something."""
        self._wake = wake
        self._store = store
        self._keys = keys
        self._token_key = token_key
        self._now_us = now_us
        self._owners: dict[bytes, bytes] = {}

    async def visit(self, v: Visit, kind: Kind) -> Answer:
        """Keep it if it may be kept; where a click leads. Nothing is believed before the signature was checked."""
        found = await self._proved(v, kind)
        if found is None:
            return Answer.NOBODY
        workspace, link = found
        if kind is Kind.CLICK and not targets.fit(link.target):
            return Answer.NOBODY
        shown = None if v.refuses else Seen(v.method, v.agent, v.purpose)
        now, key = self._now_us(), self._token_key(workspace)

        async def verb(tx: Tx) -> Result:
            return await seen(tx, link.message, link.n, link.target, shown, key=key, at=now, tell=tell)

        async def there(tx: Tx) -> Result:
            return Result.UNWANTED if await tx.messages.get(link.message) is not None else Result.GONE

        own = ids.encode("ws", workspace)
        done = await (self._store.write(own, verb) if shown is not None else self._store.read(own, there))
        if done is Result.GONE:
            self._owners.pop(link.message, None)
            return Answer.OVER
        if shown is not None:
            self._wake()
        return Answer(link.target)

    async def opt_out(self, v: Visit, *, sure: bool) -> Answer:
        """Track the recipient of that copy no more; unless `sure`, only look whether the link is one."""
        found = await self._proved(v, Kind.OPT_OUT)
        if found is None:
            return Answer.NOBODY
        workspace, link = found
        if not sure:
            return Answer("")
        now = datetime.fromtimestamp(self._now_us() / 1e6, UTC)

        async def verb(tx: Tx) -> bool:
            return await opting.own_opt_out(tx, link.message, link.n, key=self._token_key(workspace), now=now)

        return Answer("") if await self._store.write(ids.encode("ws", workspace), verb) else Answer.OVER

    async def _proved(self, v: Visit, kind: Kind) -> tuple[bytes, Link] | None:
        claim = tokens.claimed(kind, v.token, v.host, self._keys(b"").gate)
        if claim is None:
            return None
        message = claim.link.message
        workspace = self._owners.get(message)
        if workspace is None:
            workspace = await self._store.system_read(lambda tx: tx.deliveries.whose(message))
            if workspace is None:
                return None
        link = tokens.verified(claim, v.host, self._keys(workspace).own)
        if link is None:
            return None
        if len(self._owners) >= _KNOWN_MOST:
            self._owners.clear()
        self._owners[message] = workspace
        return workspace, link
