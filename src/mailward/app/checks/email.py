"""EMAIL-1 and EMAIL-2: each sending domain signs twice, and the signatures verify; its records were found in DNS."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from mailward.app.checks import probe
from mailward.app.checks.delivery import recent_attempts
from mailward.app.checks.probe import NotThere, secret
from mailward.app.checks.registry import check
from mailward.app.checks.signatures import ED25519, GUARDED, RSA, forged, holds, letter, split, uncovered
from mailward.app.context import Context
from mailward.app.knowledge import Knowledge, KnownDomain
from mailward.app.naming import installation_names
from mailward.app.signing import Signing, load_domains
from mailward.core.domains.inspect import inspect
from mailward.core.domains.model import DomainState
from mailward.core.domains.read import get_domain, list_domains
from mailward.core.domains.settle import proven
from mailward.core.domains.spf_cover import flatten
from mailward.core.evidence.model import Finding, failed, not_configured, passed

_DOMAINS = 50
# Workers hear of a new domain within a quarter of a second. .invalid never resolves (RFC 6761 section 6.4).
_TRIES, _PAUSE = 4, 0.25
_TO = "nobody@verify.invalid"
_FORGED = 5


class _Known:
    """The domains that may send, as a worker knows them."""

    def __init__(self, domains: dict[bytes, dict[str, KnownDomain]]) -> None:
        self._domains = domains

    def domain(self, workspace: bytes, name: str) -> KnownDomain | None:
        return self._domains.get(workspace, {}).get(name)


@check("EMAIL-1")
async def both_signatures_hold(context: Context) -> Finding:
    """Sign a message for every sending domain with its real keys, verify it apart from the code that signed, forge it.

    Each signature must guard every field that a thief would add a second of; what a thief changes, verifies no more.
    """
    now = context.clock.now()
    publics = await context.store.system_read(lambda tx: tx.evidence.signing_keys())
    domains = await load_domains(context.installation)
    signing = Signing(cast(Knowledge, _Known(domains)), on=True)
    done = forgeries = 0
    for workspace, known in domains.items():
        for name in known:
            keys = publics.get((workspace, name), [])
            for sent in (letter(name), letter(name, ("From", "Subject"))):
                made = split(signing.sign_now(workspace, name, sent.content(), now)[0])
                algorithms = [holds(field, sent, name, keys) for field in made]
                if None in algorithms:
                    return failed("a signature of a sending domain does not verify, carries l=, or leaves out From")
                if sorted(str(a) for a in algorithms) != [ED25519, RSA]:
                    return failed(f"a sending domain signs with {algorithms or 'nothing'}")
                if bare := sorted({field for one in made for field in uncovered(one, sent)}):
                    return failed(f"a second {', '.join(bare)} would not break the signatures of a sending domain")
                if done >= _FORGED:
                    continue
                for what, forgery in forged(sent).items():
                    if any(holds(field, forgery, name, keys) for field in made):
                        return failed(f"a signature of a sending domain holds over a message with {what}")
                    forgeries += 1
            done += 1
    if not done:
        return not_configured("no domain may send yet")
    return passed(
        f"{done} domains sign with RSA-2048 and Ed25519, and both verify; no l=; a second one of {len(GUARDED)} fields "
        f"breaks them, as did {forgeries} forgeries"
    )


@check("EMAIL-1")
async def what_left_was_signed(context: Context) -> Finding:
    """Every recent delivery of the workspace left with two signatures."""
    if not context.settings.delivery.sign:
        return failed("signing is switched off in the settings (delivery.sign)")
    attempts = await recent_attempts(context)
    if bare := sum(1 for a in attempts if len(a.signed) < len((RSA, ED25519))):
        return failed(f"{bare} of {len(attempts)} recent deliveries left without both signatures")
    if not attempts:
        return passed("signing is on; nothing was delivered lately")
    return passed(f"each of {len(attempts)} recent deliveries left with both signatures")


@check("EMAIL-2")
async def records_are_in_dns(context: Context) -> Finding:
    """Every verified domain was looked up within the last two days and no required record failed since."""
    rows = await context.store.system_read(lambda tx: tx.evidence.verified_domains())
    if not rows:
        return not_configured("no verified domain")
    now = context.installation.now_us()
    stale = sum(1 for checked, _ in rows if checked is None or now - checked > 2 * 86_400_000_000)
    drifted = sum(1 for _, failures in rows if failures)
    if stale or drifted:
        return failed(f"of {len(rows)} verified domains {drifted} have drifted and {stale} were not looked up lately")
    return passed(f"{len(rows)} verified domains, each found right in DNS within two days")


@check("EMAIL-2")
async def dns_says_so_now(context: Context) -> Finding:
    """Ask DNS now: each verified domain of the workspace shows its token and keys; our SPF covers what we send from."""
    names, resolver = installation_names(context.settings), context.resolver
    held = await context.store.read(context.actor.workspace, lambda tx: list_domains(tx, context.actor, limit=_DOMAINS))
    verified = [d for d in held if d.state is DomainState.VERIFIED]
    if not verified:
        return not_configured("no verified domain in this workspace")
    silent = 0
    for domain in verified:
        _, pairs = await context.store.read(
            context.actor.workspace,
            lambda tx, id=domain.id: get_domain(tx, context.actor, id),  # type: ignore[misc]
        )
        seen = await resolver.drive(inspect(domain, pairs, names), fresh=True)
        answer = proven(domain, pairs, seen)
        if answer is False:
            return failed("a verified domain does not show its token or its signing keys any more")
        silent += answer is None
    if names.sources:
        view = await resolver.drive(flatten(names.spf_host), fresh=True)
        if view.state != "temporary" and not view.covers(names.sources):
            return failed(f"the SPF record at {names.spf_host} does not cover every address in delivery.sources")
        cover = f"the SPF record at {names.spf_host} covers all {len(names.sources)} source addresses"
    else:
        cover = (
            "source addresses are the system's choice (delivery.sources is empty), so SPF was not compared with them"
        )
    told = f"{len(verified) - silent} of {len(verified)} verified domains show token and keys now; {cover}"
    return passed(told) if silent < len(verified) else not_configured(f"DNS does not answer; {told}")


@check("EMAIL-2")
async def unverified_domains_send_nothing(context: Context) -> Finding:
    """Add a domain to the running platform, ask for a second whether a message from it would be taken, remove it."""
    name = f"verify-{context.entropy.bytes(8).hex()}.invalid"
    message = {"from": f"verify@{name}", "to": _TO, "subject": "verify", "text": "A question.", "dry_run": True}
    try:
        async with probe.temporary(context, probe.EVERYTHING) as issued:
            how: dict[str, Any] = {"key": secret(issued), "source": probe.fresh_source(context)}
            made = await probe.ask(context, "POST", "/v1/domains", body={"name": name}, **how)
            if made.status != 201:
                return failed(f"a domain could not be added: the API answered {made.status} {made.code}".rstrip())
            try:
                for _ in range(_TRIES):
                    heard = await probe.ask(context, "POST", "/v1/messages", body=message, **how)
                    if (heard.status, heard.code) != (403, "domain_not_verified"):
                        return failed(f"a message from an unverified domain was answered {heard.status} {heard.code}")
                    await asyncio.sleep(_PAUSE)
                # A worker loads anew when something changed; what it would load then is asked here.
                if any(name in known for known in (await load_domains(context.installation)).values()):
                    return failed("an unverified domain is among those that may send")
            finally:
                await probe.ask(context, "DELETE", f"/v1/domains/{made.body['id']}", **how)
    except NotThere as e:
        return failed(str(e))
    return passed("a domain that was added and not verified was refused as a sender for as long as it was asked")
