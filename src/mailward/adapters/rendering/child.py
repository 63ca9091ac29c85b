"""The process in which templates are rendered: `python -m mailward.adapters.rendering.child FD`.

After its limits it can open nothing: every file descriptor it may have is in use.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import msgspec

from mailward.adapters.confined.child import limit, run
from mailward.adapters.rendering.engine import render, warm
from mailward.adapters.rendering.frames import Job, Terms


def prepare(frame: bytes) -> Callable[[bytes], bytes]:
    """Warm up, limit this process, and say what answers a frame."""
    terms = msgspec.msgpack.decode(frame, type=Terms)
    warm()
    limit(terms.memory_bytes, files=0)
    encoder = msgspec.msgpack.Encoder()
    decoder = msgspec.msgpack.Decoder(Job)

    def answer(content: bytes) -> bytes:
        # Finer than RLIMIT_CPU's whole seconds; SIGPROF ends the process, also inside native code.
        signal.setitimer(signal.ITIMER_PROF, terms.cpu_seconds)
        try:
            return encoder.encode(render(decoder.decode(content)))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    return answer


if __name__ == "__main__":
    run(prepare)
