"""What a reporter reads when their mail has come in."""

from __future__ import annotations

from datetime import datetime

SUBJECT = "Your report of a weakness"


def acknowledgement(link: str, due: datetime) -> str:
    """The letter. It repeats nothing of the report: whoever reads along learns that there is one, and no more."""
    return (
        "Thank you: your report has come in and is sealed in our register. A person acknowledges it by "
        f"{due:%A, %Y-%m-%d %H:%M} UTC.\n\n"
        f"Keep this link; it shows where the report stands and what we answer:\n\n{link}\n\n"
        "Whoever has the link can follow the report, so do not pass it on. If you did not write to us, ignore this.\n"
    )
