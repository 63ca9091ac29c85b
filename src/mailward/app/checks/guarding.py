"""AUTHN-5, AUTHN-6, AUTHN-8, NET-4 and LOG-3: guessing is bounded, asked and noticed; strange sign-ins wait."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from mailward.app.checks.probe import Heard, NotThere, ask, fresh_source
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.errors import LimitReached, MailwardError
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.evidence.model import Finding, Result, failed, passed
from mailward.core.guard import sign_ins, tries
from mailward.core.guard.model import Digests
from mailward.core.guard.watching import observe, raise_alerts, raise_on_returns
from mailward.core.identity import passwords
from mailward.core.identity.model import Arrival, User
from mailward.policy.detection import Kind, Observation, slot_of
from mailward.policy.suspicion import Facts, Level, Suspicion, Visit, assess

_FREE, _AT_ONCE, _HOURLY = 5, 12, 100
_FORM = "application/x-www-form-urlencoded"


class _Undone(Exception):
    """Carries a finding out of a transaction that is to leave nothing behind."""

    def __init__(self, wrong: str) -> None:
        super().__init__()
        self.wrong = wrong


async def _rehearse(context: Context, act: Callable[[Tx], Any]) -> str:
    """What is wrong, by `act` in a transaction that is undone."""

    async def verb(tx: Tx) -> None:
        raise _Undone(await act(tx))

    try:
        await context.store.system_write(verb)
    except _Undone as e:
        return e.wrong
    return "the rehearsal was not undone"


class _Visitor:
    """A browser on the sign-in page, at an address of its own."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.source = fresh_source(context)

    async def tries(self, email: str, **fields: str) -> Heard:
        """Send the form with a wrong password."""
        page = await ask(self._context, "GET", "/sign-in", source=self.source)
        csrf = re.search(rb'name="csrf" value="([^"]+)"', page.body)
        if page.status != 200 or csrf is None:
            raise NotThere("the sign-in page does not answer")
        cookie = page.headers.get("set-cookie", "").partition(";")[0]
        sent = urlencode({"csrf": csrf[1].decode(), "email": email, "password": "verify: wrong", **fields}).encode()
        headers = {"Content-Type": _FORM, "Cookie": cookie}
        return await ask(self._context, "POST", "/sign-in", body=sent, source=self.source, headers=headers)

    async def solution(self) -> str:
        """A solved proof of work."""
        offered = (await ask(self._context, "GET", "/challenge", source=self.source)).body
        if not isinstance(offered, dict):
            raise NotThere("no challenge is handed out")
        return await asyncio.to_thread(solution, offered)


def solution(offered: dict[str, Any]) -> str:
    """The payload that answers an offer, as the page's script makes it."""
    for number in range(int(offered["maxNumber"]) + 1):
        if hashlib.sha256(f"{offered['salt']}{number}".encode()).hexdigest() == offered["challenge"]:
            kept = {k: offered[k] for k in ("algorithm", "challenge", "salt", "signature")}
            return base64.b64encode(json.dumps({**kept, "number": number}).encode()).decode()
    raise NotThere("the challenge has no solution")


def _nobody(context: Context) -> str:
    return f"verify-{context.entropy.bytes(6).hex()}@verify.invalid"


@check("AUTHN-5")
async def guessing_is_bounded(context: Context) -> Finding:
    """Guess side by side at the sign-in page; then for two hours, from 200 addresses, in a transaction undone."""
    email = _nobody(context)
    try:
        heard = await asyncio.gather(*(_Visitor(context).tries(email) for _ in range(_AT_ONCE)))
    except NotThere as e:
        return failed(str(e))
    looked_at = sum(h.status == 401 for h in heard)
    if looked_at > _FREE or any(h.status not in (401, 429) for h in heard):
        return failed(f"of {_AT_ONCE} guesses side by side at one account {looked_at} were verified")
    digests = Digests(context.installation.vault.derive("guard"))
    wrong = await _rehearse(context, lambda tx: storm(tx, digests, _nobody(context), context.clock.now()))
    if wrong:
        return failed(wrong)
    return passed(
        f"of {_AT_ONCE} guesses side by side {looked_at} were verified; from 200 addresses at most {_HOURLY} an hour, "
        "while the owner's browser goes on"
    )


async def storm(tx: Tx, digests: Digests, account: str, now: datetime) -> str:
    """Guess at an account from 200 addresses, challenges solved, for an hour; what is wrong, or ""."""
    owner = digests.tried(account, "192.0.2.250", b"verify")
    assert owner.at_device is not None
    await tx.guard.remember(owner.account, [owner.at_device], now)
    verified = 0
    for n in range(200):
        tried = digests.tried(account, f"198.51.100.{n}", None)
        try:
            await tries.count_try(tx, "password", tried, proven=True, now=now + timedelta(seconds=18 * n))
        except LimitReached:
            continue
        verified += 1
    try:
        await tries.count_try(tx, "password", owner, proven=False, now=now + timedelta(hours=1))
    except MailwardError:
        return "guesses from elsewhere kept the owner out"
    return "" if verified <= _HOURLY else f"{verified} guesses at one account were let through within an hour"


