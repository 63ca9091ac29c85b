"""Where the bucket is, and whether the way there may be trusted. Pure: nothing here connects."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

KINDS = {"s3": "S3", "gs": "GCS", "az": "Azure"}
"""Schemes of `objects.url`, and what each is called."""


class PlaceError(ValueError):
    """The settings name no place that may be used; the text says which key and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket and how to speak to it. Secrets are left out of its repr."""

    url: str
    """`s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`."""
    endpoint: str = ""
    """`https://host:port` of a store that is not Amazon's, Google's or Microsoft's own."""
    region: str = ""
    access_key: str = ""
    """S3: the access key id. Empty: what the machine has been given (environment, web identity, instance role)."""
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    account: str = ""
    """Azure: the storage account; `secret_key` is its key."""
    service_account: str = ""
    """GCS: path of a service account's JSON file."""
    path_style: bool = True
    """S3: the bucket in the path. False puts it before the host name."""
    put_if_absent: bool = True
    """The store honours `If-None-Match: *`. `mailward doctor` tells."""
    ca_file: str = ""
    """PEM file of a private authority, trusted beside the system's."""
    plaintext: tuple[str, ...] = ()
    """`address:port` of loopback endpoints that may be spoken to without TLS."""

    section: str = "objects"
    """The section of the settings that it is from."""

    @property
    def named(self) -> str:
        """How the settings call its address."""
        return "backup.to" if self.section == "backup" else f"{self.section}.url"

    @property
    def kind(self) -> str:
        """The scheme: s3, gs or az."""
        return urlsplit(self.url).scheme

    @property
    def bucket(self) -> str:
        """Bucket or container."""
        return urlsplit(self.url).netloc

    @property
    def prefix(self) -> str:
        """What comes before each name of ours, without slashes around it."""
        return urlsplit(self.url).path.strip("/")

    @property
    def unencrypted(self) -> bool:
        """True when this is a listed loopback endpoint without TLS."""
        return self.endpoint.startswith("http://")

    def address(self) -> str:
        """The URL that requests go to, always explicit: an environment variable cannot lead them elsewhere."""
        match self.kind:
            case "gs":
                return self.endpoint or "https://storage.googleapis.com"
            case "az":
                return self.endpoint or f"https://{self.account}.blob.core.windows.net"
        base = self.endpoint or f"https://s3.{self.region or 'us-east-1'}.amazonaws.com"
        if self.path_style:
            return base
        scheme, _, rest = base.partition("://")
        return f"{scheme}://{self.bucket}.{rest}"


def check_place(place: Place) -> Place:
    """The place itself when it may be used; PlaceError otherwise."""
    parts = urlsplit(place.url)
    if parts.scheme not in KINDS:
        raise PlaceError(f"{place.named}: {place.url!r} begins with none of s3://, gs://, az://")
    if not parts.netloc or parts.query or parts.fragment or "@" in parts.netloc or ":" in parts.netloc:
        raise PlaceError(
            f"{place.named}: write scheme://bucket/prefix and nothing more; keys have settings of their own"
        )
    if ".." in parts.path.split("/"):
        raise PlaceError(f"{place.named}: the prefix may not hold '..'")
    if bool(place.access_key) != bool(place.secret_key) and parts.scheme == "s3":
        raise PlaceError(f"{place.section}: set both access_key and secret_key, or neither to use what the machine has")
    if parts.scheme == "az" and not place.account:
        raise PlaceError(f"{place.section}.account: Azure needs the name of the storage account")
    if place.endpoint:
        _check_endpoint(urlsplit(place.endpoint), place)
    return place


def _check_endpoint(endpoint: SplitResult, place: Place) -> None:
    try:
        host, port = endpoint.hostname, endpoint.port
    except ValueError as e:
        raise PlaceError(f"{place.section}.endpoint: {e}") from e
    if not host or endpoint.path.strip("/") or endpoint.query or endpoint.username is not None:
        raise PlaceError(f"{place.section}.endpoint: write https://host or https://host:port and nothing more")
    if endpoint.scheme == "https":
        return
    if endpoint.scheme != "http":
        raise PlaceError(f"{place.section}.endpoint: {endpoint.scheme}:// is not spoken here; use https://")
    # Only literal addresses: a name that means loopback today may mean something else tomorrow.
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise PlaceError(f"{place.section}.endpoint: content leaves this machine only over verified TLS; use https://")
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if shown not in place.plaintext:
        raise PlaceError(
            f'{place.section}.endpoint: to speak without TLS on loopback, list it: plaintext = ["{shown}"]'
        )
