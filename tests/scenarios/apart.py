"""The platform with its roles in processes of their own over one data folder, as an operator may lay it out."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.scenarios.killing import alive, children, kill_family, of_kind
from tests.scenarios.peers import Dns, PeerFailed, stop, wait_until
from tests.scenarios.platform import Platform

APART = (("web",), ("submission",), ("sender",), ("upkeep",))
TOGETHER = (("web", "submission", "sender", "upkeep"),)
_BLOCK = {"web": 0, "submission": 100, "sender": 200, "upkeep": 300, "mx": 400}


class Apart(Platform):
    """`mailward up --role ...` once for each part of a layout. A part is named by its first role."""

    def __init__(
        self,
        layout: Sequence[Sequence[str]] = APART,
        *,
        domain: str = "",
        route: str = "",
        settings: Mapping[str, Any] | None = None,
        workers: int = 1,
        environment: Mapping[str, str] | None = None,
        data: Path | None = None,
    ) -> None:
        """`data` puts the data folder elsewhere; `environment` is added to every process."""
        super().__init__(domain=domain, route=route, settings=settings, workers=workers)
        if data is not None:
            self.data = data
            self._values["server.data"] = str(data)
        self._values["limits.smtp_connections_per_minute_ip"] = 0
        self._values["limits.smtp_messages_per_minute_domain"] = 0
        self._values["limits.burst_factor"] = 1_000_000
        self._values |= settings or {}
        self._workers = workers
        self._environment_extra = dict(environment or {})
        self.layout = [tuple(part) for part in layout]
        self.parts: dict[str, subprocess.Popen[bytes]] = {}

    def launch(self) -> None:
        """Start every part at once, and wait until each worker says that it is ready."""
        for part in self.layout:
            self.start_part(part[0], wait=False)
        for part in self.layout:
            self.await_part(part[0])

    def relayout(self, layout: Sequence[Sequence[str]]) -> None:
        """Stop every part in order, and start with another division of the roles."""
        self.stop_all()
        self.layout = [tuple(part) for part in layout]
        self.launch()

    def part_of(self, role: str) -> str:
        """The part that runs a role."""
        return next(part[0] for part in self.layout if role in part)

    def sends(self, part: str) -> bool:
        """Does this part send mail?"""
        return part == self.part_of("sender")

    def start_part(self, name: str, *, wait: bool = True) -> None:
        """Start one part; with `wait`, until its workers are ready."""
        roles = next(part for part in self.layout if part[0] == name)
        out = (self.folder / f"out-{time.time_ns()}-{name}.log").open("wb")
        self.parts[name] = subprocess.Popen(
            [sys.executable, "-m", "mailward", "up", "--config", str(self.config), "--role", ",".join(roles)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=self._environment() | self._environment_extra,
            start_new_session=True,
        )
        out.close()
        if "web" in roles:
            self._process = self.parts[name]
        if wait:
            self.await_part(name)

    def await_part(self, name: str, seconds: float = 60) -> None:
        """Until every worker of a part answers `/readyz` with 200; PeerFailed with the log otherwise."""
        process = self.parts[name]

        def ready() -> bool:
            if process.poll() is not None:
                raise PeerFailed(f"mailward {name} ended with {process.returncode}: {self.log[-3000:]}")
            return all(self.ready(name, n) for n in range(self.count(name)))

        try:
            wait_until(ready, f"mailward {name}", seconds)
        except PeerFailed as e:
            raise PeerFailed(f"{e}: {self.log[-3000:]}") from None

    def count(self, name: str) -> int:
        """Workers of a part."""
        return 1 if name == "upkeep" else self._workers

    def probe(self, name: str, path: str, worker: int = 0) -> tuple[int, bytes]:
        """A GET on the metrics listener of a worker; (0, b"") when nobody answers."""
        url = f"http://127.0.0.1:{self.metrics_port + _BLOCK[name] + worker}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.read()
        except OSError:
            return 0, b""

    def ready(self, name: str, worker: int = 0) -> bool:
        """Does this worker say that it should be given work?"""
        return self.probe(name, "/readyz", worker)[0] == 200

    def children(self, name: str) -> list[int]:
        """Process ids of a part's workers; not of the one they are forked from, which soon ends."""
        return [pid for pid in children(self.parts[name].pid) if not _forks(pid)]

    def committer(self, name: str) -> int:
        """Process id of the committing process that a part runs, once there is one."""
        wait_until(lambda: bool(of_kind(self.parts[name].pid, "committer")), f"the committer of {name}", 30, 0.01)
        return of_kind(self.parts[name].pid, "committer")[0]

    def kill_worker(self, name: str, pid: int) -> None:
        """kill -9 for one process."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), f"{name} {pid} to end", 10, 0.001)

    def kill_supervisor(self, name: str) -> None:
        """kill -9 for the supervisor alone: its workers drain by themselves."""
        self.parts[name].kill()
        self.parts[name].wait(20)

    def kill_part(self, name: str) -> None:
        """kill -9 for a supervisor and all its workers at one instant, as when the machine fails."""
        kill_family(self.parts[name])

    def stop_part(self, name: str, seconds: float = 45) -> int:
        """SIGTERM, and its exit code."""
        self.parts[name].terminate()
        return self.parts[name].wait(seconds)

    def stop_all(self) -> None:
        """SIGTERM to every part at once, and wait."""
        for process in self.parts.values():
            if process.poll() is None:
                process.terminate()
        for process in self.parts.values():
            stop(process, 50)

    def close(self) -> None:
        self.stop_all()
        super().close()

    def resolver(self) -> Dns:
        """The platform's own resolver, when it has a domain."""
        assert self._dns is not None
        return self._dns


def _forks(pid: int) -> bool:
    try:
        return b"nursery" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
