"""What SES tells of a message we relayed through it, as verdicts like those on returned mail."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from mailward.policy.returned.judge import judge
from mailward.policy.returned.model import CAUSES, BounceVerdict, Kind, RecipientVerdict

MAX_RECIPIENTS = 100

# bounceSubType -> cause, for what SES has understood itself.
_SUBTYPES = {
    "noemail": "no_mailbox",
    "suppressed": "suppressed",
    "onaccountsuppressionlist": "suppressed",
    "unsubscribedrecipient": "suppressed",
    "mailboxfull": "full",
    "messagetoolarge": "too_large",
    "contentrejected": "content",
    "attachmentrejected": "virus",
    "customtimeoutexceeded": "expired",
}
_FEEDBACK = {"not-spam": "not_spam", "auth-failure": "authentication_report"}


class _Recipient(msgspec.Struct, rename="camel"):
    email_address: str = ""
    status: str = ""
    diagnostic_code: str = ""


class _Bounce(msgspec.Struct, rename="camel"):
    bounce_type: str = ""
    bounce_sub_type: str = ""
    bounced_recipients: list[_Recipient] = []


class _Complaint(msgspec.Struct, rename="camel"):
    complained_recipients: list[_Recipient] = []
    complaint_feedback_type: str | None = None


class _Mail(msgspec.Struct, rename="camel"):
    source: str = ""
    message_id: str = ""


class _Event(msgspec.Struct, rename="camel"):
    mail: _Mail
    notification_type: str = ""
    event_type: str = ""
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None


class Told(NamedTuple):
    """The envelope sender SES had the message from, which is our return-path, and the verdict on it."""

    return_path: str
    verdict: BounceVerdict


_DECODER = msgspec.json.Decoder(_Event)


def read(message: str) -> Told | None:
    """A notification or event of SES; None for one of another kind, or what is none."""
    try:
        event = _DECODER.decode(message)
    except (msgspec.DecodeError, UnicodeError):
        return None
    kind = (event.notification_type or event.event_type).lower()
    if kind == "bounce" and event.bounce is not None:
        return Told(event.mail.source, _bounce(event.bounce))
    if kind == "complaint" and event.complaint is not None:
        return Told(event.mail.source, _complaint(event.complaint))
    return None


def _bounce(bounce: _Bounce) -> BounceVerdict:
    permanent = bounce.bounce_type.lower() == "permanent"
    rule = f"SES {bounce.bounce_type[:20]} {bounce.bounce_sub_type[:40]}"
    seen = []
    for r in bounce.bounced_recipients[:MAX_RECIPIENTS]:
        said = judge(r.diagnostic_code.partition(";")[2].strip() or r.diagnostic_code, r.status)
        cause = _SUBTYPES.get(bounce.bounce_sub_type.lower(), said.cause)
        if CAUSES[cause].kind is Kind.HARD and not permanent:
            cause = "contradictory"
        seen.append(RecipientVerdict(r.email_address, cause, said.status, text=r.diagnostic_code[:500], rule=rule))
    return _over(seen, "refused", rule)


def _complaint(complaint: _Complaint) -> BounceVerdict:
    kind = (complaint.complaint_feedback_type or "abuse").lower()
    cause = _FEEDBACK.get(kind, "complaint")
    rule = f"SES complaint {kind[:40]}"
    who = complaint.complained_recipients[:MAX_RECIPIENTS]
    return _over([RecipientVerdict(r.email_address, cause, rule=rule) for r in who], cause, rule)


def _over(seen: list[RecipientVerdict], otherwise: str, rule: str) -> BounceVerdict:
    """The verdict over some recipients: hard only when every one is."""
    chief = next((r for r in seen if r.kind is not Kind.HARD), seen[0] if seen else RecipientVerdict("", otherwise))
    cause = CAUSES[chief.cause]
    return BounceVerdict(cause.kind, chief.cause, chief.status, cause.sentence, rule, tuple(seen), text=chief.text)
