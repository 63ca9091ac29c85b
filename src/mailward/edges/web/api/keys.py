"""API keys and SMTP credentials: made once, shown once, revoked at once."""

from __future__ import annotations

from mailward.edges.web.limits import RateClass
from mailward.edges.web.routes import Call, Operation
from mailward.edges.web.schema import keys as types
from mailward.edges.web.schema.common import NoQuery
from mailward.policy.access import Permission


async def create_key(call: Call[NoQuery, types.CreateKey]) -> types.NewKey:
    """A key with its secret."""
    return await call.platform.keys.create_key(call.actor, call.body)


async def list_keys(call: Call[types.KeyQuery, None]) -> types.KeyPage:
    """Newest first, without secrets."""
    return await call.platform.keys.list_keys(call.actor, call.query)


async def revoke_key(call: Call[NoQuery, None]) -> None:
    """From now on the key is unknown."""
    await call.platform.keys.revoke_key(call.actor, call.params["key"])


async def rotate_key(call: Call[NoQuery, types.Rotate]) -> types.NewKey:
    """A successor with its secret."""
    return await call.platform.keys.rotate_key(call.actor, call.params["key"], call.body)


async def release_key(call: Call[NoQuery, None]) -> None:
    """The pause is over."""
    await call.platform.keys.release_key(call.actor, call.params["key"])


async def create_credential(call: Call[NoQuery, types.CreateCredential]) -> types.NewCredential:
    """A credential with its password."""
    return await call.platform.keys.create_credential(call.actor, call.body)


async def list_credentials(call: Call[types.KeyQuery, None]) -> types.CredentialPage:
    """Newest first, without passwords."""
    return await call.platform.keys.list_credentials(call.actor, call.query)


async def revoke_credential(call: Call[NoQuery, None]) -> None:
    """From now on the credential is unknown."""
    await call.platform.keys.revoke_credential(call.actor, call.params["credential"])


async def rotate_credential(call: Call[NoQuery, types.Rotate]) -> types.NewCredential:
    """A successor with its password."""
    return await call.platform.keys.rotate_credential(call.actor, call.params["credential"], call.body)


async def release_credential(call: Call[NoQuery, None]) -> None:
    """The pause is over."""
    await call.platform.keys.release_credential(call.actor, call.params["credential"])


_ROTATE = "The successor reaches what the old one reaches. Both work until the grace is over, then only the new one."
_RELEASE = (
    "For a credential that was paused because it sent far more than it ever did. A credential cannot release itself."
)

OPERATIONS = [
    Operation(
        method="POST",
        path="/v1/keys",
        handler=create_key,
        permission=Permission.KEY_CHANGE,
        rate=RateClass.WRITE,
        name="createKey",
        tag="keys",
        summary="Make an API key",
        description="The secret is in this answer and nowhere else.",
        request=types.CreateKey,
        response=types.NewKey,
        status=201,
        errors=(
            "expired_already",
            "expires_too_far",
        ),
    ),
    Operation(
        method="GET",
        path="/v1/keys",
        handler=list_keys,
        permission=Permission.KEY_READ,
        rate=RateClass.READ,
        name="listKeys",
        tag="keys",
        summary="List API keys",
        query=types.KeyQuery,
        response=types.KeyPage,
        errors=("invalid_cursor",),
    ),
    Operation(
        method="DELETE",
        path="/v1/keys/{key}",
        handler=revoke_key,
        permission=Permission.KEY_CHANGE,
        rate=RateClass.WRITE,
        name="revokeKey",
        tag="keys",
        summary="Revoke an API key",
        description="Nothing is accepted with it after this answer.",
        status=204,
    ),
    Operation(
        method="POST",
        path="/v1/keys/{key}/rotate",
        handler=rotate_key,
        permission=Permission.KEY_CHANGE,
        rate=RateClass.WRITE,
        name="rotateKey",
        tag="keys",
        summary="Replace an API key",
        description=_ROTATE,
        request=types.Rotate,
        response=types.NewKey,
        status=201,
        errors=(
            "credential_ended",
            "credential_paused",
            "rotated_already",
        ),
    ),
    Operation(
        method="POST",
        path="/v1/keys/{key}/release",
        handler=release_key,
        permission=Permission.KEY_CHANGE,
        rate=RateClass.WRITE,
        name="releaseKey",
        tag="keys",
        summary="Let an API key send again",
        description=_RELEASE,
        status=204,
        errors=(
            "not_paused",
            "releases_itself",
        ),
    ),
    Operation(
        method="POST",
        path="/v1/smtp-credentials",
        handler=create_credential,
        permission=Permission.KEY_CHANGE,
        rate=RateClass.WRITE,
        name="createSmtpCredential",
        tag="smtp-credentials",
        summary="Make an SMTP credential",
        description="The password is in this answer and nowhere else.",
        request=types.CreateCredential,
        response=types.NewCredential,
        status=201,
        errors=(
            "networks_missing",
            "expires_too_far",
        ),
    ),
    Operation(
        method="GET",
        path="/v1/smtp-credentials",
        handler=list_credentials,
        permission=Permission.KEY_READ,
        rate=RateClass.READ,
        name="listSmtpCredentials",
        tag="smtp-credentials",
        summary="List SMTP credentials",
        query=types.KeyQuery,
        response=types.CredentialPage,
        errors=("invalid_cursor",),
    ),
    Operation(
        method="DELETE",
        path="/v1/smtp-credentials/{credential}",
        handler=revoke_credential,
        permission=Permission.KEY_CHANGE,
        rate=RateClass.WRITE,
        name="revokeSmtpCredential",
        tag="smtp-credentials",
        summary="Revoke an SMTP credential",
        status=204,
    ),
    Operation(
        method="POST",
        path="/v1/smtp-credentials/{credential}/rotate",
        handler=rotate_credential,
        permission=Permission.KEY_CHANGE,
        rate=RateClass.WRITE,
        name="rotateSmtpCredential",
        tag="smtp-credentials",
        summary="Replace an SMTP credential",
        description=_ROTATE,
        request=types.Rotate,
        response=types.NewCredential,
        status=201,
        errors=(
            "credential_ended",
            "credential_paused",
            "rotated_already",
        ),
    ),
    Operation(
        method="POST",
        path="/v1/smtp-credentials/{credential}/release",
        handler=release_credential,
        permission=Permission.KEY_CHANGE,
        rate=RateClass.WRITE,
        name="releaseSmtpCredential",
        tag="smtp-credentials",
        summary="Let an SMTP credential send again",
        description=_RELEASE,
        status=204,
        errors=(
            "not_paused",
            "releases_itself",
        ),
    ),
]
