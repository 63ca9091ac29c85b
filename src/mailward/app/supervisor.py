"""The parent process: binds the ports, prepares the data folder, gives up root, keeps the workers alive.

It parses nothing from the network. Workers inherit the listening sockets, so a worker
that dies takes no port with it and connections wait in the backlog for the next one.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from mailward.app.plan import Plan, encode
from mailward.app.settings import Settings, SettingsError, split_address

log = structlog.get_logger()

_BACKLOG = 1024


class StartError(Exception):
    """The platform cannot start; the text says what to do."""


def bind(text: str) -> socket.socket:
    """A listening TCP socket on `address:port`, inheritable; StartError when it is taken or forbidden."""
    address, port = split_address(text)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address == "::" else 1)
    try:
        sock.bind((address, port))
        sock.listen(_BACKLOG)
    except OSError as e:
        sock.close()
        hint = {13: "needs root or CAP_NET_BIND_SERVICE", 98: "something else listens there"}.get(e.errno or 0, "")
        raise StartError(f"cannot listen on {text}: {e.strerror}" + (f" ({hint})" if hint else "")) from e
    sock.set_inheritable(True)
    return sock


def lock_data(data: Path) -> int:
    """Take the data folder for this process alone; StartError when another one has it."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(data / "mailward.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        os.close(fd)
        raise StartError(f"another mailward runs on {data}; stop it, or choose another data folder") from e
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    return fd


def become(settings: Settings) -> tuple[int, int] | None:
    """(uid, gid) the workers run as when we are root; None to stay as we are."""
    if os.geteuid() != 0 or not settings.server.user:
        return None
    try:
        entry = pwd.getpwnam(settings.server.user)
    except KeyError:
        if not settings.capture:
            raise StartError(
                f"started as root, but there is no user {settings.server.user!r}: create it "
                f"(useradd --system {settings.server.user}), or set server.user"
            ) from None
        log.warning("running_as_root", advice=f"create the user {settings.server.user} before real use")
        return None
    return entry.pw_uid, entry.pw_gid


def give_data(data: Path, owner: tuple[int, int]) -> None:
    """Make the data folder the worker user's own."""
    for path in (data, *data.rglob("*")):
        os.chown(path, *owner, follow_symlinks=False)


class Supervisor:
    """Starts one worker a slot, restarts those that die, and drains all on SIGTERM or SIGINT."""

    def __init__(self, settings: Settings, prepare: Callable[[Settings], None], ready: Callable[[], None]) -> None:
        self._settings = settings
        self._prepare = prepare
        self._ready = ready
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._started: dict[int, float] = {}
        self._stopping = False
        self._sockets: dict[str, list[socket.socket]] = {}

    def run(self) -> int:
        """Until told to stop; the exit code."""
        settings = self._settings
        roles = settings.server.roles
        lock = lock_data(settings.data)
        try:
            self._sockets = {
                "http": [bind(t) for t in settings.http.listen] if "web" in roles else [],
                "starttls": [bind(t) for t in settings.submission.starttls] if "submission" in roles else [],
                "implicit": [bind(t) for t in settings.submission.implicit] if "submission" in roles else [],
                "private": [bind(t) for t in settings.submission.private] if "submission" in roles else [],
            }
            for slot in range(settings.workers):
                self._metrics_socket(slot)
            self._prepare(settings)
            owner = become(settings)
            if owner is not None:
                give_data(settings.data, owner)
            signal.signal(signal.SIGTERM, self._stop)
            signal.signal(signal.SIGINT, self._stop)
            for slot in range(settings.workers):
                self._spawn(slot, owner)
            self._ready()
            return self._watch(owner)
        finally:
            os.close(lock)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _metrics_socket(self, slot: int) -> socket.socket | None:
        text = self._settings.http.metrics
        if not text:
            return None
        address, port = split_address(text)
        host = f"[{address}]" if ":" in address else address
        key = f"metrics{slot}"
        if key not in self._sockets:
            try:
                self._sockets[key] = [bind(f"{host}:{port + slot if port else 0}")]
            except StartError as e:
                # The first worker's port is the one in the settings. A neighbour taken by somebody else costs that
                # worker's metrics, not the platform.
                if slot == 0:
                    raise
                log.warning("metrics_port_taken", slot=slot, detail=str(e))
                self._sockets[key] = []
        return self._sockets[key][0] if self._sockets[key] else None

    def _spawn(self, slot: int, owner: tuple[int, int] | None) -> None:
        metrics = self._metrics_socket(slot)
        fds = {name: [s.fileno() for s in self._sockets[name]] for name in ("starttls", "implicit", "private", "http")}
        plan = Plan(
            slot=slot,
            supervisor=os.getpid(),
            settings=self._settings,
            metrics=metrics.fileno() if metrics else -1,
            **fds,
        )
        inherited = [fd for group in fds.values() for fd in group] + ([metrics.fileno()] if metrics else [])
        worker = subprocess.Popen(
            [sys.executable, "-m", "mailward.app.worker"],
            stdin=subprocess.PIPE,
            pass_fds=inherited,
            start_new_session=True,
            # Message bodies pass through three threads: without this, the C library keeps a heap for each of them.
            env={**os.environ, "MALLOC_ARENA_MAX": "2"},
            user=owner[0] if owner else None,
            group=owner[1] if owner else None,
            extra_groups=[] if owner else None,
        )
        assert worker.stdin is not None
        worker.stdin.write(encode(plan))
        worker.stdin.close()
        self._workers[slot] = worker
        self._started[slot] = time.monotonic()
        log.info("worker_started", slot=slot, pid=worker.pid)

    def _watch(self, owner: tuple[int, int] | None) -> int:
        pause: dict[int, float] = {}
        while not self._stopping:
            for slot, worker in list(self._workers.items()):
                code = worker.poll()
                if code is None:
                    continue
                lived = time.monotonic() - self._started[slot]
                wait = pause[slot] = 0.0 if lived > 5 else min(max(pause.get(slot, 0.0) * 2, 0.25), 10.0)
                log.error("worker_died", slot=slot, code=code, lived=round(lived, 1), restart_in=wait)
                self._pause(wait)
                if not self._stopping:
                    self._spawn(slot, owner)
            self._pause(0.05)
        return self._drain()

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stopping and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))

    def _drain(self) -> int:
        log.info("draining")
        for worker in self._workers.values():
            worker.terminate()
        end = time.monotonic() + 40
        for worker in self._workers.values():
            try:
                worker.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("worker_killed", pid=worker.pid)
                worker.kill()
                worker.wait()
        log.info("stopped")
        return 0


__all__ = ["SettingsError", "StartError", "Supervisor", "become", "bind", "lock_data"]
