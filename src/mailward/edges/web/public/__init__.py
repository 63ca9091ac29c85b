"""What anyone may read: health, readiness, the schema, what a problem code means. And metrics, on a listener of its own."""
