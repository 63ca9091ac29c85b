"""EMAIL-1 and EMAIL-2: each sending domain signs twice, and the signatures verify; its records were found in DNS."""

from __future__ import annotations

import base64
import hashlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mailward.app.checks.delivery import recent_attempts
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.naming import installation_names
from mailward.app.signing import load_domains
from mailward.core.domains.inspect import inspect
from mailward.core.domains.model import DomainState
from mailward.core.domains.read import get_domain, list_domains
from mailward.core.domains.settle import proven
from mailward.core.domains.spf_cover import flatten
from mailward.core.evidence.model import Finding, failed, not_configured, passed
from mailward.protocol.dkim.sign import sign

_BODY = b"A message that is signed to see whether its signatures hold.\r\n"
_DOMAINS = 50
_RSA, _ED25519 = "rsa-sha256", "ed25519-sha256"


@check("EMAIL-1")
async def both_signatures_hold(context: Context) -> Finding:
    """Sign a message for every sending domain with its real keys, and verify it apart from the code that signed."""
    now = context.clock.now()
    publics = await context.store.system_read(lambda tx: tx.evidence.signing_keys())
    domains = 0
    for workspace, known in (await load_domains(context.installation)).items():
        for name, domain in known.items():
            fields = [
                (b"from", b"From: verify@" + name.encode() + b"\r\n"),
                (b"subject", b"Subject: A check\r\n"),
            ]
            made = sign(fields, _BODY, domain.signers, now)
            keys = publics.get((workspace, name), [])
            try:
                algorithms = sorted(_verify(field, dict(fields), keys) for field in _split(made))
            except (InvalidSignature, ValueError):
                return failed("a signature of a sending domain does not verify, or carries l=")
            if algorithms != [_ED25519, _RSA]:
                return failed(f"a sending domain signs with {algorithms or 'nothing'}")
            domains += 1
    if not domains:
        return not_configured("no domain may send yet")
    return passed(f"{domains} domains sign with RSA-2048 and Ed25519, and both verify; no l=")


def _split(made: bytes) -> list[bytes]:
    return [f for f in re.split(rb"(?m)^(?=DKIM-Signature:)", made) if f]


def _verify(signature: bytes, fields: dict[bytes, bytes], keys: list[bytes]) -> str:
    """The algorithm of one DKIM-Signature field that verifies (RFC 6376 section 6.1); raises when it does not.

    The message is already in canonical form, which keeps this apart from our own canonicalisation.
    """
    value = re.sub(rb"[ \t\r\n]+", b" ", signature.partition(b":")[2]).strip()
    tags = dict(re.findall(rb"([a-z]+)=([^;]*)", value.replace(b" ", b"")))
    if b"l" in tags or tags[b"bh"] != base64.b64encode(hashlib.sha256(_BODY).digest()):
        raise ValueError("body length or body hash")
    left = dict(fields)
    data = b""
    for name in tags[b"h"].split(b":"):
        if raw := left.pop(name, None):
            data += name + b":" + raw.partition(b":")[2].strip() + b"\r\n"
    data += b"dkim-signature:" + re.sub(rb"(\bb=)[^;]*$", rb"\1", value)
    algorithm, proof = str(tags[b"a"], "ascii"), base64.b64decode(tags[b"b"])
    for key in keys:
        if _holds(algorithm, key, proof, data):
            return algorithm
    raise ValueError("no key verifies it")


def _holds(algorithm: str, key: bytes, proof: bytes, data: bytes) -> bool:
    try:
        if algorithm == _ED25519 and len(key) == 32:
            # RFC 8463 section 3: the signature is over the hash.
            Ed25519PublicKey.from_public_bytes(key).verify(proof, hashlib.sha256(data).digest())
            return True
        if algorithm == _RSA and len(key) > 32:
            public = load_der_public_key(key)
            if not isinstance(public, RSAPublicKey) or public.key_size < 2048:
                return False
            public.verify(proof, data, padding.PKCS1v15(), SHA256())
            return True
    except InvalidSignature:
        return False
    return False


@check("EMAIL-1")
async def what_left_was_signed(context: Context) -> Finding:
    """Every recent delivery of the workspace left with two signatures."""
    if not context.settings.delivery.sign:
        return failed("signing is switched off in the settings (delivery.sign)")
    attempts = await recent_attempts(context)
    if bare := sum(1 for a in attempts if len(a.signed) < len((_RSA, _ED25519))):
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
