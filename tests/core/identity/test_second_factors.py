"""Second factors from enrolment to sign-in, and every known way around them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyotp
import pytest

from mailward.app.store import Store
from mailward.base.errors import Conflict, Forbidden, Invalid, LimitReached, NotFound, StepUpRequired, Unauthenticated
from mailward.base.ids import UserId
from mailward.core.identity import factors, recovery, resets, sessions, totp
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.identity.model import Session
from mailward.core.identity.people import new_setup_link
from mailward.core.identity.sign_in import FactorMissing, Progress, SignedIn, SignIn
from mailward.core.workspaces.model import WorkspaceSettings
from mailward.policy.suspicion import Level
from tests.raw import dump
from tests.signing import HOME, Door, Seal, Watcher, means

EMAIL, PASSWORD = "owner@example.com", "violet tractor hums quietly"
SEAL, STEP = Seal(), timedelta(seconds=30)


class World:
    """An owner with a session."""

    def __init__(self, store: Store, clock: Any, entropy: Any) -> None:
        self.store, self.clock, self.entropy = store, clock, entropy
        self.guard = Watcher()
        self.entrance = Door(self.guard)
        self.sign = SignIn(store, means(entropy, self.entrance))
        self.door = Doorkeeper(store)

    @property
    def now(self) -> Any:
        return self.clock.now()

    async def begin(self) -> Session:
        link = await self.store.system_write(lambda tx: new_setup_link(tx, now=self.now, entropy=self.entropy))
        assert link is not None
        await self.sign.set_up(
            link.reveal(), email=EMAIL, name="Olive", password=PASSWORD, workspace="Acme", now=self.now
        )
        return (await self.in_at_once()).session

    async def password(self, **other: Any) -> Progress:
        return await self.sign.by_password(EMAIL, PASSWORD, replace(HOME, **other), now=self.now)

    async def in_at_once(self) -> SignedIn:
        signed = await self.password()
        assert isinstance(signed, SignedIn)
        return signed

    async def ask(self) -> str:
        missing = await self.password()
        assert isinstance(missing, FactorMissing)
        return missing.ticket.reveal()

    async def add_totp(self, session: Session) -> tuple[pyotp.TOTP, list[str]]:
        secret = await self.store.system_write(
            lambda tx: factors.begin_totp(tx, session, SEAL, now=self.now, entropy=self.entropy)
        )
        app = pyotp.TOTP(totp.shown(secret))
        codes = await self.store.system_write(
            lambda tx: factors.add_totp(
                tx, session, app.at(self.now), SEAL, name="Phone", now=self.now, entropy=self.entropy
            )
        )
        return app, codes

    async def second(self, ticket: str, code: str, **other: Any) -> SignedIn:
        signed = await self.sign.second(ticket, HOME, code=code, now=self.now, **other)
        assert isinstance(signed, SignedIn)
        return signed

    async def alive(self, signed: SignedIn) -> Session:
        return (await self.door.authenticate_session(signed.token.reveal(), None, now=self.now))[1]


@pytest.fixture
def world(store: Store, clock: Any, entropy: Any) -> World:
    return World(store, clock, entropy)


@pytest.mark.asvs("6.5.1")
@pytest.mark.claim("AUTHN-3")
async def test_a_code_of_the_app_works_once_however_it_is_spelled(world: World) -> None:
    """Attack 43: a code that signed in does not again: not as typed, not with blanks, not in another sign-in."""
    app, _ = await world.add_totp(await world.begin())
    world.clock.move(seconds=60)
    code = app.at(world.now)
    signed = await world.second(await world.ask(), f"{code[:3]} {code[3:]}")
    assert signed.session.factors == {"password", "totp"}
    for spelled in (code, f"{code[:3]} {code[3:]}", f" {code} ", f"{code}\u00a0", code + "0"):
        with pytest.raises(Unauthenticated):
            await world.second(await world.ask(), spelled)


@pytest.mark.claim("AUTHN-3")
async def test_the_window_is_one_step_and_time_does_not_go_back(world: World) -> None:
    """Attack 43: neighbouring steps pass once, farther ones do not, and a clock set back makes no used code new."""
    app, _ = await world.add_totp(await world.begin())
    world.clock.move(seconds=300)
    ticket = await world.ask()
    for off in (-2, 2):
        with pytest.raises(Unauthenticated):
            await world.second(ticket, app.at(world.now + off * STEP))
    await world.second(ticket, app.at(world.now + 1 * STEP))
    # The step before is older than one that was used: it is refused, though it lies in the window.
    with pytest.raises(Unauthenticated):
        await world.second(await world.ask(), app.at(world.now + 0 * STEP))
    world.clock.move(seconds=-120)
    with pytest.raises(Unauthenticated):
        await world.second(await world.ask(), app.at(world.now))


@pytest.mark.claim("AUTHN-3")
async def test_digits_of_other_scripts_are_no_code(world: World) -> None:
    """What only looks like digits is refused before it is compared."""
    assert totp.six_digits("123 456") == "123456"
    for text in ("１２３４５６", "12345", "1234567", "12345a", "123456\n", "123\t456"):
        assert totp.six_digits(text) is None


@pytest.mark.asvs("6.5.1", "6.5.2")
@pytest.mark.claim("AUTHN-3")
async def test_a_recovery_code_stands_in_once(world: World) -> None:
    """Ten codes are shown with the first factor; each signs in once, and none is in the store as shown."""
    _, codes = await world.add_totp(await world.begin())
    assert len(set(codes)) == 10
    signed = await world.second(await world.ask(), codes[0].lower().replace("-", " "))
    assert signed.session.factors == {"password", "recovery"}
    with pytest.raises(Unauthenticated):
        await world.second(await world.ask(), codes[0])
    await world.second(await world.ask(), codes[1])
    stored = await dump(world.store)
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)


@pytest.mark.asvs("6.5.1", "6.6.2", "6.6.3")
@pytest.mark.claim("AUTHN-3")
async def test_a_mailed_code_is_for_one_step_and_five_tries(world: World) -> None:
    """A code by mail works in the sign-in it was sent for, once, within ten minutes and five tries."""
    session = await world.begin()
    context = b"new" + session.id.encode()
    code = await world.store.system_write(
        lambda tx: factors.new_mail_code(tx, session.user, context=context, now=world.now, entropy=world.entropy)
    )
    await world.store.system_write(lambda tx: factors.add_mail(tx, session, code, now=world.now, entropy=world.entropy))
    one, other = await world.ask(), await world.ask()
    _, sent = await world.sign.new_mail_code(one, now=world.now)
    with pytest.raises(LimitReached):
        await world.sign.new_mail_code(one, now=world.now)
    with pytest.raises(Unauthenticated):
        await world.second(other, sent)
    await world.second(one, sent)
    _, sent = await world.sign.new_mail_code(other, now=world.now)
    wrong = "000000" if sent != "000000" else "000001"
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await world.second(other, wrong)
    with pytest.raises(Unauthenticated):
        await world.second(other, sent)
    late = await world.ask()
    _, sent = await world.sign.new_mail_code(late, now=world.now)
    world.clock.move(seconds=601)
    with pytest.raises((Unauthenticated, NotFound)):
        await world.second(late, sent)


@pytest.mark.asvs("6.6.3")
@pytest.mark.claim("AUTHN-3")
async def test_tries_are_counted_before_they_are_looked_at(world: World) -> None:
    """Attack 43: while the guard refuses, even the right code does not sign in, and it is not used up by that."""
    app, _ = await world.add_totp(await world.begin())
    world.clock.move(seconds=60)
    ticket = await world.ask()
    world.guard.refusal = LimitReached("too_many_failures", "Later.", retry_after=60)
    with pytest.raises(LimitReached):
        await world.second(ticket, app.at(world.now))
    world.guard.refusal = None
    await world.second(ticket, app.at(world.now))
    assert ("passed", "factor") in world.guard.asked
    with pytest.raises(NotFound):
        await world.second(ticket, app.at(world.now + 1 * STEP))


@pytest.mark.asvs("7.4.3")
@pytest.mark.claim("AUTHN-3")
async def test_a_session_from_before_does_not_outlive_the_first_factor(world: World) -> None:
    """Attack 44: adding a factor ends every other session, and its own has to show the factor."""
    session = await world.begin()
    elsewhere, own = await world.in_at_once(), await world.in_at_once()
    await world.add_totp(own.session)
    with pytest.raises(Unauthenticated):
        await world.alive(elsewhere)
    held = await world.alive(own)
    assert held.missing == "step-up"
    actor, _ = await world.door.authenticate_session(own.token.reveal(), None, now=world.now)
    assert actor.permissions == frozenset()
    assert session.id != own.session.id


@pytest.mark.asvs("7.2.4")
@pytest.mark.claim("AUTHN-3")
async def test_a_workspace_can_ask_everybody_for_a_second_factor(world: World) -> None:
    """Who has none gets a session that is good for adding one, and for nothing else."""
    await world.begin()
    signed = await world.in_at_once()
    await world.store.system_write(
        lambda tx: tx.workspaces.change_settings(signed.session.workspace, WorkspaceSettings(second_factor=True))
    )
    held = await world.alive(signed)
    assert held.missing == "enrol"
    _, codes = await world.add_totp(held)
    assert len(codes) == 10
    after, token = await world.store.system_write(
        lambda tx: sessions.step_up(tx, held, "totp", now=world.now, entropy=world.entropy)
    )
    with pytest.raises(Unauthenticated):
        await world.alive(signed)
    actor, found = await world.door.authenticate_session(token.reveal(), None, now=world.now)
    assert (found.missing, found.id) == ("", after.id)
    assert actor.permissions


@pytest.mark.asvs("6.3.3")
@pytest.mark.claim("AUTHN-3")
async def test_operators_need_a_second_factor_whatever_their_workspace_says(world: World) -> None:
    """Whoever runs the installation is led to add one too."""
    await world.begin()
    signed = await world.in_at_once()

    async def everybody(tx: Any, user: Any) -> bool:
        return True

    world.door.always_two = everybody
    assert (await world.alive(signed)).missing == "enrol"


@pytest.mark.asvs("6.4.3")
@pytest.mark.claim("AUTHN-3")
async def test_a_reset_by_letter_is_no_way_around_the_factor(world: World) -> None:
    """Attack 44: the link asks for the factor, a mailed code does not count, and every session ends."""
    session = await world.begin()
    _, codes = await world.add_totp(session)
    found = await world.store.system_write(
        lambda tx: resets.ask_reset(tx, EMAIL.upper(), now=world.now, entropy=world.entropy)
    )
    assert found is not None
    user, token = found
    _, asks = await world.store.system_read(lambda tx: resets.whose_reset(tx, token.reveal(), now=world.now))
    assert asks
    with pytest.raises(Unauthenticated):
        await world.sign.show(user, "192.0.2.1", b"reset", code="123456", by_mail=False, now=world.now)
    await world.sign.show(user, "192.0.2.1", b"reset", code=codes[0], by_mail=False, now=world.now)
    signed = await world.second(await world.ask(), codes[1])
    await world.store.system_write(lambda tx: resets.finish_reset(tx, token.reveal(), user.password, now=world.now))
    with pytest.raises(Unauthenticated):
        await world.alive(signed)
    with pytest.raises(NotFound):
        await world.store.system_write(lambda tx: resets.finish_reset(tx, token.reveal(), user.password, now=world.now))
    # And the new password alone signs nobody in.
    assert isinstance(await world.password(), FactorMissing)


async def test_a_reset_for_nobody_makes_nothing(world: World) -> None:
    """An unknown address has no token; the asker cannot see that."""
    await world.begin()
    assert (
        await world.store.system_write(
            lambda tx: resets.ask_reset(tx, "who@example.com", now=world.now, entropy=world.entropy)
        )
        is None
    )


@pytest.mark.asvs("7.5.1")
@pytest.mark.claim("AUTHN-3")
async def test_another_address_takes_both_letters_and_a_fresh_proof(world: World) -> None:
    """Attack 44: a stolen session cannot move the account to another address; the owner's letter has to agree."""
    session = await world.begin()
    user = await world.store.system_read(lambda tx: tx.people.user(session.user))
    assert user is not None

    async def ask(held: Session) -> tuple[str, Any, Any]:
        return await world.store.system_write(
            lambda tx: resets.ask_address(tx, held, user, "new@example.com", now=world.now, entropy=world.entropy)
        )

    with pytest.raises(StepUpRequired):
        await ask(replace(session, stepped_up=world.now - timedelta(minutes=11)))
    _, old, new = await ask(session)

    async def agree(token: str) -> bool:
        return await world.store.system_write(lambda tx: resets.confirm_address(tx, token, now=world.now))

    assert not await agree(new.reveal())
    assert not await agree(new.reveal())
    assert await world.store.system_read(lambda tx: tx.people.user_by_email("new@example.com")) is None
    assert await agree(old.reveal())
    found = await world.store.system_read(lambda tx: tx.people.user_by_email("new@example.com"))
    assert found is not None
    assert found.id == session.user
    with pytest.raises(NotFound):
        await agree(old.reveal())


