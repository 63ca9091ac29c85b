"""message/feedback-report (RFC 5965, RFC 6591 for authentication failures): what a recipient's provider reports."""

from __future__ import annotations

from dataclasses import dataclass

from mailward.protocol.reports.dsn import address
from mailward.protocol.reports.fields import Fields, first, groups

MAX_RECIPIENTS = 100


@dataclass(frozen=True, slots=True)
class Feedback:
    """`kind` is the Feedback-Type in lower case (section 7.3: abuse, fraud, virus, not-spam, opt-out, auth-failure...).

    `mail_from` is the envelope sender of the reported message when it is told (Original-Mail-From).
    """

    kind: str
    agent: str
    mail_from: str
    recipients: tuple[str, ...]
    reported_domain: str
    feedback_id: str


def read(content: bytes) -> Feedback:
    """The report in the decoded content of a message/feedback-report part."""
    all_of_it: Fields = {}
    for group in groups(content):
        for name, values in group.items():
            all_of_it.setdefault(name, []).extend(values)
    named = all_of_it.get("original-rcpt-to", []) + all_of_it.get("removal-recipient", [])
    recipients = tuple(dict.fromkeys(a for v in named[:MAX_RECIPIENTS] if (a := address(v))))
    return Feedback(
        kind=first(all_of_it, "feedback-type").partition(" ")[0].lower(),
        agent=first(all_of_it, "user-agent"),
        mail_from=address(first(all_of_it, "original-mail-from")),
        recipients=recipients,
        reported_domain=first(all_of_it, "reported-domain").lower(),
        feedback_id=first(all_of_it, "feedback-id"),
    )
