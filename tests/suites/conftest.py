"""Suites run on every adapter of their port."""

from tests.conftest import on_every_store as pytest_generate_tests

__all__ = ["pytest_generate_tests"]
