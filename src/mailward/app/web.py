"""The HTTP side of a worker: API, public part and dashboard over one set of platform objects."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from mailward.adapters.host.hashing import HashingThreads
from mailward.adapters.net.egress import GuardedHttp
from mailward.app.allowance import per_minute
from mailward.app.audit_export import export_bytes
from mailward.app.ceilings import api_rates
from mailward.app.entitled import entitled
from mailward.app.federation import Federation
from mailward.app.guard.entrance import Entrance
from mailward.app.guard.parts import READING, Asked
from mailward.app.inbound.notifications import notifications_of
from mailward.app.letters import Letters
from mailward.app.naming import installation_names
from mailward.app.parts import Parts
from mailward.app.platform.access import Access
from mailward.app.platform.alerts import Alerts
from mailward.app.platform.audit import Audit
from mailward.app.platform.batches import Batches
from mailward.app.platform.domains import Domains
from mailward.app.platform.federation import FederatedSignIn
from mailward.app.platform.figures import Figures
from mailward.app.platform.inbound import Inbound
from mailward.app.platform.joining import Joining
from mailward.app.platform.keys import Keys
from mailward.app.platform.leaks import Leaks
from mailward.app.platform.members import Members
from mailward.app.platform.messages import Messages
from mailward.app.platform.operators import Operators
from mailward.app.platform.proofs import Proofs
from mailward.app.platform.public import PublicArea
from mailward.app.platform.roles import Roles
from mailward.app.platform.security import Security
from mailward.app.platform.sessions import Sessions
from mailward.app.platform.signing import FactorSeal, Signing
from mailward.app.platform.suppressions import Suppressions
from mailward.app.platform.templates import Templates
from mailward.app.platform.tracking import Tracking
from mailward.app.platform.transfers import Transfers
from mailward.app.platform.webhooks import Webhooks, reach
from mailward.app.platform.workspace import Workspaces
from mailward.app.public.reading import PublicReader
from mailward.app.retention import default_terms
from mailward.app.settings import as_reached, split_address
from mailward.app.shown_certificate import facts as certificate_facts
from mailward.app.sign_in_options import SignInSettings
from mailward.app.signing import make_keys
from mailward.app.store import Store, Tx
from mailward.app.tracking.visits import Visits
from mailward.base.errors import MailwardError
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.domains.keys import FreshKeys
from mailward.core.identity.passkeys import site_of
from mailward.core.identity.sign_in import Means, SignIn
from mailward.edges.web.app import Front, build, table
from mailward.edges.web.auth import Origin
from mailward.edges.web.dashboard.ports import Surroundings
from mailward.edges.web.dashboard.site import routes
from mailward.edges.web.endpoint import Services
from mailward.edges.web.limits import RateClass, WebLimits, default_rates
from mailward.edges.web.openapi import document
from mailward.edges.web.public.metrics import RequestMetrics
from mailward.edges.web.public.notifications import sns_route
from mailward.edges.web.reference.site import routes as reference_routes
from mailward.edges.web.schema.audit import AuditExportQuery
from mailward.edges.web.tracking.site import TrackingSite
from mailward.edges.web.trust.site import routes as public_routes
from mailward.policy.access import Actor
from mailward.policy.egress import networks
from mailward.policy.gcra import Rate

_MIN_FREE = 64 << 20


@dataclass
class Platform:
    """Implements `edges.web.ports.Platform` and the dashboard's."""

    messages: Messages
    suppressions: Suppressions
    domains: Domains
    keys: Keys
    leaks: Leaks
    transfers: Transfers
    templates: Templates
    tracking: Tracking
    webhooks: Webhooks
    inbound: Inbound
    members: Members
    roles: Roles
    joining: Joining
    federated: FederatedSignIn
    audit: Audit
    workspace: Workspaces
    access: Access
    alerts: Alerts
    operators: Operators
    sessions: Sessions
    proofs: Proofs
    security: Security
    entrance: Entrance
    figures: Figures


# A store that is cut off says nothing for long, and whoever asks whether to send work here does not wait that long.
_STORE_ANSWERS = 2.0


class Ready:
    """Implements `edges.web.ports.Readiness`."""

    def __init__(self, worker: Parts) -> None:
        self._worker = worker

    async def check(self) -> dict[str, bool]:
        """Store, keys, disk, and that we are not on our way out."""
        worker = self._worker
        storage = True
        try:
            await asyncio.wait_for(worker.installation.store.system_read(_anything), _STORE_ANSWERS)
        except (MailwardError, TimeoutError):
            storage = False
        return {
            "storage": storage,
            "disk": shutil.disk_usage(worker.settings.data).free > _MIN_FREE,
            "serving": not worker.draining and worker.heart.serving,
        }


