"""The operators' own area: what they see of the installation, their grants, what they read by them, and reviews."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from mailward.app.bodies import Bodies
from mailward.app.granted import GrantedStore
from mailward.app.platform.access import shown_grant, shown_review
from mailward.app.platform.messages import Messages
from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import Forbidden, NotFound
from mailward.base.ids import UserId, WorkspaceId
from mailward.base.sources import Clock, Entropy
from mailward.core.operators import end, grants, register, review
from mailward.core.operators.model import Decision, Grant, Kind, Operator, Reach, Reader, Wish
from mailward.core.operators.read import reader_by
from mailward.core.operators.register import operator_actor
from mailward.core.workspaces.data_keys import DataKeys
from mailward.edges.web.schema import access as schema
from mailward.edges.web.schema import messages as message_schema
from mailward.policy.access import Actor, Permission

_DAYS = 30
_DAY_SECONDS = 86_400


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace in numbers: all that an operator sees of it without a grant."""

    id: str
    name: str
    created_at: datetime
    accepted: int
    delivered: int
    bounced: int


class OperatorView(msgspec.Struct, frozen=True, kw_only=True):
    """An operator, with what is on file of them."""

    id: str
    email: str
    since: datetime
    ended_at: datetime | None
    confidentiality: datetime | None
    background: datetime | None
    training: datetime | None
    missing: list[str]


