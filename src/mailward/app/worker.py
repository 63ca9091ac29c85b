"""A worker process: gets its plan from the nursery, runs its roles on one event loop, drains on SIGTERM."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
import sys
import time
from typing import NoReturn

import structlog
import uvloop

from mailward.app import logs
from mailward.app.heap import Rest
from mailward.app.plan import Plan
from mailward.app.watchdog import Sign
from mailward.app.wiring import Worker
from mailward.base.errors import MailwardError

_PR_SET_PDEATHSIG = 1
_GIVEN_UP, _CANNOT_START = 76, 78

log = structlog.get_logger()


async def run(plan: Plan) -> int:
    """Until SIGTERM, SIGINT, or the supervisor is gone."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    worker = Worker(plan, end=stop.set)
    await worker.start()
    if plan.signs >= 0:
        Sign(plan.signs, plan.place).keep(loop)
    # What exists now lives as long as the process; the collector need not look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    # The storage thread comes back from each sync needing the interpreter for a moment. At the default of 5 ms it
    # would wait for most of another commit's time whenever the loop is busy.
    sys.setswitchinterval(0.0005)
    log.info("ready", slot=plan.slot, generation=worker.generation)
    rest = Rest()
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), 2.0)
        except TimeoutError:
            if os.getppid() != plan.supervisor:
                log.error("supervisor_gone")
                break
            rest.look(loop.time(), time.process_time())
    await worker.drain()
    log.info("drained", slot=plan.slot)
    return _GIVEN_UP if worker.heart.pulse.lost else 0


def end_with(supervisor: int) -> None:
    """Have the kernel send us SIGTERM when the supervisor ends, however it ends: then we drain.

    Its successor waits for us, so looking every two seconds would be two seconds without a port.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != supervisor:
        log.error("supervisor_gone")
        sys.exit(0)


def begin(plan: Plan) -> NoReturn:
    """What a worker does with its life.

    Exits with 78 when it cannot start, 76 when other nodes had taken it for dead, 74 when a sync failed.
    """
    logs.configure(plan.settings.server.log, slot=plan.slot)
    end_with(plan.supervisor)
    os.umask(0o077)
    try:
        code = uvloop.run(run(plan))
    except MailwardError as e:
        log.critical("worker_cannot_start", code=e.code, why=e.public, detail=e.detail)
        code = _CANNOT_START
    except OSError as e:
        log.critical("worker_cannot_start", why=e.strerror, detail=str(e))
        code = _CANNOT_START
    sys.exit(code)