async def _anything(tx: Tx) -> None:
    await tx.counters.all()


def platform_of(worker: Parts) -> Platform:
    """Every area, on this worker's store."""
    i = worker.installation
    store = entitled(i.store)

    async def fresh(workspace: WorkspaceId) -> FreshKeys:
        return await asyncio.to_thread(make_keys, i.vault, workspace)

    async def export_log(actor: Actor, asked: AuditExportQuery) -> bytes:
        return await export_bytes(
            i.store, i.vault.log_signer(), actor, now=i.clock.now(),
            since=asked.since, until=asked.until, since_size=asked.since_size,
        )  # fmt: skip

    signing = signing_of(worker)
    entrance = signing.entrance
    people = Sessions(signing)
    return Platform(
        messages=Messages(
            store,
            Batches(worker.acceptance, i.store, worker.knowledge, token_key=i.token_key, now_us=i.now_us),
            worker.bodies,
            now_us=i.now_us,
            search_key=i.search_key,
            wake=worker.wake_senders,
            letters_open=worker.settings.capture,
        ),
        suppressions=Suppressions(store, i.clock, i.entropy, _by_id(worker)),
        domains=Domains(store, i.clock, i.entropy, worker.resolver, installation_names(worker.settings), fresh),
        keys=Keys(store, i.clock, i.entropy, lambda id: worker.revoked()),
        leaks=Leaks(store, i.clock, changed=worker.revoked),
        transfers=Transfers(store, i.clock, i.entropy, worker.resolver, installation_names(worker.settings)),
        templates=worker.templates,
        tracking=Tracking(i),
        webhooks=Webhooks(
            store,
            i.clock,
            i.entropy,
            i.seal_webhook,
            wake=worker.wake_webhooks,
            post=worker.webhooks.probe,
            reach=reach(worker.settings),
        ),
        inbound=Inbound(
            store,
            worker.bodies,
            i.clock,
            i.entropy,
            i.seal_webhook,
            wake=worker.wake_webhooks,
            files=worker.files,
            reach=reach(worker.settings),
        ),
        roles=Roles(store, i.clock, i.entropy, changed=worker.revoked),
        members=Members(
            store,
            i.clock,
            i.entropy,
            letters_of(worker),
            public_url=worker.settings.http.public_url,
            changed=worker.revoked,
        ),
        joining=Joining(store, worker.keeper, i.clock, i.entropy, changed=worker.revoked),
        audit=Audit(store, i.clock, export_log),
        workspace=Workspaces(store, i.clock, default_terms(worker.settings)),
        access=Access(store, i.clock),
        alerts=Alerts(store, i.clock),
        operators=Operators(
            store,
            i.data_keys,
            i.clock,
            i.entropy,
            i.search_key,
            certificate=lambda: certificate_facts(i.store, worker.settings, i.clock.now()),
        ),
        figures=Figures(store, i.clock),
        sessions=people,
        proofs=Proofs(signing),
        security=Security(signing),
        federated=_federated(worker, store, people, signing),
        entrance=entrance,
    )


def _federated(worker: Parts, store: Store, people: Sessions, signing: Signing) -> FederatedSignIn:
    return FederatedSignIn(
        store,
        federation_of(worker),
        people.enter,
        letters_of(worker),
        worker.installation.clock,
        worker.installation.entropy,
        by_address={p.name for p in worker.settings.sign_in.provider if p.link_by_address},
        recent=signing.recent,
    )


def federation_of(worker: Parts) -> Federation:
    """The providers of the settings, each behind a client that reaches public addresses and those it was allowed."""
    providers = {}
    for one in worker.settings.sign_in.provider:
        http = GuardedHttp(worker.addresses, allow_networks=networks(one.networks))
        providers[one.name] = (one.provider(), http)
    url = worker.settings.http.public_url.rstrip("/")
    return Federation(providers, worker.installation.clock, callback=lambda name: f"{url}/sign-in/with/{name}/callback")


