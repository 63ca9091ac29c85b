"""Write src/mailward/core/evidence/guards.py: for each promise the test files that carry its claim."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "src" / "mailward" / "core" / "evidence" / "guards.py"
_MOST = 6
_CLAIM = re.compile(r'mark\.claim\("([A-Z]+-\d+)"\)')


def found(tests: Path) -> dict[str, list[str]]:
    """promise -> test files, those that claim it most often first."""
    counts: dict[str, dict[str, int]] = {}
    for path in sorted(tests.rglob("test_*.py")):
        for promise in _CLAIM.findall(path.read_text("utf-8")):
            files = counts.setdefault(promise, {})
            name = path.relative_to(tests.parent).as_posix()
            files[name] = files.get(name, 0) + 1
    return {p: sorted(f, key=lambda n: (-f[n], n))[:_MOST] for p, f in sorted(counts.items())}


def main() -> None:
    """Write the table."""
    lines = [
        '"""The tests that guard each promise. Written by tools/guards.py from the claims in the tests."""',
        "",
        "from __future__ import annotations",
        "",
        "GUARDS: dict[str, tuple[str, ...]] = {",
    ]
    for promise, files in found(ROOT / "tests").items():
        lines.append(f'    "{promise}": (')
        lines += [f'        "{name}",' for name in files]
        lines.append("    ),")
    OUT.write_text("\n".join([*lines, "}", ""]), "utf-8")


if __name__ == "__main__":
    main()
