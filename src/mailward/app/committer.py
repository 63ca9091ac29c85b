"""The committing process: reads its plan from standard input and commits for the workers until it is told to stop."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable

import msgspec
import structlog

from mailward.adapters.host.clock import SystemClock, SystemEntropy
from mailward.adapters.storage.committing.frames import SharedVerb
from mailward.adapters.vault.vault import Vault
from mailward.app import logs
from mailward.app.plan import CommitterPlan
from mailward.app.watchdog import Sign
from mailward.base.sources import Entropy
from mailward.core.delivery.model import Settled
from mailward.core.delivery.settle import Settling
from mailward.core.delivery.settled import settled
from mailward.core.inbound import model as inbound
from mailward.core.inbound.model import Reception
from mailward.core.inbound.receive import landed, note_refused, receive
from mailward.core.submission.model import Receipt, Submission
from mailward.core.submission.record import record
from mailward.core.submission.recorded import recorded

log = structlog.get_logger()

# Its number among those who write segments; workers count from 0, commands from 9000.
SLOT = 8000


def shared_verbs(settling: Settling) -> list[SharedVerb]:
    """What workers hand to the committing process: each message, sent or received, and how each attempt ended."""
    return [
        SharedVerb("record", record, Submission, Receipt, recorded, True),
        SharedVerb("settle", settling.settle, list[Settled], bool | None, settled, False),
        SharedVerb("receive", receive, Reception, inbound.Receipt, landed, True),
        SharedVerb("note_refused", note_refused, Reception, inbound.Receipt, landed, False),
    ]


def settling_with(vault: Vault, entropy: Entropy) -> Settling:
    """The settling verb with an installation's keys."""

    def token_key(workspace: bytes) -> bytes:
        return vault.derive("address-token", workspace)

    return Settling(token_key, entropy)


def stops_with(supervisor: int) -> Callable[[], bool]:
    """Whether to stop: after SIGTERM or SIGINT, or when the supervisor is gone."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, _: asked.append(n))
    return lambda: bool(asked) or os.getppid() != supervisor


def beating(sign: Sign, stopping: Callable[[], bool]) -> Callable[[], bool]:
    """`stopping`, asked between two commits and twice a second without any, with a sign that we go on."""

    def asked() -> bool:
        sign.beat()
        return stopping()

    return asked


def main() -> None:
    """Entry point of `python -m mailward.app.process committer`."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=CommitterPlan)
    logs.configure(plan.settings.server.log, slot=SLOT)
    os.umask(0o077)
    entropy = SystemEntropy()
    vault = Vault(plan.settings.data / "keys", entropy, now=SystemClock().now())
    verbs = shared_verbs(settling_with(vault, entropy))
    if plan.settings.storage.kind == "embedded":
        _on_the_file(plan, vault, verbs, entropy)
    else:
        serving = importlib.import_module("mailward.app.serving")
        uvloop = importlib.import_module("uvloop")
        uvloop.run(serving.serve(plan, vault, verbs, entropy, worker=SLOT))


def _on_the_file(plan: CommitterPlan, vault: Vault, verbs: list[SharedVerb], entropy: Entropy) -> None:
    # Only here, as above: neither kind of store holds in memory what the other one needs.
    from mailward.adapters.storage.sqlite.committer import Committer

    committer = Committer(
        plan.settings.data,
        vault.database_key(),
        verbs,
        worker=SLOT,
        entropy=entropy,
        monotonic=SystemClock().monotonic,
    )
    gc.collect()
    gc.freeze()
    log.info("committing")
    stopping = stops_with(plan.supervisor)
    if plan.signs >= 0:
        stopping = beating(Sign(plan.signs, plan.place), stopping)
    committer.serve(socket.socket(fileno=plan.listener), stopping)
    committer.close()