def signing_of(worker: Parts) -> Signing:
    """How people prove who they are."""
    i, url = worker.installation, worker.settings.http.public_url
    letters = letters_of(worker)
    entrance = worker.guarding.entrance(i, letters, worker.revoked)
    threads, sealer, site = HashingThreads(), FactorSeal(i.vault), site_of(url)
    store = entitled(i.store)
    pipeline = SignIn(store, Means(threads, entrance, sealer, site, i.entropy))
    worker.keeper.always_two = always_two(worker.settings.sign_in)
    return Signing(
        store, worker.keeper, i.clock, i.entropy, threads, entrance, sealer, site, letters, pipeline, url,
        worker.revoked,
    )  # fmt: skip


def always_two(settings: SignInSettings) -> Callable[[Any, UserId], Awaitable[bool]]:
    """Who needs a second factor whatever their workspace says: operators, or everybody."""
    return _everybody if settings.second_factor == "everybody" else _operates


async def _everybody(tx: Tx, user: UserId) -> bool:
    return True


async def _operates(tx: Tx, user: UserId) -> bool:
    operator = await tx.operators.get(user)
    return operator is not None and operator.serving


def letters_of(worker: Parts) -> Letters:
    """The platform's own way to write to people."""
    i = worker.installation
    return Letters(
        i.store,
        domains=worker.knowledge.domains,
        accept=worker.acceptance.accept,
        clock=i.clock,
        entropy=i.entropy,
        capture=worker.settings.capture,
    )


def _by_id(worker: Parts) -> Any:
    from mailward.base import ids

    return lambda workspace: worker.installation.token_key(ids.decode("ws", workspace))


def answered_for(worker: Parts, origin: Origin) -> Callable[[Any, int], None]:
    """What the guard learns from answers: of most of them nothing, at the price of two comparisons."""
    clock, parts = worker.installation.clock, worker.guarding

    def answered(scope: Any, status: int) -> None:
        operation = scope.get("mailward.operation", "other")
        if status not in (403, 404) and operation not in READING:
            return
        peer = scope["client"][0] if scope.get("client") else ""
        ip, _ = origin.of(peer, scope["scheme"], scope["headers"])
        asked = Asked(ip, scope["path"], scope.get("mailward.actor") or "", scope.get("mailward.workspace") or "")
        parts.answered(asked, operation, status, clock.now())

    return answered


def web_application(worker: Parts) -> Front:
    """The ASGI application of this worker."""
    i, settings = worker.installation, worker.settings
    platform = platform_of(worker)
    rates = default_rates()
    rates |= api_rates(settings.limits.api_per_minute)
    rates[RateClass.KEY] = per_minute("key", settings.limits.api_per_minute_key)
    rates[RateClass.AUTH_FAILURE] = Rate("auth-failure", settings.limits.auth_failures_per_minute_ip, 60)
    services = Services(
        platform=platform,
        authenticator=worker.doors,
        limiter=worker.budgets,
        clock=i.clock,
        entropy=i.entropy,
        hostname=settings.hostname,
        limits=WebLimits(rates=rates, own=worker.ceilings.api),
        origin=Origin([ip_network(n) for n in settings.http.trusted_proxies]),
        hold=worker.tarpit.hold,
    )
    listens = settings.submission.starttls or settings.submission.implicit
    host, port = split_address(listens[0]) if listens else ("127.0.0.1", 0)
    surroundings = Surroundings(
        public_url=settings.http.public_url,
        smtp_host=settings.server.hostname or as_reached(host),
        smtp_port=port,
        capture=settings.capture,
        secure=settings.http.public_url.startswith("https:"),
    )
    ready = Ready(worker)
    mounts = routes(platform, surroundings, i.entropy, services.origin, PublicArea(i))
    public = settings.http.public_url
    reference = reference_routes(
        lambda: document(table(ready)), public, services.origin, services.limiter, lambda: i.clock.now().date()
    )
    mounts = [*reference, *mounts]
    mounts = [*public_routes(PublicReader(i), public, services.origin, services.limiter), *mounts]
    if settings.feedback.sns_topics:
        mounts = [sns_route(notifications_of(worker).take, services.origin), *mounts]
    visits = Visits(i.store, keys=i.tracking_keys, token_key=i.token_key, now_us=i.now_us, wake=worker.wake_webhooks)
    tracking = TrackingSite(visits, services.origin, services.limiter)
    return build(
        services,
        ready,
        mounts=mounts,
        metrics=RequestMetrics(worker.metrics.registry),
        requests=worker.requests,
        answered=answered_for(worker, services.origin),
        elsewhere=(f"{installation_names(settings).tracking_label}.".encode(), tracking),
    )
