"""May this workspace send this? Every address a reader could take for the sender must be its own.

From (exactly one address), Sender, each Resent-* and the envelope's MAIL FROM (or none)
must be of a domain verified in this workspace. A name below a verified domain counts
only when that domain was added with `subdomains`: sub-domains are often delegated to
other parties, so the exact name is the default. What another workspace has verified below it
is that workspace's alone, whoever holds the name above. Reply-To is free.

The facts are plain values and the allowing path allocates nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from mailward.policy.decision import Allow, Decision, Hold, Refuse

ALLOW = Allow()
ALLOW_TEST = Allow("test_mode", "This credential or message is in test mode: it is recorded and not sent.")

Standing = Literal["active", "paused", "suspended"]


class Sendable(Protocol):
    """What is asked about a domain that may send."""

    @property
    def capture_only(self) -> bool:
        """Its mail never leaves the machine."""
        ...

    @property
    def subdomains(self) -> bool:
        """Addresses below it may be sent, too."""
        ...

    @property
    def held_elsewhere(self) -> frozenset[str]:
        """Names below it that are another workspace's, with all that is below them."""
        ...


class SendFacts:
    """Facts about one message. Domains are in A-labels, lower case; `mail_from` is "" for the null sender.

    `from_addresses` counts the mailboxes in all From fields; `others` are the domains of
    Sender and Resent-*. `domains` are those the workspace may send from, by name.
    """

    __slots__ = (
        "allowed_domains",
        "capture_mode",
        "credential",
        "domains",
        "from_addresses",
        "from_domain",
        "from_fields",
        "mail_from",
        "max_recipients",
        "max_size",
        "others",
        "recipients",
        "size",
        "test_mode",
        "workspace",
    )

    def __init__(
        self,
        *,
        domains: Mapping[str, Sendable],
        from_domain: str,
        from_fields: int = 1,
        from_addresses: int = 1,
        others: Sequence[str] = (),
        mail_from: str = "",
        recipients: int = 1,
        size: int = 0,
        max_recipients: int = 100,
        max_size: int = 41_943_040,
        allowed_domains: frozenset[str] | None = None,
        workspace: Standing = "active",
        credential: Standing = "active",
        capture_mode: bool = False,
        test_mode: bool = False,
    ) -> None:
        self.domains = domains
        self.from_domain = from_domain
        self.from_fields = from_fields
        self.from_addresses = from_addresses
        self.others = others
        self.mail_from = mail_from
        self.recipients = recipients
        self.size = size
        self.max_recipients = max_recipients
        self.max_size = max_size
        self.allowed_domains = allowed_domains
        self.workspace = workspace
        self.credential = credential
        self.capture_mode = capture_mode
        self.test_mode = test_mode


def decide(f: SendFacts) -> Decision:
    """Allow, hold or refuse a message. Standing first, then limits, then whose addresses it bears."""
    if f.workspace != "active" or f.credential != "active":
        if f.credential != "active":
            return Refuse(f"credential_{f.credential}", f"This credential is {f.credential} and cannot send.")
        if f.workspace == "suspended":
            return Refuse("workspace_suspended", "Sending is suspended for this workspace.")
    if not 0 < f.recipients <= f.max_recipients:
        if f.recipients < 1:
            return Refuse("no_recipients", "A message needs at least one recipient.")
        return Refuse("too_many_recipients", f"A message can have up to {f.max_recipients} recipients.")
    if f.size > f.max_size:
        return Refuse("message_too_large", f"A message can be up to {f.max_size} bytes.")
    if f.from_fields != 1 or f.from_addresses != 1:
        return Refuse("from_not_single", "A message needs exactly one From field with exactly one address.")
    found = owner(f.domains, f.from_domain)
    if found is None:
        return not_verified("From", f.from_domain)
    mail_from = f.mail_from
    if mail_from and mail_from != f.from_domain and owner(f.domains, mail_from) is None:
        return not_verified("MAIL FROM", mail_from)
    for other in f.others:
        if other != f.from_domain and owner(f.domains, other) is None:
            return not_verified("Sender or Resent-", other)
    if f.allowed_domains is not None and (refusal := _restricted(f, f.allowed_domains)) is not None:
        return refusal
    if found.capture_only and not f.capture_mode:
        return Refuse(
            "capture_only_domain",
            f"{f.from_domain} is reserved for capture mode; its mail never leaves. Add a domain of your own.",
        )
    if f.workspace == "paused":
        return Hold("sending_paused", "Sending is paused; the message is kept until somebody releases it.")
    return ALLOW_TEST if f.test_mode else ALLOW


def owner(domains: Mapping[str, Sendable], name: str) -> Sendable | None:
    """The workspace's domain that answers for a name: itself, or the nearest above it that covers sub-domains.

    None where another workspace's domain is nearer.
    """
    found = domains.get(name)
    if found is not None:
        return found
    rest, passed = name, [name]
    while "." in rest:
        rest = rest.partition(".")[2]
        above = domains.get(rest)
        if above is not None:
            return above if above.subdomains and above.held_elsewhere.isdisjoint(passed) else None
        passed.append(rest)
    return None


def _restricted(f: SendFacts, allowed: frozenset[str]) -> Refuse | None:
    for name in (f.from_domain, f.mail_from, *f.others):
        if name and name not in allowed:
            return Refuse("domain_not_allowed", f"This credential may not send from {name}.")
    return None


def not_verified(where: str, name: str) -> Refuse:
    """The refusal of an address whose domain is none of the workspace's; `where` it stands."""
    return Refuse(
        "domain_not_verified",
        f"The {where} address is of {name or 'no domain'}, which is not a verified domain of this workspace. "
        "Add it, publish its records and check it before sending from it.",
    )
