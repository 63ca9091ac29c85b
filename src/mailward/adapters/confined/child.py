"""The child's side: give up what the work does not need, then answer one frame at a time."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable

import msgspec

from mailward.adapters.confined.wire import Ready, frame

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38


def limit(memory_bytes: int, *, files: int) -> None:
    """At most so much memory beyond what is mapped now, and no file descriptor of a number from `files` on."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # no core, no ptrace: it holds messages
    with open("/proc/self/statm", encoding="ascii") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + memory_bytes,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))  # root is not bound by it; the platform does not stay root


def serve(sock: socket.socket, prepare: Callable[[bytes], Callable[[bytes], bytes]]) -> None:
    """Until the parent hangs up.

    `prepare` takes the first frame, the terms, limits the process and returns what answers a frame. It raises OSError
    or ValueError (whose text is for the operator) when it cannot.
    """
    stream = sock.makefile("rb", buffering=262_144)
    head = stream.read(4)
    try:
        answer = prepare(stream.read(int.from_bytes(head, "big")))
    except (OSError, ValueError) as e:
        sock.sendall(frame(msgspec.msgpack.encode(Ready(str(e)[:1000] or type(e).__name__))))
        return
    sock.sendall(frame(msgspec.msgpack.encode(Ready())))
    while len(head := stream.read(4)) == 4:
        size = int.from_bytes(head, "big")
        content = stream.read(size)
        if len(content) != size:
            return
        sock.sendall(frame(answer(content)))
        del content


def run(prepare: Callable[[bytes], Callable[[bytes], bytes]]) -> None:
    """Entry point of a child. Exits without a word when the work was too much: the parent knows which."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    try:
        serve(sock, prepare)
    except (MemoryError, RecursionError, ConnectionError):
        os._exit(3)
