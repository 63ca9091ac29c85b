"""docs/access.md, made from the tables that decide. `python -m tests.access.document` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from mailward.policy.access import ROLE_PERMISSIONS, SCOPE_PERMISSIONS, Permission, Role
from mailward.policy.boundaries import CLI, HOST, JOBS, SMTP
from tests.access.matrix import operations, pages, word

PLACE = Path(__file__).parents[2] / "docs" / "access.md"

_HEAD = """\
# Who may do what

Made from `policy/access.py`, `policy/boundaries.py` and the routes themselves by
`python -m tests.access.document`; a test fails while this page and they differ, so every new
operation, page, command or job shows here, and in review, with the permission it asks for.

Whoever is not given a permission does not have it. What names no permission does not start: an
operation or a page stops the process, a command is refused, a job or an SMTP command stops the worker.
Nobody grants more than they hold, be it by a role, a custom role or the scope of a key. Whatever
takes access away is known to every process of every node within a second, to open SMTP sessions
and live pages too.

`anyone` needs no credential (each such place checks for itself what it needs, such as a password or a
signature), and `own` is for whoever is signed in, on what is theirs alone. A **custom role** is a set of
permissions that a workspace names itself, at most those of the person who makes it.
"""


def document() -> str:
    """The whole page."""
    roles = {role.value: held for role, held in ROLE_PERMISSIONS.items() if role is not Role.CUSTOM}
    scopes = {scope.value: held for scope, held in SCOPE_PERMISSIONS.items()}
    parts = [
        _HEAD,
        "## Roles\n\n" + _grid(roles),
        "## Scopes of keys\n\nAn SMTP credential has the scope `send` and no other.\n\n" + _grid(scopes),
        "## Operations of the API\n\n"
        + _rows(
            ("operation", "", "asks for"), ((o.name, f"{o.method} {o.path}", word(o.permission)) for o in operations())
        ),
        "## Pages and acts of the dashboard\n\n"
        + _rows(("page", "asks for"), sorted((f"{p.path} {p.method}", word(p.policy)) for p in pages())),
        "## SMTP commands of a submission session\n\n"
        + _rows(("command", "asks for"), ((name, word(policy)) for name, policy in SMTP.items())),
        "## Commands of the command line\n\nThe operator's shell acts in a workspace with what the command needs.\n\n"
        + _rows(("command", "acts with"), ((f"mailward {verb}", _held(CLI[verb])) for verb in sorted(CLI))),
        "## Background jobs\n\n" + _rows(("job", "acts with"), ((job, _held(JOBS[job])) for job in sorted(JOBS))),
    ]
    return "\n".join(parts)


def _grid(holders: Mapping[str, frozenset[Permission]]) -> str:
    rows = ((p.value, *("yes" if p in held else "" for held in holders.values())) for p in Permission)
    return _rows(("permission", *(name.replace("_", " ") for name in holders)), rows)


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _held(permissions: frozenset[Permission]) -> str:
    everything = SCOPE_PERMISSIONS[max(SCOPE_PERMISSIONS, key=lambda s: len(SCOPE_PERMISSIONS[s]))]
    if permissions == HOST:
        return "nothing in a workspace"
    return "every permission in it" if permissions == everything else ", ".join(sorted(permissions))


if __name__ == "__main__":
    PLACE.write_text(document(), "utf-8")
