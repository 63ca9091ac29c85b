"""`python -m tests.asvs` writes docs/asvs.md: each requirement of OWASP ASVS 5.0, levels 1 and 2, with its answer.

Tests say what they prove with `@pytest.mark.asvs("6.2.1", ...)`, or for a whole module with `pytestmark`. They are
read as source, never imported. `docs/asvs.toml` has our own words for each requirement, and why one has no test.
"""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "docs" / "asvs.toml"
OUT = ROOT / "docs" / "asvs.md"
NOT_APPLICABLE, OPEN = "n/a", "open"

_HEAD = """# OWASP ASVS 5.0, levels 1 and 2

Made by `make asvs` from the marks of the tests (`@pytest.mark.asvs`) and `docs/asvs.toml`; a test fails while
they differ.
The wording is ours and shortened: the standard's own text counts.

- **tested**: the tests named prove it, and run with every `make test`.
- **not applicable**: there is nothing here that the requirement could be about, and why.
- **open**: not met, or met and not proved. What is missing is said.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A requirement: our words, and what is answered where no test proves it (`state` is "" where one does)."""

    id: str
    chapter: str
    level: int
    says: str
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One id that one test claims. `path` is relative to the root; `test` is "" for a whole module."""

    id: str
    path: str
    test: str


def rows(data: Path = DATA) -> list[Row]:
    """Every requirement in the order of the file. Raises ValueError for a row of another form."""
    found: list[Row] = []
    for chapter in tomllib.loads(data.read_text("utf-8")).values():
        title = chapter.pop("title")
        for number, told in chapter.items():
            level, says, *rest = told
            if level not in (1, 2) or (rest and (len(rest) != 2 or rest[0] not in (NOT_APPLICABLE, OPEN))):
                raise ValueError(f"{number}: [level, words] or [level, words, n/a or open, why]")
            state, why = rest or ("", "")
            found.append(Row(number, title, level, says, state, why))
    return found


def _ids(node: ast.AST, name: str) -> list[str]:
    """The ids of each `pytest.mark.asvs(...)` below a node."""
    found: list[str] = []
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.asvs":
            for argument in call.args:
                if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
                    raise ValueError(f"{name}:{call.lineno}: an id has to be written out")
                found.append(argument.value)
    return found


def marks(tests: Path = ROOT / "tests") -> list[Mark]:
    """What every test claims, by path and place in the file. Raises ValueError for a mark that is on no test."""
    found: list[Mark] = []
    for path in sorted(tests.rglob("test_*.py")):
        text = path.read_text("utf-8")
        if "mark.asvs" not in text:
            continue
        name, tree = path.relative_to(tests.parent).as_posix(), ast.parse(text)
        here: list[Mark] = []
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
                here += [Mark(number, name, "") for number in _ids(node.value, name)]
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                here += [Mark(number, name, node.name) for mark in node.decorator_list for number in _ids(mark, name)]
        if len(here) != len(_ids(tree, name)):
            raise ValueError(f"{name}: a mark that is neither on a test nor the module's pytestmark")
        found += here
    return found


def faults(found: list[Row], claimed: list[Mark]) -> list[str]:
    """What does not fit together: ids twice or unknown, requirements without an answer or with two."""
    known = {row.id for row in found}
    proved = {mark.id for mark in claimed}
    wrong = [f"{mark.path} {mark.test}: there is no requirement {mark.id}" for mark in claimed if mark.id not in known]
    wrong += [f"{row.id}: tested, and {row.state}" for row in found if row.state and row.id in proved]
    wrong += [f"{row.id}: no test, and no word on why" for row in found if not row.state and row.id not in proved]
    return wrong + ([] if len(known) == len(found) else ["an id stands twice"])


def _tests_of(number: str, claimed: list[Mark]) -> str:
    """The tests that prove it, as links by file."""
    by_file: dict[str, list[str]] = {}
    for mark in claimed:
        if mark.id == number:
            by_file.setdefault(mark.path, []).append(mark.test.removeprefix("test_") or "every test")
    told = (f"[{path.removeprefix('tests/')}](../{path}): {', '.join(tests)}" for path, tests in by_file.items())
    return "; ".join(told)


def page(found: list[Row], claimed: list[Mark]) -> str:
    """The whole page. Raises ValueError with every fault."""
    if wrong := faults(found, claimed):
        raise ValueError("\n".join(wrong))
    counts = {state: sum(row.state == state for row in found) for state in ("", NOT_APPLICABLE, OPEN)}
    total = f"{counts['']} tested, {counts[NOT_APPLICABLE]} not applicable, {counts[OPEN]} open"
    lines = [_HEAD, f"**{len(found)} requirements: {total}.**"]
    chapters = dict.fromkeys(row.chapter for row in found)
    lines += ["", "| chapter | tested | not applicable | open |", "|---|---|---|---|"]
    for chapter in chapters:
        per = [sum(row.state == state for row in found if row.chapter == chapter) for state in counts]
        lines.append(f"| {chapter} | {per[0]} | {per[1]} | {per[2]} |")
    for chapter in chapters:
        lines += ["", f"## {chapter}", "", "| id | level | in our words | state |", "|---|---|---|---|"]
        for row in (row for row in found if row.chapter == chapter):
            if row.state:
                told = f"{'**open**' if row.state == OPEN else 'not applicable'}: {row.why}"
            else:
                told = f"tested: {_tests_of(row.id, claimed)}"
            lines.append(f"| {row.id} | {row.level} | {row.says} | {told} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Write the page."""
    OUT.write_text(page(rows(), marks()), "utf-8")


if __name__ == "__main__":
    main()
