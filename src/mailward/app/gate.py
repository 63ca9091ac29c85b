"""The submission gate: what an SMTP session may do, answered from memory, and its messages handed to acceptance."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Protocol

from mailward.app.arrivals import Arrivals
from mailward.app.budgets import Budgets
from mailward.app.candidate import Candidate
from mailward.app.platform.acceptance import Acceptance
from mailward.app.standing import Standings
from mailward.base import ids
from mailward.base.errors import Forbidden, LimitReached, MailwardError, Unauthenticated
from mailward.base.secret import Secret
from mailward.base.sources import Clock, Entropy
from mailward.policy.access import Actor, Permission, require
from mailward.policy.boundaries import require_command
from mailward.policy.gcra import Rate
from mailward.policy.source import source_of
from mailward.protocol.message import attached
from mailward.protocol.message.submission import Prepared, for_submission, require_way_out
from mailward.protocol.smtp.model import MailParams, Peer, SessionFacts, SmtpEnvelope

LARGE = 1 << 20
"""Octets of a message from which it is prepared beside the sessions of others."""


class Credentials(Protocol):
    """Who a credential stands for."""

    async def smtp(self, username: str, password: Secret[str], ip: str) -> Actor:
        """The actor, or Unauthenticated for whatever is wrong with it."""

    def network(self, ip: str) -> Actor | None:
        """The actor whose credential is this source network, or None for nobody's; Unavailable if not known yet."""


