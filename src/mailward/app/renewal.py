"""Certificates from an ACME authority: ordered by one node, sealed into the store, served by all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mailward import __version__
from mailward.adapters.net import dns_update
from mailward.adapters.net.acme_authority import Authority, OrderFailed, Proof, Show
from mailward.adapters.net.resolver import parse_server
from mailward.app.acme_options import Acme
from mailward.app.certificates import Pair
from mailward.app.installation import Installation
from mailward.app.naming import installation_names
from mailward.app.store import Tx
from mailward.base.errors import Conflict, Unavailable
from mailward.core.certificates import order
from mailward.core.certificates.model import Certificate, Standing, when
from mailward.core.domains.add import EPOCH
from mailward.core.domains.read import signing_snapshot
from mailward.policy.access import Actor

log = structlog.get_logger()

_SEAL = "certificate"
_ACCOUNT = b"account"
MOST_HOSTS = 80
"""Of customers' tracked links on one certificate; authorities allow a hundred names."""
_LEFT_OUT_US = 86_400_000_000
# How long a challenge's answer may be asked for after the last look into the store.
_LOOK_SECONDS = 0.05


class Shared:
    """What every process sees of the installation's certificates: the newest pair, and answers to challenges."""

    def __init__(self, installation: Installation) -> None:
        self._i = installation
        self._serial = ""
        self._answers: dict[str, str] = {}
        self._looking: asyncio.Task[None] | None = None

    async def look(self) -> Pair | None:
        """The newest pair when it is another than the last time, else None."""
        found = await self._i.store.system_read(lambda tx: tx.certificates.newest())
        if found is None or found.serial == self._serial:
            return None
        pair = unsealed(self._i, found)
        self._serial = found.serial
        return pair

    async def answer(self, token: str) -> str:
        """What http-01 expects under a token, "" when nobody asked for it.

        Strangers may ask as often as they like: all who ask within a moment wait for one look into the store.
        """
        if token not in self._answers:
            if self._looking is None:
                self._looking = asyncio.get_running_loop().create_task(self._look_for_answers())
            await asyncio.shield(self._looking)
        return self._answers.get(token, "")

    async def _look_for_answers(self) -> None:
        await asyncio.sleep(_LOOK_SECONDS)
        self._looking = None  # whoever comes from here on could miss what the read does not see
        now = self._i.clock.now()
        try:
            found = await self._i.store.system_read(lambda tx: tx.certificates.notes(order.TOKEN, now))
        except Unavailable:
            return
        self._answers = {name.removeprefix(order.TOKEN): body.decode() for name, body in found.items()}


def unsealed(installation: Installation, certificate: Certificate) -> Pair:
    """The pair of a stored certificate. Corrupt when it was sealed for another serial number."""
    raw = installation.vault.unseal(_SEAL, certificate.sealed, certificate.serial.encode())
    chain, key = msgspec.msgpack.decode(raw, type=tuple[bytes, bytes])
    return Pair(chain, key)


