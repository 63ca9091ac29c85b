"""The parent's side of renderings."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from mailward.adapters.confined.children import Cause, Children, Exhausted
from mailward.adapters.rendering.frames import Fault, Job, Made, Terms
from mailward.base.errors import Invalid, Unavailable
from mailward.core.templates.model import Rendered, Sheet

MEMORY_BYTES = 96 << 20
CPU_SECONDS = 0.5
SECONDS = 5.0
CHILDREN = 2
# A sheet that broke a child is refused unseen for so many seconds: a batch of it breaks one child, not five hundred.
REST_SECONDS = 10.0
_RESTING = 1000


class LimitedRenderer:
    """Implements `core.templates.ports.Renderer`. Belongs to one event loop.

    A workspace has one child at a time, so that costly templates of one leave room for the others.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        memory_bytes: int = MEMORY_BYTES,
        cpu_seconds: float = CPU_SECONDS,
        seconds: float = SECONDS,
        count: int = CHILDREN,
    ) -> None:
        self._children = Children(
            "mailward.adapters.rendering.child",
            msgspec.msgpack.encode(Terms(memory_bytes, cpu_seconds)),
            Made,
            count=count,
            seconds=seconds,
            away=_away,
        )
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}
        self._resting: OrderedDict[bytes, tuple[float, str]] = OrderedDict()
        self._monotonic = monotonic
        self._encode = msgspec.msgpack.Encoder().encode

    @property
    def replaced(self) -> int:
        """How many children had to be replaced."""
        return self._children.replaced

    async def render(self, workspace: str, sheet: Sheet, data: str) -> Rendered:
        """The mail; see the port."""
        key = hashlib.sha256(workspace.encode() + b"\0" + self._encode(sheet)).digest()
        lock, waiting = self._turns.get(workspace, (asyncio.Lock(), 0))
        self._turns[workspace] = (lock, waiting + 1)
        try:
            async with lock:
                self._require_rested(key)
                made = await self._children.ask(self._encode(Job(sheet, data)))
        except Exhausted as e:
            reason = _words(e.cause)
            self._resting[key] = (self._monotonic() + REST_SECONDS, reason)
            if len(self._resting) > _RESTING:
                self._resting.popitem(last=False)
            raise _too_costly(reason) from None
        finally:
            lock, waiting = self._turns[workspace]
            if waiting == 1:
                del self._turns[workspace]
            else:
                self._turns[workspace] = (lock, waiting - 1)
        if made.fault is not None:
            raise _refused(made.fault)
        if made.mail is None:
            raise _away("an answer without a mail")
        return made.mail

    def _require_rested(self, key: bytes) -> None:
        if (resting := self._resting.get(key)) is not None:
            until, reason = resting
            if self._monotonic() < until:
                raise _too_costly(reason)
            del self._resting[key]

    async def close(self) -> None:
        """End all children."""
        await self._children.close()


def _refused(fault: Fault) -> Invalid:
    if fault.part == "data":
        return Invalid("template_data_invalid", fault.reason, field="data")
    where = f"{fault.part}, line {fault.line}" if fault.line else fault.part
    return Invalid("template_error", f"The template does not render ({where}): {fault.reason}.", field=fault.part)


def _too_costly(reason: str) -> Invalid:
    return Invalid("template_too_costly", f"The template does not render: {reason}.", field="template")


def _words(cause: Cause) -> str:
    match cause:
        case Cause.SECONDS | Cause.CPU:
            return "it takes more time than a mail may"
        case Cause.MEMORY:
            return "it takes more memory than a mail may"
        case Cause.BROKE:
            return "the process that rendered it broke"


def _away(detail: str) -> Unavailable:
    return Unavailable("renderer_down", "Templates cannot be rendered now.", detail=detail)
