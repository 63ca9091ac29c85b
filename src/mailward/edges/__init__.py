"""The world calls us: HTTP, SMTP, and the queue."""
