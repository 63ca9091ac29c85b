"""The process in which strangers' messages are taken apart: `python -m mailward.adapters.scanners.child FD`.

It starts fresh, so it inherits no key and no message of its parent's memory; it loads its rules, then gives up files,
processes and most of its memory, and answers one message at a time. A message that needs more CPU time or memory than
the terms allow ends it: the kernel sends SIGXCPU, or an allocation fails.
"""

from __future__ import annotations

import resource
from collections.abc import Callable

import msgspec
import yara_x

from mailward.adapters.confined.child import limit, run
from mailward.adapters.scanners.archives import Budget
from mailward.adapters.scanners.frames import Examination, Terms
from mailward.adapters.scanners.parts import pieces
from mailward.adapters.scanners.rules import Match, Rules, RulesError
from mailward.protocol.message import structure

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


def allow(seconds: int) -> None:
    """So many seconds of CPU time from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    end = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (end, resource.RLIM_INFINITY))


def prepare(frame: bytes) -> Callable[[bytes], bytes]:
    """Load the rules, warm up, and limit this process: what is made on first use is made before the limits."""
    terms = msgspec.msgpack.decode(frame, type=Terms)
    try:
        rules = Rules(terms.rules, seconds=max(1, terms.cpu_seconds - 1))
    except RulesError as e:
        raise ValueError(str(e)) from e
    examine(b"Subject: warm\r\n\r\nup\r\n", rules)
    limit(terms.memory_bytes, files=16)
    encoder = msgspec.msgpack.Encoder()

    def answer(content: bytes) -> bytes:
        allow(terms.cpu_seconds)
        return encoder.encode(examine(content, rules))

    return answer


if __name__ == "__main__":
    run(prepare)
