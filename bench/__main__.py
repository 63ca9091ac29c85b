"""`python -m bench`: run, print the table and the gates, keep the samples under bench-results/."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from bench import report
from bench.cases import run
from bench.pages import pages
from bench.plan import Plan, servers


def main() -> int:
    """0 when every gate measured is met and nothing went wrong."""
    plan = Plan()
    parser = argparse.ArgumentParser(prog="bench", description="Mailward beside Postfix and Haraka, in one run.")
    parser.add_argument("--messages", type=int, default=plan.messages, help="messages a load (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=plan.rounds, help="medians of so many (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="600 messages, one round")
    parser.add_argument("--large", action="store_true", help="also a million queued and stored messages")
    parser.add_argument("--large-messages", type=int, default=plan.large_messages, help="other than a million")
    parser.add_argument(
        "--store",
        choices=("embedded", "postgres"),
        default="embedded",
        help="what Mailward runs on, unless --only says",
    )
    parser.add_argument("--bucket", action="store_true", help="with postgres: also with bodies in a bucket (moto)")
    parser.add_argument("--stored", type=int, default=0, help="messages in PostgreSQL beside 10,000 (5000000: 30 GB)")
    parser.add_argument("--fillers", type=int, default=plan.fillers, help="processes that store them")
    parser.add_argument("--nodes", action="store_true", help="one node on one core against two, over one PostgreSQL")
    parser.add_argument(
        "--neighbours", type=float, nargs="?", const=30.0, default=0.0, metavar="SECONDS",
        help="only a quiet tenant, alone and beside one that floods, so long each (default %(const)s)",
    )  # fmt: skip
    parser.add_argument("--only", help="servers: postfix, haraka, mailward, mailward-pg, mailward-s3")
    parser.add_argument("--cases", default=",".join(plan.cases), help="cases (default %(default)s; '': none)")
    parser.add_argument("--pages", type=int, default=0, help="only page times of the dashboard, with so many stored")
    given = parser.parse_args()
    if given.pages:
        return pages(given.pages)
    plan = replace(
        plan,
        messages=given.messages,
        rounds=given.rounds,
        large=given.large,
        large_messages=given.large_messages,
        stored=given.stored,
        fillers=given.fillers,
        nodes=given.nodes,
        neighbours=given.neighbours,
        only=tuple(given.only.split(",")) if given.only else servers(given.store, bucket=given.bucket),
        cases=tuple(given.cases.split(",")) if given.cases else (),
    )
    if given.neighbours:
        plan = replace(plan, cases=(), only=())
    if given.quick:
        plan = replace(plan, messages=min(plan.messages, 600), rounds=1)
    results = run(plan)
    print(report.table(results))
    print()
    verdicts = report.verdicts(results, plan)
    for verdict, value, meaning in verdicts:
        print(f"{verdict:<5}{value:>14}  {meaning}")
    for note in results.notes:
        print(f"\n{note}")
    for problem in results.problems:
        print(f"PROBLEM {problem}")
    print(f"\nsamples: {report.save(results, plan, Path('bench-results'))}")
    return 1 if results.problems or any(v == "FAIL" for v, _, _ in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
