"""Backups as the platform makes, tests and restores them: `core/backup` with the store, the keys and a place."""
