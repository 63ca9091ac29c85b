"""The supervisor binds before it starts anything, and brings back what dies, each worker by itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import structlog

from mailward.app import user
from mailward.app.roles import StartError
from mailward.app.settings import Http, Server, Settings
from mailward.app.supervisor import Supervisor


def supervisor(tmp_path: Path, port: int, roles: list[str] | None = None) -> Supervisor:
    server = Server(data=str(tmp_path), workers=2, user="")
    if roles is not None:
        server.roles = roles
    settings = Settings(server=server, http=Http(metrics=f"127.0.0.1:{port}"))
    return Supervisor(settings, lambda s, idle: None, lambda: None)


def pair() -> tuple[socket.socket, int]:
    """A bound port whose lower neighbour is free."""
    for _ in range(50):
        taken = socket.socket()
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port - 1))
            except OSError:
                taken.close()
                continue
        taken.listen()
        return taken, port - 1
    raise AssertionError("no free pair of ports")


def test_a_taken_metrics_port_of_a_further_worker_does_not_stop_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Worker 1's neighbour port belongs to someone else: it goes without metrics; worker 0's must be had."""
    monkeypatch.setattr("mailward.app.supervisor.PATIENCE", 0.0)
    taken, port = pair()
    with taken:
        one = supervisor(tmp_path, port)
        first = one._metrics_socket(0)
        assert first is not None
        assert one._metrics_socket(1) is None
        first.close()
        with pytest.raises(StartError, match="something else listens"):
            supervisor(tmp_path, port + 1)._metrics_socket(0)


def test_metrics_ports_of_roles_apart_do_not_meet(tmp_path: Path) -> None:
    """A sender beside a web process, from one settings file: its workers listen two blocks higher."""
    one = supervisor(tmp_path, 20000, ["sender"])
    assert list(one._slots()) == [200, 201]
    assert list(supervisor(tmp_path, 20000, ["upkeep"])._slots()) == [300]


class Deaths:
    """A clock by hand, and what was spawned when."""

    def __init__(self, one: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.spawned: list[tuple[int, float]] = []
        self.one = one
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        one._started = {0: 100.0, 1: 100.0}

    def die(self, slot: int, code: int) -> float:
        """It dies now; when it comes back."""
        self.one._died(slot, code, self.now)
        back = self.one._again.pop(slot)
        self.now = back
        self.one._started[slot] = back
        return back


@pytest.fixture
def deaths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deaths:
    return Deaths(supervisor(tmp_path, 20000), monkeypatch)


def test_a_worker_that_cannot_start_is_tried_ever_more_rarely(deaths: Deaths) -> None:
    """A quarter of a second first, then doubling to ten; one that lived comes back at once and starts over."""
    waits = []
    with structlog.testing.capture_logs() as lines:
        for _ in range(8):
            before = deaths.now
            deaths.now += 7  # a start can be slow and still be none
            waits.append(deaths.die(0, 78) - before - 7)
        deaths.now += 60
        assert deaths.die(0, -9) == deaths.now
        before = deaths.now
        assert deaths.die(0, -9) - before == 0.25
    assert waits == [0.25, 0.5, 1, 2, 4, 8, 10, 10]
    assert "log line above" in lines[0]["advice"]
    assert lines[8]["how"] == "SIGKILL"


def test_the_files_that_may_be_open_are_allowed() -> None:
    """A shell's 1,024 would be used up by what one worker may have under way; the hard limit stays."""
    script = (
        "import resource; hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1];"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard));"
        "from mailward.app import supervisor; supervisor._allow_files();"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE) == (min(hard, 65536), hard))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "True\n"


def test_a_failed_sync_is_called_by_its_name(deaths: Deaths) -> None:
    """Exit code 74 says that the disk is to be looked at."""
    with structlog.testing.capture_logs() as lines:
        deaths.die(1, 74)
    assert "durable" in lines[0]["advice"]


def test_root_without_the_user_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a host name the start is refused with the commands; in capture mode it goes on with a warning."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    missing = Server(hostname="mail.example.com", user="mw-nobody-here")
    with pytest.raises(StartError) as refused:
        user.become(Settings(server=missing))
    text = str(refused.value)
    assert "useradd --system" in text
    assert "mw-nobody-here" in text
    assert 'user = ""' in text
    assert "MAILWARD_SERVER__USER=" in text
    with structlog.testing.capture_logs() as lines:
        assert user.become(Settings(server=Server(user="mw-nobody-here"))) is None
    assert "useradd" in lines[0]["advice"]
    with pytest.raises(StartError, match="which is root"):
        user.become(Settings(server=Server(user="root")))
    assert user.become(Settings(server=Server(hostname="mail.example.com", user=""))) is None