@check("AUTHN-6")
async def the_sixth_try_is_asked(context: Context) -> Finding:
    """Fail six times at the sign-in page, solve what it asks, and show the solution again."""
    visitor, email = _Visitor(context), _nobody(context)
    try:
        first = [await visitor.tries(email) for _ in range(_FREE)]
        sixth = await visitor.tries(email)
        if any(h.status != 401 or b"question_token" in h.body or b"data-challenge" in h.body for h in first):
            return failed("a sign-in was asked for a challenge before the sixth failure")
        if sixth.status != 429 or b"One more thing" not in sixth.body:
            return failed("the sixth failing sign-in was not asked for a challenge")
        challenge = context.settings.challenge
        if challenge.kind != "altcha" or challenge.question == "also":
            return passed(f"the sixth failing sign-in is asked ({challenge.kind}); solving it takes a person")
        proof = await visitor.solution()
        solved, again = await visitor.tries(email, altcha=proof), await visitor.tries(email, altcha=proof)
    except NotThere as e:
        return failed(str(e))
    if solved.status != 401:
        return failed("a solved challenge was not taken")
    if again.status != 429:
        return failed("a solution was taken twice")
    return passed("five failures see no challenge, the sixth does; a solution counts once")


@check("AUTHN-8")
async def strange_sign_ins_wait(context: Context) -> Finding:
    """Replay each signal through the judgement; hold, confirm and disown sign-ins in a transaction undone."""
    now = context.clock.now()
    if unseen := replayed(assess, now):
        return failed(f"not held on a browser never seen: {', '.join(unseen)}")
    digests = Digests(context.installation.vault.derive("guard"))
    email = _nobody(context)

    async def act(tx: Tx) -> str:
        user = User(UserId(ids.new("usr", now, context.entropy)), email, "verify", "verify", now)
        await tx.people.add_user(user)
        arrival = Arrival("192.0.2.9", "verify", b"browser", "", "192.0.2.0/24")
        strange = Suspicion(Level.HIGH, ("verify",))
        confirm, disown = await sign_ins.hold(tx, user, arrival, strange, now=now, entropy=context.entropy)
        place = digests.tried(email, arrival.address, arrival.device_hash)
        assert place.at_device is not None
        if await tx.guard.known(place.account, [place.at_device]):
            return "a held sign-in made its browser known"
        await sign_ins.confirm(tx, digests, confirm.reveal(), now=now)
        if not await tx.guard.known(place.account, [place.at_device]):
            return "a confirmed browser would be asked again"
        await sign_ins.disown(tx, digests, disown.reveal(), now=now)
        after = await tx.people.user(user.id)
        if after is None or after.password != passwords.NOBODY:
            return "after 'this was not me' the password still works"
        return "a browser is still known" if await tx.guard.known(place.account, [place.at_device]) else ""

    if wrong := await _rehearse(context, act):
        return failed(wrong)
    return passed(
        "each signal is held on a browser never seen and on none confirmed; 'this was not me' ends everything"
    )


def replayed(judge: Callable[[Facts], Suspicion], now: datetime) -> list[str]:
    """The signals that `judge` does not hold on an unknown browser, or holds on a confirmed one."""
    history = [Visit(now - timedelta(hours=24 * n + 2), b"own", "home", (48.2, 16.4)) for n in range(20)]
    usual = Facts(now, False, "home", history, (48.2, 16.4))
    signals = {
        "a new browser in a new network": replace(usual, network="away"),
        "impossible travel": replace(usual, position=(-33.9, 151.2)),
        "an anonymiser": replace(usual, anonymiser=True),
        "an unusual hour": replace(usual, now=now + timedelta(hours=10)),
        "many failures": replace(usual, failures=20),
        "many accounts from one source": replace(usual, accounts=20),
    }
    return [
        name
        for name, facts in signals.items()
        if judge(facts).level is not Level.HIGH or judge(replace(facts, known_device=True)).level >= Level.MEDIUM
    ]


@check("NET-4")
async def attacks_are_noticed(context: Context) -> Finding:
    """Replay an attack of each kind and a normal week in the store, each in a transaction undone."""
    return await _replays(context)


