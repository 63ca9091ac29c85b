"""DNS as a dictionary for the protocol tests: answers what a lookup asks, and remembers the questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from mailward.protocol.dns import DnsAnswer, DnsQuery, DnsStatus, Lookup, Mx

R = TypeVar("R")
Records = Mapping[str, Sequence[Any]]
_FAILURES: dict[str, DnsStatus] = {"TIMEOUT": "timeout", "SERVFAIL": "servfail"}


class Zone:
    """{name: {type: records}}; for records a failure ("TIMEOUT", "SERVFAIL") may stand.

    A name above another one exists without records. CNAME is followed as a resolver would, a loop is servfail.
    """

    def __init__(self, data: Mapping[str, Mapping[str, Any]]) -> None:
        self.data = {name.lower().rstrip("."): dict(records) for name, records in data.items()}
        self.asked: list[DnsQuery] = []

    @classmethod
    def texts(cls, texts: Mapping[str, str | Sequence[str]]) -> Zone:
        """A zone of TXT records only."""
        return cls({n: {"TXT": [t] if isinstance(t, str) else list(t)} for n, t in texts.items()})

    def answer(self, query: DnsQuery) -> DnsAnswer:
        """The answer to one question."""
        self.asked.append(query)
        name = query.name.rstrip(".").lower()
        for _ in range(10):
            alias = self.data.get(name, {}).get("CNAME")
            if not alias or query.type == "CNAME":
                return self._plain(name, query.type)
            name = str(alias[0]).rstrip(".").lower()
        return DnsAnswer("servfail")

    def _plain(self, name: str, rtype: str) -> DnsAnswer:
        known = self.data.get(name)
        if known is None:
            below = any(other.endswith("." + name) for other in self.data)
            return DnsAnswer("nodata" if below else "nxdomain")
        records = known.get(rtype, known.get("*", ()))
        if isinstance(records, str):
            return DnsAnswer(_FAILURES[records])
        if not records:
            return DnsAnswer("nodata")
        if rtype == "TXT":
            records = [r.encode("latin-1") if isinstance(r, str) else r for r in records]
        elif rtype == "MX":
            records = [Mx(preference, host.lower()) for preference, host in records]
        return DnsAnswer("ok", tuple(records), 300)

    def run(self, lookup: Lookup[R]) -> R:
        """Run a computation to its end."""
        try:
            query = next(lookup)
            while True:
                query = lookup.send(self.answer(query))
        except StopIteration as end:
            result: R = end.value
            return result
