"""The guard of one process. What it counts is in the store, shared by every process and node.

Implements `core.identity.ports.Guard`. A right password costs two small transactions beside
its Argon2; a valid key or SMTP credential costs a look into a dict, and no round trip.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from datetime import datetime
from functools import partial

from mailward.app.guard.challenge import Challenges
from mailward.app.guard.watch import Watch
from mailward.app.store import Store, Tx
from mailward.base.errors import LimitReached
from mailward.base.ids import UserId
from mailward.core.guard import tries
from mailward.core.guard.model import Digests, SignedIn
from mailward.core.identity.model import Arrival
from mailward.policy.detection import Kind, slot_of
from mailward.policy.gcra import Rate, decide
from mailward.policy.lockout import Bucket, Counted, LockRule, attempt
from mailward.policy.source import source_of
from mailward.policy.suspicion import Facts, Suspicion, Visit, assess

_MOST = 20_000
_HISTORY = 50
_TOKEN_KINDS = frozenset(("key", "smtp"))
# While a source waits, what it shows is looked up this often at most: a good key that is not in memory gets through.
_LOOKS = Rate("looks", 5, 30)
Anonymiser = Callable[[str], bool]


class SharedGuard:
    """One a process."""

    def __init__(
        self,
        store: Store,
        digests: Digests,
        challenges: Challenges,
        watch: Watch,
        *,
        monotonic: Callable[[], float],
        anonymiser: Anonymiser = lambda address: False,
        position: Callable[[str], tuple[float, float] | None] = lambda address: None,
        wrong_tokens: LockRule = tries.TOKENS,
    ) -> None:
        """`anonymiser` and `position` answer for an address, from the operator's list and database."""
        self._wrong_tokens = wrong_tokens
        self._store = store
        self._digests = digests
        self.challenges = challenges
        self._watch = watch
        self._monotonic = monotonic
        self._anonymiser = anonymiser
        self._position = position
        self._waiting: OrderedDict[tuple[str, bytes, bytes, bytes | None], float] = OrderedDict()
        self._sources: dict[str, Bucket] = {}
        self._held_off: dict[str, float] = {}
        self._looks: dict[str, float] = {}
        self._wrong: Counter[str] = Counter()

    # -- people -------------------------------------------------------------------------------

    async def before(
        self,
        account: str,
        source: str,
        kind: str,
        *,
        proof: str = "",
        device: bytes | None = None,
        now: datetime,
    ) -> None:
        """See Guard. `device` is the digest of the cookie that the browser showed."""
        if kind in _TOKEN_KINDS:
            self.before_token(source)
            return
        tried = self._digests.tried(account, source, device)
        # Whoever was told to wait is told so again from memory, until then.
        place = (kind, tried.account, tried.source, tried.at_device)
        if (until := self._waiting.get(place)) is not None:
            if (left := until - self._monotonic()) > 0:
                raise tries.too_many(left)
            del self._waiting[place]
        solved = await self.challenges.solved(proof, source, now=now) if proof else None

        async def count(tx: Tx) -> None:
            proven = solved is not None and await tx.guard.spend(solved.token, solved.expires)
            if proof and not proven:
                # Also where none was asked for: whoever shows one that is used, late or wrong does not get past.
                raise tries.asked()
            await tries.count_try(tx, kind, tried, proven=proven, now=now)

        try:
            await self._store.system_write(count)
        except LimitReached as e:
            self._waiting[place] = self._monotonic() + e.retry_after
            if len(self._waiting) > _MOST:
                self._waiting.popitem(last=False)
            raise

    async def failed(self, account: str, source: str, kind: str, *, now: datetime) -> None:
        """See Guard. A wrong password was counted before; for a key or SMTP password this is where it is."""
        if kind in _TOKEN_KINDS:
            self._failed_token(source, now)
            self._watch.note(Kind.BAD_KEY, source_of(source), account, now=now)
        elif kind == "password":
            self._watch.note(Kind.FAILED, source_of(source), account.strip().casefold(), now=now)
            self._watch.note(Kind.FAILED_FROM, account.strip().casefold(), source_of(source), now=now)
            # At once: a run through many accounts may find the right password at another process the moment after.
            await self._watch.tell()

    async def passed(self, account: str, source: str, kind: str, *, device: bytes | None = None, now: datetime) -> None:
        """See Guard."""
        if kind not in _TOKEN_KINDS:
            tried = self._digests.tried(account, source, device)
            await self._store.system_write(lambda tx: tries.give_back(tx, kind, tried))

    async def weigh(self, user: UserId, arrival: Arrival, *, now: datetime) -> Suspicion:
        """See Guard."""
        failing = self._watch.token(source_of(arrival.address))

        async def look(tx: Tx) -> tuple[list[SignedIn], bool, bool, int, int]:
            person = await tx.people.user(user)
            tried = self._digests.tried(person.email if person else "", arrival.address, arrival.device_hash)
            # A browser that keeps no cookie is known by its address alone.
            own = tried.at_address if tried.at_device is None else tried.at_device
            known = await tx.guard.known(tried.account, [tried.at_address, own])
            return (
                await tx.guard.sign_ins(user, _HISTORY),
                own in known,
                tried.at_address in known,
                await tries.wrong_so_far(tx, "password", tried),
                await tx.guard.different(Kind.FAILED, failing, slot_of(now.timestamp()) - 1),
            )

        earlier, known, at_home, failures, accounts = await self._store.system_read(look)
        return assess(
            Facts(
                now=now,
                known_device=known,
                known_address=at_home,
                network=arrival.network or source_of(arrival.address),
                history=[Visit(s.at, s.device_hash, s.network, s.position) for s in earlier if s.began],
                position=self._position(arrival.address),
                failures=failures,
                accounts=accounts,
                anonymiser=self._anonymiser(arrival.address),
            )
        )

    # -- keys and SMTP credentials ------------------------------------------------------------

    def before_token(self, source: str) -> None:
        """LimitReached while a source has to wait, but for a few looks: for a credential that is not in memory."""
        where = source_of(source)
        until = self._held_off.get(where)
        if until is None:
            return
        now = self._monotonic()
        if now >= until:
            del self._held_off[where]
            self._looks.pop(where, None)
            return
        tat, look = decide(_LOOKS, self._looks.get(where, 0.0), now)
        if not look.allowed:
            raise tries.too_many(until - now)
        self._looks[where] = tat

    def waiting(self, source: str) -> bool:
        """Whether a source has to wait: False for nearly everybody, at the price of looking into an empty dict."""
        return bool(self._held_off) and source_of(source) in self._held_off

    def _failed_token(self, source: str, now: datetime) -> None:
        where = source_of(source)
        self._wrong[where] += 1
        verdict = attempt(self._wrong_tokens, self._sources.get(where, Bucket()), now.timestamp(), proven=True)
        if isinstance(verdict, Counted):
            if len(self._sources) >= _MOST:
                self._sources.clear()
            self._sources[where] = verdict.bucket
            self._hold_off(where, verdict.bucket.until - now.timestamp())

    def _hold_off(self, where: str, seconds: float) -> None:
        if seconds > 0:
            if len(self._held_off) >= _MOST:
                self._held_off.clear()
            self._held_off[where] = self._monotonic() + seconds

    async def tell(self, now: datetime) -> int:
        """Add wrong keys seen here to what all processes saw; call every few seconds. How many sources."""
        wrong, self._wrong = self._wrong, Counter()
        for where, count in sorted(wrong.items()):
            token = self._digests.source(where)
            seconds = await self._store.system_write(
                partial(tries.note_wrong_tokens, source=token, wrong=count, now=now, rule=self._wrong_tokens)
            )
            self._hold_off(where, seconds)
        return len(wrong)
