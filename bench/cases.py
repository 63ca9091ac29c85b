"""What is measured: one function a case, each bounded in time, each the same for every server."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Any

from bench import load, meter
from bench.fill import run_fill
from bench.inbound import inbound
from bench.neighbours import neighbours
from bench.nodes import nodes
from bench.pages import indexed
from bench.plan import Plan, Results, say
from bench.postgres import MailwardOnBucket, MailwardOnPostgres
from bench.servers import HarakaServer, MailwardServer, Mode, PostfixServer, installed
from bench.stored import stored
from tests.scenarios.peers import PeerFailed, SmtpSink, stop

MAKERS: dict[str, Callable[[Mode, SmtpSink], Any]] = {
    "postfix": PostfixServer,
    "haraka": HarakaServer,
    "mailward": MailwardServer,
    "mailward-pg": MailwardOnPostgres,
    "mailward-s3": MailwardOnBucket,
}


def run(plan: Plan) -> Results:
    """All cases, all rounds. Servers alternate inside a round and the order turns round each time."""
    results = Results()
    servers = [name for name in plan.only if installed(name)]
    groups: dict[str, Callable[[str, Plan, Results], None]] = {
        "accept": accept, "relay": relay, "signed": signed, "secure": secure, "http": http, "lone": lone,
        "inbound": inbound,
    }  # fmt: skip
    for number in range(plan.rounds):
        order = servers if number % 2 == 0 else servers[::-1]
        for case in plan.cases:
            for server in order:
                say(f"round {number + 1}/{plan.rounds}: {case}: {server}")
                try:
                    groups[case](server, plan, results)
                except (PeerFailed, OSError, TimeoutError, ExceptionGroup) as e:
                    results.problems.append(f"{server}: {case}: {e}")
                    say(f"  failed: {e}")
    if plan.large and "mailward" in servers:
        large(plan, results)
    for case, asked, measure in (
        ("stored", plan.stored > 0, stored),
        ("nodes", plan.nodes, nodes),
        ("neighbours", plan.neighbours > 0, neighbours),
    ):
        if asked:
            try:
                measure(plan, results)
            except (PeerFailed, OSError, TimeoutError, subprocess.SubprocessError) as e:
                results.problems.append(f"{case}: {e}")
    return results


def _loaded(server: Any, plan: Plan, results: Results, case: str, *, sessions: int, size: int) -> None:
    """One smtp-source run against a server that holds its mail: rate, CPU, latency beside it, memory."""
    before = meter.settled(server)
    with meter.Peak(server.roots) as peak, load.Prober(server.port, size) as prober:
        seconds = load.smtp_source(server.port, sessions=sessions, messages=plan.messages, size=size, limit=plan.limit)
    spent = meter.settled(server) - before
    done = plan.messages + len(prober.seconds)
    results.add(server.name, case, "rate", done / seconds)
    results.add_cpu(server.name, case, spent, done)
    results.add(server.name, case, "latency", *prober.seconds)
    results.add(server.name, case, "resident", peak.bytes)
    if prober.failures:
        results.problems.append(f"{server.name}: {case}: {prober.failures} probes failed")


def _warm(server: Any, plan: Plan) -> None:
    load.smtp_source(server.port, sessions=20, messages=max(100, plan.messages // 10), size=10_000, limit=plan.limit)


def accept(name: str, plan: Plan, results: Results) -> None:
    """Durable accept, nothing sent: 20 and 90 sessions, 10 kB and 50 kB."""
    with SmtpSink() as sink, MAKERS[name](Mode(hold=True), sink) as server:
        _warm(server, plan)
        for size in (10_000, 50_000):
            for sessions in (20, 90):
                server.purge()
                _loaded(server, plan, results, f"accept_{size // 1000}k_{sessions}", sessions=sessions, size=size)


def _relay(name: str, plan: Plan, results: Results, case: str, mode: Mode) -> None:
    with SmtpSink() as sink, MAKERS[name](mode, sink) as server:
        _warm(server, plan)
        if not sink.wait_for(max(100, plan.messages // 10), plan.limit):
            raise PeerFailed(f"warm-up: {sink.count} arrived, {server.queued()} queued")
        for sessions, suffix in ((20, ""), (90, "_90")):
            before_cpu, before = meter.settled(server), sink.count
            started = time.perf_counter()
            with meter.Peak(server.roots) as peak:
                load.smtp_source(server.port, sessions=sessions, messages=plan.messages, size=10_000, limit=plan.limit)
                arrived = sink.wait_for(before + plan.messages, plan.limit)
            if not arrived:
                raise PeerFailed(f"{sink.count - before} of {plan.messages} arrived, {server.queued()} queued")
            seconds = sink.last_at - started
            spent = meter.settled(server) - before_cpu
            results.add(name, case + suffix, "rate", plan.messages / seconds)
            results.add_cpu(name, case + suffix, spent, plan.messages)
            results.add(name, case + suffix, "resident", peak.bytes)


def relay(name: str, plan: Plan, results: Results) -> None:
    """End to end, unsigned, 10 kB, 20 and 90 sessions in: from the first connection until the sink has all."""
    _relay(name, plan, results, "relay_unsigned", Mode())


def signed(name: str, plan: Plan, results: Results) -> None:
    """End to end, signed."""
    _relay(name, plan, results, "relay_signed", Mode(sign=True))


def secure(name: str, plan: Plan, results: Results) -> None:
    """STARTTLS and AUTH, a session per 10 messages, 20 at a time, nothing sent. For comparison only."""
    if name == "haraka":
        return
    with SmtpSink() as sink, MAKERS[name](Mode(hold=True, secure=True), sink) as server:
        load.secure_sessions(server.secure_port, server.login, sessions=20, messages=200, size=10_000, limit=plan.limit)
        before = meter.settled(server)
        seconds = load.secure_sessions(
            server.secure_port, server.login, sessions=20, messages=plan.messages, size=10_000, limit=plan.limit
        )
        spent = meter.settled(server) - before
        results.add(name, "secure", "rate", plan.messages / seconds)
        results.add_cpu(name, "secure", spent, plan.messages)


def http(name: str, plan: Plan, results: Results) -> None:
    """Batches of 100 messages of 2 kB, 8 connections; and 2 kB by SMTP beside it."""
    if not name.startswith("mailward"):
        return
    with SmtpSink() as sink, MAKERS[name](Mode(hold=True), sink) as server:
        body = load.batch_body(100, 2000)
        batches = max(8, plan.messages // 50)

        def post(count: int) -> float:
            return load.http_batches(
                server.api_port, server.api_key, path="/v1/messages/batch",
                connections=8, batches=count, body=body, limit=plan.limit,
            )  # fmt: skip

        post(8)
        before = meter.settled(server)
        with meter.Peak(server.roots) as peak:
            seconds = post(batches)
        spent = meter.settled(server) - before
        results.add(name, "http_batch", "rate", batches * 100 / seconds)
        results.add_cpu(name, "http_batch", spent, batches * 100)
        results.add(name, "http_batch", "resident", peak.bytes)
        _loaded(server, plan, results, "accept_2k_20", sessions=20, size=2000)


def lone(name: str, plan: Plan, results: Results) -> None:
    """One message at a time on a quiet server, submit to delivered."""
    with SmtpSink() as sink, MAKERS[name](Mode(sign=True), sink) as server:
        load.lone_latency(server.port, sink, times=5)
        results.add(name, "lone", "latency", *load.lone_latency(server.port, sink, times=40))


def large(plan: Plan, results: Results) -> None:
    """A million queued messages: what they cost in memory, in the rate of accepting, and at a restart."""
    with SmtpSink() as sink, MailwardServer(Mode(hold=True), sink) as server:
        config = server.platform.config
        say("large: 10,000 stored")
        run_fill(config, 10_000, 500, 600)
        _warm(server, plan)
        few = [_rate(server, plan) for _ in range(plan.large_rounds)]
        say(f"large: {plan.large_messages:,} stored (some minutes)")
        results.add("mailward", "large", "fill_rate", run_fill(config, plan.large_messages, 500, 7200))
        # Upkeep indexes what was stored; the rate is measured when it has caught up.
        say(f"large: indexed {indexed(server.platform):.0f} s later")
        meter.settle_cpu(server.roots, 1800)
        results.add("mailward", "large", "queued_resident", meter.resident_bytes(server.roots()))
        many = [_rate(server, plan) for _ in range(plan.large_rounds)]
        before, after = statistics.median(few), statistics.median(many)
        say(f"large: accepting {before:,.0f} a second with few, {after:,.0f} with many")
        results.add("mailward", "large", "stored_ratio", after / before)
        stop(server.platform.process, 60)
        began = time.perf_counter()
        server.platform.launch()
        results.add("mailward", "large", "restart_seconds", time.perf_counter() - began)
        say(f"large: ready {time.perf_counter() - began:.1f} s after a restart")


def _rate(server: Any, plan: Plan) -> float:
    seconds = load.smtp_source(server.port, sessions=20, messages=plan.messages, size=10_000, limit=plan.limit)
    return plan.messages / seconds