@pytest.mark.asvs("7.5.1")
@pytest.mark.claim("AUTHN-3")
async def test_changing_factors_takes_a_fresh_proof(world: World) -> None:
    """Attack 44: a session left open adds and removes nothing, and makes no recovery codes."""
    session = await world.begin()
    await world.add_totp(session)
    [factor] = await world.store.system_read(lambda tx: tx.factors.of(session.user))
    stale = replace(session, stepped_up=world.now - timedelta(minutes=10))

    async def refused(act: Any) -> None:
        with pytest.raises(StepUpRequired):
            await world.store.system_write(act)

    await refused(lambda tx: factors.remove(tx, stale, factor.id, now=world.now))
    await refused(lambda tx: factors.begin_totp(tx, stale, SEAL, now=world.now, entropy=world.entropy))
    await refused(lambda tx: factors.new_recovery_codes(tx, stale, now=world.now, entropy=world.entropy))
    with pytest.raises(Conflict):
        await world.add_totp(session)
    await world.store.system_write(lambda tx: factors.remove(tx, session, factor.id, now=world.now))
    assert isinstance(await world.password(), SignedIn)


@pytest.mark.claim("AUTHN-3")
async def test_a_trusted_device_skips_the_factor_until_it_looks_strange(world: World) -> None:
    """Thirty days on that device; never for another one, nor when suspicion is raised, nor for dangerous acts."""
    _, codes = await world.add_totp(await world.begin())
    await world.second(await world.ask(), codes[0], trust=True)
    signed = await world.in_at_once()
    assert signed.session.factors == {"password", "device"}
    with pytest.raises(StepUpRequired):
        sessions.require_recent(signed.session, world.now)
    assert isinstance(await world.password(device_hash=b"e" * 32), FactorMissing)
    assert isinstance(await world.password(device_hash=None), FactorMissing)
    world.guard.level = Level.MEDIUM
    assert isinstance(await world.password(), FactorMissing)
    world.guard.level = Level.NONE
    [device] = await world.store.system_read(lambda tx: tx.factors.devices(signed.session.user))
    world.clock.move(seconds=30 * 86_400)
    assert isinstance(await world.password(), FactorMissing)
    await world.store.system_write(lambda tx: factors.distrust(tx, signed.session, device.id, now=world.now))


