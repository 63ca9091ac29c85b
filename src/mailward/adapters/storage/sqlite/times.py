"""Times in the store: those of every store."""

from mailward.adapters.storage.times import from_us, maybe_from_us, to_us

__all__ = ["from_us", "maybe_from_us", "to_us"]
