"""What anyone may read: health, readiness, schema, the codes of problems. And metrics, on a listener of its own."""