async def test_what_is_held_gets_no_session_and_a_second_factor_is_not_held(world: World) -> None:
    """The entrance has the last word before a session begins, and learns of each that did."""
    session = await world.begin()
    world.guard.level = Level.HIGH
    with pytest.raises(Forbidden):
        await world.password()
    assert len(world.entrance.told) == 1
    assert [s.id for s in await world.store.system_read(lambda tx: tx.people.sessions(session.user))] == [session.id]
    world.guard.level = Level.NONE
    _, codes = await world.add_totp(session)
    world.guard.level = Level.HIGH
    await world.second(await world.ask(), codes[0])
    assert len(world.entrance.told) == 2


async def test_a_wrong_password_or_nobody_are_one_answer_after_the_same_work(world: World) -> None:
    """Unknown, wrong and over-long get one error; a megabyte is refused without a guard or a hash being asked."""
    await world.begin()
    errors = []
    for email, password in ((EMAIL, "wrong"), ("who@example.com", "wrong"), (EMAIL, "x" * 1_000_000)):
        world.guard.asked.clear()
        with pytest.raises(Unauthenticated) as caught:
            await world.sign.by_password(email, password, HOME, now=world.now)
        errors.append(caught.value.public)
    assert len(set(errors)) == 1
    assert world.guard.asked == []


