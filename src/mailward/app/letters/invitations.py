"""What an invitation says."""

from __future__ import annotations

SUBJECT = "You are invited to a workspace"


def invitation_text(*, workspace: str, inviter: str, role: str, url: str, days: int) -> str:
    """The letter. `inviter` may be empty; `role` is its name."""
    by = f"{inviter} invites you" if inviter else "You are invited"
    return (
        f'{by} to the workspace "{workspace}" as {role}.\n\n'
        f"Open this link to join. It works once, for {days} days, and is for this address only:\n\n"
        f"{url}\n\n"
        "If you did not expect this, ignore it: nothing happens unless you open the link and say yes.\n"
    )
