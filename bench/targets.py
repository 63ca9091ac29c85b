"""The figures to reach, as multiples of the peers in the same run, and the aims beyond. The only place they stand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gate:
    """`figure` is computed in `report.figures`; it has to be at least (or with `at_most`, at most) `bound`."""

    figure: str
    meaning: str
    bound: float
    aim: float
    at_most: bool = False
    unit: str = "x"
    of: str = "mailward"
    """The server or the part of a run that it is about (`Plan.parts`): a run without it has nothing to say."""

    def passes(self, value: float) -> bool:
        """Is the gate met?"""
        return value <= self.bound if self.at_most else value >= self.bound


GATES = (
    Gate("accept_10k_20", "accept, 10 kB, 20 sessions: Mailward / Postfix", 3.0, 4.0),
    Gate("accept_10k_90", "accept, 10 kB, 90 sessions: Mailward / Postfix", 4.0, 5.0),
    Gate("accept_50k_20", "accept, 50 kB, 20 sessions: Mailward / Postfix", 1.3, 2.0),
    Gate("accept_50k_90", "accept, 50 kB, 90 sessions: Mailward / Postfix", 1.3, 2.0),
    Gate("relay_unsigned", "relay, unsigned, 20 sessions: Mailward / Postfix", 3.0, 4.5),
    Gate("relay_unsigned_90", "relay, unsigned, 90 sessions: Mailward / Postfix", 3.0, 4.5),
    Gate("relay_signed_postfix", "relay, both signatures, 20 sessions: Mailward / Postfix with OpenDKIM", 3.5, 5.0),
    Gate("relay_signed_postfix_90", "the same, 90 sessions", 3.5, 5.0),
    Gate(
        "relay_signed_haraka", "relay, both signatures, 20 sessions: Mailward / Haraka with its DKIM plugin", 3.5, 5.0
    ),
    Gate("relay_signed_haraka_90", "the same, 90 sessions", 3.5, 5.0),
    Gate("cpu_accept", "CPU per 1,000 accepted (10 kB, 20 sessions): Mailward / Postfix", 1 / 3, 0.2, at_most=True),
    Gate("p99_accept", "p99 of accepting under load (10 kB, 20 sessions): Mailward / Postfix", 1.0, 0.5, at_most=True),
    Gate("http_batch", "HTTP batches of 100 x 2 kB / own SMTP accept rate (10 kB, 20 sessions)", 2.5, 2.5),
    Gate("memory_mib", "two workers, resident, highest of all runs", 200.0, 200.0, at_most=True, unit=" MiB"),
    Gate("lone_ms", "a lone message, submit to delivered, median", 50.0, 50.0, at_most=True, unit=" ms"),
    Gate("queued_mib", "a million queued, resident", 300.0, 300.0, at_most=True, unit=" MiB", of="large"),
    Gate("stored_ratio", "accept rate with a million stored / with 10,000", 0.8, 1.0, of="large"),
    Gate("pg_accept_10k_20", "PostgreSQL: accept, 10 kB, 20 sessions: Mailward / Postfix", 2.0, 3.0, of="mailward-pg"),
    Gate(
        "pg_relay_signed",
        "PostgreSQL: relay, both signatures: Mailward / Postfix with OpenDKIM",
        3.0,
        4.0,
        of="mailward-pg",
    ),
    Gate(
        "stored_cpu",
        "PostgreSQL: CPU per 1,000 accepted, the database's included, with many stored / with 10,000",
        1.2,
        1.0,
        at_most=True,
        of="stored",
    ),
    Gate("stored_rate", "PostgreSQL: accept rate with many stored / with 10,000", 1 / 1.2, 1.0, of="stored"),
    *(
        gate
        for sessions in (20, 90)
        for gate in (
            Gate(
                f"nodes_accept_{sessions}", f"accept, {sessions} sessions a node: two nodes / one", 1.6, 2.0, of="nodes"
            ),
            Gate(f"nodes_accept_{sessions}_alone", "the same, nodes alone (by their CPU)", 1.6, 2.0, of="nodes"),
            Gate(
                f"nodes_relay_{sessions}", f"relay, signed, {sessions} sessions a node: two / one", 1.6, 2.0, of="nodes"
            ),
            Gate(f"nodes_relay_{sessions}_alone", "the same, nodes alone (by their CPU)", 1.6, 2.0, of="nodes"),
        )
    ),
    Gate(
        "neighbours_api",
        "a quiet tenant's p99 by API: beside one that floods / alone",
        1.2,
        1.0,
        at_most=True,
        of="neighbours",
    ),
    Gate("neighbours_smtp", "the same by SMTP", 1.2, 1.0, at_most=True, of="neighbours"),
)
