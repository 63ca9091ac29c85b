"""Tracking as the platform runs it: where links begin, the copies that carry them, and what a request to one does."""
