"""The YARA engine: rules compiled once, run over pieces of a message. Runs in the limited process only."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yara_x

BUILTIN = Path(__file__).with_name("builtin.yar")
SEVERITIES = ("suspicious", "spam", "malware")
_MOST = 50


class RulesError(ValueError):
    """Rules that do not compile; the text names the file and the place."""


class Match(NamedTuple):
    """A rule that matched, how bad that is (one of SEVERITIES), and the path of the piece."""

    rule: str
    severity: str
    path: str


class Rules:
    """All rules. A rule without a severity of ours is taken for malware: its author wanted it found."""

    def __init__(self, folder: str = "", *, seconds: int = 10) -> None:
        """The built-in rules and those of every *.yar file of `folder`. Raises RulesError."""
        compiler = yara_x.Compiler()
        files = [BUILTIN, *sorted(Path(folder).glob("*.yar"))] if folder else [BUILTIN]
        for file in files:
            compiler.new_namespace(file.stem)
            try:
                compiler.add_source(file.read_text("utf-8"), origin=file.name)
            except (yara_x.CompileError, UnicodeDecodeError) as e:
                raise RulesError(f"{file.name}: {e}") from e
        self._scanner = yara_x.Scanner(compiler.build())
        self._scanner.set_timeout(seconds)

    def run(self, pieces: Iterable[tuple[str, bytes]]) -> list[Match]:
        """What matched, at most fifty. Raises yara_x.TimeoutError."""
        found: dict[Match, None] = {}
        for path, data in pieces:
            if not data:
                continue
            for rule in self._scanner.scan(data).matching_rules:
                severity = next((str(v) for k, v in rule.metadata if k == "severity"), "malware")
                if severity not in SEVERITIES:
                    severity = "malware"
                found[Match(rule.identifier, severity, path[:200])] = None
                if len(found) >= _MOST:
                    return list(found)
        return list(found)
