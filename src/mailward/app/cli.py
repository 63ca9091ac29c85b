"""The `mailward` command: a table of contents. Each area's commands are in `app/commands`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from mailward import __version__
from mailward.app.roles import StartError
from mailward.app.settings import SettingsError
from mailward.base.errors import MailwardError
from mailward.policy.boundaries import PolicyMissing

Config = Annotated[str | None, Parameter(name="--config", help="Settings file.")]

app = cyclopts.App(
    name="mailward",
    help="Self-hosted, multi-tenant email platform.",
    version=__version__,
    result_action="return_value",
)
# By name: a command imports what it needs when it is run, and the supervisor keeps in memory only what it uses.
_COMMANDS = "mailward.app.commands."
for _name, _where in (
    ("up", "up:up"),
    ("doctor", "doctor:doctor"),
    ("verify", "verify:verify"),
    ("sbom", "bill:sbom"),
    ("advisories", "bill:advisories"),
    ("setup-link", "people:setup_link"),
    ("config", "config:app"),
    ("domain", "domain:app"),
    ("key", "keys:app"),
    ("smtp", "smtp:app"),
    ("storage", "storage:app"),
    ("message", "message:app"),
    ("webhook", "webhook:app"),
    ("template", "template:app"),
    ("route", "inbound:route"),
    ("received", "inbound:received"),
    ("bounce", "bounce:app"),
    ("audit", "audit:app"),
    ("vault", "vault:app"),
    ("backup", "backup:app"),
    ("tracking", "tracking:app"),
    ("workspace", "workspace:app"),
    ("member", "members:app"),
    ("person", "person:app"),
    ("migrate-store", "migrate_store:migrate_store"),
    ("node", "node:app"),
    ("alerts", "alerts:app"),
    ("operator", "operator:app"),
    ("certificate", "certificate:app"),
    ("trust", "trust:app"),
    ("register", "register:register"),
    ("report", "register:report"),
    ("status", "register:status"),
):
    app.command(_COMMANDS + _where, name=_name)


def _verb(arguments: list[str]) -> str:
    """The command that is about to run, or "" when only help or the version is shown or the words mean none."""
    if arguments[:1] == ["--version"]:
        return ""
    words, found, _ = app.parse_commands(arguments)
    runs = found[-1].default_command is not None and not set(arguments) & {"--help", "-h"}
    return " ".join(words) if runs else ""


def _is_given(file: str, arguments: list[str]) -> bool:
    """Whether whoever gave the command named the file, or the folder it would lie in."""
    values = {a.partition("=")[2] if a.startswith("--") else a for a in arguments} - {""}
    return any(Path(file).is_relative_to(value) for value in values)


def main() -> None:
    """Run a command. Exit codes: 0 fine, 1 the command's own 'no', 2 wrong use, 3 cannot start or reach the store."""
    if len(sys.argv) < 2 or sys.argv[1] in ("--help", "-h"):
        for name in list(app):
            app[name]  # the list of commands shows what each says of itself
    try:
        if verb := _verb(sys.argv[1:]):
            from mailward.app.context import begin_verb

            begin_verb(verb)
        code = app()
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Nothing more can be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except (SettingsError, StartError, PolicyMissing) as e:
        print(f"mailward: {e}", file=sys.stderr)
        sys.exit(3)
    except MailwardError as e:
        print(f"mailward: {e.public}" + (f" ({e.detail})" if e.detail else ""), file=sys.stderr)
        sys.exit(1)
    except OSError as e:
        if e.filename is None:
            raise
        print(f"mailward: {e.filename}: {e.strerror}", file=sys.stderr)
        sys.exit(2 if _is_given(str(e.filename), sys.argv[1:]) else 3)
    sys.exit(code if isinstance(code, int) else 0)
