"""The client covers the API as it is now, in both its forms."""

from __future__ import annotations

import inspect

import pytest

from mailward_client import AsyncMailward, Mailward, operations
from mailward_client.exchange import Operation
from tests.client.generate import PLACE, document, files, snake

_NAMES = [snake(op["operationId"]) for methods in document()["paths"].values() for op in methods.values()]


def test_what_is_generated_is_committed() -> None:
    """The generated files are those that `make client` would write now."""
    stale = [name for name, text in files().items() if (PLACE / name).read_text("utf-8") != text]
    assert not stale, "run `make client` and review what changed"


@pytest.mark.parametrize("client", [Mailward, AsyncMailward])
def test_every_operation(client: type) -> None:
    """Each operation of the OpenAPI document is a method, and nothing else claims to be one."""
    methods = {
        name for name, _ in inspect.getmembers(client, inspect.isfunction) if not name.startswith(("_", "iter_"))
    }
    assert methods - {"close"} == set(_NAMES)


def test_every_line() -> None:
    """Each operation's method and path are those of the document."""
    for path, methods in document()["paths"].items():
        for method, op in methods.items():
            line = getattr(operations, snake(op["operationId"]).upper())
            assert isinstance(line, Operation)
            assert (line.method, line.path) == (method.upper(), path)


def test_both_clients_alike() -> None:
    """The two clients take the same arguments, by name, kind and annotation."""
    for name in _NAMES:
        one, other = (inspect.signature(getattr(client, name)) for client in (Mailward, AsyncMailward))
        assert one.parameters == other.parameters, name
        assert one.return_annotation == other.return_annotation, name
