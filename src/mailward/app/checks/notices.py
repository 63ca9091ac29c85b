"""The mail of AUTHN-7 and RATE-2: who signs in is told when, from where and with what; owners, what was paused."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from functools import partial
from typing import Any, cast

from mailward.app.candidate import Candidate
from mailward.app.checks.probe import temporary
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.guard.challenge import Challenges
from mailward.app.guard.entrance import Entrance
from mailward.app.guard.guard import SharedGuard
from mailward.app.guard.places import Places
from mailward.app.guard.watch import Watch
from mailward.app.knowledge import KnownDomain
from mailward.app.letters import Letters
from mailward.app.notices import letter_of
from mailward.app.signing import load_domains
from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import MailwardError
from mailward.base.ids import UserId
from mailward.core.evidence.model import Finding, failed, not_configured, passed
from mailward.core.guard.model import Digests
from mailward.core.identity.bursts import note_traffic
from mailward.core.identity.credentials import Wish
from mailward.core.identity.model import CredentialKind, User
from mailward.core.workspaces.model import Notice
from mailward.policy.access import Actor
from mailward.policy.bursts import DAY_SLOTS, BurstRule, slot_of

_OWNER = "owner@verify.invalid"
_PATIENCE = timedelta(hours=1)
_MANY = 10_000
_ADDRESS, _BROWSER = "192.0.2.77", "Firefox on Linux (verify)"


class _Undone(Exception):
    def __init__(self, wrong: str) -> None:
        super().__init__()
        self.wrong = wrong


class _Inside:
    """A store whose every transaction is one that will be undone."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def system_read(self, verb: Callable[[Tx], Awaitable[Any]]) -> Any:
        return await verb(self._tx)

    system_write = system_read


class _Unwritten(Exception):
    """Ends a rehearsal: what it wrote is rolled back."""

    def __init__(self, notices: list[Notice]) -> None:
        super().__init__()
        self.notices = notices


@check("RATE-2")
async def owners_are_told_of_pauses(context: Context) -> Finding:
    """A burst in a transaction that is undone owes its owners one letter, whose text is read; none has waited long."""
    limits, now = context.settings.limits, context.clock.now()
    rule = BurstRule(limits.burst_factor, limits.burst_floor)
    if not rule.on:
        return not_configured("switched off in the settings: burst_factor")
    domains = await load_domains(context.installation)
    letters: list[Candidate] = []
    writer = _letters(context, context.store, domains, letters)
    if not await writer.able():
        return not_configured("no domain of this installation may send, so owners are told on the dashboard only")
    waiting = await context.store.system_read(lambda tx: tx.notices.due(_MANY))
    if late := sum(now - notice.at > _PATIENCE for notice in waiting):
        return failed(f"{late} letters to owners have waited for more than an hour")
    async with temporary(context, Wish("a burst"), CredentialKind.SMTP) as issued:
        try:
            await context.store.system_write(partial(_pause_twice, context, rule, issued.credential.id))
        except _Unwritten as undone:
            owed = undone.notices
    if len(owed) != 1:
        return failed(f"a credential that bursts owes its owners {len(owed)} letters, not one")
    subject, text = letter_of(owed[0], '"verify"', "", context.settings.http.public_url)
    await writer.send(_OWNER, subject, text, "key-paused")
    if not _is_told(letters, owed[0].about):
        return failed("the letter about a pause does not name the credential, or where it is released")
    return passed(f"each pause owes its owners one letter, with the way to release it; {len(waiting)} wait now")


async def _pause_twice(context: Context, rule: BurstRule, id: str, tx: Tx) -> None:
    """A credential with a habit of one message bursts, and goes on: what its owners are owed for it."""
    now, workspace = context.clock.now(), context.actor.workspace
    await tx.credentials.add_traffic(workspace, id, slot_of(now.timestamp()) - 2 * DAY_SLOTS, 1)
    for _ in range(2):
        await note_traffic(tx, {(workspace, id): rule.factor * rule.floor + 1}, rule, now=now)
    raise _Unwritten([n for n in await tx.notices.due(_MANY) if n.about == id])


