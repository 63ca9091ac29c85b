"""Guessing passwords, as attackers do it, against the guard and the real sign-in with a verifier that counts."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from statistics import median
from typing import Any

import pytest

from mailward.adapters.storage.sqlite.sql import Sql
from mailward.app.guard.challenge import Challenges
from mailward.app.guard.guard import SharedGuard
from mailward.app.guard.watch import Watch
from mailward.app.sign_in_options import ChallengeSettings
from mailward.base import ids
from mailward.base.errors import ChallengeRequired, LimitReached
from mailward.base.ids import UserId
from mailward.core.guard.model import Digests
from mailward.core.identity.model import Arrival, User
from mailward.policy.suspicion import Level, Suspicion
from tests.app.guard.solving import solve
from tests.conftest import MovingClock, SeededEntropy

embedded = pytest.mark.parametrize("store", ["embedded"], indirect=True)
PEOPLE = {"ada@example.com": "correct horse"}
HOME, BROWSER = "198.51.100.7", b"the owner's browser"


class Desk:
    """A sign-in as the platform does it, with a verifier that costs nothing and counts."""

    def __init__(self, store: Any, clock: MovingClock, entropy: SeededEntropy) -> None:
        digests = Digests(bytes(32))
        self.clock = clock
        self.watch = Watch(store, digests, entropy)
        self.challenges = Challenges(bytes(32), entropy, ChallengeSettings())
        self.guard = SharedGuard(store, digests, self.challenges, self.watch, monotonic=clock.monotonic)
        self.verified: list[tuple[float, str]] = []
        self.store, self.digests = store, digests

    async def sign_in(self, email: str, password: str, ip: str, *, device: bytes | None = None, proof: str = "") -> str:
        """ "in", "wrong", "wait" or "ask"."""
        now = self.clock.now()
        try:
            await self.guard.before(email, ip, "password", proof=proof, device=device, now=now)
        except LimitReached:
            return "wait"
        except ChallengeRequired:
            return "ask"
        self.verified.append((now.timestamp(), email))
        if PEOPLE.get(email) != password:
            await self.guard.failed(email, ip, "password", now=now)
            return "wrong"
        await self.guard.passed(email, ip, "password", device=device, now=now)
        return "in"

    def proof(self) -> str:
        """A solved challenge."""
        return solve(self.challenges, self.clock.now())

    def most_in_an_hour(self, email: str) -> int:
        """The largest number of verifications of an account in any hour."""
        at = [when for when, who in self.verified if who == email]
        return max((sum(start <= t <= start + 3600 for t in at) for start in at), default=0)


@pytest.fixture
def desk(store: Any, clock: MovingClock, entropy: SeededEntropy) -> Desk:
    """A guard on a fresh store."""
    return Desk(store, clock, entropy)


async def _owner_was_here(desk: Desk) -> None:
    tried = desk.digests.tried("ada@example.com", HOME, BROWSER)
    assert tried.at_device is not None
    places = [tried.at_address, tried.at_device]
    await desk.store.system_write(lambda tx: tx.guard.remember(tried.account, places, desk.clock.now()))


@pytest.mark.asvs("2.4.1", "6.3.1")
@pytest.mark.parametrize("sources", [1, 200])
async def test_ten_thousand_guesses_get_a_hundred_verifications_an_hour(desk: Desk, sources: int) -> None:
    """10,000 guesses at an account over two hours, each with a solved challenge where one is asked: bounded, and the
    owner gets in meanwhile, from the browser and from the address they used before, but not on an attacker's."""
    await _owner_was_here(desk)
    answers: Counter[str] = Counter()
    for n in range(10_000):
        ip = f"203.0.113.{n % sources + 1}"
        answer = await desk.sign_in("ada@example.com", f"guess {n}", ip)
        if answer == "ask":
            answer = await desk.sign_in("ada@example.com", f"guess {n}", ip, proof=desk.proof())
        answers[answer] += 1
        if n in (20, 5_000, 9_990):
            assert await desk.sign_in("ada@example.com", "correct horse", HOME) == "in"
            assert await desk.sign_in("ada@example.com", "correct horse", "192.0.2.99", device=BROWSER) == "in"
        desk.clock.move(seconds=0.72)
    assert answers["in"] == answers["ask"] == 0
    assert 20 <= answers["wrong"] <= 100
    assert desk.most_in_an_hour("ada@example.com") <= 100


