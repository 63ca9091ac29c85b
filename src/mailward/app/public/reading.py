"""What the public pages tell, read from the store and kept for some seconds: no request runs or signs anything anew."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from mailward import __version__
from mailward.app.guard.challenge import Challenges
from mailward.app.installation import Installation
from mailward.app.naming import report_address
from mailward.app.public.agreement import Agreement, agreement
from mailward.app.public.keys import ReportSeal
from mailward.app.public.looks import looks
from mailward.app.store import Tx
from mailward.base.errors import ChallengeRequired
from mailward.base.secret import Secret
from mailward.core.availability.budget import budget, burning, month_of
from mailward.core.availability.model import MINUTES_A_DAY
from mailward.core.disclosure.intake import follow, receive
from mailward.core.disclosure.model import Content, Report
from mailward.core.evidence.catalogue import CATALOGUE
from mailward.core.evidence.guards import GUARDS
from mailward.core.evidence.model import Change, Line, Run
from mailward.core.evidence.publish import Stated, document, jwk, signed
from mailward.core.registers.model import Entry, Profile, Statement
from mailward.edges.web.trust.ports import Availability, Published

T = TypeVar("T")
_SECONDS = 10.0
_UNSOLVED = (
    "The report was not taken: the puzzle that keeps programs from flooding this form is not solved, or its solution "
    "is older than ten minutes or was used. Your words are still here; wait until it is solved and send them again."
)
_DAYS_SHOWN = 90
_LONGEST_WINDOW = 360


class PublicReader:
    """Implements `edges.web.trust.ports.PublicFacts`."""

    def __init__(self, installation: Installation) -> None:
        self._i = installation
        self._seal = ReportSeal(installation)
        self._challenges = Challenges(
            installation.vault.derive("challenge"), installation.entropy, installation.settings.challenge
        )
        self._kept: dict[str, tuple[float, Any]] = {}

    @staticmethod
    def pem(public_key: bytes) -> str:
        """An Ed25519 key as SubjectPublicKeyInfo (RFC 8410): a fixed prefix before its 32 octets."""
        der = bytes.fromhex("302a300506032b6570032100") + public_key
        return f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(der).decode()}\n-----END PUBLIC KEY-----\n"

    @property
    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The key that signs the document, as a set of one."""
        return {"keys": [jwk(self._i.vault.log_signer().public_key)]}

    @property
    def key_pem(self) -> str:
        """The same as PEM."""
        return self.pem(self._i.vault.log_signer().public_key)

    @property
    def now(self) -> datetime:
        """Wall time in UTC."""
        return self._i.clock.now()

    async def trust(self) -> Published:
        """The document of the controls, and the file in which it is signed."""
        return await self._for_a_while("trust", self._trust)

    async def _trust(self) -> Published:
        async def look(tx: Any) -> tuple[list[Line], list[Run], list[Change]]:
            return await tx.results.latest(), await tx.results.runs(30), await tx.results.changes(50)

        lines, runs, changes = await self._i.store.system_read(look)
        entries = await self.entries()
        said = [
            Stated(e.fields.control, e.fields.text, e.fields.on.isoformat())
            for e in entries
            if isinstance(e.fields, Statement)
        ]
        made = document(
            CATALOGUE,
            lines,
            GUARDS,
            said,
            runs,
            changes,
            issuer=self._i.settings.http.public_url,
            version=__version__,
            looks=looks(entries),
        )
        return Published(made, signed(made, self._i.vault.log_signer()))

    async def availability(self) -> Availability:
        """Days, outages, posts and the budget of this month."""
        return await self._for_a_while("availability", self._availability)

    async def _availability(self) -> Availability:
        now = self.now
        today = int(now.timestamp()) // 86_400
        minute = int(now.timestamp()) // 60

        async def look(tx: Any) -> tuple[Any, Any, Any]:
            repo = tx.availability
            since = (today - _DAYS_SHOWN) * MINUTES_A_DAY
            return await repo.days(today - _DAYS_SHOWN + 1), await repo.outages(since), await repo.posts(50)

        days, outages, posts = await self._i.store.system_read(look)
        target = round(self._i.settings.availability.target_percent / 100, 9)
        last = max((d.last for d in days), default=0)
        return Availability(
            now=now,
            target=target,
            month=budget(days, month_of(now), target),
            days=days,
            outages=outages,
            posts=posts,
            burning=[r.name for r in burning(outages, last or minute, target)],
            failing=outages[-1].services if outages and last and outages[-1].until > last else "",
            measured=last > 0,
        )

    async def entries(self) -> list[Entry]:
        """Every register entry, oldest first."""
        return await self._for_a_while("entries", self._entries)

    async def _entries(self) -> list[Entry]:
        return await self._i.store.system_read(lambda tx: tx.registers.entries())

    async def agreement(self) -> Agreement:
        """The data-processing agreement as it stands now."""
        published = await self.trust()
        return agreement(await self.profile(), await self.entries(), published.document, today=self.now.date())

    async def profile(self) -> Profile:
        """Who runs this; a nameless one when nobody said.

        Where no address for reports is named and this node receives mail, it is the one at our own name.
        """
        found = next((e.fields for e in await self.entries() if isinstance(e.fields, Profile)), Profile(name=""))
        settings = self._i.settings
        if not found.security_contact and "mx" in settings.server.roles and settings.mx.listen:
            return msgspec.structs.replace(found, security_contact=report_address(settings.hostname))
        return found

    async def report(self, content: Content, proof: str) -> tuple[Report, Secret[str]]:
        """Take a stranger's report in, for a proof of work that was not used before."""
        now, entropy = self.now, self._i.entropy
        solved = self._challenges.worked(proof, now=now)

        async def take(tx: Tx) -> tuple[Report, Secret[str]]:
            # Spent with what it was spent for: a form that is refused for its words keeps its solution.
            if solved is None or not await tx.guard.spend(solved.token, solved.expires):
                raise ChallengeRequired("challenge_required", _UNSOLVED)
            return await receive(tx, content, self._seal, now=now, entropy=entropy)

        return await self._i.store.system_write(take)

    async def followed(self, token: str) -> tuple[Report, Content]:
        """What the holder of a token may see; NotFound for any other."""
        return await self._i.store.system_read(lambda tx: follow(tx, token, self._seal))

    async def _for_a_while(self, name: str, read: Callable[[], Awaitable[T]]) -> T:
        now = self._i.clock.monotonic()
        until, value = self._kept.get(name, (0.0, None))
        if now < until:
            kept: T = value
            return kept
        found = await read()
        self._kept[name] = (now + _SECONDS, found)
        return found
