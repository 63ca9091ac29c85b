"""Every code that a request can be answered with is explained."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import mailward
from mailward.base import errors
from mailward.edges.web.catalogue import CATALOGUE
from mailward.edges.web.problems import TITLES

_ROOT = Path(mailward.__file__).parent
# What is never heard over HTTP: SMTP and received mail, the command line, starting, backing up, moving house.
_ELSEWHERE = (
    "adapters/host/", "adapters/storage/backup/", "adapters/storage/moves.py", "adapters/storage/moving/",
    "adapters/storage/postgres/migrate.py", "adapters/storage/postgres/moves.py", "adapters/storage/postgres/nodes.py",
    "adapters/storage/postgres/server.py", "adapters/storage/sqlite/connection.py", "adapters/vault/",
    "app/arrivals.py", "app/backups/", "app/bill.py", "app/checks/", "app/commands/", "app/context.py",
    "app/database_logins.py", "app/gate.py", "app/handing.py", "app/inbound/", "app/moving.py", "app/renewal.py",
    "app/shell_reading.py",
    "app/stores.py", "edges/smtpd/", "edges/workers/", "policy/egress.py", "policy/inbound.py", "protocol/webhooks.py",
)  # fmt: skip
# Pages alone say these, with one status at one place and another elsewhere; `sending_paused` holds and refuses nothing.
_UNLISTED = {"code_wrong", "passkey_refused", "sending_paused"}
_KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type)} - {"Corrupt"} | {"Answer", "Refuse"}


def _raised() -> Iterator[tuple[str, str]]:
    for path in sorted(_ROOT.rglob("*.py")):
        place = path.relative_to(_ROOT).as_posix()
        if place.startswith(_ELSEWHERE):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            code = node.args[0]
            if name in _KINDS and isinstance(code, ast.Constant) and isinstance(code.value, str) and code.value:
                yield code.value, f"{place}:{node.lineno}"


def test_every_code_is_listed() -> None:
    """A new one is put into the catalogue, or its place is one that HTTP does not reach."""
    missing = {code: place for code, place in _raised() if code not in CATALOGUE and code not in _UNLISTED}
    assert not missing


def test_what_is_listed_can_be_answered() -> None:
    """Each has a status with a title and a sentence, and they stand in order."""
    assert list(CATALOGUE) == sorted(CATALOGUE)
    for code, (status, text) in CATALOGUE.items():
        assert status in TITLES, code
        assert text.endswith((".", "!")), code


@pytest.mark.parametrize("code", ["not_cancellable", "not_held", "invalid_idempotency_key", "no_content", "too_long"])
async def test_a_problem_leads_to_its_page(api: httpx.AsyncClient, code: str) -> None:
    """The type of a problem is a link that works."""
    assert (await api.get(f"/problems/{code}")).status_code == 200
