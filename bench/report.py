"""From samples to a table: medians, ratios, and each gate met or not."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.nodes import CASES as NODE_CASES
from bench.plan import Plan, Results
from bench.targets import GATES


def figures(results: Results) -> dict[str, float]:
    """The figures the gates look at; those that could not be measured are absent."""
    found: dict[str, float | None] = {}

    def ratio(mine: float | None, theirs: float | None) -> float | None:
        return mine / theirs if mine is not None and theirs else None

    for case in (
        "accept_10k_20",
        "accept_10k_90",
        "accept_50k_20",
        "accept_50k_90",
        "relay_unsigned",
        "relay_unsigned_90",
    ):
        found[case] = ratio(results.median("mailward", case, "rate"), results.median("postfix", case, "rate"))
    for peer in ("postfix", "haraka"):
        for suffix in ("", "_90"):
            case = f"relay_signed{suffix}"
            found[f"relay_signed_{peer}{suffix}"] = ratio(
                results.median("mailward", case, "rate"), results.median(peer, case, "rate")
            )
    for figure, case in (("pg_accept_10k_20", "accept_10k_20"), ("pg_relay_signed", "relay_signed")):
        found[figure] = ratio(results.median("mailward-pg", case, "rate"), results.median("postfix", case, "rate"))
    for figure, measure in (("stored_cpu", "cpu_per_1000"), ("stored_rate", "rate")):
        found[figure] = ratio(
            results.median("mailward-pg", "stored_many", measure), results.median("mailward-pg", "stored_few", measure)
        )
    for case in NODE_CASES:
        found[case] = ratio(results.median("2 nodes", case, "rate"), results.median("1 node", case, "rate"))
        alone = ratio(
            results.median("1 node", case, "node_cpu_per_1000"), results.median("2 nodes", case, "node_cpu_per_1000")
        )
        # A core does one over the CPU of a message; two of them twice that.
        found[f"{case}_alone"] = None if alone is None else 2 * alone
    for case in ("neighbours_api", "neighbours_smtp"):
        found[case] = ratio(results.p99("beside", case, "latency"), results.p99("alone", case, "latency"))
    found["cpu_accept"] = ratio(
        results.median("mailward", "accept_10k_20", "cpu_per_1000"),
        results.median("postfix", "accept_10k_20", "cpu_per_1000"),
    )
    found["p99_accept"] = ratio(
        results.p99("mailward", "accept_10k_20", "latency"), results.p99("postfix", "accept_10k_20", "latency")
    )
    found["http_batch"] = ratio(
        results.median("mailward", "http_batch", "rate"), results.median("mailward", "accept_10k_20", "rate")
    )
    for figure, value, unit in (
        ("memory_mib", results.highest("mailward", "resident"), 1 / 2**20),
        ("lone_ms", results.median("mailward", "lone", "latency"), 1000.0),
        ("queued_mib", results.median("mailward", "large", "queued_resident"), 1 / 2**20),
        ("stored_ratio", results.median("mailward", "large", "stored_ratio"), 1.0),
    ):
        found[figure] = None if value is None else value * unit
    return {name: value for name, value in found.items() if value is not None}


def verdicts(results: Results, plan: Plan) -> list[tuple[str, str, str]]:
    """(PASS, FAIL or none, figure, meaning) for each gate this run could have measured."""
    values = figures(results)
    out = []
    for gate in GATES:
        if gate.of not in plan.parts():
            continue
        bound = f"{'at most' if gate.at_most else 'at least'} {gate.bound:.3g}{gate.unit}"
        value = values.get(gate.figure)
        if value is None:
            out.append(("none", "not measured", f"{gate.meaning} ({bound})"))
        else:
            verdict = "PASS" if gate.passes(value) else "FAIL"
            out.append((verdict, f"{value:.2f}{gate.unit}", f"{gate.meaning} ({bound})"))
    return out


def table(results: Results) -> str:
    """Every case and server: rate, CPU per 1,000 (of it the database's), latency, memory without the database's."""
    lines = [
        f"{'case':<19}{'server':<13}{'msg/s':>10}{'CPU s/1000':>12}{'database':>10}{'p50 ms':>9}{'p99 ms':>9}{'MiB':>8}"
    ]
    for case, server in sorted({(c, s) for s, c, _ in results.samples}):

        def cell(value: float | None, scale: float, form: str) -> str:
            return "-" if value is None else format(value * scale, form)

        p50, p99 = results.median(server, case, "latency"), results.p99(server, case, "latency")
        lines.append(
            f"{case:<19}{server:<13}{cell(results.median(server, case, 'rate'), 1, '.0f'):>10}"
            f"{cell(results.median(server, case, 'cpu_per_1000'), 1, '.3f'):>12}"
            f"{cell(results.median(server, case, 'database_cpu_per_1000'), 1, '.3f'):>10}"
            f"{cell(p50, 1000, '.1f'):>9}{cell(p99, 1000, '.1f'):>9}"
            f"{cell(results.median(server, case, 'resident'), 2**-20, '.0f'):>8}"
        )
    return "\n".join(lines)


def save(results: Results, plan: Plan, folder: Path) -> Path:
    """All samples and verdicts as JSON, named by the time."""
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    content: dict[str, Any] = {
        "at": now.isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "plan": {"messages": plan.messages, "rounds": plan.rounds, "cases": list(plan.cases)},
        "figures": figures(results),
        "verdicts": [{"verdict": v, "value": x, "gate": g} for v, x, g in verdicts(results, plan)],
        "notes": results.notes,
        "problems": results.problems,
        "samples": {"/".join(k): [round(x, 6) for x in v] for k, v in results.samples.items()},
    }
    path = folder / f"{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path