class Operators:
    """Everything here asks first whether the person is an operator; NotFound when not: the door does not show."""

    def __init__(
        self,
        store: Store,
        keys: DataKeys,
        clock: Clock,
        entropy: Entropy,
        search_key: Callable[[bytes], bytes],
        *,
        certificate: Callable[[], Awaitable[dict[str, Any]]] | None = None,
    ) -> None:
        """`certificate` gives the facts of the certificate in force, where there are listeners to show one."""
        self._certificate = certificate
        self._store = store
        self._keys = keys
        self._clock = clock
        self._entropy = entropy
        self._search_key = search_key

    async def serves(self, user: str) -> bool:
        """Whether a person is an operator now."""
        found = await self._store.system_read(lambda tx: tx.operators.get(UserId(user)))
        return found is not None and found.serving

    async def require(self, user: str) -> Operator:
        """The operator. NotFound when the person is none."""
        return await self._store.system_read(lambda tx: register.standing(tx, user))

    # -- what needs no grant --------------------------------------------------------------------

    async def certificate(self, user: str) -> dict[str, Any]:
        """The facts of the certificate in force; why it cannot be read, where it cannot."""
        await self.require(user)
        if self._certificate is None:
            return {}
        try:
            return await self._certificate()
        except (OSError, ValueError):
            return {"source": "files", "why": "the certificate's file cannot be read, or is none"}

    async def workspaces(self, user: str) -> list[Numbers]:
        """Every workspace in numbers of the last 30 days."""
        await self.require(user)
        first = int(self._clock.now().timestamp()) // _DAY_SECONDS - _DAYS + 1
        out = []
        for w in await self._store.system_read(lambda tx: tx.workspaces.all()):
            counts: dict[str, int] = {}
            for _, what, n in await self._store.read(w.id, lambda tx: tx.messages.usage(first)):
                counts[what] = counts.get(what, 0) + n
            out.append(
                Numbers(
                    id=w.id, name=w.name, created_at=w.created, accepted=counts.get("accepted", 0),
                    delivered=counts.get("delivered", 0), bounced=counts.get("bounced", 0),
                )
            )  # fmt: skip
        return out

    async def register(self, user: str) -> list[OperatorView]:
        """Every operator, with what is on file."""
        await self.require(user)
        now = self._clock.now()
        return [shown_operator(o, now) for o in await self._store.system_read(lambda tx: tx.operators.every())]

    async def grants(self, user: str) -> list[schema.OperatorAccess]:
        """The newest of all workspaces."""
        await self.require(user)
        return [shown_grant(g) for g in await self._store.system_read(lambda tx: tx.operators.grants(limit=50))]

    async def note(self, user: str, who: str, what: str, at: datetime) -> None:
        """Enter in another operator's register."""
        await self.require(user)
        actor, now = operator_actor(UserId(user)), self._clock.now()
        await self._store.system_write(lambda tx: register.note(tx, actor, UserId(who), what, at, now=now))

    # -- grants ---------------------------------------------------------------------------------

    async def request(self, user: str, workspace: str, wish: Wish) -> schema.OperatorAccess:
        """Ask for access. A refusal because of the register is itself put on record."""
        ids.decode("ws", workspace)
        actor, now = operator_actor(UserId(user), WorkspaceId(workspace)), self._clock.now()
        try:
            made = await self._store.write(
                workspace, lambda tx: grants.request(tx, actor, wish, now=now, entropy=self._entropy)
            )
        except Forbidden as e:
            if e.code == "register_lapsed":
                await self._refused(actor, now)
            raise
        return shown_grant(made)

    async def _refused(self, actor: Actor, now: datetime) -> None:
        nowhere = operator_actor(UserId(actor.id))

        async def note(tx: Tx) -> None:
            await tx.audit.append(nowhere, "operator_access.refused", actor.id, {"why": "register_lapsed"}, now=now)

        await self._store.system_write(note)

    async def approve(self, user: str, grant: str) -> schema.OperatorAccess:
        """Let another's request through."""
        return await self._step(user, grant, grants.approve)

    async def refuse(self, user: str, grant: str) -> schema.OperatorAccess:
        """Turn another's request down."""
        return await self._step(user, grant, grants.refuse)

    async def begin(self, user: str, grant: str) -> schema.OperatorAccess:
        """Start the clock of one's own."""
        return await self._step(user, grant, grants.begin)

    async def end(self, user: str, grant: str) -> schema.OperatorAccess:
        """End any."""
        return await self._step(user, grant, end.revoke)

    async def _step(self, user: str, id: str, verb: Any) -> schema.OperatorAccess:
        await self.require(user)
        grant = await self._grant(id)
        actor, now = operator_actor(UserId(user), grant.workspace), self._clock.now()
        return shown_grant(await self._store.write(grant.workspace, lambda tx: verb(tx, actor, id, now=now)))

    async def _grant(self, id: str) -> Grant:
        found = await self._store.system_read(lambda tx: tx.operators.grant(id))
        if found is None:
            raise NotFound("not_found", "There is no such grant.")
        return found

    # -- reading by a grant ---------------------------------------------------------------------

    async def reader(self, user: str | None, grant: str) -> Reader:
        """Who reads by a grant of theirs; `user` is None at the machine's shell, where the grant says who it is."""
        found = await self._grant(grant)
        if user is not None and found.operator != user:
            raise NotFound("not_found", "There is no such grant.")
        return reader_by(found)

    def granted(self, reader: Reader, reach: Reach, what: str, target: str) -> GrantedStore:
        """The workspace's store for one read by the grant."""
        return GrantedStore(self._store, reader, reach, what, target, self._clock.now)

    def messages(self, reader: Reader, what: str, target: str, *, content: bool = False) -> Messages:
        """The messages area for one read by a grant."""
        reach = Reach.CONTENT if content or Reach.METADATA not in self._reach(reader) else Reach.METADATA
        store: Any = self.granted(reader, reach, what, target)
        return Messages(
            store, None, Bodies(store, self._keys), now_us=lambda: int(self._clock.now().timestamp() * 1e6),
            search_key=self._search_key, wake=lambda: None,
        )  # fmt: skip

    @staticmethod
    def _reach(reader: Reader) -> set[Reach]:
        out = {Reach.CONTENT} if Permission.MESSAGE_CONTENT in reader.permissions else set()
        return out | ({Reach.METADATA} if Permission.SUPPRESSION_READ in reader.permissions else set())

    async def list_messages(self, reader: Reader, query: message_schema.MessageQuery) -> message_schema.MessagePage:
        """The newest messages."""
        return await self.messages(reader, "list of messages", "").find(reader, query)

    async def explain(self, reader: Reader, message: str) -> message_schema.Explanation:
        """Why a message is where it is."""
        return await self.messages(reader, "explanation of a message", message).explain(reader, message)

    async def content(self, reader: Reader, message: str) -> message_schema.Content:
        """What it says."""
        return await self.messages(reader, "content of a message", message, content=True).content(reader, message)

    async def configuration(self, reader: Reader) -> dict[str, Any]:
        """Domains with their records, and webhooks."""

        async def look(tx: Tx) -> dict[str, Any]:
            domains = await tx.domains.page(before=None, limit=100)
            hooks = await tx.webhooks.page(before=None, limit=100)
            return {
                "domains": [{"name": d.name, "state": d.state.value} for d in domains],
                # The host only: the rest of a URL often holds a token.
                "webhooks": [{"host": urlsplit(e.url).hostname or "", "enabled": e.enabled} for e in hooks],
            }

        return await self.granted(reader, Reach.CONFIGURATION, "configuration", "").read(reader.workspace, look)

    # -- reviews of operators -------------------------------------------------------------------

    async def reviews(self, user: str) -> list[schema.AccessReview]:
        """Those of the operators, newest first."""
        await self.require(user)
        found = await self._store.system_read(lambda tx: tx.reviews.page(limit=200))
        return [shown_review(r) for r in found if not r.workspace][:8]

    async def decide(self, actor: Actor, id: str, item: str, decision: str) -> schema.AccessReview:
        """Keep or remove another operator; at the shell, any."""
        if actor.kind != "cli":
            await self.require(actor.id)
        acting, now = review.of_installation(actor), self._clock.now()
        done = await self._store.system_write(
            lambda tx: review.decide(tx, acting, id, Kind.OPERATOR, item, Decision(decision), now=now)
        )
        return shown_review(done)


def shown_operator(o: Operator, now: datetime) -> OperatorView:
    """An operator with their file."""
    r = o.register
    return OperatorView(
        id=o.id, email=o.email, since=o.made, ended_at=o.ended, confidentiality=r.confidentiality,
        background=r.background, training=r.training, missing=list(r.lapses(now)),
    )  # fmt: skip
