"""Servers that answer nothing keep nobody else's mail waiting, on the running platform."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Any

import pytest

from tests.scenarios.ledger import LedgerSink
from tests.scenarios.peers import wait_until
from tests.scenarios.platform import Platform

# Twenty connections each: more than the 200 places of the one worker.
_SILENT = 12
_BATCH = 480


def _silent(stack: ExitStack) -> int:
    """The port of a server that takes connections and says nothing."""
    sock = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
    port: int = sock.getsockname()[1]
    return port


@pytest.mark.claim("RATE-1")
def test_one_workspace_with_silent_servers_delays_nobody() -> None:
    """Each place is taken by mail for servers that never greet; a message of another workspace, and one of the same to
    a server that is well, go out meanwhile."""
    with ExitStack() as stack:
        sink = stack.enter_context(LedgerSink())
        routes = {f"silent{n}.test": f"127.0.0.1:{_silent(stack)}" for n in range(_SILENT)}
        routes["*"] = f"127.0.0.1:{sink.port}"
        platform = stack.enter_context(
            Platform(
                domain="noisy.test", workers=1, settings={"delivery.routes": routes, "limits.messages_per_minute": 0}
            )
        )
        workspace = platform.cli_json("workspace", "create", "Quiet")["id"]
        key = platform.cli_json("key", "create", "quiet", "--scope", "admin", "--workspace", workspace)["secret"]
        platform.verify_domain("quiet.test", key)

        def letter(domain: str, n: int) -> dict[str, Any]:
            to = f"u{n}@silent{n % _SILENT}.test"
            return {"from": f"ada@{domain}", "to": [to], "subject": "s", "text": "t"}

        flood = [letter("noisy.test", n) for n in range(_BATCH)]
        status, said = platform.api("POST", "/v1/messages/batch", {"messages": flood})
        assert status < 300, said
        for own, domain in ((key, "quiet.test"), (None, "noisy.test")):
            letters = {**letter(domain, 0), "to": [f"{domain}@well.test"]}

            def taken(own: str | None = own, letters: dict[str, Any] = letters) -> bool:
                return bool(platform.api("POST", "/v1/messages", letters, key=own)[0] == 202)

            def arrived(to: str = letters["to"][0]) -> bool:
                return any(recipient == to for _, recipient in sink.read())

            wait_until(taken, f"{domain} to be known to the worker", 20)
            wait_until(arrived, f"the mail of {domain}", 30)
        platform.kill()  # a drain would wait for the silent ones