async def test_the_app_has_to_show_a_code_before_it_counts(world: World) -> None:
    """A secret that was only shown asks nobody for anything; a wrong code leaves it unproved."""
    session = await world.begin()

    async def begin() -> bytes:
        return await world.store.system_write(
            lambda tx: factors.begin_totp(tx, session, SEAL, now=world.now, entropy=world.entropy)
        )

    assert await begin() == await begin()
    with pytest.raises(Invalid):
        await world.store.system_write(
            lambda tx: factors.add_totp(tx, session, "12", SEAL, name="Phone", now=world.now, entropy=world.entropy)
        )
    assert isinstance(await world.password(), SignedIn)
    assert [f.kind for f in await world.store.system_read(lambda tx: tx.factors.of(session.user))] == []


@pytest.mark.asvs("6.8.4")
@pytest.mark.claim("AUTHN-4")
async def test_a_provider_stands_for_the_password_and_no_more(world: World) -> None:
    """Whatever a provider says of how somebody signed in there, the second factor is still asked for here."""
    session = await world.begin()
    user = await world.store.system_read(lambda tx: tx.people.user(session.user))
    assert user is not None
    alone = await world.sign.proved(user, "company", HOME, now=world.now)
    assert isinstance(alone, SignedIn)
    _, codes = await world.add_totp(session)
    missing = await world.sign.proved(user, "company", HOME, now=world.now)
    assert isinstance(missing, FactorMissing)
    signed = await world.second(missing.ticket.reveal(), codes[0])
    assert signed.session.factors == {"company", "recovery"}


