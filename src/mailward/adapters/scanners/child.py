"""The process in which strangers' messages are taken apart: `python -m mailward.adapters.scanners.child FD`.

It starts fresh, so it inherits no key and no message of its parent's memory; it loads its rules, then gives up files,
processes and most of its memory, and answers one message at a time. A message that needs more CPU time or memory than
the terms allow ends it: the kernel sends SIGXCPU, or an allocation fails.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys

import msgspec
import yara_x

from mailward.adapters.scanners.archives import Budget
from mailward.adapters.scanners.frames import Examination, Ready, Terms, frame
from mailward.adapters.scanners.parts import pieces
from mailward.adapters.scanners.rules import Match, Rules, RulesError
from mailward.protocol.message import structure

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_NAMES = 200


def examine(content: bytes, rules: Rules) -> Examination:
    """Everything about one message."""
    read = structure.read(content)
    budget = Budget()
    matches: list[Match] = []
    complete = True
    try:
        matches = rules.run([("", content)])  # as it came, whatever its labels say
        matches += [m for m in rules.run(pieces(read, budget)) if m not in matches]
    except yara_x.TimeoutError:
        complete = False
    return Examination(
        read.subject[:1000],
        tuple(read.defects),
        tuple(leaf.filename for leaf in read.leaves if leaf.filename)[:_NAMES],
        len(read.leaves),
        tuple((m.rule, m.severity, m.path) for m in matches),
        tuple(budget.notes),
        complete,
    )


def limit(terms: Terms) -> None:
    """Give up what taking messages apart does not need."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # no core, no ptrace: it holds messages
    with open("/proc/self/statm", encoding="ascii") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + terms.memory_bytes,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))  # root is not bound by it; the platform does not stay root


def allow(seconds: int) -> None:
    """So many seconds of CPU time from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    end = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (end, resource.RLIM_INFINITY))


def serve(sock: socket.socket) -> None:
    """Until the parent hangs up."""
    stream = sock.makefile("rb", buffering=262_144)
    head = stream.read(4)
    terms = msgspec.msgpack.decode(stream.read(int.from_bytes(head, "big")), type=Terms)
    try:
        rules = Rules(terms.rules, seconds=max(1, terms.cpu_seconds - 1))
        examine(b"Subject: warm\r\n\r\nup\r\n", rules)  # what is made on first use is made before the limits
        limit(terms)
    except (RulesError, OSError, ValueError) as e:
        sock.sendall(frame(msgspec.msgpack.encode(Ready(str(e)[:1000] or type(e).__name__))))
        return
    sock.sendall(frame(msgspec.msgpack.encode(Ready())))
    encoder = msgspec.msgpack.Encoder()
    while len(head := stream.read(4)) == 4:
        size = int.from_bytes(head, "big")
        content = stream.read(size)
        if len(content) != size:
            return
        allow(terms.cpu_seconds)
        sock.sendall(frame(encoder.encode(examine(content, rules))))
        del content


def main() -> None:
    """Entry point. Exits without a word when a message was too much: the parent knows which."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    try:
        serve(sock)
    except (MemoryError, RecursionError, ConnectionError):
        os._exit(3)


if __name__ == "__main__":
    main()
