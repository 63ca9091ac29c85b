"""What `doctor` says of certificates that an authority issues."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime

from mailward.app.commands.finding import Finding
from mailward.app.settings import Settings
from mailward.base.errors import MailwardError
from mailward.core.certificates.model import Certificate, Standing, when


def examine_authority(settings: Settings) -> Iterator[Finding]:
    """The newest certificate and the order of the next one."""
    from mailward.app.stores import is_prepared

    if not is_prepared(settings):
        yield Finding("certificate", "warning", "none yet", "Start once with `mailward up`.")
        return
    try:
        held, standing = asyncio.run(_known(settings))
    except MailwardError as e:
        yield Finding("certificate", "warning", f"cannot be read: {e.public}", "")
        return
    yield from judge(settings, held, standing, datetime.now(UTC))


def judge(settings: Settings, held: Certificate | None, standing: Standing, now: datetime) -> Iterator[Finding]:
    """What that means at `now`."""
    acme = settings.tls.acme
    if held is None:
        yield Finding("certificate", "warning", f"none yet from {acme.directory}", "The self-signed one is served.")
    else:
        days = (held.expires - now).total_seconds() / 86400
        late = when(held, standing, 0.0) < now
        state = "wrong" if days < 0 else "warning" if late or not held.covers(acme.names) else "ok"
        found = f"{held.serial} for {' '.join(held.names)}, {days:.0f} days left"
        yield Finding("certificate", state, found, "" if state == "ok" else "Its renewal is due.")
    if standing.failures:
        retry = datetime.fromtimestamp(standing.retry / 1e6, UTC)
        yield Finding(
            "certificate order",
            "wrong" if held is None or standing.failures > 3 else "warning",
            f"failed {standing.failures} times: {standing.error}",
            f"Tried again after {retry:%Y-%m-%d %H:%M} UTC; `mailward certificate order` tries now.",
        )


async def _known(settings: Settings) -> tuple[Certificate | None, Standing]:
    from mailward.app.installation import COMMAND_LINE, Installation
    from mailward.core.certificates import order

    installation = Installation(settings, worker=COMMAND_LINE + os.getpid() % 900)
    await installation.open()
    try:
        store = installation.store
        return await store.system_read(lambda tx: tx.certificates.newest()), await store.system_read(order.standing)
    finally:
        await installation.close()