@pytest.mark.asvs("6.3.1")
@embedded
async def test_guesses_from_the_owners_own_places_add_up_to_a_hundred_too(desk: Desk) -> None:
    """Strangers, a known address and a known browser all guess at once: together at most 100 in any hour."""
    await _owner_was_here(desk)
    for n in range(1_500):
        for ip, device in ((f"203.0.113.{n % 200 + 1}", None), (HOME, None), ("192.0.2.1", BROWSER)):
            if await desk.sign_in("ada@example.com", "guess", ip, device=device) == "ask":
                await desk.sign_in("ada@example.com", "guess", ip, device=device, proof=desk.proof())
        desk.clock.move(seconds=5)
    assert 60 <= desk.most_in_an_hour("ada@example.com") <= 100


@pytest.mark.asvs("6.3.1")
@embedded
async def test_a_lock_ends(desk: Desk) -> None:
    """After the longest wait the account can be tried again, by anybody: locks grow, and end."""
    for n in range(400):
        if await desk.sign_in("ada@example.com", "guess", f"203.0.113.{n % 200 + 1}") == "ask":
            await desk.sign_in("ada@example.com", "guess", f"203.0.113.{n % 200 + 1}", proof=desk.proof())
        desk.clock.move(seconds=30)
    desk.clock.move(minutes=61)
    assert await desk.sign_in("ada@example.com", "correct horse", "192.0.2.99", proof=desk.proof()) == "in"


