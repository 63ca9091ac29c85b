"""The application on a real server, one of several processes on a port: `serve_alone.py PORT`, until input ends."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import uvloop

from mailward.edges.web.server import Server, bind
from tests.edges.web.conftest import make_site


async def main(port: int) -> None:
    """Serve until standard input ends."""
    front = make_site().front

    async def signed(scope: Any, receive: Any, send: Any) -> None:
        async def name(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-process", b"%d" % os.getpid())]
            await send(message)

        if scope["path"] == "/slow":
            await asyncio.sleep(0.5)
            scope["path"] = "/healthz"
        await front(scope, receive, name)

    server = Server(signed, bind("127.0.0.1", port))
    await server.start()
    print(server.address[1], flush=True)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()
    await server.stop()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
