"""Mail from the platform to people: one-time codes, links, notices.

It goes out as any message does: from a verified domain of the installation, signed, routed,
explained. What it says is for its recipient only: outside of capture mode nobody reads
the content of a letter on the dashboard or by API, and subjects hold no secret.
"""

from mailward.app.letters.send import Letters

__all__ = ["Letters"]
