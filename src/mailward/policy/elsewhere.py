"""When a host's refusal leads to the domain's next host, and whose word stands in the end (RFC 5321 section 5.1)."""

from __future__ import annotations

from mailward.base.outcome import Done, Outcome, PermFail, TempFail
from mailward.policy import bounces

CROWD = "too_many_recipients"
# Troubles of one host. What is said of us, our pace, an address or the message, its neighbours would say as well, and
# a greylist would begin anew there.
_OF_A_HOST = frozenset(
    ("storage", "server_busy", "deferred", "dns_failure", "connection_failed", "connection_lost", "timeout",
     "protocol_error", "tls_failure")
)  # fmt: skip
_OF_ALL = frozenset((".1.", ".2.", ".6.", ".7."))  # addresses, mailboxes, content, policy: RFC 3463 section 3


def may_take(failure: Outcome) -> bool:
    """Whether another host may take what this one refused for now."""
    if not isinstance(failure, TempFail) or failure.reason not in _OF_A_HOST:
        return False
    if failure.reason == "tls_failure":
        return True
    return failure.retry_after is None and failure.enhanced[1:4] not in _OF_ALL


def outweighs(new: Outcome, old: Outcome) -> bool:
    """Whether a later answer replaces the refusal for now that stands for a recipient.

    A lesser host speaks for no better one: it may take the message, or know that there is no such mailbox, but what it
    refuses otherwise the better one may take tomorrow. One that takes a few recipients at once has not judged the rest.
    """
    if isinstance(new, Done):
        return True
    crowd = isinstance(old, TempFail) and old.reason == CROWD
    if isinstance(new, PermFail):
        return crowd or bounces.is_hard(new.reason)
    return crowd and new.code > 0 and new.reason != CROWD
