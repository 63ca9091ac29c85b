"""Listening sockets, bound before anything else happens and inherited by the workers.

Where a platform was killed and is started again at once, the kernel may still be closing the sockets of the last one's
processes after it has dropped their locks: a port that is taken is tried again for a moment before that is an error.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable

import structlog

from mailward.app.roles import StartError
from mailward.app.settings import split_address

PATIENCE = 2.0
"""Seconds for which a taken port is tried again."""
_PAUSE = 0.05
_BACKLOG = 1024
_HINTS = {errno.EACCES: "needs root or CAP_NET_BIND_SERVICE", errno.EADDRINUSE: "something else listens there"}

log = structlog.get_logger()


def bind(
    text: str,
    *,
    patience: float = PATIENCE,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> socket.socket:
    """A listening TCP socket on `address:port`, inheritable; StartError when it is taken or forbidden.

    One that is taken is waited for, at most `patience` seconds, and the log says so once.
    """
    end, said = monotonic() + patience, False
    while True:
        try:
            return _listening(text)
        except OSError as e:
            if e.errno != errno.EADDRINUSE or monotonic() >= end:
                hint = _HINTS.get(e.errno or 0, "")
                raise StartError(f"cannot listen on {text}: {e.strerror}" + (f" ({hint})" if hint else "")) from e
            if not said:
                log.warning("port_still_taken", listen=text, trying_for=patience)
                said = True
        sleep(_PAUSE)


def _listening(text: str) -> socket.socket:
    address, port = split_address(text)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address == "::" else 1)
        sock.bind((address, port))
        sock.listen(_BACKLOG)
        sock.set_inheritable(True)
    except BaseException:
        sock.close()
        raise
    return sock
