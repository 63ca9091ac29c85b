"""EMAIL-9: one message handed to an endpoint that is this check, in every form, by every answer there is."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, cast

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.handing import Handing
from mailward.app.inbound.desk import answered
from mailward.base import ids
from mailward.base.errors import Corrupt, MailwardError, Unavailable
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.inbound.model import (
    Attachments,
    InboundRoute,
    MatchKind,
    Mode,
    OnScannerDown,
    ReceivedFacts,
    RouteFormat,
    SealedSecret,
    Signature,
)
from mailward.core.webhooks.model import SealedSecret as EventSecret
from mailward.core.webhooks.model import Work
from mailward.edges.smtpd.replies import translate
from mailward.edges.workers.webhooks import WebhookWorker

_RAW = (
    b"From: a@verify.invalid\r\nTo: b@verify.invalid\r\nSubject: A check\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
    b"--b\r\nContent-Type: text/csv; name=a.csv\r\n\r\n1,2\r\n--b--\r\n"
)
# The keys of CloudMailin's documented JSON, normalized.
_DOCUMENTED = ("headers", "envelope", "plain", "html", "reply_plain", "attachments")
# Octets; Standard Webhooks asks for 24 to 64.
_LEAST_SECRET = 24
_ANSWERS = {200: "250", 204: "250", 403: "554", 422: "554", 500: "450", 503: "450", 302: "450", 0: "450"}


@dataclass
class _Answer:
    status: int
    body: bytes = b"No, thank you."
    elapsed_ms: int = 1
    retry_after: float | None = None
    media: str = "text/plain"


class _Endpoint:
    """Answers with what it was told, and keeps what it was sent. Status 0 is no answer."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: Mapping[str, str] = {}
        self.body = b""

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, deadline: float, max_response: int,
        redirects: int = 0,
    ) -> _Answer:  # fmt: skip
        self.headers, self.body = headers, body
        if not self.status:
            raise Unavailable("no_answer", "The endpoint did not answer.")
        return _Answer(self.status)


@check("EMAIL-9")
async def a_message_becomes_a_signed_request(context: Context) -> Finding:
    """Every form is posted and its signature verified apart from the code that signs; every answer has its reply."""
    secret = context.entropy.bytes(32)
    endpoint = _Endpoint()

    async def secrets(workspace: bytes, route: bytes) -> list[SealedSecret]:
        return [SealedSecret(0, secret)]

    handing = Handing(
        endpoint, secrets=secrets, unseal=lambda _, sealed: sealed, files=None, clock=context.clock,
        entropy=context.entropy,
    )  # fmt: skip
    id, at = context.entropy.bytes(16), context.installation.now_us()
    facts = ReceivedFacts(
        "verify.invalid", "192.0.2.1", "TLSv1.3", "TLS_AES_256_GCM_SHA384", "a@verify.invalid", ("b@verify.invalid",),
        "a@verify.invalid", "b@verify.invalid", "A check", "", len(_RAW), sha256(_RAW).hexdigest(),
    )  # fmt: skip
    forms = 0
    for form in RouteFormat:
        for signature in Signature:
            await handing.in_session(_route(form, signature), id, at, facts, _RAW)
            if not _holds(endpoint, secret, signature):
                return failed(f"the signature ({signature.value}) of the form {form.value} does not verify")
            forms += 1
    if wrong := await _events(context, endpoint):
        return failed(wrong)
    await handing.in_session(_route(RouteFormat.CLOUDMAILIN_JSON, Signature.HMAC), id, at, facts, _RAW)
    found = msgspec.json.decode(endpoint.body)
    if missing := [key for key in _DOCUMENTED if key not in found]:
        return failed(f"the documented JSON lacks {', '.join(missing)}")
    route = _route(RouteFormat.MAILWARD, Signature.HMAC)
    for status, wanted in _ANSWERS.items():
        endpoint.status = status
        try:
            answered(await handing.in_session(route, id, at, facts, _RAW))
            said = "250"
        except MailwardError as e:
            said = translate(e)[:3].decode()
        if said != wanted:
            return failed(f"an endpoint's {status or 'silence'} became {said}, not {wanted}")
    return passed(
        f"{forms} requests in {len(RouteFormat)} forms, and an event, carry signatures that verify; "
        "in session 2xx is 250, 4xx is 554, all else 450"
    )