@embedded
async def test_existing_and_missing_accounts_answer_alike(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 wrong tries: one by one the same answer, and the same statements, for an account that exists and for one
    that does not; the medians of the time they take lie close together."""
    done: list[str] = []
    plain = Sql.rows

    def noted(self: Sql, sql: str, params: Any = ()) -> Any:
        if _ours(sql):
            done.append(sql)
        return plain(self, sql, params)

    monkeypatch.setattr(Sql, "rows", noted)
    took: dict[str, list[float]] = {"ada@example.com": [], "bob@example.com": []}
    for n in range(1_000):
        seen = {}
        for email, ip in (("ada@example.com", f"203.0.113.{n % 250}"), ("bob@example.com", f"198.51.100.{n % 250}")):
            done.clear()
            began = time.perf_counter()
            answer = await desk.sign_in(email, "guess", ip)
            took[email].append(time.perf_counter() - began)
            seen[email] = (answer, tuple(done))
        assert seen["ada@example.com"] == seen["bob@example.com"]
        desk.clock.move(seconds=20)
    a, b = (median(t) for t in took.values())
    assert max(a, b) < 2 * min(a, b)


def _ours(sql: str) -> bool:
    """Statements of the guard, not of the epochs that each transaction reads."""
    return "guard" in sql or "known_places" in sql


@pytest.mark.asvs("6.3.1")
@embedded
async def test_the_sixth_failing_try_is_asked_and_a_used_solution_is_refused(desk: Desk) -> None:
    """Five wrong passwords are taken, the sixth asks; a solution lets one try pass and no second, nor a late one."""
    for _ in range(5):
        assert await desk.sign_in("ada@example.com", "guess", HOME) == "wrong"
    assert await desk.sign_in("ada@example.com", "guess", HOME) == "ask"
    proof = desk.proof()
    assert await desk.sign_in("ada@example.com", "guess", HOME, proof=proof) == "wrong"
    assert await desk.sign_in("ada@example.com", "guess", HOME, proof=proof) == "ask"
    late = desk.proof()
    desk.clock.move(minutes=11)
    assert await desk.sign_in("ada@example.com", "correct horse", HOME, proof=late) == "ask"
    assert await desk.sign_in("ada@example.com", "correct horse", HOME, proof=desk.proof()) == "in"


@embedded
async def test_a_normal_sign_in_sees_no_challenge(desk: Desk) -> None:
    """Mistyping twice, then getting it right, every day for a month asks for nothing."""
    for _ in range(30):
        for password, answer in (("x", "wrong"), ("y", "wrong"), ("correct horse", "in")):
            assert await desk.sign_in("ada@example.com", password, HOME) == answer
        desk.clock.move(days=1, minutes=1)


@pytest.mark.asvs("2.4.1", "6.3.1")
@embedded
async def test_wrong_keys_slow_their_source_and_no_other(desk: Desk) -> None:
    """Thirty wrong keys make their source wait, in this process at once and in every other soon; others do not wait."""
    now = desk.clock.now()
    for n in range(30):
        desk.guard.before_token("203.0.113.1")
        await desk.guard.failed(f"key {n}", "203.0.113.1", "key", now=now)
    assert desk.guard.waiting("203.0.113.1") and not desk.guard.waiting("203.0.113.2")
    await desk.guard.tell(now)
    other = SharedGuard(desk.store, desk.digests, desk.challenges, desk.watch, monotonic=desk.clock.monotonic)
    await other.failed("key", "203.0.113.1", "smtp", now=now)
    await other.tell(now)
    assert other.waiting("203.0.113.1")
    for _ in range(5):
        other.before_token("203.0.113.1")
    with pytest.raises(LimitReached):
        other.before_token("203.0.113.1")
    desk.clock.move(minutes=61)
    other.before_token("203.0.113.1")
    assert not other.waiting("203.0.113.1")


@pytest.mark.asvs("16.3.3")
@embedded
async def test_a_stuffing_run_raises_its_alert_and_a_month_of_mistyping_none(desk: Desk) -> None:
    """Guessing at twenty accounts from one address is an alert by name; people who mistype are not."""
    for day in range(30):
        for person in range(5):
            await desk.sign_in(f"p{person}@example.com", "x", f"198.51.100.{person}")
        desk.clock.move(days=1)
        await desk.watch.tell()
        assert await desk.watch.judge(desk.clock.now()) == [], day
    for n in range(20):
        await desk.sign_in(f"p{n}@example.com", "x", "203.0.113.9", proof=desk.proof())
    await desk.watch.tell()
    (alert,) = await desk.watch.judge(desk.clock.now() + timedelta(seconds=1))
    assert (alert.rule, alert.subject) == ("credential-stuffing", "203.0.113.9")


async def test_many_accounts_failed_at_is_known_to_every_process(
    desk: Desk, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """What one source got wrong at two processes, at different accounts each, counts together at a third the moment
    after, where the next sign-in from there is held for it; another source's is not, and half an hour later neither."""
    one, two, third = (Desk(desk.store, clock, entropy) for _ in range(3))
    ada = User(UserId(ids.new("usr", clock.now(), entropy)), "ada@example.com", "Ada", "x", clock.now())
    await desk.store.system_write(lambda tx: tx.people.add_user(ada))

    async def strange(ip: str) -> Suspicion:
        return await third.guard.weigh(ada.id, Arrival(ip, "a browser", b"new"), now=clock.now())

    for n, at in enumerate((one, two, one, two)):
        assert await at.sign_in(f"p{n}@example.com", "x", "203.0.113.9") == "wrong"
    assert await two.sign_in("P0@example.com ", "x", "203.0.113.9") == "wrong"
    assert (await strange("203.0.113.9")).level < Level.HIGH
    assert await two.sign_in("p4@example.com", "x", "203.0.113.9", proof=two.proof()) == "wrong"
    held = await strange("203.0.113.9")
    assert held.level is Level.HIGH
    assert held.reasons == ("The same address failed to sign in to 5 accounts lately.",)
    assert (await strange("203.0.113.10")).level < Level.HIGH
    clock.move(minutes=30)
    assert (await strange("203.0.113.9")).level < Level.HIGH
