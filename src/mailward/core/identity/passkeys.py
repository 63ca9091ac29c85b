"""Passkeys and security keys (WebAuthn level 2): what to ask a browser, and what its answer proves.

The site they belong to is the host of the public URL. Browsers know no passkeys for an IP
address; on a loopback address the site is `localhost`. Attestation is not asked for: it
would tell the model of a person's key and nothing we act on.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from mailward.base.errors import Invalid, Unauthenticated
from mailward.base.sources import Entropy

_LONGEST = 16_384


class Proof(NamedTuple):
    """What an answer showed. `verified`: the device checked who holds it. `data` is kept of a new one."""

    handle: bytes
    counter: int
    verified: bool
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Site:
    """Whom passkeys are for: the relying party's id, and the origins its pages have."""

    id: str
    origins: frozenset[str]
    name: str = "Mailward"


def site_of(public_url: str) -> Site:
    """The site behind a public URL."""
    parts = urlsplit(public_url)
    host = (parts.hostname or "").lower()
    port = f":{parts.port}" if parts.port else ""
    try:
        ipaddress.ip_address(host)
        host = "localhost"
    except ValueError:
        pass
    return Site(host, frozenset({f"{parts.scheme}://{host}{port}"}))


def ask_to_create(
    site: Site, user: bytes, account: str, known: Sequence[bytes], entropy: Entropy
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options for `navigator.credentials.create`, and the state to keep. `known` are data of keys they have already."""
    from fido2.webauthn import (
        AttestedCredentialData,
        PublicKeyCredentialUserEntity,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options, state = _server(site).register_begin(
        PublicKeyCredentialUserEntity(id=user, name=account, display_name=account),
        credentials=[AttestedCredentialData(data) for data in known],
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=UserVerificationRequirement.PREFERRED,
        challenge=entropy.bytes(32),
    )
    return _plain(dict(options)["publicKey"]), dict(state)


def created(site: Site, state: Mapping[str, Any], answer: str) -> Proof:
    """The new key. Invalid when the answer is not one to this challenge on this site."""
    try:
        data = _server(site).register_complete(dict(state), _answer(answer))
    except Invalid:
        raise
    except Exception as e:
        raise _not_made(_why(e)) from e
    credential = data.credential_data
    if credential is None:
        raise _not_made("no data")
    return Proof(credential.credential_id, data.counter, bool(data.is_user_verified()), bytes(credential))


def ask_to_sign(site: Site, known: Sequence[bytes] | None, entropy: Entropy) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options for `navigator.credentials.get`, and the state to keep.

    `known` None: by passkey alone, so the device must find the key and check who holds it.
    """
    from fido2.webauthn import AttestedCredentialData, UserVerificationRequirement

    alone = known is None
    options, state = _server(site).authenticate_begin(
        [AttestedCredentialData(data) for data in known] if known is not None else None,
        user_verification=UserVerificationRequirement.REQUIRED if alone else UserVerificationRequirement.PREFERRED,
        challenge=entropy.bytes(32),
    )
    return _plain(dict(options)["publicKey"]), dict(state)


def handle_in(answer: str) -> bytes:
    """The id of the key an answer names; nothing is proved by it."""
    try:
        return _octets(str(_answer(answer)["rawId"]))
    except (KeyError, ValueError) as e:
        raise _not_right("no id") from e


def signed(site: Site, state: Mapping[str, Any], data: bytes, answer: str) -> Proof:
    """What the answer proves of the key `data` belongs to. Unauthenticated when it proves nothing."""
    from fido2.webauthn import AttestedCredentialData, AuthenticationResponse

    try:
        known = AttestedCredentialData(data)
        response = AuthenticationResponse.from_dict(_answer(answer))
        _server(site).authenticate_complete(dict(state), [known], response)
    except Exception as e:
        raise _not_right(_why(e)) from e
    facts = response.response.authenticator_data
    return Proof(known.credential_id, facts.counter, bool(facts.is_user_verified()))


def _server(site: Site) -> Any:
    from fido2.server import Fido2Server
    from fido2.webauthn import PublicKeyCredentialRpEntity

    return Fido2Server(
        PublicKeyCredentialRpEntity(id=site.id, name=site.name), verify_origin=lambda origin: origin in site.origins
    )


def _answer(text: str) -> dict[str, Any]:
    if not text or len(text) > _LONGEST:
        raise Invalid("passkey_refused", "The browser's answer is missing or too long.")
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as e:
        raise Invalid("passkey_refused", "The browser's answer could not be read.") from e


def _plain(value: Any) -> Any:
    """Options as JSON has them: octets in base64url, nothing that is not set."""
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).decode().rstrip("=")
    if isinstance(value, str | int | bool) or value is None:
        return value
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    return [_plain(v) for v in value]


def _octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _not_right(detail: str) -> Unauthenticated:
    return Unauthenticated("passkey_refused", "This passkey is not accepted here.", detail=detail)


def _not_made(detail: str) -> Invalid:
    return Invalid("passkey_refused", "The passkey could not be registered. Please try again.", detail=detail)


def _why(e: Exception) -> str:
    return f"{type(e).__name__}: {str(e)[:100]}"
