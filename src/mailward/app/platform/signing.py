"""What sign-in, proofs and security share: the pipeline, the letters, and where somebody comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from mailward.adapters.vault.vault import Vault
from mailward.app.devices import readable
from mailward.app.guard.entrance import Entrance
from mailward.app.letters import Letters
from mailward.app.store import Store
from mailward.base.sources import Clock, Entropy
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.identity.model import Arrival, Session
from mailward.core.identity.passkeys import Site
from mailward.core.identity.ports import PasswordThreads
from mailward.core.identity.sessions import require_recent
from mailward.core.identity.sign_in import SignIn
from mailward.edges.web.dashboard import ports


class FactorSeal:
    """Secrets of authenticator apps, sealed by the vault for their owner. Implements `core.identity.ports.Sealer`."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def seal(self, owner: str, secret: bytes) -> bytes:
        """For its row."""
        return self._vault.seal("factor", secret, owner.encode())

    def unseal(self, owner: str, sealed: bytes) -> bytes:
        """It again; Corrupt when it is another person's."""
        return self._vault.unseal("factor", sealed, owner.encode())


@dataclass(frozen=True, slots=True)
class Signing:
    """One a process."""

    store: Store
    keeper: Doorkeeper
    clock: Clock
    entropy: Entropy
    threads: PasswordThreads
    entrance: Entrance
    sealer: FactorSeal
    site: Site
    letters: Letters
    pipeline: SignIn
    url: str
    changed: Callable[[], None]
    """To call when access was taken away: every cache looks at once."""

    def arrival(self, ip: str, user_agent: str, device: str = "") -> Arrival:
        """Where somebody comes from, on what. `device` is the cookie by which the browser is known."""
        digest = hashlib.sha256(device.encode()).digest() if device else None
        return self.entrance.arrival(ip, readable(user_agent), digest)

    def came(self, came: ports.Came) -> Arrival:
        """The same of what a page says."""
        return self.arrival(came.ip, came.user_agent, came.device)

    async def held(self, session: ports.Session) -> Session:
        """The session as the store has it, with the address it is used from now; Unauthenticated when it ended."""
        now = self.clock.now()
        held = (await self.keeper.authenticate_session(session.token.reveal(), None, now=now))[1]
        return replace(held, address=session.actor.address or held.address)

    async def recent(self, session: ports.Session, now: datetime) -> None:
        """Raise StepUpRequired unless the person proved themselves lately; for what opens another way in."""
        require_recent(await self.held(session), now)
