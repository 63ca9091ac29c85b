"""What a message costs on PostgreSQL with few and with many stored: two platforms, two databases, in alternation."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from bench import load, meter
from bench.fill import run_fill
from bench.plan import Plan, Results, say
from bench.postgres import MailwardOnPostgres
from bench.servers import Mode
from tests.scenarios.peers import PeerFailed, SmtpSink, wait_until

FEW = 10_000
# Rows and their indexes, the write-ahead log kept between checkpoints, and the sealed body of 500 octets.
_OCTETS_EACH = 6_000
_OCTETS_BESIDE = 10 * 2**30
_FILL_A_SECOND = 300


def stored(plan: Plan, results: Results) -> None:
    """Rate and CPU of accepting with 10,000 stored and with `plan.stored`, bodies in local segments, nothing sent."""
    needed = plan.stored * _OCTETS_EACH + _OCTETS_BESIDE
    if shutil.disk_usage(tempfile.gettempdir()).free < needed:
        raise PeerFailed(f"{plan.stored:,} messages need {needed / 2**30:,.0f} GiB in {tempfile.gettempdir()}")
    with (
        SmtpSink() as sink,
        MailwardOnPostgres(Mode(hold=True), sink) as few,
        MailwardOnPostgres(Mode(hold=True), sink) as many,
    ):
        pair = {"few": few, "many": many}
        for case, server, count in (("few", few, FEW), ("many", many, plan.stored)):
            say(f"stored: {count:,} ({case})")
            rate = run_fill(
                Path(server.platform.config), count, 500, 600 + count / _FILL_A_SECOND, processes=plan.fillers
            )
            results.add("mailward-pg", f"stored_{case}", "fill_rate", rate)
            say(f"stored: {rate:,.0f} a second; upkeep indexes them")
            wait_until(server.store.indexed, "the index of the search", 600 + count / _FILL_A_SECOND, 2.0)
            meter.settled(server)
            server.store.tidy()
            results.add("mailward-pg", f"stored_{case}", "stored", server.store.count())
        # The first load finds cold caches and connections: it is not counted.
        for server in pair.values():
            _accept(server, plan)
        for number in range(plan.large_rounds):
            for case in ("few", "many") if number % 2 == 0 else ("many", "few"):
                server = pair[case]
                before = meter.settled(server)
                seconds = _accept(server, plan)
                results.add("mailward-pg", f"stored_{case}", "rate", plan.messages / seconds)
                results.add_cpu("mailward-pg", f"stored_{case}", meter.settled(server) - before, plan.messages)
                results.add("mailward-pg", f"stored_{case}", "resident", meter.resident_bytes(server.roots()))


def _accept(server: MailwardOnPostgres, plan: Plan) -> float:
    return load.smtp_source(server.port, sessions=20, messages=plan.messages, size=10_000, limit=plan.limit)
