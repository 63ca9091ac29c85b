"""Listening sockets, bound before anything else happens and inherited by the workers."""

from __future__ import annotations

import errno
import socket

from mailward.app.roles import StartError
from mailward.app.settings import split_address

_BACKLOG = 1024
_HINTS = {errno.EACCES: "needs root or CAP_NET_BIND_SERVICE", errno.EADDRINUSE: "something else listens there"}


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
    except (OSError, OverflowError) as e:
        sock.close()
        hint = _HINTS.get(e.errno or 0, "") if isinstance(e, OSError) else ""
        what = e.strerror if isinstance(e, OSError) else "there is no such port"
        raise StartError(f"cannot listen on {text}: {what}" + (f" ({hint})" if hint else "")) from e
    sock.set_inheritable(True)
    return sock