@pytest.mark.asvs("6.5.2", "6.5.3", "6.5.4")
async def test_codes_are_long_enough_not_to_be_guessed(world: World) -> None:
    """120 bits in a recovery code, 160 in the seed of an app, six digits in a mailed one; all drawn, none alike."""
    session = await world.begin()
    _, codes = await world.add_totp(session)
    for code in codes:
        assert len(code.replace("-", "")) * 5 == 120
    assert recovery.hash_code(UserId("usr_x"), codes[0]) != recovery.hash_code(UserId("usr_y"), codes[0])
    assert recovery.hash_code(UserId("usr_x"), "ABCD-EFGH-2345-67AB") is not None, "one of an earlier version"
    drawn: list[int] = []

    class Watched:
        def bytes(self, n: int) -> bytes:
            drawn.append(n)
            return bytes(world.entropy.bytes(n))

    assert len({totp.new_secret(Watched()) for _ in range(50)}) == 50
    assert len(set(recovery.new_codes(Watched()))) == 10
    assert set(drawn[:50]) == {20} and set(drawn[50:]) == {15}
    mailed = await world.store.system_write(
        lambda tx: factors.new_mail_code(tx, session.user, context=b"x", now=world.now, entropy=Watched())
    )
    assert drawn[-1] == 8 and totp.six_digits(mailed) == mailed
