"""DNS as a dictionary: answers a lookup's questions and counts them."""

from __future__ import annotations

from typing import Any, TypeVar

from mailward.protocol.dns import DnsAnswer, DnsQuery, Lookup, Mx

R = TypeVar("R")


class Zone:
    """(name, type) -> records, or a status word."""

    def __init__(self) -> None:
        self.data: dict[tuple[str, str], Any] = {}
        self.asked: list[DnsQuery] = []

    def txt(self, name: str, *texts: str) -> None:
        """Set the TXT records of a name."""
        self.data[name, "TXT"] = tuple(t.encode() for t in texts)

    def mx(self, name: str, *hosts: str) -> None:
        """Set the MX records of a name."""
        self.data[name, "MX"] = tuple(Mx(10, h) for h in hosts)

    def publish(self, records: Any) -> None:
        """Set what the platform asked for."""
        for r in records:
            if r.type == "TXT":
                self.txt(r.name, r.value)
            else:
                self.data[r.name, r.type] = (r.value,)

    def answer(self, query: DnsQuery) -> DnsAnswer:
        """The answer to one question."""
        self.asked.append(query)
        found = self.data.get((query.name, query.type))
        if isinstance(found, str):
            return DnsAnswer(found)  # type: ignore[arg-type]
        if found:
            return DnsAnswer("ok", found, 300)
        known = any(name == query.name for name, _ in self.data)
        return DnsAnswer("nodata" if known else "nxdomain", (), 300)

    def run(self, lookup: Lookup[R]) -> R:
        """Run a computation to its end."""
        try:
            query = next(lookup)
            while True:
                query = lookup.send(self.answer(query))
        except StopIteration as end:
            result: R = end.value
            return result

    async def drive(self, lookup: Lookup[R], *, fresh: bool = False) -> R:
        """The same, as the port has it."""
        return self.run(lookup)