@check("LOG-3")
async def alerts_explain_themselves(context: Context) -> Finding:
    """The same replays, and months of bounces and complaints: found, none too many, and each with a sentence."""
    found = await _replays(context)
    if found.result is not Result.PASSED:
        return found
    now = context.clock.now()
    for rule in (*RETURNS, ""):
        wrong = await _rehearse(context, lambda tx, rule=rule: replay_returns(context, tx, rule, now))  # type: ignore[misc]
        if wrong != rule:
            return failed(f"replayed {rule or 'normal weeks'}: raised {wrong or 'nothing'}")
    return passed(
        f"{len(ATTACKS)} replayed attacks, a day of bounces and one of complaints each raise their alert against the "
        "habit of the weeks before, with a sentence; normal weeks raise none"
    )


RETURNS = {"bounce-rate": "bounced", "complaint-rate": "complained"}
"""rule -> what is counted."""


async def replay_returns(context: Context, tx: Tx, rule: str, now: datetime) -> str:
    """Four usual weeks of a workspace's mail and a day of it (none: a usual one); the alerts raised, in order."""
    hour = int(now.timestamp()) // 3600
    usual = {"delivered": 980, "bounced": 20, "complained": 1}
    hours = [(hour - 24 * n, what, count) for n in range(1, 29) for what, count in usual.items()]
    today = dict(usual)
    if rule:
        today[RETURNS[rule]] = 150
    hours += [(hour, what, count) for what, count in today.items()]
    # Nobody's workspace: one of the installation's could have been told the same within hours.
    workspace = WorkspaceId(ids.new("ws", now, context.entropy))
    raised = await raise_on_returns(tx, workspace, hours, now=now, entropy=context.entropy)
    if any("within a day" not in a.sentence or "150" not in a.sentence or a.workspace != workspace for a in raised):
        return "an alert without a sentence"
    return " ".join(a.rule for a in raised)


_SLOTS_A_DAY = 144
ATTACKS: dict[str, tuple[str, Kind, int, int, bool]] = {
    "scanning": ("scanning", Kind.MISSED, 80, 3, False),
    "one address at many accounts": ("credential-stuffing", Kind.FAILED, 30, 2, False),
    "many addresses at one account": ("credential-stuffing", Kind.FAILED_FROM, 30, 2, False),
    "made-up keys": ("key-abuse", Kind.BAD_KEY, 40, 1, False),
    "a key that is tried out": ("key-abuse", Kind.REFUSED, 1, 60, False),
    "a key that travels": ("key-abuse", Kind.USED, 12, 2, True),
    "spam burst": ("spam-burst", Kind.SENT, 1, 5000, True),
    "export": ("export-exfiltration", Kind.READ, 1, 900, True),
}
"""attack -> (the rule that sees it, what is counted, how many different items, how often each, after a habit)."""


async def _replays(context: Context) -> Finding:
    now = context.clock.now()
    for attack, (rule, *_) in ATTACKS.items():
        found = await _rehearse(context, lambda tx, attack=attack: replay(context, tx, attack, now))  # type: ignore[misc]
        if found != rule:
            return failed(f"the replayed attack, {attack}, raised {found or 'nothing'}")
    found = await _rehearse(context, lambda tx: replay(context, tx, "", now))
    if found:
        return failed(f"a replayed normal week raised {found}")
    return passed(f"{len(ATTACKS)} replayed attacks each raise their alert, with a sentence; a normal week raises none")


async def replay(context: Context, tx: Tx, attack: str, now: datetime) -> str:
    """Observe what belongs to an attack (none: a normal week), and name the alerts it raises, in order."""
    slot, subject = slot_of(now.timestamp()), context.entropy.bytes(16)

    def seen(kind: Kind, at: int, items: int, count: int) -> list[Observation]:
        return [Observation(at, kind, subject, bytes([n]), count, "verify") for n in range(items)]

    rows: list[Observation] = []
    if attack:
        _, kind, items, count, habit = ATTACKS[attack]
        if habit:
            rows += [o for day in range(1, 8) for o in seen(kind, slot - day * _SLOTS_A_DAY, 1, 3)]
        rows += seen(kind, slot, items, count)
    else:
        for back in range(0, 7 * _SLOTS_A_DAY, 12):
            for kind in (Kind.MISSED, Kind.FAILED, Kind.BAD_KEY, Kind.USED):
                rows += seen(kind, slot - back, 2, 2)
            rows += seen(Kind.SENT, slot - back, 1, 400) + seen(Kind.READ, slot - back, 1, 10)
    await observe(tx, rows)
    raised = await raise_alerts(tx, now=now, entropy=context.entropy)
    ours = [a for a in raised if a.subject == "verify"]
    # Of an account that is guessed at, the sentence keeps the name to itself.
    named = not attack or ATTACKS[attack][1] is not Kind.FAILED_FROM
    if any(not a.sentence.endswith(".") or (named and "verify" not in a.sentence) for a in ours):
        return "an alert without a sentence"
    return " ".join(a.rule for a in ours)
