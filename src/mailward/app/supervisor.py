"""The parent process: takes its roles, binds the ports, prepares the data folder, gives up root, keeps workers alive.

It parses nothing from the network. Workers inherit the listening sockets, so a worker
that dies takes no port with it and connections wait in the backlog for the next one.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import structlog

from mailward.app import logs
from mailward.app.committing import PLACE, Committing, has_committer
from mailward.app.committing import start as start_committing
from mailward.app.first import First
from mailward.app.nursery import Born, Nursery, NurseryFailed
from mailward.app.plan import Plan
from mailward.app.ports import PATIENCE, bind
from mailward.app.roles import Hold, StartError, first_slot
from mailward.app.settings import Settings, SettingsError, load, split_address
from mailward.app.user import become, give_data
from mailward.app.watchdog import Watchdog
from mailward.app.welcome import is_kept, prepare_apart, welcome
from mailward.base.errors import MailwardError

log = structlog.get_logger()

# Sessions get 10 s to end, deliveries 15, requests 5: see Worker.drain. What is not over then is killed.
_DRAIN_SECONDS = 40.0
_STEADY_SECONDS = 5.0
# Connections of one worker, both ways, and its files: far more than it holds by its own limits.
_FILES = 65_536
# A worker that cannot start has said so by then; the process that they are forked from holds 40 MiB.
_CALM_SECONDS = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0
_UPKEEP_LOOK_SECONDS = 60.0
_SYNC_FAILED, _REPLACED, _CANNOT_START = 74, 75, 78
_ADVICE = {
    _SYNC_FAILED: "a write to the disk could not be made durable; look at the disk and the kernel's log",
    _REPLACED: "state.db was moved or replaced while the platform ran; stop it before you restore a file",
    _CANNOT_START: "it could not start; its own log line above says why",
}


def _allow_files() -> None:
    """Shells allow 1,024 open files, for programs that use select(); more may be had without asking anybody."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Supervisor:
    """Starts one worker a slot, restarts those that die, and drains all on SIGTERM or SIGINT."""

    def __init__(
        self, settings: Settings, prepare: Callable[[Settings, Callable[[int], bool]], None], ready: Callable[[], None]
    ) -> None:
        """`prepare` gets the settings and which worker numbers cannot be alive; `ready` is called once all started."""
        self._settings = settings
        self._prepare = prepare
        self._ready = ready
        self._roles = settings.server.roles
        self._first = first_slot(self._roles)
        self._count = settings.workers
        self._nursery: Nursery | None = None
        self._workers: dict[int, Born] = {}
        self._started: dict[int, float] = {}
        self._pause: dict[int, float] = {}
        self._again: dict[int, float] = {}
        self._owner: tuple[int, int] | None = None
        self._hold: Hold | None = None
        self._committing: Committing | None = None
        self._watchdog = Watchdog(settings.server.hung_seconds)
        self._stopping = False
        self._sockets: dict[str, list[socket.socket]] = {}

    def run(self) -> int:
        """Until told to stop; the exit code."""
        settings = self._settings
        self._owner = become(settings)
        _allow_files()
        hold = self._hold = Hold(settings.data, self._roles, waiting=lambda: log.warning("waiting_for_old_workers"))
        try:
            self._bind()
            self._prepare(settings, hold.idle)
            if self._owner is not None:
                give_data(settings.data, self._owner)
            hold.started()
            signal.signal(signal.SIGTERM, self._stop)
            signal.signal(signal.SIGINT, self._stop)
            self._nursery = Nursery([*self._descriptors(), *hold.workers, self._watchdog.fd], self._owner)
            if has_committer(settings):
                self._committing = start_committing(settings, self._owner, self._watchdog)
            for slot in self._slots():
                self._spawn(slot)
            self._ready()
            return self._watch()
        finally:
            if self._nursery is not None:
                self._nursery.close()
            if self._committing is not None:
                self._committing.stop()
            hold.release()
            self._watchdog.close()

    def _slots(self) -> range:
        return range(self._first, self._first + self._count)

    def _place(self, slot: int) -> int:
        return PLACE + 1 + slot - self._first

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _bind(self) -> None:
        roles, s = self._roles, self._settings
        self._sockets = {
            "http": [bind(t) for t in s.http.listen] if "web" in roles else [],
            "plain": [bind(t) for t in s.http.plain] if "web" in roles else [],
            "starttls": [bind(t) for t in s.submission.starttls] if "submission" in roles else [],
            "implicit": [bind(t) for t in s.submission.implicit] if "submission" in roles else [],
            "private": [bind(t) for t in s.submission.private] if "submission" in roles else [],
            "mx": [bind(t) for t in s.mx.listen] if "mx" in roles else [],
        }
        for slot in self._slots():
            self._metrics_socket(slot)

    def _metrics_socket(self, slot: int) -> socket.socket | None:
        text = self._settings.http.metrics
        if not text:
            return None
        address, port = split_address(text)
        host = f"[{address}]" if ":" in address else address
        key = f"metrics{slot}"
        if key not in self._sockets:
            try:
                # Who held the first one's held this one too: there is hardly anything left to wait for.
                patience = PATIENCE if slot == self._first else PATIENCE / 8
                self._sockets[key] = [bind(f"{host}:{port + slot if port else 0}", patience=patience)]
            except StartError as e:
                # The first worker's port is the one in the settings. A neighbour taken by somebody else costs that
                # worker's metrics, not the platform.
                if slot == self._first:
                    raise
                log.warning("metrics_port_taken", slot=slot, detail=str(e))
                self._sockets[key] = []
        return self._sockets[key][0] if self._sockets[key] else None

    # -- workers ---------------------------------------------------------------------------------

    def _descriptors(self) -> list[int]:
        return [s.fileno() for group in self._sockets.values() for s in group]

    def _spawn(self, slot: int) -> None:
        assert self._nursery is not None
        metrics = self._metrics_socket(slot)
        doors = ("starttls", "implicit", "private", "http", "plain", "mx")
        fds = {name: [s.fileno() for s in self._sockets[name]] for name in doors}
        plan = Plan(
            slot=slot,
            first=slot == self._first,
            supervisor=os.getpid(),
            settings=self._settings,
            metrics=metrics.fileno() if metrics else -1,
            signs=self._watchdog.fd,
            place=self._place(slot),
            **fds,
        )
        self._started[slot] = time.monotonic()
        try:
            worker = self._workers[slot] = self._nursery.bear(plan)
        except NurseryFailed as e:
            self._workers.pop(slot, None)
            self._wait(slot, time.monotonic(), steady=False)
            log.error("worker_not_started", slot=slot, why=str(e), restart_in=self._pause[slot])
            return
        log.info("worker_started", slot=slot, pid=worker.pid)

    def _watch(self) -> int:
        looked = time.monotonic()
        while not self._stopping:
            now = time.monotonic()
            self._watchdog.look(now)
            for slot in self._slots():
                worker = self._workers.get(slot)
                if slot not in self._again and worker is not None:
                    if (code := worker.poll()) is not None:
                        self._died(slot, code, now)
                    elif self._watchdog.hung(self._place(slot), worker.pid, now):
                        log.error("worker_hung", slot=slot, pid=worker.pid)
                        worker.kill()
                # Each waits for itself: a worker that cannot start keeps no other one from coming back.
                if slot in self._again and now >= self._again[slot]:
                    del self._again[slot]
                    self._spawn(slot)
            if self._committing is not None:
                self._committing.look(now)
            if self._nursery is not None and not self._again and self._calm(now):
                self._nursery.close()
            if now - looked > _UPKEEP_LOOK_SECONDS:
                looked = now
                self._look_for_upkeep()
            time.sleep(0.05)
        return self._drain()

    def _calm(self, now: float) -> bool:
        """Whether nobody needs the process that workers are forked from: all have started, or had time to fail."""
        if now - max(self._started.values()) > _CALM_SECONDS:
            return True
        return all(self._watchdog.goes_on(self._place(slot), worker.pid) for slot, worker in self._workers.items())

    def _died(self, slot: int, code: int, now: float) -> None:
        lived = now - self._started[slot]
        # However long it took: one that says that it cannot start has not been steady.
        self._wait(slot, now, steady=lived > _STEADY_SECONDS and code != _CANNOT_START)
        how = signal.Signals(-code).name if code < 0 and -code in set(signal.Signals) else f"exit code {code}"
        advice = {"advice": _ADVICE[code]} if code in _ADVICE else {}
        log.error(
            "worker_died", slot=slot, code=code, how=how, lived=round(lived, 1), restart_in=self._pause[slot], **advice
        )

    def _wait(self, slot: int, now: float, *, steady: bool) -> None:
        """When it is started again: at once, or ever later while it cannot stay."""
        longer = min(max(self._pause.get(slot, 0.0) * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
        self._pause[slot] = 0.0 if steady else longer
        self._again[slot] = now + self._pause[slot]

    def _look_for_upkeep(self) -> None:
        if self._hold is not None and "upkeep" not in self._roles and not self._hold.held_by_anyone("upkeep"):
            log.error(
                "nobody_runs_upkeep",
                advice="the write-ahead log grows and nothing expires; run `mailward up --role upkeep` on this folder",
            )

    def _drain(self) -> int:
        log.info("draining")
        if self._nursery is not None:
            self._nursery.close()
        for worker in self._workers.values():
            worker.terminate()
        end = time.monotonic() + _DRAIN_SECONDS
        for worker in self._workers.values():
            try:
                worker.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("worker_killed", pid=worker.pid)
                worker.kill()
                worker.wait(_DRAIN_SECONDS)
        log.info("stopped")
        return 0


def main() -> None:
    """Entry point of `python -m mailward.app.process supervisor CONFIG ROLES`; the exit codes are the command's.

    An empty CONFIG is the usual file, and empty ROLES those of the settings.
    """
    config, roles = sys.argv[2:4]
    try:
        sys.exit(_run(load(config or None, os.environ), [r for r in roles.split(",") if r]))
    except (SettingsError, StartError) as e:
        print(f"mailward: {e}", file=sys.stderr)
        sys.exit(3)
    except MailwardError as e:
        print(f"mailward: {e.public}" + (f" ({e.detail})" if e.detail else ""), file=sys.stderr)
        sys.exit(3)
    except OSError as e:
        if e.filename is None:
            raise
        print(f"mailward: {e.strerror}: {e.filename}", file=sys.stderr)
        sys.exit(3)


def _run(settings: Settings, roles: list[str]) -> int:
    settings.server.roles = roles or settings.server.roles
    logs.configure(settings.server.log, slot=None)
    first = First()

    def prepare(settings: Settings, idle: Callable[[int], bool]) -> None:
        nonlocal first
        first = prepare_apart(settings, idle)

    return Supervisor(settings, prepare, lambda: welcome(settings, first, kept=is_kept(os.environ))).run()


__all__ = ["SettingsError", "StartError", "Supervisor", "become", "bind"]
