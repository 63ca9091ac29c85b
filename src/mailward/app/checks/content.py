"""REST-1, second look: a message body on its way to the disk, where it lies sealed, and with the wrong key."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from mailward.adapters.storage.records import BodyRef, open_record
from mailward.app.bodies import Bodies
from mailward.app.checks.registry import check
from mailward.app.checks.storage import search, spellings
from mailward.app.context import Context
from mailward.base import ids
from mailward.base.errors import Corrupt
from mailward.core.evidence.model import Finding, failed, passed

_DAY_US = 86_400_000_000


@check("REST-1")
async def bodies_are_sealed(context: Context) -> Finding:
    """Write a body the way an accepted message's is written, open it with its key, look for it, and erase it again."""
    i = context.installation
    workspace = ids.decode("ws", context.actor.workspace)
    marker = "mwmarker" + context.entropy.bytes(20).hex()
    content = f"Subject: {marker}\r\n\r\n{marker}\r\n".encode()
    now = i.now_us()
    message = ids.new_raw(now // 1000, context.entropy)
    key = await i.data_keys.seal_key(workspace, now // _DAY_US)
    ref: BodyRef = await context.store.write_item(_where, workspace, None, body=(message, key, content))
    try:
        if await Bodies(context.store, i.data_keys).read(workspace, message, ref, reader=None) != content:
            return failed("a body does not come back as it was written")
        record = await context.store.read_body(ref)
        for what, other in (
            ("another workspace's", (b"\xff" * 16, message)),
            ("another message's", (workspace, b"\0" * 16)),
        ):
            try:
                open_record(record, *other, key)
            except Corrupt:
                continue
            return failed(f"a body opens under {what} name")
        files, total, found = await asyncio.to_thread(search, context.settings.data, spellings(marker))
        if found:
            return failed(f"a message body is readable in {', '.join(found[:5])}")
    finally:
        await context.store.overwrite_body(workspace, message, ref)
    return passed(
        f"a body was written as an accepted message's is: with its key it opens, under another name it does not, "
        f"and none of {files} files ({total >> 20} MiB) shows it"
    )


async def _where(_: Any, items: Sequence[tuple[Any, BodyRef]]) -> list[BodyRef]:
    """A list verb that records nothing and tells where each body lies."""
    return [ref for _, ref in items]
