"""Writes docs/cli.md from the commands themselves. `make cli` runs it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import cyclopts

from mailward.app.cli import app

PLACE = Path(__file__).parents[3] / "docs" / "cli.md"
_EVERYWHERE = ("--config", "--workspace", "--json")
_HEAD = """# The command line

Made from the commands by `make cli`; changes here are lost. `mailward COMMAND --help` says the same.

Every command reads the settings file `--config` names (else `MAILWARD_CONFIG`, else `./mailward.toml`, else
`/etc/mailward/mailward.toml`), and works on the store directly: on the installation's machine, as its user. What it
changes is in the audit log. `--workspace` takes an id; without it the oldest workspace is meant. With `--json` one JSON
document is printed, for programs; every command that lists has it. These three are not repeated below.

| exit code | means |
|---|---|
| 0 | done, or yes |
| 1 | the command's own no: a check failed, there is no such thing, the act was refused |
| 2 | used wrongly: an unknown command or option, a value that cannot be read |
| 3 | cannot start: the settings are wrong, or the store is not reached |
| 141 | whoever read the output (`head`) had seen enough |

Numbers and sizes are in the units the options name; times are UTC.
"""


def commands(group: cyclopts.App = app, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], cyclopts.App]]:
    """Each command that does something, with its words, in the order of `--help`."""
    for name in group:
        if name.startswith("-"):
            continue
        command = group[name]
        if command.default_command is not None:
            yield (*words, name), command
        yield from commands(command, (*words, name))


def document() -> str:
    """The whole page."""
    out, area = [_HEAD], ""
    for words, command in commands():
        if words[0] != area:
            area = words[0]
            group = app[area]
            said = "" if group.default_command is not None else (group.help or "").strip()
            out.append(f"## {area}\n" + (f"\n{said}\n" if said else ""))
        assert command.default_command is not None
        text = inspect.cleandoc(command.default_command.__doc__ or "")
        heading = f"### {' '.join(words)}\n\n" if len(words) > 1 else ""
        out.append(f"{heading}    {_usage(words, command)}\n\n{text}\n" + _options(command))
    return "\n".join(out)


def _usage(words: tuple[str, ...], command: cyclopts.App) -> str:
    used = ["mailward", *words]
    for argument in command.assemble_argument_collection():
        if not argument.show:
            continue
        first = argument.names[0] if argument.names else argument.field_info.name.upper()
        positional = not argument.field_info.is_keyword_only
        name = first.lstrip("-").upper() if positional else f"{first}{'' if argument.hint is bool else ' ...'}"
        used.append(name if argument.required else f"[{name}]")
    return " ".join(used)


def _options(command: cyclopts.App) -> str:
    lines = []
    for argument in command.assemble_argument_collection():
        if argument.show and argument.parameter.help and argument.names[0] not in _EVERYWHERE:
            names = ", ".join(f"`{name}`" for name in argument.names)
            lines.append(f"- {names}: {' '.join(argument.parameter.help.split())}")
    return "\n" + "\n".join(lines) + "\n" if lines else ""


if __name__ == "__main__":
    PLACE.write_text(document(), "utf-8")
