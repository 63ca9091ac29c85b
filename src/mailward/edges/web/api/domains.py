"""Domains: adding, checking, rotating their keys."""

from __future__ import annotations

from mailward.edges.web.limits import RateClass
from mailward.edges.web.routes import Call, Operation
from mailward.edges.web.schema import domains as types
from mailward.edges.web.schema.common import NoQuery, PageQuery
from mailward.policy.access import Permission


async def add(call: Call[NoQuery, types.AddDomain]) -> types.DomainDetail:
    """A domain and the records to publish."""
    return await call.platform.domains.add(call.actor, call.body)


async def find(call: Call[PageQuery, None]) -> types.DomainPage:
    """Newest first."""
    return await call.platform.domains.list(call.actor, call.query)


async def get(call: Call[NoQuery, None]) -> types.DomainDetail:
    """The domain with each record as last seen."""
    return await call.platform.domains.get(call.actor, call.params["domain"])


async def check(call: Call[NoQuery, None]) -> types.DomainDetail:
    """The domain after a look at live DNS."""
    return await call.platform.domains.check(call.actor, call.params["domain"])


async def rotate(call: Call[NoQuery, None]) -> types.DomainDetail:
    """The domain with the next selectors to publish."""
    return await call.platform.domains.rotate(call.actor, call.params["domain"])


async def remove(call: Call[NoQuery, None]) -> None:
    """No more mail for it."""
    await call.platform.domains.remove(call.actor, call.params["domain"])


async def ask_transfer(call: Call[NoQuery, None]) -> types.DomainTransfer:
    """The holder is told."""
    return await call.platform.transfers.ask(call.actor, call.params["domain"])


async def transfers(call: Call[NoQuery, None]) -> types.DomainTransfers:
    """Both directions."""
    return await call.platform.transfers.list(call.actor)


async def decide_transfer(call: Call[NoQuery, types.DecideTransfer]) -> None:
    """Granted or refused."""
    await call.platform.transfers.decide(call.actor, call.params["transfer"], call.body.grant)


OPERATIONS = [
    Operation(
        method="POST",
        path="/v1/domains/{domain}/transfer",
        handler=ask_transfer,
        permission=Permission.DOMAIN_CHANGE,
        rate=RateClass.WRITE,
        name="askDomainTransfer",
        tag="domains",
        summary="Ask for a domain that another workspace holds",
        description="DNS is looked at first: it has to show the records of this workspace. The holder is told by mail "
        "and decides; after seven days without an answer the installation's operator may.",
        response=types.DomainTransfer,
        status=202,
        errors=("conflict",),
    ),
    Operation(
        method="GET",
        path="/v1/domain-transfers",
        handler=transfers,
        permission=Permission.DOMAIN_READ,
        rate=RateClass.READ,
        name="listDomainTransfers",
        tag="domains",
        summary="Domains asked for, and asked of this workspace",
        response=types.DomainTransfers,
    ),
    Operation(
        method="POST",
        path="/v1/domain-transfers/{transfer}",
        handler=decide_transfer,
        permission=Permission.DOMAIN_CHANGE,
        rate=RateClass.WRITE,
        name="decideDomainTransfer",
        tag="domains",
        summary="Grant or refuse a transfer",
        description="Granted, the domain leaves this workspace at once: its signing keys are destroyed, its routes "
        "removed, and keys that could send from it alone revoked.",
        request=types.DecideTransfer,
        status=204,
        errors=("conflict",),
    ),
    Operation(
        method="POST",
        path="/v1/domains",
        handler=add,
        permission=Permission.DOMAIN_CHANGE,
        rate=RateClass.WRITE,
        name="addDomain",
        tag="domains",
        summary="Add a domain",
        description="The answer lists the DNS records to publish; nothing is sent before they are found.",
        request=types.AddDomain,
        response=types.DomainDetail,
        status=201,
        errors=("conflict",),
    ),
    Operation(
        method="GET",
        path="/v1/domains",
        handler=find,
        permission=Permission.DOMAIN_READ,
        rate=RateClass.READ,
        name="listDomains",
        tag="domains",
        summary="List domains",
        query=PageQuery,
        response=types.DomainPage,
        errors=("invalid_cursor",),
    ),
    Operation(
        method="GET",
        path="/v1/domains/{domain}",
        handler=get,
        permission=Permission.DOMAIN_READ,
        rate=RateClass.READ,
        name="getDomain",
        tag="domains",
        summary="A domain, its records and their state",
        response=types.DomainDetail,
    ),
    Operation(
        method="POST",
        path="/v1/domains/{domain}/check",
        handler=check,
        permission=Permission.DOMAIN_CHANGE,
        rate=RateClass.WRITE,
        name="checkDomain",
        tag="domains",
        summary="Look at the DNS now",
        response=types.DomainDetail,
    ),
    Operation(
        method="POST",
        path="/v1/domains/{domain}/rotate",
        handler=rotate,
        permission=Permission.DOMAIN_CHANGE,
        rate=RateClass.WRITE,
        name="rotateDomainKeys",
        tag="domains",
        summary="Begin a rotation of the DKIM keys",
        description="New selectors are made; signing moves to them once DNS shows them; keep the old ones a while.",
        response=types.DomainDetail,
        errors=("conflict",),
    ),
    Operation(
        method="DELETE",
        path="/v1/domains/{domain}",
        handler=remove,
        permission=Permission.DOMAIN_CHANGE,
        rate=RateClass.WRITE,
        name="removeDomain",
        tag="domains",
        summary="Remove a domain",
        status=204,
    ),
]
