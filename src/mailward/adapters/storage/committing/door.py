"""The Unix socket at which workers find the committing process."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path
from typing import Any


def listen(path: Path) -> socket.socket:
    """A Unix socket in a folder that only its owner may enter, however long the folder's name is."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with short(path) as name:
        sock.bind(name)
    path.chmod(0o600)
    sock.listen(128)
    sock.set_inheritable(True)
    return sock


@contextlib.contextmanager
def short(path: Path) -> Any:
    """A name of a socket that fits into a socket address (108 octets), by way of its folder's descriptor."""
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}"
    finally:
        os.close(fd)


def wait_until_served(path: Path, seconds: float) -> bool:
    """Whether somebody answers on the socket within that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock, contextlib.suppress(OSError):
            with short(path) as name:
                sock.connect(name)
            return True
        time.sleep(0.02)
    return False
