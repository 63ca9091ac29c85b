"""Fills the store of a running platform with queued messages, through the store's own code: `python -m bench.fill`.

It is one more process of the installation that accepts messages: the same record, the
same group commit, the same encryption. Only the dialogue with a client is left out, so
that a million takes minutes. The messages are due a day from now.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

from mailward.app.installation import COMMAND_LINE, Installation
from mailward.app.settings import load
from mailward.app.signing import load_domains
from mailward.base import ids
from mailward.core.messages.model import DeliveryState, MessageFacts
from mailward.core.submission.model import Recipient, Submission
from mailward.core.submission.record import record
from mailward.core.suppression.model import token

# Its own open segment, and no worker's number: what it writes is not mixed with what a worker writes.
_SLOT = COMMAND_LINE + 900
_AT_ONCE = 2000
_DOMAINS = 1000
_DAY_US = 86_400_000_000


async def fill(installation: Installation, count: int, size: int) -> float:
    """Record so many messages of about `size` octets; seconds it took."""
    i = installation
    raw, domains = next(iter((await load_domains(i)).items()))
    domain = [d.name for d in domains.values()][-1]
    counters = await i.store.system_read(lambda tx: tx.counters.all())
    epochs = (counters.get("auth_epoch", 0), counters.get("domains_epoch", 0))
    address_key = i.token_key(raw)
    body = b"Subject: A queued message\r\n\r\n" + b"All work and no play makes a dull mail.\r\n" * (size // 41)

    def one(n: int) -> Submission:
        now = i.now_us()
        recipient = f"person{n}@dest{n % _DOMAINS}.test"
        sender = f"app@{domain}"
        facts = MessageFacts(
            source="api", actor="key_fill", domain=domain, mail_from=sender, header_from=f"App <{sender}>",
            to=recipient, subject=f"Queued number {n}", message_id=f"<{n}.fill@{domain}>", size=len(body),
        )  # fmt: skip
        return Submission(
            id=ids.new_raw(now // 1000, i.entropy),
            created=now,
            facts=facts,
            recipients=[Recipient(recipient, token(address_key, recipient))],
            state=DeliveryState.QUEUED,
            due=now + _DAY_US,
            lessee=0,
            epochs=epochs,
        )

    began = time.perf_counter()
    told = began
    for start in range(0, count, _AT_ONCE):
        # A fill may go past midnight; each day has a key of its own.
        key = await i.data_keys.seal_key(raw, i.now_us() // _DAY_US)
        items = [one(n) for n in range(start, min(start + _AT_ONCE, count))]
        await asyncio.gather(*(i.store.write_item(record, raw, s, body=(s.id, key, body)) for s in items))
        if time.perf_counter() - told > 10:
            told = time.perf_counter()
            done = start + len(items)
            print(f"filled {done:,} ({done / (told - began):,.0f} a second)", file=sys.stderr, flush=True)
    return time.perf_counter() - began


def run_fill(config: Path, count: int, size: int, limit: float, processes: int = 1) -> float:
    """Fill from processes of their own; messages a second of all. CalledProcessError when one fails.

    Several make sense on PostgreSQL alone: the embedded store has one committer.
    """
    began = time.perf_counter()
    command = [sys.executable, "-m", "bench.fill", "--config", str(config), "--size", str(size)]
    shares = [count // processes + (n < count % processes) for n in range(processes)]
    running = [
        subprocess.Popen([*command, "--count", str(share), "--slot", str(_SLOT + n)], stdout=subprocess.DEVNULL)  # noqa: S603  # our own module, no shell
        for n, share in enumerate(shares)
    ]
    try:
        for process in running:
            if code := process.wait(max(1.0, limit - (time.perf_counter() - began))):
                raise subprocess.CalledProcessError(code, process.args)
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
    return count / (time.perf_counter() - began)


async def _main(config: str, count: int, size: int, slot: int) -> float:
    installation = Installation(load(config, os.environ), worker=slot)
    await installation.open()
    try:
        return await fill(installation, count, size)
    finally:
        await installation.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.fill", description=__doc__)
    parser.add_argument("--config", required=True, help="the settings file of a running platform")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=500, help="octets of content (default %(default)s)")
    parser.add_argument("--slot", type=int, default=_SLOT, help="another one for each that fills at once")
    given = parser.parse_args()
    print(asyncio.run(_main(given.config, given.count, given.size, given.slot)))
