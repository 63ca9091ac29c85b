"""Where state lives. `sqlite/` is the embedded store; every store passes the same suite."""
