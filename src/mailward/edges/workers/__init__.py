"""The queue calls us: the sender that empties it, the courier of webhooks, and upkeep."""