def _is_told(letters: list[Candidate], about: str) -> bool:
    if [[to for to, _ in letter.recipients] for letter in letters] != [[_OWNER]]:
        return False
    body = message_from_bytes(letters[0].content, policy=default).get_body(("plain",))
    text = "" if body is None else str(body.get_content())
    return about in text and "/keys" in text


@check("AUTHN-7")
async def sign_ins_are_told(context: Context) -> Finding:
    """Let a person in by the real entrance, in a transaction that is undone, and read the letter it hands over."""
    domains = await load_domains(context.installation)
    usable = [d for known in domains.values() for d in known.values() if context.settings.capture or not d.capture_only]
    if not usable:
        return not_configured("no domain of this installation may send, so nobody can be told by mail")

    async def verb(tx: Tx) -> None:
        raise _Undone(await told(context, tx, domains))

    try:
        await context.store.system_write(verb)
    except _Undone as e:
        return failed(e.wrong) if e.wrong else passed(
            "whoever signs in is mailed time, address, place and browser, with a link that says it was not them"
        )  # fmt: skip
    except MailwardError as e:
        return failed(f"a sign-in cannot be told: {e.code}")
    return failed("the rehearsal was not undone")


async def told(context: Context, tx: Tx, domains: Mapping[bytes, Mapping[str, KnownDomain]]) -> str:
    """Sign a new person in and read their letter; what is wrong, or ""."""
    now, i = context.clock.now(), context.installation
    name = ids.new("usr", now, context.entropy)
    user = User(UserId(name), f"{name}@verify.invalid", "verify", "$none", now)
    await tx.people.add_user(user)
    letters: list[Candidate] = []
    entrance = _entrance(context, cast(Store, _Inside(tx)), domains, letters)
    arrival = entrance.arrival(_ADDRESS, _BROWSER, i.vault.derive("verify"))
    await entrance.began(user, arrival, await entrance.let_in(user, arrival))
    if [[to for to, _ in letter.recipients] for letter in letters] != [[user.email]]:
        return "whoever signs in is not mailed"
    body = message_from_bytes(letters[0].content, policy=default).get_body(("plain",))
    text = "" if body is None else str(body.get_content())
    wanted = {"time": f"{now:%Y-%m-%d %H:%M} UTC", "address": _ADDRESS, "place": "Place ", "browser": _BROWSER}
    unsaid = [what for what, words in wanted.items() if words not in text]
    if unsaid:
        return f"the letter about a sign-in does not name its {', '.join(unsaid)}"
    link = re.search(r"/sign-in/not-me/(mwt_\w+)", text)
    try:
        await entrance.look_at(link[1] if link else "", "disown")
    except MailwardError:
        return "the letter about a sign-in has no link that says it was somebody else"
    return ""


def _entrance(
    context: Context,
    store: Store,
    domains: Mapping[bytes, Mapping[str, KnownDomain]],
    written: list[Candidate],
) -> Entrance:
    i, settings = context.installation, context.settings
    digests, places = Digests(i.vault.derive("guard")), Places(settings.geo)
    guard = SharedGuard(
        store,
        digests,
        Challenges(i.vault.derive("challenge"), i.entropy, settings.challenge),
        Watch(store, digests, i.entropy),
        monotonic=i.clock.monotonic,
        anonymiser=places.hides,
        position=places.position,
    )
    letters = _letters(context, store, domains, written)
    return Entrance(store, guard, digests, places, letters, i.clock, i.entropy, public_url=settings.http.public_url)


def _letters(
    context: Context, store: Store, domains: Mapping[bytes, Mapping[str, KnownDomain]], written: list[Candidate]
) -> Letters:
    """Letters that are kept in `written` and go nowhere."""

    async def accept(actor: Actor, candidate: Candidate) -> None:
        written.append(candidate)

    i = context.installation
    return Letters(
        store,
        domains=lambda workspace: domains.get(workspace, {}),
        accept=accept,
        clock=i.clock,
        entropy=i.entropy,
        capture=context.settings.capture,
    )
