"""Mailward: a self-hosted, multi-tenant email platform whose security promises are checks that run."""

__version__ = "0.1.0"
