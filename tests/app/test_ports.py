"""A port that is taken is tried again for a moment, and no longer."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from mailward.app.ports import bind
from mailward.app.roles import StartError


class Waiting:
    """A clock that sleeping moves; who holds the port lets it go after so many sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self.holder: socket.socket | None = None
        self.let_go_after = 0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        if self.holder is not None and len(self.slept) == self.let_go_after:
            self.holder.close()


@pytest.fixture
def taken() -> Iterator[tuple[socket.socket, str]]:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield holder, f"127.0.0.1:{holder.getsockname()[1]}"


def test_a_port_that_is_given_back_is_had(taken: tuple[socket.socket, str]) -> None:
    """Its holder ends at the third look: the socket listens there, and one log line told of the wait."""
    clock = Waiting()
    clock.holder, address = taken
    clock.let_go_after = 3
    with capture_logs() as logs, bind(address, monotonic=clock.monotonic, sleep=clock.sleep) as made:
        port = made.getsockname()[1]
        assert address == f"127.0.0.1:{port}"
        assert made.get_inheritable()
        socket.create_connection(("127.0.0.1", port)).close()
    assert len(clock.slept) == 3
    assert [(e["event"], e["listen"]) for e in logs] == [("port_still_taken", address)]


def test_a_port_that_stays_taken_is_an_error_in_time(taken: tuple[socket.socket, str]) -> None:
    """After the patience, and not before, it says what is wrong; with none it says so at once."""
    clock = Waiting()
    for patience in (2.0, 0.0):
        began = clock.now
        with pytest.raises(StartError, match="something else listens there"):
            bind(taken[1], patience=patience, monotonic=clock.monotonic, sleep=clock.sleep)
        assert patience <= clock.now - began < patience + 0.1


def test_what_waiting_does_not_mend_is_an_error_at_once() -> None:
    """Nobody waits for an address that is not ours."""
    clock = Waiting()
    with pytest.raises(StartError, match="cannot listen on"):
        bind("192.0.2.1:2525", monotonic=clock.monotonic, sleep=clock.sleep)
    assert clock.slept == []
