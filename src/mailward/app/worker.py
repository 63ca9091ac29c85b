"""A worker process: reads its plan from standard input, runs its roles on one event loop, drains on SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys

import structlog
import uvloop

from mailward.app import logs
from mailward.app.plan import Plan, decode
from mailward.app.wiring import Worker

log = structlog.get_logger()


async def run(plan: Plan) -> int:
    """Until SIGTERM, SIGINT, or the supervisor is gone."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    worker = Worker(plan)
    await worker.start()
    # What exists now lives as long as the process; the collector need not look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    # The storage thread comes back from each sync needing the interpreter for a moment. At the default of 5 ms it
    # would wait for most of another commit's time whenever the loop is busy.
    sys.setswitchinterval(0.0005)
    log.info("ready", slot=plan.slot, generation=worker.generation)
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), 2.0)
        except TimeoutError:
            if os.getppid() != plan.supervisor:
                log.error("supervisor_gone")
                break
    await worker.drain()
    log.info("drained", slot=plan.slot)
    return 0


def main() -> None:
    """Entry point of `python -m mailward.app.worker`."""
    plan = decode(sys.stdin.buffer.read())
    logs.configure(plan.settings.server.log, slot=plan.slot)
    os.umask(0o077)
    sys.exit(uvloop.run(run(plan)))


if __name__ == "__main__":
    main()
