"""The noun: one answered request."""

from __future__ import annotations

from typing import NamedTuple

KEPT_DAYS = 7
KEPT_MOST = 50_000
"""Of one workspace, however many there were."""
LEFT_OUT = "requests_left_out"
"""The hourly counter of requests that were answered and not listed."""


class Request(NamedTuple):
    """`id` is the time in microseconds UTC (8 octets) and the request's own id (10), so that ids are in order of time.

    `us` is how long the answer took, `actor` the id of the credential, `operation` its name in the published document.
    """

    id: bytes
    method: str
    operation: str
    status: int
    us: int
    actor: str

    @property
    def at(self) -> int:
        """Microseconds UTC."""
        return int.from_bytes(self.id[:8], "big")

    @property
    def public_id(self) -> str:
        """The id that was in the answer."""
        return "req_" + self.id[8:].hex()


def request_id(at: int, public: str) -> bytes:
    """The id under which a request is kept."""
    return at.to_bytes(8, "big") + bytes.fromhex(public.removeprefix("req_"))
