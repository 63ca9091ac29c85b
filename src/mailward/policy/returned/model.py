"""The nouns: kinds of returned mail, causes with their sentences, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What a returned message is. Only HARD and COMPLAINT ever put an address on the suppression list."""

    HARD = "hard"
    SOFT = "soft"
    BLOCK = "block"
    FULL = "full"
    CONTENT = "content"
    CHALLENGE = "challenge"
    AUTO_REPLY = "auto_reply"
    COMPLAINT = "complaint"
    UNKNOWN = "unknown"


class Cause(NamedTuple):
    """Why, in one word for programs and one sentence for people."""

    kind: Kind
    sentence: str


CAUSES: dict[str, Cause] = {
    "no_mailbox": Cause(Kind.HARD, "The mailbox does not exist."),
    "no_domain": Cause(Kind.HARD, "The recipient's domain does not exist."),
    "no_mail": Cause(Kind.HARD, "The recipient's domain says that it takes no mail."),
    "moved": Cause(Kind.HARD, "The recipient has left this address."),
    "disabled": Cause(Kind.SOFT, "The mailbox exists but is switched off; it may be switched on again."),
    "filtered": Cause(Kind.SOFT, "The recipient's own settings may have refused the message."),
    "forwarded": Cause(Kind.SOFT, "An address that the recipient's mail is forwarded to refused it."),
    "full": Cause(Kind.FULL, "The mailbox is full."),
    "blocked": Cause(Kind.BLOCK, "The receiver refuses mail from the sending address or has it on a block list."),
    "authentication": Cause(Kind.BLOCK, "The message failed the receiver's SPF, DKIM, DMARC or reverse DNS check."),
    "policy": Cause(Kind.BLOCK, "The receiver refuses this mail by a policy of its own."),
    "sender_refused": Cause(Kind.BLOCK, "The receiver refuses the sender's address."),
    "spam": Cause(Kind.CONTENT, "The receiver took the message for spam."),
    "virus": Cause(Kind.CONTENT, "The receiver found a virus or a forbidden file."),
    "too_large": Cause(Kind.CONTENT, "The message is larger than the receiver takes."),
    "content": Cause(Kind.CONTENT, "The receiver refuses the message's content or format."),
    "greylisted": Cause(Kind.SOFT, "The receiver asked to come back later."),
    "rate": Cause(Kind.SOFT, "The receiver limits how much it takes."),
    "loop": Cause(Kind.SOFT, "The message went round in a loop."),
    "relay_denied": Cause(Kind.SOFT, "The server does not take mail for this recipient."),
    "network": Cause(Kind.SOFT, "The recipient's server could not be reached."),
    "expired": Cause(Kind.SOFT, "The message could not be delivered in the time there was for it."),
    "system": Cause(Kind.SOFT, "The receiving system had a fault of its own."),
    "refused": Cause(Kind.SOFT, "The message was refused without a reason that is known here."),
    "suppressed": Cause(Kind.SOFT, "A relay on the way has the address on a suppression list of its own."),
    "unavailable": Cause(Kind.SOFT, "The mailbox is not available, for a reason the server does not tell."),
    "contradictory": Cause(Kind.SOFT, "The report contradicts itself, so nothing is concluded about the address."),
    "delayed": Cause(Kind.SOFT, "The message is delayed; the server is still trying."),
    "delivered": Cause(Kind.UNKNOWN, "The message was delivered or passed on."),
    "auto_reply": Cause(Kind.AUTO_REPLY, "An automatic answer, such as a note of absence."),
    "challenge": Cause(Kind.CHALLENGE, "The recipient's server asks the sender to confirm the message."),
    "complaint": Cause(Kind.COMPLAINT, "The recipient complained about the message."),
    "opt_out": Cause(Kind.COMPLAINT, "The recipient asked to get no more of these messages."),
    "not_spam": Cause(Kind.UNKNOWN, "The recipient said that the message is not spam."),
    "authentication_report": Cause(Kind.UNKNOWN, "A report about authentication, not about the recipient."),
    "other_feedback": Cause(Kind.UNKNOWN, "A feedback report of another kind."),
    "unnamed": Cause(Kind.UNKNOWN, "The report does not say which of the message's recipients it is about."),
    "unrecognised": Cause(Kind.UNKNOWN, "This is no report that is recognised here."),
}


@dataclass(frozen=True, slots=True)
class RecipientVerdict:
    """What is said of one recipient.

    `address` is the final recipient as the report names it, `original` the one it was first
    addressed to when the report says so (RFC 3464 section 2.3.1); either may be "". `status` is
    an RFC 3463 code or ""; `text` what the server said, at most 500 characters.
    """

    address: str
    cause: str
    status: str = ""
    original: str = ""
    text: str = ""
    rule: str = ""

    @property
    def kind(self) -> Kind:
        """The kind of its cause."""
        return CAUSES[self.cause].kind


@dataclass(frozen=True, slots=True)
class BounceVerdict:
    """What a returned message is and says.

    `kind`, `cause`, `status`, `sentence` and `rule` are those of the recipient that decides: a report over several
    is `hard` only when every recipient is. `message_id` is the original's Message-ID when the
    report shows it; `return_path` the envelope sender under which the original travelled, when
    it says so; `feedback_id` the original's Feedback-ID.
    """

    kind: Kind
    cause: str
    status: str
    sentence: str
    rule: str
    recipients: tuple[RecipientVerdict, ...] = ()
    message_id: str = ""
    return_path: str = ""
    feedback_id: str = ""
    text: str = ""
