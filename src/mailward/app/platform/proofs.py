"""Second factors, passkeys and links in letters, for who is not signed in."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from mailward.app.letters import texts
from mailward.app.platform.signing import Signing
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.errors import Invalid, Unavailable
from mailward.base.ids import UserId, WorkspaceId
from mailward.base.secret import Secret
from mailward.core.identity import factors, passkeys, passwords, people, resets, sessions, tickets
from mailward.core.identity.model import Factor, FactorKind, TicketKind
from mailward.core.identity.sign_in import SignedIn
from mailward.edges.web.dashboard.ports import Came
from mailward.policy.access import Role


class Proofs:
    """Implements `edges.web.dashboard.ports.Proofs`."""

    def __init__(self, signing: Signing) -> None:
        self._s = signing
        self._letters_on_their_way: set[asyncio.Task[None]] = set()

    # -- the first owner, with a passkey -------------------------------------------------------

    async def setup_passkey(self, token: str, *, email: str, context: bytes) -> dict[str, Any]:
        """Options for the browser; the person they are for gets this id when the link is used."""
        s, now, good = self._s, self._s.clock.now(), people.good_email(email)
        user = UserId(ids.new("usr", now, s.entropy))
        options, state = passkeys.ask_to_create(s.site, ids.decode("usr", user), good, [], s.entropy)
        facts = {"state": msgspec.json.encode(state).decode(), "user": user, "email": good}
        await s.store.system_write(
            lambda tx: tickets.put(tx, TicketKind.CEREMONY, b"setup" + context, None, facts, now=now)
        )
        return options

    async def setup(
        self, token: str, answer: str, *, email: str, workspace_name: str, context: bytes, came: Came
    ) -> Secret[str]:
        """The owner without a password: nothing that is typed matches what stands in its place."""
        s, now, arrival = self._s, self._s.clock.now(), self._s.came(came)

        async def act(tx: Tx) -> Secret[str]:
            where = tickets.place(TicketKind.CEREMONY, b"setup" + context)
            ticket = await tickets.take(tx, where, TicketKind.CEREMONY, now=now)
            if ticket.facts["email"] != people.good_email(email):
                raise Invalid("email_changed", "The passkey was made for another address. Try again.", field="email")
            proof = passkeys.created(s.site, msgspec.json.decode(ticket.facts["state"]), answer)
            if not proof.verified:
                raise Invalid("passkey_unverified", "Use a passkey that asks for a finger, a face or a PIN.")
            there = await tx.workspaces.all()
            user, workspace = await people.use_setup_link(
                tx, token, email=email, name=email.partition("@")[0], password_hash=passwords.NOBODY,
                workspace=workspace_name, into=there[0].id if there else None, id=UserId(ticket.facts["user"]),
                address=came.ip, now=now, entropy=s.entropy,
            )  # fmt: skip
            id = ids.new("fac", now, s.entropy)
            await tx.factors.add(
                Factor(id, user.id, FactorKind.PASSKEY, "Passkey", proof.data, now, proof.handle, proof.counter, now)
            )
            facts = {"factor": id, "kind": "passkey"}
            await sessions.note_everywhere(tx, user.id, "factor.added", facts, address=came.ip, now=now)
            place: tuple[WorkspaceId, Role] = (workspace.id, Role.MANAGER)
            return (await s.pipeline.begin(tx, user.id, place, {"how": "passkey"}, arrival, now=now)).token

        return await s.store.system_write(act)

    # -- the second factor of a sign-in --------------------------------------------------------

    async def methods(self, ticket: str) -> list[str]:
        """What may be shown."""
        return sorted((await self._s.pipeline.waiting(ticket, now=self._s.clock.now()))[1])

    async def mail_code(self, ticket: str, came: Came) -> None:
        """A code by mail. Unavailable when this installation cannot send it."""
        user, digits = await self._s.pipeline.new_mail_code(ticket, now=self._s.clock.now())
        await send_code(self._s, user.email, digits, came.ip)

    async def passkey_for(self, ticket: str) -> dict[str, Any]:
        """Options to show a passkey with."""
        return await self._s.pipeline.ask_for_second_passkey(ticket, now=self._s.clock.now())

    async def show(self, ticket: str, came: Came, *, code: str, passkey: str, trust: bool) -> Secret[str]:
        """The session."""
        signed = await self._s.pipeline.second(
            ticket, self._s.came(came), code=code, passkey=passkey, trust=trust, now=self._s.clock.now()
        )
        return signed.token

    # -- by passkey alone ------------------------------------------------------------------------

    async def ask_passkey(self, context: bytes) -> dict[str, Any]:
        """Options; the same for everybody."""
        return await self._s.pipeline.ask_for_passkey(context, now=self._s.clock.now())

    async def by_passkey(self, answer: str, context: bytes, came: Came) -> Secret[str]:
        """The session."""
        progress = await self._s.pipeline.by_passkey(answer, context, self._s.came(came), now=self._s.clock.now())
        assert isinstance(progress, SignedIn)  # a passkey is both factors
        return progress.token

    # -- another password --------------------------------------------------------------------------

    async def forgot(self, email: str, came: Came, *, proof: str) -> None:
        """Look and write after the answer: its time says nothing about who has an account."""
        account = email.strip()
        await self._s.entrance.guard.before(account, came.ip, "reset", proof=proof, now=self._s.clock.now())
        task = asyncio.get_running_loop().create_task(self._write_reset(account, came.ip))
        self._letters_on_their_way.add(task)
        task.add_done_callback(self._letters_on_their_way.discard)

    async def _write_reset(self, account: str, ip: str) -> None:
        s = self._s
        found = await s.store.system_write(
            lambda tx: resets.ask_reset(tx, account, address=ip, now=s.clock.now(), entropy=s.entropy)
        )
        if found is not None:
            user, token = found
            subject, text = texts.reset(f"{s.url}/reset/{token.reveal()}", ip)
            await s.letters.send(user.email, subject, text, "password-reset")

    async def reset_asks(self, token: str) -> bool:
        """Whether a second factor is asked for."""
        now = self._s.clock.now()
        return (await self._s.store.system_read(lambda tx: resets.whose_reset(tx, token, now=now)))[1]

    async def reset_passkey(self, token: str) -> dict[str, Any]:
        """Options to show a passkey with."""
        s, now = self._s, self._s.clock.now()

        async def ask(tx: Tx) -> dict[str, Any]:
            user, _ = await resets.whose_reset(tx, token, now=now)
            context = tickets.digest_of(token)
            return await factors.ask_for_passkey(tx, user.id, s.site, context=context, now=now, entropy=s.entropy)

        return await s.store.system_write(ask)

    async def reset(self, token: str, password: str, came: Came, *, code: str, passkey: str) -> None:
        """Judge, ask for the factor, hash, and only then use the link up."""
        s, now = self._s, self._s.clock.now()
        user, asks = await s.store.system_read(lambda tx: resets.whose_reset(tx, token, now=now))
        await s.threads.run(lambda: passwords.judge(password, about=(user.email, user.name)))
        if asks:
            # A mailed code would be the same mailbox twice.
            context = tickets.digest_of(token)
            await s.pipeline.show(user, came.ip, context, code=code, passkey=passkey, by_mail=False, now=now)
        hashed = await s.threads.run(lambda: passwords.hash_password(password, s.entropy))
        await s.store.system_write(lambda tx: resets.finish_reset(tx, token, hashed, address=came.ip, now=now))
        s.changed()
        subject, text = texts.password_changed(f"{s.url}/forgot")
        await s.letters.send(user.email, subject, text, "password-changed")

    # -- another address -------------------------------------------------------------------------

    async def address(self, token: str) -> tuple[str, str]:
        """From which to which."""
        now = self._s.clock.now()
        ticket = await self._s.store.system_read(lambda tx: resets.look_at_address(tx, token, now=now))
        return ticket.facts["from"], ticket.facts["to"]

    async def confirm_address(self, token: str) -> bool:
        """One side agrees."""
        now = self._s.clock.now()
        done = await self._s.store.system_write(lambda tx: resets.confirm_address(tx, token, now=now))
        self._s.changed()
        return done


async def send_code(signing: Signing, to: str, digits: str, ip: str) -> None:
    """Mail a code; Unavailable when it cannot be sent, because somebody waits for it."""
    subject, text = texts.code(digits, ip)
    if not await signing.letters.send(to, subject, text, "sign-in-code"):
        raise Unavailable("letter_not_sent", "The code could not be mailed. Use another way to confirm that it is you.")
