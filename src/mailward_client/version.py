"""The version, the same as the platform's: they are released together."""

__version__ = "0.1.0"
