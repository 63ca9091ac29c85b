"""The supervisor binds before it starts anything."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mailward.app.settings import Http, Server, Settings
from mailward.app.supervisor import StartError, Supervisor, lock_data


def supervisor(tmp_path: Path, port: int) -> Supervisor:
    settings = Settings(server=Server(data=str(tmp_path), workers=2, user=""), http=Http(metrics=f"127.0.0.1:{port}"))
    return Supervisor(settings, lambda s: None, lambda: None)


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


def test_a_taken_metrics_port_of_a_further_worker_does_not_stop_the_start(tmp_path: Path) -> None:
    """Worker 1's neighbour port belongs to someone else: it goes without metrics; worker 0's must be had."""
    taken, port = pair()
    with taken:
        one = supervisor(tmp_path, port)
        first = one._metrics_socket(0)
        assert first is not None
        assert one._metrics_socket(1) is None
        first.close()
        with pytest.raises(StartError, match="something else listens"):
            supervisor(tmp_path, port + 1)._metrics_socket(0)


def test_a_data_folder_has_one_supervisor(tmp_path: Path) -> None:
    """A second one is refused with a sentence that says what to do."""
    import os

    fd = lock_data(tmp_path)
    with pytest.raises(StartError, match="another mailward runs"):
        lock_data(tmp_path)
    os.close(fd)
    os.close(lock_data(tmp_path))
