"""reported(): what a delivery report (RFC 3464) says of one recipient; prose is read where its fields say little."""

from __future__ import annotations

import re

from mailward.policy.returned import codes
from mailward.policy.returned.judge import Judged, judge
from mailward.policy.returned.model import CAUSES, Kind
from mailward.protocol.reports import dsn


def reported(recipient: dsn.Recipient, notice: str, *, alone: bool) -> Judged:
    """The meaning of a recipient's group. `notice` is the text beside the report; `alone`: the report has no other."""
    status = codes.field(recipient.status)
    if recipient.action in ("delivered", "relayed", "expanded"):
        return Judged("delivered", status, f"action {recipient.action} (RFC 3464)")
    if recipient.action == "delayed":
        said = judge(recipient.diagnostic, status)
        return Judged("delayed", said.status, "action delayed (RFC 3464)")
    comment = recipient.status.partition("(")[2].rstrip(") ")
    said = judge(f"{server_words(recipient.diagnostic)}\n{comment}", status)
    says_little = said.rule.startswith(("status", "nothing")) and (codes.vague(said.status) or not recipient.diagnostic)
    if said.cause == "refused" or says_little:
        text, trusted = _prose_about(recipient, notice, alone=alone)
        more = judge(text, said.status or status, trusted=trusted)
        if more.cause != "refused" and (
            said.cause == "refused" or not codes.vague(more.status) or codes.vague(said.status)
        ):
            said = Judged(more.cause, more.status or said.status, f"notice, {more.rule}")
    if CAUSES[said.cause].kind is Kind.HARD and not recipient.diagnostic and "text" not in said.rule:
        # A code alone condemns; where the notice tells another story, the code is the generator's guess.
        other = judge(notice[:4000])
        if other.cause in _OTHER_STORIES:
            said = Judged(other.cause, said.status, f"notice, {other.rule}")
    temporary = said.status[:1] == "4" or (status[:1] == "4" and status not in _QUEUE_CONCLUDES)
    if temporary and CAUSES[said.cause].kind is Kind.HARD:
        said = Judged("contradictory", said.status, said.rule)
    return said


# What a queue writes when it gives up, beside a reply that is first-hand.
_QUEUE_CONCLUDES = frozenset(("4.4.7", "4.4.0"))
_OTHER_STORIES = frozenset(
    ("full", "loop", "blocked", "spam", "virus", "rate", "greylisted", "disabled", "too_large", "authentication")
)
# A reply of a server, quoted: what stands with it is a refusal, not an explanation of what refusals may mean.
REMOTE = re.compile(
    r"<<< ?[45]\d\d|\(reason: [45]\d\d|said: [45]\d\d|smtp; ?[45]\d\d|#[45]\.\d\.\d|^[45]\d\d[ -]|error code [45]\d\d|"
    r"(?:returned|response was|responded|error was|replied)[^\n]{0,60}[45]\d\d",
    re.IGNORECASE | re.MULTILINE,
)


def server_words(value: str) -> str:
    """A Diagnostic-Code without its type ("smtp;", "x-postfix;"), which is no word of the server's."""
    kind, semicolon, text = value.partition(";")
    return text.strip() if semicolon and len(kind) < 30 and " " not in kind.strip() else value


def _prose_about(recipient: dsn.Recipient, notice: str, *, alone: bool) -> tuple[str, bool]:
    """What the notice says of a recipient, and whether that is said of this one rather than in general."""
    whole = notice.lower()
    for wanted in (recipient.final.lower(), recipient.original.lower()):
        at = whole.find(wanted) if wanted else -1
        if at >= 0:
            text = "\n".join(whole[whole.rfind("\n", 0, at) + 1 : at + 4000].split("\n", 6)[:6])
            if not alone or judge(text, recipient.status).cause != "refused":
                return text, True
    text = whole[:4000] if alone else ""
    return text, bool(REMOTE.search(text))