@check("EMAIL-9")
async def every_endpoint_has_its_secret(context: Context) -> Finding:
    """Each endpoint and route that is on has a secret in force that opens, so that nothing would leave unsigned."""
    now = context.installation.now_us()
    held: dict[tuple[bytes, bytes], bool] = {}
    for workspace, place, sealed in await context.store.system_read(lambda tx: tx.evidence.signing_secrets(now)):
        held[workspace, place] = held.get((workspace, place), False) or _opens(context, workspace, sealed)
    without = sum(not signed for signed in held.values())
    if without:
        return failed(f"{without} of {len(held)} endpoints and routes have no secret to sign with")
    return passed(f"{len(held)} endpoints and routes are on, each with a secret to sign with")


def _opens(context: Context, workspace: bytes, sealed: bytes | None) -> bool:
    if sealed is None:
        return False
    try:
        return len(context.installation.unseal_webhook(ids.encode("ws", workspace), sealed)) >= _LEAST_SECRET
    except Corrupt:
        return False


async def _events(context: Context, endpoint: _Endpoint) -> str:
    """What is wrong with how an event leaves: with each secret in force, and without one."""
    old, new = context.entropy.bytes(32), context.entropy.bytes(32)
    worker = WebhookWorker(
        cast(Any, None), endpoint, unseal=lambda _, sealed: sealed, clock=context.clock, entropy=context.entropy,
        log=cast(Any, None),
    )  # fmt: skip
    event = Work(
        bytes(16), bytes(16), context.entropy.bytes(16), "message.delivered", 1, "https://endpoint.invalid/",
        b'{"type":"message.delivered"}', (EventSecret(1, new), EventSecret(0, old, 2)),
    )  # fmt: skip
    for secret in (new, old):
        endpoint.headers = {}
        sent = await worker.attempt(event)
        if sent.status != endpoint.status or not _event_holds(endpoint, secret):
            return "the signature of an event does not verify with a secret in force"
    endpoint.headers = {}
    if not (await worker.attempt(replace(event, secrets=()))).error or endpoint.headers:
        return "an event leaves without a signature"
    return ""


def _event_holds(endpoint: _Endpoint, secret: bytes) -> bool:
    """Standard Webhooks 1.0.0: one of the signatures is that of `{id}.{timestamp}.{body}` under this secret."""
    h = endpoint.headers
    if not all(f"webhook-{part}" in h for part in ("id", "timestamp", "signature")):
        return False
    signed = f"{h['webhook-id']}.{h['webhook-timestamp']}.".encode() + endpoint.body
    good = "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
    return any(hmac.compare_digest(good, given) for given in h["webhook-signature"].split())


def _route(form: RouteFormat, signature: Signature) -> InboundRoute:
    return InboundRoute(
        id=bytes(16), workspace=bytes(16), domain="verify.invalid", kind=MatchKind.CATCH_ALL, pattern="",
        url="https://endpoint.invalid/", credentials=b"", format=form, mode=Mode.IN_SESSION, authorize_url="",
        authorize_credentials=b"", require_tls=False, on_scanner_down=OnScannerDown.DEFER,
        attachments=Attachments.INLINE, signature=signature, enabled=True, created=0,
    )  # fmt: skip


def _holds(endpoint: _Endpoint, secret: bytes, signature: Signature) -> bool:
    """Standard Webhooks 1.0.0, read anew: `{id}.{timestamp}.{body}` under the secret, in both header families."""
    for family in ("webhook", "svix"):
        h = endpoint.headers
        signed = f"{h[f'{family}-id']}.{h[f'{family}-timestamp']}.".encode() + endpoint.body
        version, _, value = h[f"{family}-signature"].partition(",")
        proof = base64.b64decode(value)
        if signature is Signature.HMAC:
            if version != "v1" or not hmac.compare_digest(proof, hmac.digest(secret, signed, "sha256")):
                return False
            continue
        try:
            Ed25519PrivateKey.from_private_bytes(secret).public_key().verify(proof, signed)
        except InvalidSignature:
            return False
        if version != "v1a":
            return False
    return True