class Renewal:
    """Orders the first certificate and the next ones. `run` is called again and again, by one node at a time."""

    def __init__(self, installation: Installation, actor: Actor) -> None:
        """`actor` is who the audit log names."""
        self._i = installation
        self._actor = actor
        self._acme: Acme = installation.settings.tls.acme
        self._holder = installation.entropy.bytes(16)
        self._spread = int.from_bytes(installation.entropy.bytes(4), "big") / 2**32

    async def run(self) -> int:
        """Order when it is time to; 1 when there is a new certificate. What fails is kept and logged, not raised."""
        if not await self.due():
            return 0
        try:
            made = await self.order()
        except Conflict:
            return 0
        except OrderFailed as e:
            log.error("certificate_order_failed", why=str(e), advice="see `mailward certificate show`")
            return 0
        log.info("certificate_issued", serial=made.serial, names=len(made.names), expires=made.expires.isoformat())
        return 1

    async def due(self, *, paused: bool = True) -> bool:
        """Is there none for these names, or is its time come? Never in a pause after a failure, if those count."""
        now = self._i.clock.now()
        held, standing = await self._known()
        if paused and standing.retry > _us(now):
            return False
        if held is None or not held.covers(await self._names(standing)):
            return True
        if standing.ask <= _us(now) and self._acme.directory:
            standing = await self._ask(held, standing, now)
        return when(held, standing, self._spread) <= now

    async def order(self) -> Certificate:
        """Order now. Raises OrderFailed, or Conflict while another process does."""
        i = self._i
        began = i.clock.now()
        attempts = await self._attempts(began)
        if not await i.store.system_write(lambda tx: order.begin(tx, self._holder, now=began)):
            raise Conflict("order_under_way", "Another process orders a certificate now.")
        made = None
        for names in attempts:
            try:
                account = await self._account()
                key = make_key(self._acme.key_type)
                chain = await asyncio.to_thread(self._order, account, key, names, asyncio.get_running_loop())
                made = self._sealed(chain.encode(), key, names)
                break
            except (OrderFailed, OSError, ValueError) as e:
                why, cause = str(e) or type(e).__name__, e
        now = i.clock.now()
        if made is None:
            await i.store.system_write(lambda tx: order.fail(tx, self._actor, why, now=now, spread=self._spread))
            raise OrderFailed(why) from cause
        issued = made

        async def settle(tx: Tx) -> None:
            await order.settle(tx, self._actor, issued, now=now)
            if len(issued.names) > len(self._acme.names):
                await tx.counters.bump(EPOCH)  # workers learn that there are more hosts for tracked links

        await i.store.system_write(settle)
        return made

    async def _attempts(self, now: datetime) -> list[list[str]]:
        """The names to order for; where customers' hosts are among them and ours are due, then without those.

        A customer's name that cannot be proved must not keep ours from being renewed.
        """
        own = list(self._acme.names)
        held, standing = await self._known()
        names = await self._names(standing)
        pressing = held is None or not held.covers(own) or when(held, standing, self._spread) <= now
        return [names, own] if pressing and names != own else [names]

    async def _names(self, standing: Standing) -> list[str]:
        """Our names, and the hosts of tracked links whose records lead here, the oldest first.

        Only by http-01: their zones are not ours. One that the last order failed for, by the authority's words, is
        left out for a day.
        """
        own = list(self._acme.names)
        if self._acme.challenge != "http-01":
            return own
        names = installation_names(self._i.settings)
        found = await self._i.store.system_read(lambda tx: signing_snapshot(tx, names))
        domains = [d for held in found.workspaces.values() for d in held.values() if d.tracking]
        recent = _us(self._i.clock.now()) - standing.failed < _LEFT_OUT_US
        hosts = [d.tracking for d in sorted(domains, key=lambda d: d.id)]
        return own + [h for h in hosts if h not in own and not (recent and h in standing.error)][:MOST_HOSTS]

    async def _known(self) -> tuple[Certificate | None, Standing]:
        held = await self._i.store.system_read(lambda tx: tx.certificates.newest())
        return held, await self._i.store.system_read(order.standing)

    async def _ask(self, held: Certificate, standing: Standing, now: datetime) -> Standing:
        """Ask the authority when it wants the certificate renewed (RFC 9773); silence changes nothing."""
        account, chain = await self._account(), unsealed(self._i, held).chain.decode()
        try:
            at, again = await asyncio.to_thread(self._authority(account).renewal, chain, now)
        except OrderFailed as e:
            log.info("certificate_renewal_info", why=str(e))
            at, again = None, datetime.fromtimestamp(now.timestamp() + 6 * 3600, UTC)
        known = standing.renew if standing.renew_serial == held.serial else 0
        standing = msgspec.structs.replace(
            standing, renew=_us(at) if at else known, renew_serial=held.serial, ask=_us(again)
        )
        await self._i.store.system_write(lambda tx: order.keep_standing(tx, standing))
        return standing

    async def _account(self) -> bytes:
        """The account's key, made before the first order: the same on all nodes, whatever directory is set."""
        i = self._i
        sealed = await i.store.system_read(lambda tx: tx.certificates.note(order.ACCOUNT))
        if sealed is None:
            made = i.vault.seal(_SEAL, make_key("ecdsa-p256"), _ACCOUNT)
            await i.store.system_write(lambda tx: order.keep_account(tx, made))
            sealed = made
        return i.vault.unseal(_SEAL, sealed, _ACCOUNT)

    def _authority(self, account: bytes) -> Authority:
        acme = self._acme
        binding = None
        if acme.account_id:
            binding = (acme.account_id, Path(acme.account_secret_file).read_text("ascii").strip())
        return Authority(
            acme.directory,
            account,
            contact=acme.contact,
            ca=acme.ca,
            binding=binding,
            agent=f"mailward/{__version__}",
        )

    def _order(self, account: bytes, key: bytes, names: Sequence[str], loop: asyncio.AbstractEventLoop) -> str:
        """In a thread of its own; the store is asked on the loop."""
        show, hide = self._by_dns() if self._acme.challenge == "dns-01" else self._by_http(loop)
        return self._authority(account).order(names, key, self._acme.challenge, show, hide)

    def _by_http(self, loop: asyncio.AbstractEventLoop) -> tuple[Show, Show]:
        store, clock = self._i.store, self._i.clock

        async def shown(proofs: Sequence[Proof]) -> None:
            answers, now = {p.token: p.answer for p in proofs}, clock.now()
            await store.system_write(lambda tx: order.show_tokens(tx, answers, now=now))

        async def hidden(proofs: Sequence[Proof]) -> None:
            await store.system_write(lambda tx: order.hide_tokens(tx, [p.token for p in proofs]))

        return (
            lambda proofs: asyncio.run_coroutine_threadsafe(shown(proofs), loop).result(),
            lambda proofs: asyncio.run_coroutine_threadsafe(hidden(proofs), loop).result(),
        )

    def _by_dns(self) -> tuple[Show, Show]:
        import time

        dns = self._acme.dns
        server = parse_server(dns.server)
        zone = dns_update.Zone(server.host, server.port, dns.zone, dns.key, dns.read_secret(), dns.algorithm)

        def records(proofs: Sequence[Proof]) -> list[tuple[str, str]]:
            return [(f"_acme-challenge.{p.name.removeprefix('*.').rstrip('.')}.", p.answer) for p in proofs]

        def show(proofs: Sequence[Proof]) -> None:
            try:
                if proofs:
                    dns_update.publish(zone, records(proofs))
            except dns_update.UpdateRefused as e:
                raise OrderFailed(str(e)) from e
            time.sleep(dns.wait_seconds)

        def hide(proofs: Sequence[Proof]) -> None:
            try:
                if proofs:
                    dns_update.withdraw(zone, records(proofs))
            except dns_update.UpdateRefused as e:
                # The order's own outcome counts; a stale TXT record proves nothing to anybody.
                log.warning("certificate_record_left", why=str(e))

        return show, hide

    def _sealed(self, chain: bytes, key: bytes, names: Sequence[str]) -> Certificate:
        leaf = Pair(chain, key).leaf()
        own = serialization.load_pem_private_key(key, None).public_key()
        form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        if leaf.public_key().public_bytes(*form) != own.public_bytes(*form):
            raise OrderFailed("the authority's certificate is not for our key")
        serial = f"{leaf.serial_number:x}"
        sealed = self._i.vault.seal(_SEAL, msgspec.msgpack.encode((chain, key)), serial.encode())
        return Certificate(
            serial=serial,
            names=tuple(names),
            issued=leaf.not_valid_before_utc,
            expires=leaf.not_valid_after_utc,
            sealed=sealed,
        )


def make_key(kind: str) -> bytes:
    """A new private key, PEM: `ecdsa-p256`, `ecdsa-p384` or `rsa-<bits>`."""
    curves = {"ecdsa-p256": ec.SECP256R1, "ecdsa-p384": ec.SECP384R1}
    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if kind in curves:
        private = ec.generate_private_key(curves[kind]())
    else:
        private = rsa.generate_private_key(65537, int(kind.removeprefix("rsa-")))
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _us(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
