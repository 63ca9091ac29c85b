"""`mailward verify`: run the check behind every promise."""

from __future__ import annotations

from collections import Counter

from mailward.app.checks import CHECKS
from mailward.app.commands.output import Config, Json, Workspace, print_json
from mailward.app.context import Context, run
from mailward.core.evidence.catalogue import CATALOGUE
from mailward.core.evidence.model import Line, State
from mailward.core.evidence.verify import verify as run_checks

_MARKS = {
    State.PROVED: "PASS",
    State.PARTLY: "PART",
    State.FAILING: "FAIL",
    State.NOT_CONFIGURED: "n/c",
    State.OPERATOR_DUTY: "duty",
    State.PLANNED: "plan",
}


def verify(*, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """Check every promise against the running installation and say where each stands. Exits 1 when one fails."""

    async def act(context: Context) -> int:
        lines = await run_checks(CATALOGUE, CHECKS, context, now=context.clock.now())
        if json:
            print_json({"at": context.clock.now(), "controls": lines})
        else:
            _print(lines)
        return 1 if any(line.state is State.FAILING for line in lines) else 0

    return run(config, workspace, act)


def _print(lines: list[Line]) -> None:
    for line in lines:
        print(f"{_MARKS[line.state]:<5}{line.id:<13}{line.claim}")
        for text in line.evidence:
            print(f"{'':<18}{text}")
        if line.state is State.PARTLY:
            print(f"{'':<18}missing: {line.missing or 'a part is not configured'}")
        if line.duty:
            print(f"{'':<18}yours to do: {line.duty}")
    counts = Counter(line.state for line in lines)
    print("\n" + ", ".join(f"{counts[state]} {state.value.replace('_', ' ')}" for state in State))