class Gate:
    """Implements `edges.smtpd.ports.SubmissionGate` for one worker."""

    def __init__(
        self,
        acceptance: Acceptance,
        credentials: Credentials,
        *,
        hostname: str,
        clock: Clock,
        entropy: Entropy,
        arrivals: Arrivals,
        budgets: Budgets,
        auth_failures: Rate,
        standings: Standings,
        counted: Callable[[str, str], None],
        refused: Callable[[str], None],
        fill: Callable[[Actor, bytes], Awaitable[bytes]],
        hold: Callable[[str], Awaitable[None]],
    ) -> None:
        """`hold` returns when a workspace may be told that it is beyond a limit."""
        self._acceptance = acceptance
        self._credentials = credentials
        self._hostname = hostname
        self._clock = clock
        self._entropy = entropy
        self._arrivals = arrivals
        self._budgets = budgets
        self._auth_failures = auth_failures
        self._standings = standings
        self._counted = counted
        self._refused = refused
        self._fill = fill
        self._hold = hold

    # -- connections -----------------------------------------------------------------------------

    def connection_opened(self, peer: Peer) -> None:
        """Count it, or LimitReached."""
        self._arrivals.opened(peer.ip)

    def connection_closed(self, peer: Peer) -> None:
        """One fewer."""
        self._arrivals.closed(peer.ip)

    # -- credentials -----------------------------------------------------------------------------

    async def authenticate(self, username: str, password: Secret[str], peer: Peer) -> Actor:
        """The actor behind a user name and password; failures from one source are counted and slowed down.

        Right ones are not counted, also while they are looked at: a program may open all its connections at once.
        """
        source = source_of(peer.ip)
        decision = await self._budgets.take(source, self._auth_failures)
        if not decision.allowed:
            self._counted("smtp", "limited")
            raise LimitReached(
                "too_many_failures", "Too many failed sign-ins from your address.", retry_after=decision.retry_after
            )
        self._budgets.give_back(source, self._auth_failures)
        try:
            actor = await self._credentials.smtp(username, password, peer.ip)
        except MailwardError as e:
            if isinstance(e, Unauthenticated):
                self._budgets.spend_now(source, self._auth_failures)
            self._counted("smtp", "failed")
            raise
        require(actor, Permission.MESSAGE_SEND)
        self._counted("smtp", "ok")
        return actor

    def network_principal(self, peer: Peer) -> Actor | None:
        """The actor whose credential is the peer's network."""
        return self._credentials.network(peer.ip)

    def still_valid(self, principal: Actor) -> bool:
        """False once the credential was revoked or has expired; a paused one may stay and be told so."""
        id = principal.id
        return self._standings.plain(id) or not self._standings.ended(id, self._now_us())

    def _now_us(self) -> int:
        return int(self._clock.now().timestamp() * 1_000_000)

    # -- the transaction -------------------------------------------------------------------------

    def introduce(self, principal: Actor, session: SessionFacts) -> None:
        """Nothing depends on it here: who submits has a credential."""

    def check_sender(self, principal: Actor, sender: str, params: MailParams) -> None:
        """The envelope sender's domain must be a verified one of the workspace; "" is the null reverse path."""
        require_command(principal, "MAIL")
        if not self._standings.plain(principal.id):
            self._standings.require(principal.id, self._now_us())
        if sender:
            workspace = _workspace(principal.workspace)
            self._acceptance.require_domain(principal, workspace, sender.rpartition("@")[2].lower())

    def check_recipient(self, principal: Actor, recipient: str) -> None:
        """Any address may be written to; what is suppressed is recorded as such when the message is accepted."""
        require_command(principal, "RCPT")

    def accept(self, principal: Actor, envelope: SmtpEnvelope, content: bytes, session: SessionFacts) -> Awaitable[str]:
        """The id of the message, once it is on disk."""
        try:
            require_command(principal, "DATA")
            if len(content) > LARGE:
                return self._accept_large(principal, envelope, content, session)
            prepared = self._prepared(principal, envelope, content, session)
            if prepared.templated:
                return self._accept_filled(principal, envelope, content, session)
            candidate = self._candidate(principal, envelope, prepared, session, len(content))
            accepted = self._acceptance.accept_soon(principal, candidate)
        except LimitReached as e:
            self._refused(e.code)
            return self._refuse_later(principal, e)
        except MailwardError as e:
            self._refused(e.code)
            raise
        return accepted if accepted is not None else self._accept(principal, candidate)

    async def _refuse_later(self, principal: Actor, why: LimitReached) -> str:
        await self._hold(principal.workspace)
        raise why

    async def _accept(self, principal: Actor, candidate: Candidate) -> str:
        """The long way, for what the short one cannot settle: a key to be made, a judgement to be made again."""
        try:
            receipt = await self._acceptance.accept(principal, candidate)
        except MailwardError as e:
            self._refused(e.code)
            if isinstance(e, LimitReached):
                await self._hold(principal.workspace)
            raise
        return ids.encode("msg", receipt.id)

    async def _accept_large(
        self, principal: Actor, envelope: SmtpEnvelope, content: bytes, session: SessionFacts
    ) -> str:
        """A message that takes time to prepare: that is done in a thread, and other sessions go on."""

        def prepare() -> Candidate | None:
            prepared = self._prepared(principal, envelope, content, session)
            return None if prepared.templated else self._candidate(principal, envelope, prepared, session, len(content))

        try:
            candidate = await asyncio.to_thread(prepare)
        except MailwardError as e:
            self._refused(e.code)
            raise
        if candidate is None:
            return await self._accept_filled(principal, envelope, content, session)
        return await self._accept(principal, candidate)

    async def _accept_filled(
        self, principal: Actor, envelope: SmtpEnvelope, content: bytes, session: SessionFacts
    ) -> str:
        """A message that names a template: it is the mail that comes of it that is judged and accepted."""
        try:
            filled = await self._fill(principal, content)
            prepared = self._prepared(principal, envelope, filled, session)
            candidate = self._candidate(principal, envelope, prepared, session, len(filled))
        except MailwardError as e:
            self._refused(e.code)
            raise
        return await self._accept(principal, candidate)

    def _prepared(self, principal: Actor, envelope: SmtpEnvelope, content: bytes, session: SessionFacts) -> Prepared:
        if envelope.requiretls and not session.tls_version:
            raise Forbidden("tls_required", "REQUIRETLS needs a session over TLS.")
        return for_submission(
            content,
            now=self._clock.now(),
            entropy=self._entropy,
            hostname=self._hostname,
            protocol=_protocol(envelope, session, principal),
            canonical=True,  # the machine let no bare CR, LF or NUL through
        )

    def _candidate(
        self, principal: Actor, envelope: SmtpEnvelope, prepared: Prepared, session: SessionFacts, size: int
    ) -> Candidate:
        who = prepared.originators
        said = prepared.directives
        if said.stream == "broadcast":
            require_way_out(prepared.parsed)
        tls = f"{session.tls_version} {session.tls_cipher}" if session.tls_version else ""
        return Candidate(
            content=prepared.content,
            mail_from=envelope.sender,
            recipients=[(r.address, _dsn(r.notify, r.orcpt)) for r in envelope.recipients],
            header_from=_shown(who.author.name, who.author.address),
            from_domain=who.author.domain,
            domains=tuple(who.domains()),
            to=prepared.to,
            subject=prepared.subject,
            message_id=prepared.message_id,
            source="network" if principal.kind == "network" else "smtp",
            tls=tls,
            smtputf8=prepared.utf8_header,
            requiretls=envelope.requiretls,
            ret=envelope.ret,
            envid=envelope.envid,
            files=attached.names(prepared.content, prepared.parsed),
            rewritten=prepared.rewritten,
            stream=said.stream or "transactional",
            tags=said.tags,
            metadata=dict(said.metadata) if said.metadata else {},
            test_mode=said.test_mode,
            tracking=said.tracking,
            size=size,
        )


@lru_cache(maxsize=4096)
def _workspace(text: str) -> bytes:
    return ids.decode("ws", text)


def _shown(name: str, address: str) -> str:
    return f"{name} <{address}>" if name else address


def _dsn(notify: str, orcpt: str) -> str | None:
    return f"{notify} {orcpt}".strip() or None if notify or orcpt else None


def _protocol(envelope: SmtpEnvelope, session: SessionFacts, principal: Actor) -> str:
    """The "with" word of the trace line (RFC 3848, RFC 6531)."""
    if not session.extended:
        return "SMTP"
    word = "UTF8SMTP" if envelope.smtputf8 else "ESMTP"
    return word + ("S" if session.tls_version else "") + ("" if principal.kind == "network" else "A")
