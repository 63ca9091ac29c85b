"""The synchronous client: a method for each operation.

Made from the OpenAPI document by `make client`; changes here are lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, overload

from mailward_client import models
from mailward_client import operations as ops
from mailward_client.connection import Connection
from mailward_client.values import OMIT, Omit


class Mailward(Connection):
    """Every operation of an installation. Errors: `errors`."""

    def send_batch(
        self, *, messages: list[models.SendRequest], atomic: bool | Omit = OMIT, idempotency_key: str | None = None
    ) -> models.BatchResult:
        """Send up to 500 messages. Each message has its own result; one that is refused does not stop the others
        unless `atomic` is true: then all are accepted in one transaction, or none. The answer comes after the
        accepted ones are on disk; 422 with results when none was. Beyond the rate some may pass: the others say
        `rate_limited`, and `Retry-After` when to send them again. An `Idempotency-Key` stands for the whole
        batch: once some of it was accepted, a repeat gets that answer again, refused messages with their code
        and field included, and nothing of it is tried anew. Send those again under another key. Needs the
        permission `message.send`.
        """
        found: models.BatchResult = self._call(
            ops.SEND_BATCH,
            path={},
            query={},
            body={"messages": messages, "atomic": atomic},
            headers={"idempotency-key": idempotency_key},
        )
        return found

    @overload
    def send_message(
        self,
        *,
        from_: str,
        to: str | list[str | models.Address] | Omit = OMIT,
        cc: str | list[str | models.Address] | Omit = OMIT,
        bcc: str | list[str | models.Address] | Omit = OMIT,
        reply_to: str | list[str | models.Address] | Omit = OMIT,
        subject: str | Omit = OMIT,
        text: str | Omit | None = OMIT,
        html: str | Omit | None = OMIT,
        template: str | Omit | None = OMIT,
        template_version: int | Omit | None = OMIT,
        data: dict[str, Any] | Omit = OMIT,
        headers: dict[str, str] | Omit = OMIT,
        attachments: list[models.Attachment] | Omit = OMIT,
        tags: list[str] | Omit = OMIT,
        metadata: dict[str, str] | Omit = OMIT,
        stream: Literal["broadcast", "transactional"] | Omit = OMIT,
        list_unsubscribe: models.Unsubscribe | Omit | None = OMIT,
        scheduled_at: datetime | Omit | None = OMIT,
        test_mode: bool | Omit = OMIT,
        dry_run: Literal[False] | Omit = OMIT,
        tracking: Literal["both", "clicks", "off", "opens"] | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.Accepted: ...

    @overload
    def send_message(
        self,
        *,
        from_: str,
        dry_run: Literal[True],
        to: str | list[str | models.Address] | Omit = OMIT,
        cc: str | list[str | models.Address] | Omit = OMIT,
        bcc: str | list[str | models.Address] | Omit = OMIT,
        reply_to: str | list[str | models.Address] | Omit = OMIT,
        subject: str | Omit = OMIT,
        text: str | Omit | None = OMIT,
        html: str | Omit | None = OMIT,
        template: str | Omit | None = OMIT,
        template_version: int | Omit | None = OMIT,
        data: dict[str, Any] | Omit = OMIT,
        headers: dict[str, str] | Omit = OMIT,
        attachments: list[models.Attachment] | Omit = OMIT,
        tags: list[str] | Omit = OMIT,
        metadata: dict[str, str] | Omit = OMIT,
        stream: Literal["broadcast", "transactional"] | Omit = OMIT,
        list_unsubscribe: models.Unsubscribe | Omit | None = OMIT,
        scheduled_at: datetime | Omit | None = OMIT,
        test_mode: bool | Omit = OMIT,
        tracking: Literal["both", "clicks", "off", "opens"] | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.DryRun: ...

    def send_message(
        self,
        *,
        from_: str,
        to: str | list[str | models.Address] | Omit = OMIT,
        cc: str | list[str | models.Address] | Omit = OMIT,
        bcc: str | list[str | models.Address] | Omit = OMIT,
        reply_to: str | list[str | models.Address] | Omit = OMIT,
        subject: str | Omit = OMIT,
        text: str | Omit | None = OMIT,
        html: str | Omit | None = OMIT,
        template: str | Omit | None = OMIT,
        template_version: int | Omit | None = OMIT,
        data: dict[str, Any] | Omit = OMIT,
        headers: dict[str, str] | Omit = OMIT,
        attachments: list[models.Attachment] | Omit = OMIT,
        tags: list[str] | Omit = OMIT,
        metadata: dict[str, str] | Omit = OMIT,
        stream: Literal["broadcast", "transactional"] | Omit = OMIT,
        list_unsubscribe: models.Unsubscribe | Omit | None = OMIT,
        scheduled_at: datetime | Omit | None = OMIT,
        test_mode: bool | Omit = OMIT,
        dry_run: bool | Omit = OMIT,
        tracking: Literal["both", "clicks", "off", "opens"] | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.Accepted | models.DryRun:
        """Send a message. The answer comes after the message is on disk: from then on losing it is our fault.
        Needs the permission `message.send`.
        """
        found: models.Accepted | models.DryRun = self._call(
            ops.SEND_MESSAGE,
            path={},
            query={},
            body={
                "from": from_,
                "to": to,
                "cc": cc,
                "bcc": bcc,
                "reply_to": reply_to,
                "subject": subject,
                "text": text,
                "html": html,
                "template": template,
                "template_version": template_version,
                "data": data,
                "headers": headers,
                "attachments": attachments,
                "tags": tags,
                "metadata": metadata,
                "stream": stream,
                "list_unsubscribe": list_unsubscribe,
                "scheduled_at": scheduled_at,
                "test_mode": test_mode,
                "dry_run": dry_run,
                "tracking": tracking,
            },
            headers={"idempotency-key": idempotency_key},
        )
        return found

    def list_messages(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        status: Literal[
            "bounced",
            "cancelled",
            "delivered",
            "discarded",
            "expired",
            "held",
            "partly",
            "queued",
            "scheduled",
            "sending",
            "suppressed",
        ]
        | None = None,
        tag: str | None = None,
        to: str | None = None,
        from_: str | None = None,
        subject: str | None = None,
        message_id: str | None = None,
        stream: Literal["broadcast", "transactional"] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> models.MessagePage:
        """List and search messages. Needs the permission `message.read`."""
        found: models.MessagePage = self._call(
            ops.LIST_MESSAGES,
            path={},
            query={
                "limit": limit,
                "cursor": cursor,
                "status": status,
                "tag": tag,
                "to": to,
                "from": from_,
                "subject": subject,
                "message_id": message_id,
                "stream": stream,
                "since": since,
                "until": until,
            },
            body=None,
            headers={},
        )
        return found

    def iter_messages(
        self,
        *,
        limit: int | None = None,
        status: Literal[
            "bounced",
            "cancelled",
            "delivered",
            "discarded",
            "expired",
            "held",
            "partly",
            "queued",
            "scheduled",
            "sending",
            "suppressed",
        ]
        | None = None,
        tag: str | None = None,
        to: str | None = None,
        from_: str | None = None,
        subject: str | None = None,
        message_id: str | None = None,
        stream: Literal["broadcast", "transactional"] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[models.MessageSummary]:
        """List and search messages: everything, fetched page by page (`limit` at a time)."""
        return self._pages(
            lambda at: self.list_messages(
                limit=limit,
                status=status,
                tag=tag,
                to=to,
                from_=from_,
                subject=subject,
                message_id=message_id,
                stream=stream,
                since=since,
                until=until,
                cursor=at,
            ),
            None,
        )

    @overload
    def send_raw_message(
        self,
        *,
        raw: bytes,
        from_: str | Omit | None = OMIT,
        to: list[str] | Omit = OMIT,
        tags: list[str] | Omit = OMIT,
        metadata: dict[str, str] | Omit = OMIT,
        stream: Literal["broadcast", "transactional"] | Omit = OMIT,
        scheduled_at: datetime | Omit | None = OMIT,
        test_mode: bool | Omit = OMIT,
        dry_run: Literal[False] | Omit = OMIT,
        tracking: Literal["both", "clicks", "off", "opens"] | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.Accepted: ...

    @overload
    def send_raw_message(
        self,
        *,
        raw: bytes,
        dry_run: Literal[True],
        from_: str | Omit | None = OMIT,
        to: list[str] | Omit = OMIT,
        tags: list[str] | Omit = OMIT,
        metadata: dict[str, str] | Omit = OMIT,
        stream: Literal["broadcast", "transactional"] | Omit = OMIT,
        scheduled_at: datetime | Omit | None = OMIT,
        test_mode: bool | Omit = OMIT,
        tracking: Literal["both", "clicks", "off", "opens"] | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.DryRun: ...

    def send_raw_message(
        self,
        *,
        raw: bytes,
        from_: str | Omit | None = OMIT,
        to: list[str] | Omit = OMIT,
        tags: list[str] | Omit = OMIT,
        metadata: dict[str, str] | Omit = OMIT,
        stream: Literal["broadcast", "transactional"] | Omit = OMIT,
        scheduled_at: datetime | Omit | None = OMIT,
        test_mode: bool | Omit = OMIT,
        dry_run: bool | Omit = OMIT,
        tracking: Literal["both", "clicks", "off", "opens"] | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.Accepted | models.DryRun:
        """Send a finished RFC 5322 message. As JSON with the message in base64, or as message/rfc822. Without an
        envelope the sender and recipients are read from From, To, Cc and Bcc, those of a resent message from
        Resent-To, Resent-Cc and Resent-Bcc; Bcc is removed from what is sent. Needs the permission
        `message.send`.
        """
        found: models.Accepted | models.DryRun = self._call(
            ops.SEND_RAW_MESSAGE,
            path={},
            query={},
            body={
                "raw": raw,
                "from": from_,
                "to": to,
                "tags": tags,
                "metadata": metadata,
                "stream": stream,
                "scheduled_at": scheduled_at,
                "test_mode": test_mode,
                "dry_run": dry_run,
                "tracking": tracking,
            },
            headers={"idempotency-key": idempotency_key},
        )
        return found

    def get_message(self, message: str) -> models.MessageDetail:
        """A message and its deliveries. Needs the permission `message.read`."""
        found: models.MessageDetail = self._call(
            ops.GET_MESSAGE, path={"message": message}, query={}, body=None, headers={}
        )
        return found

    def erase_message(self, message: str) -> None:
        """Erase a message now. What waits is not sent any more. Every row and search token of the message goes at
        once, its webhook events too, and its stored content is overwritten where it lies. The audit log keeps
        its id. Needs the permission `message.erase`.
        """
        self._call(ops.ERASE_MESSAGE, path={"message": message}, query={}, body=None, headers={})

    def list_message_events(self, message: str) -> models.EventPage:
        """What happened to a message. Needs the permission `message.read`."""
        found: models.EventPage = self._call(
            ops.LIST_MESSAGE_EVENTS, path={"message": message}, query={}, body=None, headers={}
        )
        return found

    def explain_message(self, message: str) -> models.Explanation:
        """Why a message is where it is. Each attempt: the host and why it was chosen, the policy, the TLS, the
        dialogue without content, what the answer means, and when the next try comes. Needs the permission
        `message.read`.
        """
        found: models.Explanation = self._call(
            ops.EXPLAIN_MESSAGE, path={"message": message}, query={}, body=None, headers={}
        )
        return found

    def get_raw_message(self, message: str) -> bytes:
        """The message as it was stored. Needs the permission `message.content`."""
        found: bytes = self._call(ops.GET_RAW_MESSAGE, path={"message": message}, query={}, body=None, headers={})
        return found

    def get_message_content(self, message: str) -> models.Content:
        """Text, sanitised HTML and attachments. Needs the permission `message.content`."""
        found: models.Content = self._call(
            ops.GET_MESSAGE_CONTENT, path={"message": message}, query={}, body=None, headers={}
        )
        return found

    def cancel_message(self, message: str) -> models.MessageDetail:
        """Cancel what has not left yet. Needs the permission `message.change`."""
        found: models.MessageDetail = self._call(
            ops.CANCEL_MESSAGE, path={"message": message}, query={}, body=None, headers={}
        )
        return found

    def release_message(self, message: str) -> models.MessageDetail:
        """Send a held message. At once, or at its scheduled time. Mail is held while sending is paused. Needs the
        permission `message.change`.
        """
        found: models.MessageDetail = self._call(
            ops.RELEASE_MESSAGE, path={"message": message}, query={}, body=None, headers={}
        )
        return found

    def release_held_messages(
        self, *, stream: Literal["broadcast", "transactional"] | Omit | None = OMIT
    ) -> models.Released:
        """Send what is held. At most 1000 messages a request, the oldest first; `more` says that some are left.
        Needs the permission `message.change`.
        """
        found: models.Released = self._call(
            ops.RELEASE_HELD_MESSAGES, path={}, query={}, body={"stream": stream}, headers={}
        )
        return found

    def reschedule_message(self, message: str, *, scheduled_at: datetime) -> models.MessageDetail:
        """Send at another time. Needs the permission `message.change`."""
        found: models.MessageDetail = self._call(
            ops.RESCHEDULE_MESSAGE, path={"message": message}, query={}, body={"scheduled_at": scheduled_at}, headers={}
        )
        return found

    def resend_message(self, message: str) -> models.Accepted:
        """Send a message again. Needs the permission `message.send`."""
        found: models.Accepted = self._call(
            ops.RESEND_MESSAGE, path={"message": message}, query={}, body=None, headers={}
        )
        return found

    def get_sending(self) -> models.Sending:
        """Whether sending is paused. Needs the permission `message.read`."""
        found: models.Sending = self._call(ops.GET_SENDING, path={}, query={}, body=None, headers={})
        return found

    def pause_sending(
        self, *, stream: Literal["broadcast", "transactional"] | Omit | None = OMIT, reason: str | Omit = OMIT
    ) -> models.Sending:
        """Hold new mail. New messages are accepted and held until they are released; what was accepted before goes
        on. Needs the permission `message.change`.
        """
        found: models.Sending = self._call(
            ops.PAUSE_SENDING, path={}, query={}, body={"stream": stream, "reason": reason}, headers={}
        )
        return found

    def resume_sending(self, *, stream: Literal["broadcast", "transactional"] | Omit | None = OMIT) -> models.Sending:
        """Send new mail again. What is held stays held: release it, or cancel it. Needs the permission
        `message.change`.
        """
        found: models.Sending = self._call(ops.RESUME_SENDING, path={}, query={}, body={"stream": stream}, headers={})
        return found

    def list_suppressions(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        address: str | None = None,
        search: str | None = None,
        reason: Literal["complaint", "hard_bounce", "imported", "manual", "unsubscribe"] | None = None,
        stream: Literal["broadcast", "transactional"] | None = None,
    ) -> models.SuppressionPage:
        """List suppressed addresses. Needs the permission `suppression.read`."""
        found: models.SuppressionPage = self._call(
            ops.LIST_SUPPRESSIONS,
            path={},
            query={
                "limit": limit,
                "cursor": cursor,
                "address": address,
                "search": search,
                "reason": reason,
                "stream": stream,
            },
            body=None,
            headers={},
        )
        return found

    def iter_suppressions(
        self,
        *,
        limit: int | None = None,
        address: str | None = None,
        search: str | None = None,
        reason: Literal["complaint", "hard_bounce", "imported", "manual", "unsubscribe"] | None = None,
        stream: Literal["broadcast", "transactional"] | None = None,
    ) -> Iterator[models.Suppression]:
        """List suppressed addresses: everything, fetched page by page (`limit` at a time)."""
        return self._pages(
            lambda at: self.list_suppressions(
                limit=limit, address=address, search=search, reason=reason, stream=stream, cursor=at
            ),
            None,
        )

    def add_suppression(
        self,
        *,
        address: str,
        reason: Literal["complaint", "hard_bounce", "imported", "manual", "unsubscribe"] | Omit = OMIT,
        stream: Literal["broadcast", "transactional"] | Omit | None = OMIT,
    ) -> models.Suppression:
        """Stop writing to an address. Needs the permission `suppression.change`."""
        found: models.Suppression = self._call(
            ops.ADD_SUPPRESSION,
            path={},
            query={},
            body={"address": address, "reason": reason, "stream": stream},
            headers={},
        )
        return found

    def remove_suppression(self, *, address: str) -> None:
        """Allow writing to an address again. Needs the permission `suppression.change`."""
        self._call(ops.REMOVE_SUPPRESSION, path={}, query={"address": address}, body=None, headers={})

    def check_suppression(
        self,
        *,
        address: str,
        reason: Literal["complaint", "hard_bounce", "imported", "manual", "unsubscribe"] | Omit = OMIT,
        stream: Literal["broadcast", "transactional"] | Omit | None = OMIT,
    ) -> models.Suppression:
        """Whether an address is suppressed. Needs the permission `suppression.read`."""
        found: models.Suppression = self._call(
            ops.CHECK_SUPPRESSION,
            path={},
            query={},
            body={"address": address, "reason": reason, "stream": stream},
            headers={},
        )
        return found

    def import_suppressions(self, content: bytes | str) -> models.Imported:
        """Import a CSV of addresses. The first line names the columns: address, and if you have them reason and
        stream. Needs the permission `suppression.change`.
        """
        found: models.Imported = self._call(
            ops.IMPORT_SUPPRESSIONS,
            path={},
            query={},
            body=content.encode() if isinstance(content, str) else content,
            headers={},
            media="text/csv",
        )
        return found

    def export_suppressions(self) -> bytes:
        """Export the list as CSV. Needs the permission `suppression.read`."""
        found: bytes = self._call(ops.EXPORT_SUPPRESSIONS, path={}, query={}, body=None, headers={})
        return found

    def ask_domain_transfer(self, domain: str) -> models.DomainTransfer:
        """Ask for a domain that another workspace holds. DNS is looked at first: it has to show the records of
        this workspace. The holder is told by mail and decides; after seven days without an answer the
        installation's operator may. Needs the permission `domain.change`.
        """
        found: models.DomainTransfer = self._call(
            ops.ASK_DOMAIN_TRANSFER, path={"domain": domain}, query={}, body=None, headers={}
        )
        return found

    def list_domain_transfers(self) -> models.DomainTransfers:
        """Domains asked for, and asked of this workspace. Needs the permission `domain.read`."""
        found: models.DomainTransfers = self._call(ops.LIST_DOMAIN_TRANSFERS, path={}, query={}, body=None, headers={})
        return found

    def decide_domain_transfer(self, transfer: str, *, grant: bool) -> None:
        """Grant or refuse a transfer. Granted, the domain leaves this workspace at once: its signing keys are
        destroyed, its routes removed, and keys that could send from it alone revoked. Needs the permission
        `domain.change`.
        """
        self._call(ops.DECIDE_DOMAIN_TRANSFER, path={"transfer": transfer}, query={}, body={"grant": grant}, headers={})

    def add_domain(self, *, name: str, subdomains: bool | Omit = OMIT) -> models.DomainDetail:
        """Add a domain. The answer lists the DNS records to publish; nothing is sent before they are found. Needs
        the permission `domain.change`.
        """
        found: models.DomainDetail = self._call(
            ops.ADD_DOMAIN, path={}, query={}, body={"name": name, "subdomains": subdomains}, headers={}
        )
        return found

    def list_domains(self, *, limit: int | None = None, cursor: str | None = None) -> models.DomainPage:
        """List domains. Needs the permission `domain.read`."""
        found: models.DomainPage = self._call(
            ops.LIST_DOMAINS, path={}, query={"limit": limit, "cursor": cursor}, body=None, headers={}
        )
        return found

    def iter_domains(self, *, limit: int | None = None) -> Iterator[models.DomainSummary]:
        """List domains: everything, fetched page by page (`limit` at a time)."""
        return self._pages(lambda at: self.list_domains(limit=limit, cursor=at), None)

    def get_domain(self, domain: str) -> models.DomainDetail:
        """A domain, its records and their state. Needs the permission `domain.read`."""
        found: models.DomainDetail = self._call(
            ops.GET_DOMAIN, path={"domain": domain}, query={}, body=None, headers={}
        )
        return found

    def remove_domain(self, domain: str) -> None:
        """Remove a domain. Needs the permission `domain.change`."""
        self._call(ops.REMOVE_DOMAIN, path={"domain": domain}, query={}, body=None, headers={})

    def check_domain(self, domain: str) -> models.DomainDetail:
        """Look at the DNS now. Needs the permission `domain.change`."""
        found: models.DomainDetail = self._call(
            ops.CHECK_DOMAIN, path={"domain": domain}, query={}, body=None, headers={}
        )
        return found

    def rotate_domain_keys(self, domain: str) -> models.DomainDetail:
        """Begin a rotation of the DKIM keys. New selectors are made; signing moves to them once DNS shows them;
        keep the old ones a while. Needs the permission `domain.change`.
        """
        found: models.DomainDetail = self._call(
            ops.ROTATE_DOMAIN_KEYS, path={"domain": domain}, query={}, body=None, headers={}
        )
        return found

    def create_key(
        self,
        *,
        name: str,
        scopes: list[
            Literal[
                "admin",
                "audit",
                "domains",
                "inbound",
                "keys",
                "members",
                "read",
                "send",
                "suppressions",
                "templates",
                "webhooks",
            ]
        ],
        expires_at: datetime | Omit | None = OMIT,
        networks: list[str] | Omit = OMIT,
        domains: list[str] | Omit | None = OMIT,
    ) -> models.NewKey:
        """Make an API key. The secret is in this answer and nowhere else. Needs the permission `key.change`."""
        found: models.NewKey = self._call(
            ops.CREATE_KEY,
            path={},
            query={},
            body={"name": name, "scopes": scopes, "expires_at": expires_at, "networks": networks, "domains": domains},
            headers={},
        )
        return found

    def list_keys(
        self, *, limit: int | None = None, cursor: str | None = None, revoked: bool | None = None
    ) -> models.KeyPage:
        """List API keys. Needs the permission `key.read`."""
        found: models.KeyPage = self._call(
            ops.LIST_KEYS, path={}, query={"limit": limit, "cursor": cursor, "revoked": revoked}, body=None, headers={}
        )
        return found

    def iter_keys(self, *, limit: int | None = None, revoked: bool | None = None) -> Iterator[models.Key]:
        """List API keys: everything, fetched page by page (`limit` at a time)."""
        return self._pages(lambda at: self.list_keys(limit=limit, revoked=revoked, cursor=at), None)

    def revoke_key(self, key: str) -> None:
        """Revoke an API key. Nothing is accepted with it after this answer. Needs the permission `key.change`."""
        self._call(ops.REVOKE_KEY, path={"key": key}, query={}, body=None, headers={})

    def rotate_key(self, key: str, *, grace_hours: int | Omit = OMIT) -> models.NewKey:
        """Replace an API key. The successor reaches what the old one reaches. Both work until the grace is over,
        then only the new one. Needs the permission `key.change`.
        """
        found: models.NewKey = self._call(
            ops.ROTATE_KEY, path={"key": key}, query={}, body={"grace_hours": grace_hours}, headers={}
        )
        return found

    def release_key(self, key: str) -> None:
        """Let an API key send again. For a credential that was paused because it sent far more than it ever did. A
        credential cannot release itself. Needs the permission `key.change`.
        """
        self._call(ops.RELEASE_KEY, path={"key": key}, query={}, body=None, headers={})

    def create_smtp_credential(
        self,
        *,
        name: str,
        kind: Literal["network", "password"] | Omit = OMIT,
        expires_at: datetime | Omit | None = OMIT,
        networks: list[str] | Omit = OMIT,
        domains: list[str] | Omit | None = OMIT,
    ) -> models.NewCredential:
        """Make an SMTP credential. The password is in this answer and nowhere else. Needs the permission
        `key.change`.
        """
        found: models.NewCredential = self._call(
            ops.CREATE_SMTP_CREDENTIAL,
            path={},
            query={},
            body={"name": name, "kind": kind, "expires_at": expires_at, "networks": networks, "domains": domains},
            headers={},
        )
        return found

    def list_smtp_credentials(
        self, *, limit: int | None = None, cursor: str | None = None, revoked: bool | None = None
    ) -> models.CredentialPage:
        """List SMTP credentials. Needs the permission `key.read`."""
        found: models.CredentialPage = self._call(
            ops.LIST_SMTP_CREDENTIALS,
            path={},
            query={"limit": limit, "cursor": cursor, "revoked": revoked},
            body=None,
            headers={},
        )
        return found

    def iter_smtp_credentials(
        self, *, limit: int | None = None, revoked: bool | None = None
    ) -> Iterator[models.Credential]:
        """List SMTP credentials: everything, fetched page by page (`limit` at a time)."""
        return self._pages(lambda at: self.list_smtp_credentials(limit=limit, revoked=revoked, cursor=at), None)

    def revoke_smtp_credential(self, credential: str) -> None:
        """Revoke an SMTP credential. Needs the permission `key.change`."""
        self._call(ops.REVOKE_SMTP_CREDENTIAL, path={"credential": credential}, query={}, body=None, headers={})

    def rotate_smtp_credential(self, credential: str, *, grace_hours: int | Omit = OMIT) -> models.NewCredential:
        """Replace an SMTP credential. The successor reaches what the old one reaches. Both work until the grace is
        over, then only the new one. Needs the permission `key.change`.
        """
        found: models.NewCredential = self._call(
            ops.ROTATE_SMTP_CREDENTIAL,
            path={"credential": credential},
            query={},
            body={"grace_hours": grace_hours},
            headers={},
        )
        return found

    def release_smtp_credential(self, credential: str) -> None:
        """Let an SMTP credential send again. For a credential that was paused because it sent far more than it
        ever did. A credential cannot release itself. Needs the permission `key.change`.
        """
        self._call(ops.RELEASE_SMTP_CREDENTIAL, path={"credential": credential}, query={}, body=None, headers={})

    def create_template(
        self,
        *,
        name: str,
        description: str | Omit = OMIT,
        subject: str | Omit = OMIT,
        html: str | Omit = OMIT,
        text: str | Omit = OMIT,
        layout: str | Omit = OMIT,
        sample: dict[str, Any] | Omit = OMIT,
    ) -> models.Template:
        """Write a template. It is a draft until it is published; only published versions are sent. Needs the
        permission `template.change`.
        """
        found: models.Template = self._call(
            ops.CREATE_TEMPLATE,
            path={},
            query={},
            body={
                "name": name,
                "description": description,
                "subject": subject,
                "html": html,
                "text": text,
                "layout": layout,
                "sample": sample,
            },
            headers={},
        )
        return found

    def list_templates(self, *, limit: int | None = None, cursor: str | None = None) -> models.TemplatePage:
        """List templates. Needs the permission `template.read`."""
        found: models.TemplatePage = self._call(
            ops.LIST_TEMPLATES, path={}, query={"limit": limit, "cursor": cursor}, body=None, headers={}
        )
        return found

    def iter_templates(self, *, limit: int | None = None) -> Iterator[models.TemplateSummary]:
        """List templates: everything, fetched page by page (`limit` at a time)."""
        return self._pages(lambda at: self.list_templates(limit=limit, cursor=at), None)

    def get_template(self, template: str) -> models.Template:
        """One template with its draft. Needs the permission `template.read`."""
        found: models.Template = self._call(
            ops.GET_TEMPLATE, path={"template": template}, query={}, body=None, headers={}
        )
        return found

    def change_template(
        self,
        template: str,
        *,
        description: str | Omit = OMIT,
        subject: str | Omit = OMIT,
        html: str | Omit = OMIT,
        text: str | Omit = OMIT,
        layout: str | Omit = OMIT,
        sample: dict[str, Any] | Omit = OMIT,
    ) -> models.Template:
        """Change the draft. What is sent stays as it is until the draft is published. Needs the permission
        `template.change`.
        """
        found: models.Template = self._call(
            ops.CHANGE_TEMPLATE,
            path={"template": template},
            query={},
            body={
                "description": description,
                "subject": subject,
                "html": html,
                "text": text,
                "layout": layout,
                "sample": sample,
            },
            headers={},
        )
        return found

    def remove_template(self, template: str) -> None:
        """Remove a template with its versions. Needs the permission `template.change`."""
        self._call(ops.REMOVE_TEMPLATE, path={"template": template}, query={}, body=None, headers={})

    def publish_template(self, template: str) -> models.Template:
        """Publish the draft. The draft is rendered with its sample first; what does not render is refused with
        part and line. Needs the permission `template.change`.
        """
        found: models.Template = self._call(
            ops.PUBLISH_TEMPLATE, path={"template": template}, query={}, body=None, headers={}
        )
        return found

    def roll_back_template(self, template: str, *, version: int) -> models.Template:
        """Send an earlier version again. Needs the permission `template.change`."""
        found: models.Template = self._call(
            ops.ROLL_BACK_TEMPLATE, path={"template": template}, query={}, body={"version": version}, headers={}
        )
        return found

    def list_template_versions(
        self, template: str, *, limit: int | None = None, cursor: str | None = None
    ) -> models.VersionPage:
        """List what was published. Needs the permission `template.read`."""
        found: models.VersionPage = self._call(
            ops.LIST_TEMPLATE_VERSIONS,
            path={"template": template},
            query={"limit": limit, "cursor": cursor},
            body=None,
            headers={},
        )
        return found

    def iter_template_versions(
        self, template: str, *, limit: int | None = None
    ) -> Iterator[models.TemplateVersionView]:
        """List what was published: everything, fetched page by page (`limit` at a time)."""
        return self._pages(lambda at: self.list_template_versions(template, limit=limit, cursor=at), None)

    def get_template_version(self, template: str, version: str) -> models.TemplateVersionView:
        """One version as it was published. Needs the permission `template.read`."""
        found: models.TemplateVersionView = self._call(
            ops.GET_TEMPLATE_VERSION, path={"template": template, "version": version}, query={}, body=None, headers={}
        )
        return found

    def render_template(
        self, template: str, *, data: dict[str, Any] | Omit | None = OMIT, version: int | Omit | None = OMIT
    ) -> models.RenderedMail:
        """Preview. The draft, or a version, with data or the sample. Nothing is sent. Needs the permission
        `template.read`.
        """
        found: models.RenderedMail = self._call(
            ops.RENDER_TEMPLATE,
            path={"template": template},
            query={},
            body={"data": data, "version": version},
            headers={},
        )
        return found

    def create_webhook(
        self,
        *,
        url: str,
        events: list[
            Literal[
                "domain.drifted",
                "domain.failing",
                "domain.released",
                "domain.verified",
                "endpoint.disabled",
                "message.accepted",
                "message.bounced",
                "message.cancelled",
                "message.clicked",
                "message.complained",
                "message.deferred",
                "message.delivered",
                "message.discarded",
                "message.expired",
                "message.held",
                "message.opened",
                "message.released",
                "message.scheduled",
                "message.suppressed",
                "route.disabled",
            ]
        ]
        | Omit = OMIT,
        description: str | Omit = OMIT,
    ) -> models.NewWebhook:
        """Add an endpoint. Requests are signed as Standard Webhooks asks; the secret is in this answer and nowhere
        else. Needs the permission `webhook.change`.
        """
        found: models.NewWebhook = self._call(
            ops.CREATE_WEBHOOK,
            path={},
            query={},
            body={"url": url, "events": events, "description": description},
            headers={},
        )
        return found

    def list_webhooks(self, *, limit: int | None = None, cursor: str | None = None) -> models.WebhookPage:
        """List endpoints. Needs the permission `webhook.read`."""
        found: models.WebhookPage = self._call(
            ops.LIST_WEBHOOKS, path={}, query={"limit": limit, "cursor": cursor}, body=None, headers={}
        )
        return found

    def iter_webhooks(self, *, limit: int | None = None) -> Iterator[models.Webhook]:
        """List endpoints: everything, fetched page by page (`limit` at a time)."""
        return self._pages(lambda at: self.list_webhooks(limit=limit, cursor=at), None)

    def get_webhook(self, webhook: str) -> models.Webhook:
        """An endpoint. Needs the permission `webhook.read`."""
        found: models.Webhook = self._call(ops.GET_WEBHOOK, path={"webhook": webhook}, query={}, body=None, headers={})
        return found

    def change_webhook(
        self,
        webhook: str,
        *,
        url: str | Omit = OMIT,
        events: list[
            Literal[
                "domain.drifted",
                "domain.failing",
                "domain.released",
                "domain.verified",
                "endpoint.disabled",
                "message.accepted",
                "message.bounced",
                "message.cancelled",
                "message.clicked",
                "message.complained",
                "message.deferred",
                "message.delivered",
                "message.discarded",
                "message.expired",
                "message.held",
                "message.opened",
                "message.released",
                "message.scheduled",
                "message.suppressed",
                "route.disabled",
            ]
        ]
        | Omit = OMIT,
        description: str | Omit = OMIT,
        enabled: bool | Omit = OMIT,
    ) -> models.Webhook:
        """Change an endpoint. Enabling one posts a test event first: unless the endpoint takes it, it stays
        disabled (409). Needs the permission `webhook.change`.
        """
        found: models.Webhook = self._call(
            ops.CHANGE_WEBHOOK,
            path={"webhook": webhook},
            query={},
            body={"url": url, "events": events, "description": description, "enabled": enabled},
            headers={},
        )
        return found

    def remove_webhook(self, webhook: str) -> None:
        """Remove an endpoint. Needs the permission `webhook.change`."""
        self._call(ops.REMOVE_WEBHOOK, path={"webhook": webhook}, query={}, body=None, headers={})

    def test_webhook(self, webhook: str) -> models.TestQueued:
        """Send a test event. Needs the permission `webhook.change`."""
        found: models.TestQueued = self._call(
            ops.TEST_WEBHOOK, path={"webhook": webhook}, query={}, body=None, headers={}
        )
        return found

    def list_webhook_attempts(
        self, webhook: str, *, limit: int | None = None, cursor: str | None = None, event: str | None = None
    ) -> models.AttemptPage:
        """What each try met. Needs the permission `webhook.read`."""
        found: models.AttemptPage = self._call(
            ops.LIST_WEBHOOK_ATTEMPTS,
            path={"webhook": webhook},
            query={"limit": limit, "cursor": cursor, "event": event},
            body=None,
            headers={},
        )
        return found

    def iter_webhook_attempts(
        self, webhook: str, *, limit: int | None = None, event: str | None = None
    ) -> Iterator[models.WebhookAttempt]:
        """What each try met: everything, fetched page by page (`limit` at a time)."""
        return self._pages(lambda at: self.list_webhook_attempts(webhook, limit=limit, event=event, cursor=at), None)

    def rotate_webhook_secret(self, webhook: str) -> models.NewWebhook:
        """Replace the signing secret. For a day both secrets sign, so that no event is lost while you change
        yours. Needs the permission `webhook.change`.
        """
        found: models.NewWebhook = self._call(
            ops.ROTATE_WEBHOOK_SECRET, path={"webhook": webhook}, query={}, body=None, headers={}
        )
        return found

    def list_webhook_events(
        self,
        webhook: str,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        state: Literal["cancelled", "delivered", "failed", "pending"] | None = None,
    ) -> models.WebhookEventPage:
        """What an endpoint was or will be told. Needs the permission `webhook.read`."""
        found: models.WebhookEventPage = self._call(
            ops.LIST_WEBHOOK_EVENTS,
            path={"webhook": webhook},
            query={"limit": limit, "cursor": cursor, "state": state},
            body=None,
            headers={},
        )
        return found

    def iter_webhook_events(
        self,
        webhook: str,
        *,
        limit: int | None = None,
        state: Literal["cancelled", "delivered", "failed", "pending"] | None = None,
    ) -> Iterator[models.WebhookEvent]:
        """What an endpoint was or will be told: everything, fetched page by page (`limit` at a time)."""
        return self._pages(lambda at: self.list_webhook_events(webhook, limit=limit, state=state, cursor=at), None)

    def get_webhook_event(self, webhook: str, event: str) -> models.WebhookEventDetail:
        """One event with the JSON that is posted. Needs the permission `webhook.read`."""
        found: models.WebhookEventDetail = self._call(
            ops.GET_WEBHOOK_EVENT, path={"webhook": webhook, "event": event}, query={}, body=None, headers={}
        )
        return found

    def replay_webhook_events(
        self,
        webhook: str,
        *,
        event: str | Omit | None = OMIT,
        since: datetime | Omit | None = OMIT,
        until: datetime | Omit | None = OMIT,
        only: Literal["all", "failed"] | Omit = OMIT,
    ) -> models.Replay:
        """Post events again. One event, a span of time, or all that failed; at most 10000 at a time, 20 a second,
        each under the id it had before. Needs the permission `webhook.change`.
        """
        found: models.Replay = self._call(
            ops.REPLAY_WEBHOOK_EVENTS,
            path={"webhook": webhook},
            query={},
            body={"event": event, "since": since, "until": until, "only": only},
            headers={},
        )
        return found

    def list_webhook_replays(
        self, webhook: str, *, limit: int | None = None, cursor: str | None = None
    ) -> models.ReplayPage:
        """Replays and how far they are. Needs the permission `webhook.read`."""
        found: models.ReplayPage = self._call(
            ops.LIST_WEBHOOK_REPLAYS,
            path={"webhook": webhook},
            query={"limit": limit, "cursor": cursor},
            body=None,
            headers={},
        )
        return found

    def iter_webhook_replays(self, webhook: str, *, limit: int | None = None) -> Iterator[models.Replay]:
        """Replays and how far they are: everything, fetched page by page (`limit` at a time)."""
        return self._pages(lambda at: self.list_webhook_replays(webhook, limit=limit, cursor=at), None)

    def get_webhook_replay(self, webhook: str, replay: str) -> models.Replay:
        """How far a replay is. Needs the permission `webhook.read`."""
        found: models.Replay = self._call(
            ops.GET_WEBHOOK_REPLAY, path={"webhook": webhook, "replay": replay}, query={}, body=None, headers={}
        )
        return found

    def create_route(
        self,
        *,
        domain: str,
        url: str,
        kind: Literal["catch_all", "exact", "plus", "regex", "wildcard"] | Omit = OMIT,
        pattern: str | Omit = OMIT,
        format: Literal["cloudmailin_json", "cloudmailin_multipart", "cloudmailin_raw", "mailward"] | Omit = OMIT,
        mode: Literal["in_session", "store"] | Omit = OMIT,
        authorize_url: str | Omit = OMIT,
        require_tls: bool | Omit = OMIT,
        on_scanner_down: Literal["accept", "defer"] | Omit = OMIT,
        attachments: Literal["inline", "store"] | Omit = OMIT,
        signature: Literal["ed25519", "hmac"] | Omit = OMIT,
        description: str | Omit = OMIT,
    ) -> models.NewRoute:
        """Add a route. Mail for matching addresses of a verified domain goes to the endpoint. The secret is in
        this answer and nowhere else. Needs the permission `inbound.change`.
        """
        found: models.NewRoute = self._call(
            ops.CREATE_ROUTE,
            path={},
            query={},
            body={
                "domain": domain,
                "url": url,
                "kind": kind,
                "pattern": pattern,
                "format": format,
                "mode": mode,
                "authorize_url": authorize_url,
                "require_tls": require_tls,
                "on_scanner_down": on_scanner_down,
                "attachments": attachments,
                "signature": signature,
                "description": description,
            },
            headers={},
        )
        return found

    def list_routes(self, *, limit: int | None = None, cursor: str | None = None) -> models.RoutePage:
        """List routes. Needs the permission `inbound.read`."""
        found: models.RoutePage = self._call(
            ops.LIST_ROUTES, path={}, query={"limit": limit, "cursor": cursor}, body=None, headers={}
        )
        return found

    def iter_routes(self, *, limit: int | None = None) -> Iterator[models.Route]:
        """List routes: everything, fetched page by page (`limit` at a time)."""
        return self._pages(lambda at: self.list_routes(limit=limit, cursor=at), None)

    def get_route(self, route: str) -> models.Route:
        """A route. Needs the permission `inbound.read`."""
        found: models.Route = self._call(ops.GET_ROUTE, path={"route": route}, query={}, body=None, headers={})
        return found

    def change_route(
        self,
        route: str,
        *,
        url: str | Omit = OMIT,
        kind: Literal["catch_all", "exact", "plus", "regex", "wildcard"] | Omit = OMIT,
        pattern: str | Omit = OMIT,
        format: Literal["cloudmailin_json", "cloudmailin_multipart", "cloudmailin_raw", "mailward"] | Omit = OMIT,
        mode: Literal["in_session", "store"] | Omit = OMIT,
        authorize_url: str | Omit = OMIT,
        require_tls: bool | Omit = OMIT,
        on_scanner_down: Literal["accept", "defer"] | Omit = OMIT,
        attachments: Literal["inline", "store"] | Omit = OMIT,
        signature: Literal["ed25519", "hmac"] | Omit = OMIT,
        description: str | Omit = OMIT,
        enabled: bool | Omit = OMIT,
    ) -> models.Route:
        """Change a route. A URL that is given replaces the credentials as well. Needs the permission
        `inbound.change`.
        """
        found: models.Route = self._call(
            ops.CHANGE_ROUTE,
            path={"route": route},
            query={},
            body={
                "url": url,
                "kind": kind,
                "pattern": pattern,
                "format": format,
                "mode": mode,
                "authorize_url": authorize_url,
                "require_tls": require_tls,
                "on_scanner_down": on_scanner_down,
                "attachments": attachments,
                "signature": signature,
                "description": description,
                "enabled": enabled,
            },
            headers={},
        )
        return found

    def remove_route(self, route: str) -> None:
        """Remove a route. Needs the permission `inbound.change`."""
        self._call(ops.REMOVE_ROUTE, path={"route": route}, query={}, body=None, headers={})

    def rotate_route_secret(self, route: str) -> models.NewRoute:
        """Replace a route's signing secret. For a day both secrets sign. Needs the permission `inbound.change`."""
        found: models.NewRoute = self._call(
            ops.ROTATE_ROUTE_SECRET, path={"route": route}, query={}, body=None, headers={}
        )
        return found

    def replay_route(
        self,
        route: str,
        *,
        since: datetime | Omit | None = OMIT,
        until: datetime | Omit | None = OMIT,
        only: Literal["all", "failed"] | Omit = OMIT,
    ) -> models.InboundReplay:
        """Hand over again what a route received. A span of time, or all that failed; at most 10000 at a time, 20 a
        second, each under the id it had before. Needs the permission `inbound.change`.
        """
        found: models.InboundReplay = self._call(
            ops.REPLAY_ROUTE,
            path={"route": route},
            query={},
            body={"since": since, "until": until, "only": only},
            headers={},
        )
        return found

    def get_route_replay(self, route: str, replay: str) -> models.InboundReplay:
        """How far a replay is. Needs the permission `inbound.read`."""
        found: models.InboundReplay = self._call(
            ops.GET_ROUTE_REPLAY, path={"route": route, "replay": replay}, query={}, body=None, headers={}
        )
        return found

    def list_received(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        route: str | None = None,
        state: Literal["expired", "failed", "handed_over", "quarantined", "received", "refused"] | None = None,
    ) -> models.ReceivedPage:
        """List received messages. Needs the permission `inbound.read`."""
        found: models.ReceivedPage = self._call(
            ops.LIST_RECEIVED,
            path={},
            query={"limit": limit, "cursor": cursor, "route": route, "state": state},
            body=None,
            headers={},
        )
        return found

    def iter_received(
        self,
        *,
        limit: int | None = None,
        route: str | None = None,
        state: Literal["expired", "failed", "handed_over", "quarantined", "received", "refused"] | None = None,
    ) -> Iterator[models.ReceivedSummary]:
        """List received messages: everything, fetched page by page (`limit` at a time)."""
        return self._pages(lambda at: self.list_received(limit=limit, route=route, state=state, cursor=at), None)

    def get_received(self, message: str) -> models.ReceivedDetail:
        """A received message. Needs the permission `inbound.read`."""
        found: models.ReceivedDetail = self._call(
            ops.GET_RECEIVED, path={"message": message}, query={}, body=None, headers={}
        )
        return found

    def erase_received(self, message: str) -> None:
        """Erase a received message. Rows at once, its content overwritten where it lies, stored attachments
        removed. Needs the permission `message.erase`.
        """
        self._call(ops.ERASE_RECEIVED, path={"message": message}, query={}, body=None, headers={})

    def list_received_attempts(
        self, message: str, *, limit: int | None = None, cursor: str | None = None
    ) -> models.HandOverPage:
        """Each try to hand it over. Needs the permission `inbound.read`."""
        found: models.HandOverPage = self._call(
            ops.LIST_RECEIVED_ATTEMPTS,
            path={"message": message},
            query={"limit": limit, "cursor": cursor},
            body=None,
            headers={},
        )
        return found

    def iter_received_attempts(self, message: str, *, limit: int | None = None) -> Iterator[models.HandOverAttempt]:
        """Each try to hand it over: everything, fetched page by page (`limit` at a time)."""
        return self._pages(lambda at: self.list_received_attempts(message, limit=limit, cursor=at), None)

    def get_received_raw(self, message: str) -> bytes:
        """The message as it came. Octet for octet; reading it is in the audit log. Needs the permission
        `message.content`.
        """
        found: bytes = self._call(ops.GET_RECEIVED_RAW, path={"message": message}, query={}, body=None, headers={})
        return found

    def replay_received(self, message: str, *, route: str | Omit | None = OMIT) -> models.Started:
        """Hand one message over again. Needs the permission `inbound.change`."""
        found: models.Started = self._call(
            ops.REPLAY_RECEIVED, path={"message": message}, query={}, body={"route": route}, headers={}
        )
        return found

    def release_received(self, message: str) -> models.Started:
        """Release from quarantine. Needs the permission `inbound.change`."""
        found: models.Started = self._call(
            ops.RELEASE_RECEIVED, path={"message": message}, query={}, body=None, headers={}
        )
        return found

    def discard_received(self, message: str) -> models.Started:
        """Discard from quarantine. Needs the permission `inbound.change`."""
        found: models.Started = self._call(
            ops.DISCARD_RECEIVED, path={"message": message}, query={}, body=None, headers={}
        )
        return found

    def list_members(self) -> models.Members:
        """List the people of the workspace. Needs the permission `member.read`."""
        found: models.Members = self._call(ops.LIST_MEMBERS, path={}, query={}, body=None, headers={})
        return found

    def change_member(
        self, member: str, *, role: Literal["member", "workspace_admin", "workspace_manager"]
    ) -> models.Member:
        """Give a person another role. Holds at once: their sessions here end. Nobody gives a role above their own;
        the last Workspace Manager keeps theirs. Keys and invitations that somebody who is lowered made are
        revoked. Needs the permission `member.change`.
        """
        found: models.Member = self._call(
            ops.CHANGE_MEMBER, path={"member": member}, query={}, body={"role": role}, headers={}
        )
        return found

    def remove_member(self, member: str) -> None:
        """Remove a person. Their sessions, and the keys, SMTP credentials and invitations they made here, end at
        once. Needs the permission `member.change`.
        """
        self._call(ops.REMOVE_MEMBER, path={"member": member}, query={}, body=None, headers={})

    def list_invitations(self) -> models.Invitations:
        """List invitations. Needs the permission `member.read`."""
        found: models.Invitations = self._call(ops.LIST_INVITATIONS, path={}, query={}, body=None, headers={})
        return found

    def invite(self, *, email: str, role: str | Omit = OMIT) -> models.Invitation:
        """Invite an address. A link that works once, for seven days, is mailed to the address; no answer holds it.
        The role may be one of the workspace's own: name its id. Needs the permission `member.change`.
        """
        found: models.Invitation = self._call(
            ops.INVITE, path={}, query={}, body={"email": email, "role": role}, headers={}
        )
        return found

    def resend_invitation(self, invitation: str) -> models.Invitation:
        """Mail an invitation again. With another link and seven new days; the one before stops working. Once in
        five minutes. Needs the permission `member.change`.
        """
        found: models.Invitation = self._call(
            ops.RESEND_INVITATION, path={"invitation": invitation}, query={}, body=None, headers={}
        )
        return found

    def revoke_invitation(self, invitation: str) -> None:
        """Withdraw an invitation. Needs the permission `member.change`."""
        self._call(ops.REVOKE_INVITATION, path={"invitation": invitation}, query={}, body=None, headers={})

    def get_networks(self) -> models.Networks:
        """Where the workspace's people may come from. Needs the permission `workspace.read`."""
        found: models.Networks = self._call(ops.GET_NETWORKS, path={}, query={}, body=None, headers={})
        return found

    def change_networks(self, *, networks: list[str]) -> models.Networks:
        """Change where the workspace's people may come from. Holds for sign-ins and for sessions that are open. An
        empty list lifts the restriction. Needs the permission `workspace.change`.
        """
        found: models.Networks = self._call(
            ops.CHANGE_NETWORKS, path={}, query={}, body={"networks": networks}, headers={}
        )
        return found

    def list_roles(self) -> models.Roles:
        """List the workspace's own roles. Needs the permission `member.read`."""
        found: models.Roles = self._call(ops.LIST_ROLES, path={}, query={}, body=None, headers={})
        return found

    def create_role(self, *, name: str, permissions: list[str]) -> models.CustomRole:
        """Make a role. A role holds the permissions it lists and nothing else; nobody makes one beyond their own.
        Needs the permission `role.change`.
        """
        found: models.CustomRole = self._call(
            ops.CREATE_ROLE, path={}, query={}, body={"name": name, "permissions": permissions}, headers={}
        )
        return found

    def change_role(self, role: str, *, name: str, permissions: list[str]) -> models.CustomRole:
        """Change a role. Holds for its members at once. When it loses a permission, keys its members made are
        revoked. Needs the permission `role.change`.
        """
        found: models.CustomRole = self._call(
            ops.CHANGE_ROLE, path={"role": role}, query={}, body={"name": name, "permissions": permissions}, headers={}
        )
        return found

    def remove_role(self, role: str) -> None:
        """Remove a role that nobody has. Needs the permission `role.change`."""
        self._call(ops.REMOVE_ROLE, path={"role": role}, query={}, body=None, headers={})

    def give_role(self, role: str, *, member: str) -> models.Member:
        """Give a role to a member. In place of the role they have; their sessions here end. `changeMember` gives
        another one again. Needs the permission `member.change`.
        """
        found: models.Member = self._call(
            ops.GIVE_ROLE, path={"role": role}, query={}, body={"member": member}, headers={}
        )
        return found

    def get_tracking(self) -> models.TrackingSettings:
        """What is tracked of sent mail. Needs the permission `domain.read`."""
        found: models.TrackingSettings = self._call(ops.GET_TRACKING, path={}, query={}, body=None, headers={})
        return found

    def change_tracking(
        self,
        *,
        workspace: Literal["both", "clicks", "off", "opens"] | Omit | None = OMIT,
        streams: dict[str, Literal["both", "clicks", "off", "opens"] | None] | Omit = OMIT,
        domains: dict[str, Literal["both", "clicks", "off", "opens"] | None] | Omit = OMIT,
    ) -> models.TrackingSettings:
        """Change what is tracked. For mail that is accepted from then on. Without any of these nothing is tracked,
        and bodies leave as they came. Needs the permission `domain.change`.
        """
        found: models.TrackingSettings = self._call(
            ops.CHANGE_TRACKING,
            path={},
            query={},
            body={"workspace": workspace, "streams": streams, "domains": domains},
            headers={},
        )
        return found

    def add_tracking_opt_out(self, *, address: str) -> models.OptOut:
        """Track a recipient no more. In mail to come, and in mail that was sent: its links go on working, and
        nothing is kept. Needs the permission `suppression.change`.
        """
        found: models.OptOut = self._call(
            ops.ADD_TRACKING_OPT_OUT, path={}, query={}, body={"address": address}, headers={}
        )
        return found

    def remove_tracking_opt_out(self, *, address: str) -> None:
        """Take a recipient's opt-out back. Needs the permission `suppression.change`."""
        self._call(ops.REMOVE_TRACKING_OPT_OUT, path={}, query={"address": address}, body=None, headers={})

    def check_tracking_opt_out(self, *, address: str) -> models.OptOut:
        """Whether a recipient opted out of tracking. Needs the permission `suppression.read`."""
        found: models.OptOut = self._call(
            ops.CHECK_TRACKING_OPT_OUT, path={}, query={}, body={"address": address}, headers={}
        )
        return found

    def get_workspace(self) -> models.WorkspaceDetail:
        """The workspace of this key. Needs the permission `workspace.read`."""
        found: models.WorkspaceDetail = self._call(ops.GET_WORKSPACE, path={}, query={}, body=None, headers={})
        return found

    def get_retention(self) -> models.Retention:
        """How long messages and their content are kept. Needs the permission `workspace.read`."""
        found: models.Retention = self._call(ops.GET_RETENTION, path={}, query={}, body=None, headers={})
        return found

    def change_retention(
        self, *, messages_days: int | Omit | None = OMIT, content_days: int | Omit | None = OMIT
    ) -> models.Retention:
        """Change how long messages and their content are kept. Content is never kept longer than the message it
        belongs to. What is past a shorter term is gone within minutes and does not come back when the term is
        lengthened. Needs the permission `workspace.change`.
        """
        found: models.Retention = self._call(
            ops.CHANGE_RETENTION,
            path={},
            query={},
            body={"messages_days": messages_days, "content_days": content_days},
            headers={},
        )
        return found

    def get_usage(self, *, days: int | None = None) -> models.Usage:
        """Counts by day. Needs the permission `workspace.read`."""
        found: models.Usage = self._call(ops.GET_USAGE, path={}, query={"days": days}, body=None, headers={})
        return found

    def list_events(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        type: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> models.EventPage:
        """Events of all messages. Grouped by message, the newest message first; `limit` counts messages. Needs the
        permission `message.read`.
        """
        found: models.EventPage = self._call(
            ops.LIST_EVENTS,
            path={},
            query={"limit": limit, "cursor": cursor, "type": type, "since": since, "until": until},
            body=None,
            headers={},
        )
        return found

    def iter_events(
        self,
        *,
        limit: int | None = None,
        type: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[models.Event]:
        """Events of all messages: everything, fetched page by page (`limit` at a time)."""
        return self._pages(
            lambda at: self.list_events(limit=limit, type=type, since=since, until=until, cursor=at), None
        )

    def get_redaction(self) -> models.Redaction:
        """Which fields of mail are redacted or never stored. Needs the permission `workspace.read`."""
        found: models.Redaction = self._call(ops.GET_REDACTION, path={}, query={}, body=None, headers={})
        return found

    def change_redaction(
        self,
        *,
        subject: models.ChangeRule | Omit = OMIT,
        addresses: models.ChangeRule | Omit = OMIT,
        ip: models.ChangeRule | Omit = OMIT,
        body: models.ChangeRule | Omit = OMIT,
    ) -> models.Redaction:
        """Change which fields of mail are redacted or never stored. In force for every message accepted from now
        on; what is stored already follows within minutes. What was taken out does not come back when a rule is
        changed again. Needs the permission `workspace.change`.
        """
        found: models.Redaction = self._call(
            ops.CHANGE_REDACTION,
            path={},
            query={},
            body={"subject": subject, "addresses": addresses, "ip": ip, "body": body},
            headers={},
        )
        return found

    def list_operator_access(self, *, limit: int | None = None, cursor: str | None = None) -> models.OperatorAccessPage:
        """Which operators asked for access to this workspace. An operator of the installation reads in a workspace
        by a grant only. Each read is in the log. Needs the permission `audit.read`.
        """
        found: models.OperatorAccessPage = self._call(
            ops.LIST_OPERATOR_ACCESS, path={}, query={"limit": limit, "cursor": cursor}, body=None, headers={}
        )
        return found

    def iter_operator_access(self, *, limit: int | None = None) -> Iterator[models.OperatorAccess]:
        """Which operators asked for access to this workspace: everything, fetched page by page (`limit` at a
        time).
        """
        return self._pages(lambda at: self.list_operator_access(limit=limit, cursor=at), None)

    def permit_operator_access(self, grant: str) -> models.OperatorAccess:
        """Permit a request to read content. Needs the permission `workspace.change`."""
        found: models.OperatorAccess = self._call(
            ops.PERMIT_OPERATOR_ACCESS, path={"grant": grant}, query={}, body=None, headers={}
        )
        return found

    def revoke_operator_access(self, grant: str) -> models.OperatorAccess:
        """End an operator's access, or turn a request down. Needs the permission `workspace.change`."""
        found: models.OperatorAccess = self._call(
            ops.REVOKE_OPERATOR_ACCESS, path={"grant": grant}, query={}, body=None, headers={}
        )
        return found

    def list_access_reviews(self) -> models.AccessReviewPage:
        """The quarterly reviews of who has access. Needs the permission `member.read`."""
        found: models.AccessReviewPage = self._call(ops.LIST_ACCESS_REVIEWS, path={}, query={}, body=None, headers={})
        return found

    def get_access_review(self, review: str) -> models.AccessReview:
        """One review, as evidence. Needs the permission `member.read`."""
        found: models.AccessReview = self._call(
            ops.GET_ACCESS_REVIEW, path={"review": review}, query={}, body=None, headers={}
        )
        return found

    def decide_access(
        self,
        review: str,
        *,
        kind: Literal["grant", "key", "member", "operator"],
        id: str,
        decision: Literal["keep", "remove"],
    ) -> models.AccessReview:
        """Keep or remove one access. Done at once. What nobody decided on within 30 days is suspended. Needs the
        permission `workspace.change`.
        """
        found: models.AccessReview = self._call(
            ops.DECIDE_ACCESS,
            path={"review": review},
            query={},
            body={"kind": kind, "id": id, "decision": decision},
            headers={},
        )
        return found

    def list_audit_entries(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        act: str | None = None,
        actor: str | None = None,
        target: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> models.AuditPage:
        """Who did what, when. Needs the permission `audit.read`."""
        found: models.AuditPage = self._call(
            ops.LIST_AUDIT_ENTRIES,
            path={},
            query={
                "limit": limit,
                "cursor": cursor,
                "act": act,
                "actor": actor,
                "target": target,
                "since": since,
                "until": until,
            },
            body=None,
            headers={},
        )
        return found

    def iter_audit_entries(
        self,
        *,
        limit: int | None = None,
        act: str | None = None,
        actor: str | None = None,
        target: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[models.AuditEntry]:
        """Who did what, when: everything, fetched page by page (`limit` at a time)."""
        return self._pages(
            lambda at: self.list_audit_entries(
                limit=limit, act=act, actor=actor, target=target, since=since, until=until, cursor=at
            ),
            None,
        )

    def get_audit_checkpoint(self) -> models.Checkpoint:
        """The signed head of the log. Needs the permission `audit.read`."""
        found: models.Checkpoint = self._call(ops.GET_AUDIT_CHECKPOINT, path={}, query={}, body=None, headers={})
        return found

    def get_audit_proof(
        self, *, index: int | None = None, first: int | None = None, size: int | None = None
    ) -> models.Proof:
        """Proof of inclusion or of consistency. Needs the permission `audit.read`."""
        found: models.Proof = self._call(
            ops.GET_AUDIT_PROOF, path={}, query={"index": index, "first": first, "size": size}, body=None, headers={}
        )
        return found

    def export_audit_table(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        act: str | None = None,
        actor: str | None = None,
        target: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> bytes:
        """What a search of the log finds, as CSV. At most 10,000 entries, newest first; cursor and limit are not
        used. For reading: a table proves nothing. The export is an entry itself. Needs the permission
        `audit.read`.
        """
        found: bytes = self._call(
            ops.EXPORT_AUDIT_TABLE,
            path={},
            query={
                "limit": limit,
                "cursor": cursor,
                "act": act,
                "actor": actor,
                "target": target,
                "since": since,
                "until": until,
            },
            body=None,
            headers={},
        )
        return found

    def export_audit(
        self, *, since: datetime | None = None, until: datetime | None = None, since_size: int | None = None
    ) -> bytes:
        """The log with its proofs, for offline verification. With a period, the entries around it are shown too,
        so that nothing at its ends can be left out. Needs the permission `audit.read`.
        """
        found: bytes = self._call(
            ops.EXPORT_AUDIT,
            path={},
            query={"since": since, "until": until, "since_size": since_size},
            body=None,
            headers={},
        )
        return found

    def list_alerts(self, *, limit: int | None = None, cursor: str | None = None) -> models.AlertPage:
        """List attacks on the workspace that a rule recognised. Needs the permission `audit.read`."""
        found: models.AlertPage = self._call(
            ops.LIST_ALERTS, path={}, query={"limit": limit, "cursor": cursor}, body=None, headers={}
        )
        return found

    def iter_alerts(self, *, limit: int | None = None) -> Iterator[models.Alert]:
        """List attacks on the workspace that a rule recognised: everything, fetched page by page (`limit` at a
        time).
        """
        return self._pages(lambda at: self.list_alerts(limit=limit, cursor=at), None)

    def acknowledge_alert(self, alert: str) -> models.Alert:
        """Note that an alert was seen. Who and when are kept with it and in the audit log; who was first stays.
        Needs the permission `alert.change`.
        """
        found: models.Alert = self._call(ops.ACKNOWLEDGE_ALERT, path={"alert": alert}, query={}, body=None, headers={})
        return found

    def report_leaked_key(self, *, token: str, where: str | Omit = OMIT) -> models.LeakReceived:
        """Report a key that was found where it does not belong. For an API key or an SMTP password of this
        installation. Its owner is warned by mail, or it is revoked at once where the workspace asks for that.
        No credential is needed, and the answer is the same, in the same time, for a key that works, one that
        does not, and any other text.
        """
        found: models.LeakReceived = self._call(
            ops.REPORT_LEAKED_KEY, path={}, query={}, body={"token": token, "where": where}, headers={}
        )
        return found

    def get_health(self) -> models.Health:
        """Whether this process answers."""
        found: models.Health = self._call(ops.GET_HEALTH, path={}, query={}, body=None, headers={})
        return found

    def get_readiness(self) -> models.Ready:
        """Whether this process should be given work."""
        found: models.Ready = self._call(ops.GET_READINESS, path={}, query={}, body=None, headers={})
        return found

    def get_schema(self) -> dict[str, Any]:
        """This document."""
        found: dict[str, Any] = self._call(ops.GET_SCHEMA, path={}, query={}, body=None, headers={})
        return found

    def list_problems(self) -> models.CodeList:
        """Every problem code."""
        found: models.CodeList = self._call(ops.LIST_PROBLEMS, path={}, query={}, body=None, headers={})
        return found

    def get_problem(self, code: str) -> models.ProblemMeaning:
        """What a problem code means."""
        found: models.ProblemMeaning = self._call(ops.GET_PROBLEM, path={"code": code}, query={}, body=None, headers={})
        return found
