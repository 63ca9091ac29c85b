"""What upkeep does for operators' access: ends what is over, tells those concerned, keeps the quarter's reviews.

What is owed to a customer by mail is kept in the store until it went out, so that a restart
forgets nobody. An installation that cannot mail yet owes it and shows it in the dashboard.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog

from mailward.app.letters import Letters
from mailward.app.store import Store, Tx
from mailward.base.ids import WorkspaceId
from mailward.base.sources import Clock, Entropy
from mailward.core.operators import end, register, review
from mailward.core.operators.model import Grant, GrantState, Ground, Review
from mailward.policy.access import Role
from mailward.policy.boundaries import job_actor

log = structlog.get_logger()

_AT_ONCE = 20


class Operating:
    """One an installation, run by upkeep."""

    def __init__(self, store: Store, letters: Letters, clock: Clock, entropy: Entropy, public_url: str) -> None:
        self._store = store
        self._letters = letters
        self._clock = clock
        self._entropy = entropy
        self._public_url = public_url

    async def run(self) -> int:
        """Grants: end what is over, then tell of what happened. How many ended."""
        now = self._clock.now()
        nowhere = job_actor(WorkspaceId(""), "operators")
        ended = await self._store.system_write(lambda tx: end.expire(tx, nowhere, now=now))
        if not await self._letters.able():
            return ended
        for grant in await self._store.system_read(lambda tx: tx.operators.untold(_AT_ONCE)):
            what = told_of(grant)
            subject, text = letter_of(grant, what, f"{self._public_url}/access")
            for owner in await self._managers(grant.workspace):
                await self._letters.send(owner, subject, text, "operator-access")
            await self._store.system_write(
                lambda tx, g=grant, w=what: tx.operators.told(g.workspace, g.id, w)  # type: ignore[misc]
            )
        return ended

    async def daily(self) -> int:
        """The register and the reviews. How many reviews were opened."""
        now = self._clock.now()
        await self._lapses(now)
        opened = await self._open(now)
        for one in await self._store.system_read(lambda tx: tx.reviews.open()):
            await self._age(one, now)
        return opened

    async def _lapses(self, now: datetime) -> None:
        nowhere = job_actor(WorkspaceId(""), "reviews")
        lapsed = await self._store.system_write(lambda tx: register.lapsed(tx, nowhere, now=now))
        for operator, missing in lapsed:
            log.warning("operator_register_lapsed", operator=operator.id, missing=", ".join(missing))
            text = (
                f"The register of {operator.email} is not in order: {', '.join(missing)}.\n\n"
                "Until it is, they are granted nothing and approve nothing.\n"
                "Enter what was done on the operators' page, or with `mailward operator file`.\n"
            )
            for address in await self._operators():
                await self._letters.send(address, "An operator's register lapsed", text, "operator-register")

    async def _open(self, now: datetime) -> int:
        quarter, began = review.quarter_of(now), review.quarter_began(now)
        covered = await self._store.system_read(lambda tx: tx.reviews.covered(quarter))
        opened = 0
        for w in await self._store.system_read(lambda tx: tx.workspaces.all()):
            # What began in this quarter was looked at when it began.
            if w.id in covered or w.created >= began:
                continue
            actor = job_actor(w.id, "reviews")
            made = await self._store.write(
                w.id,
                lambda tx, a=actor: review.open_review(tx, a, now=now, entropy=self._entropy),  # type: ignore[misc]
            )
            opened += await self._tell(made, "opened")
        serving = await self._store.system_read(lambda tx: tx.operators.serving())
        if WorkspaceId("") not in covered and any(o.made < began for o in serving):
            nowhere = job_actor(WorkspaceId(""), "reviews")
            of_operators = await self._store.system_write(
                lambda tx: review.open_review(tx, nowhere, now=now, entropy=self._entropy)
            )
            opened += await self._tell(of_operators, "opened")
        return opened

    async def _age(self, one: Review, now: datetime) -> None:
        actor = job_actor(one.workspace, "reviews")

        async def late(tx: Tx) -> Review | None:
            return await review.escalate(tx, actor, one.id, now=now)

        async def over(tx: Tx) -> Review | None:
            return await review.suspend(tx, actor, one.id, now=now)

        await self._tell(await self._in(one.workspace, late), "is late")
        await self._tell(await self._in(one.workspace, over), "was not done: access is suspended")

    def _in(self, workspace: WorkspaceId, verb: Any) -> Any:
        return self._store.write(workspace, verb) if workspace else self._store.system_write(verb)

    async def _tell(self, one: Review | None, what: str) -> int:
        if one is None:
            return 0
        where = f"{self._public_url}/{'access' if one.workspace else 'operator'}"
        text = (
            f"The access review of {one.quarter} {what}: {len(one.undecided)} of {len(one.items)} to decide on.\n\n"
            f"Keep or remove each: {where}\n\n"
            f"After 14 days you are reminded; after 30, what nobody decided on is suspended.\n"
        )
        to = await self._managers(one.workspace) if one.workspace else await self._operators()
        for address in to:
            await self._letters.send(address, f"Access review {one.quarter} {what}", text, "access-review")
        return 1

    async def _managers(self, workspace: WorkspaceId) -> list[str]:
        members = await self._store.read(workspace, lambda tx: tx.people.members(workspace))
        return [m.email for m in members if m.role is Role.MANAGER]

    async def _operators(self) -> list[str]:
        return [o.email for o in await self._store.system_read(lambda tx: tx.operators.serving())]


def told_of(grant: Grant) -> str:
    """What the customer is to be told of a grant as it stands."""
    return grant.state.value if grant.state in (GrantState.LIVE, GrantState.ENDED) else "requested"


def letter_of(grant: Grant, what: str, where: str) -> tuple[str, str]:
    """(subject, text) for the managers of the workspace."""
    wish = grant.wish
    happened = {
        "requested": "asked for access to your workspace",
        "live": "has access to your workspace now",
        "ended": "has no access to your workspace any more",
    }[what]
    lines = [
        f"{wish.asked_by} runs this installation and {happened}.",
        "",
        f"What:    {', '.join(sorted(wish.reach))}",
        f"Why:     {wish.reason}",
        f"Ticket:  {wish.ticket}",
        f"For:     {wish.minutes} minutes",
    ]
    if wish.ground is Ground.LEGAL:
        lines.append(f"Legal ground: {wish.legal}")
    if what == "requested" and grant.ready is not None:
        lines.append(f"There is no second operator to approve it; it may begin at {grant.ready:%Y-%m-%d %H:%M} UTC.")
    if what == "requested" and wish.ground is Ground.PERMISSION:
        lines.append("Content is not opened unless one of you permits it.")
    if what == "live" and grant.ends is not None:
        lines.append(f"It ends at {grant.ends:%Y-%m-%d %H:%M} UTC.")
    lines += ["", f"Look, permit or end it: {where}", "Each read is in your audit log."]
    return f"An operator {happened}", "\n".join(lines) + "\n"
