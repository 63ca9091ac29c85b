"""Decisions, pure: facts in, Allow, Hold or Refuse out, each with a reason the tenant can read."""
