"""Where bodies may go: over verified TLS, or to a listed address of this machine."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from mailward.adapters.storage.objects.bucket import Unclear, open_bucket
from mailward.adapters.storage.objects.place import Place, PlaceError, check_place
from tests.adapters.storage.objects.conftest import place_at
from tests.adapters.storage.objects.faults import FaultProxy

S3 = Place(url="s3://mail/prefix", access_key="a", secret_key="b")


@pytest.mark.parametrize(
    "place",
    [
        S3,
        replace(S3, endpoint="https://minio.example:9000"),
        replace(S3, endpoint="http://127.0.0.1:9000", plaintext=("127.0.0.1:9000",)),
        replace(S3, endpoint="http://[::1]:9000", plaintext=("[::1]:9000",)),
        Place(url="s3://mail"),
        Place(url="gs://mail/deep/prefix"),
        Place(url="az://mail", account="ours", secret_key="aa=="),
    ],
)
def test_these_are_used(place: Place) -> None:
    """A store over TLS, a listed one on loopback, and each of the three kinds are accepted."""
    assert check_place(place) is place


@pytest.mark.claim("TRANSIT-6")
@pytest.mark.parametrize(
    ("place", "says"),
    [
        (replace(S3, endpoint="http://10.0.0.5:9000", plaintext=("10.0.0.5:9000",)), "verified TLS"),
        (replace(S3, endpoint="http://minio.example:9000", plaintext=("minio.example:9000",)), "verified TLS"),
        (replace(S3, endpoint="http://localhost:9000", plaintext=("localhost:9000",)), "verified TLS"),
        (replace(S3, endpoint="http://127.0.0.1:9000"), 'plaintext = ["127.0.0.1:9000"]'),
        (
            replace(S3, endpoint="http://127.0.0.1:9000", plaintext=("127.0.0.1:9001",)),
            'plaintext = ["127.0.0.1:9000"]',
        ),
        (replace(S3, endpoint="ftp://127.0.0.1"), "use https://"),
        (replace(S3, endpoint="https://user@host"), "nothing more"),
        (replace(S3, endpoint="https://host:port"), "endpoint"),
        (replace(S3, url="https://bucket"), "s3://"),
        (replace(S3, url="s3://key:secret@bucket"), "nothing more"),
        (replace(S3, url="s3:///prefix"), "nothing more"),
        (replace(S3, url="s3://bucket/../other"), "'..'"),
        (replace(S3, secret_key=""), "access_key and secret_key"),
        (Place(url="az://mail"), "account"),
    ],
)
def test_these_are_refused(place: Place, says: str) -> None:
    """A way that is not verified, or a place that is unclear, is refused with the key to change."""
    with pytest.raises(PlaceError, match="objects") as refusal:
        check_place(place)
    assert says in str(refusal.value)


def test_secrets_are_not_shown() -> None:
    """A place that ends up in a log shows no secret."""
    place = replace(S3, secret_key="very-secret", session_token="also-secret")
    assert "secret" not in repr(place).replace("secret_key", "")


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def tls_proxy(s3: int, authority: trustme.CA) -> AsyncIterator[FaultProxy]:
    """The S3 server behind TLS, with a certificate for 127.0.0.1 from a private authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    made = FaultProxy(s3, tls=context)
    await made.start()
    yield made
    await made.stop()


@pytest.mark.asvs("12.3.4")
@pytest.mark.claim("TRANSIT-6")
@pytest.mark.parametrize("trusted", [True, False])
async def test_the_store_is_verified(
    bucket_name: str, tls_proxy: FaultProxy, authority: trustme.CA, trusted: bool, tmp_path: Path
) -> None:
    """A store whose certificate is from an authority we do not trust gets no request; with objects.ca it does."""
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(pem)
    place = replace(
        place_at(bucket_name, tls_proxy.port),
        endpoint=f"https://127.0.0.1:{tls_proxy.port}",
        ca_file=str(pem) if trusted else "",
    )
    bucket = open_bucket(check_place(place))
    if trusted:
        await bucket.create("segments/x", b"content", seconds=5)
        assert tls_proxy.count("PUT") == 1
    else:
        with pytest.raises(Unclear):
            await bucket.create("segments/x", b"content", seconds=5)
        assert tls_proxy.requests == []


@pytest.mark.claim("TRANSIT-6")
async def test_the_environment_does_not_lead_elsewhere(
    bucket_name: str, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables that other programs read change neither the address nor the need for TLS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ALLOW_INVALID_CERTIFICATES", "true")
    place = replace(place_at(bucket_name, 9), endpoint="https://127.0.0.1:9", plaintext=())
    with pytest.raises(Unclear):
        await open_bucket(check_place(place)).create("segments/x", b"content", seconds=5)
    assert proxy.requests == []


def test_a_missing_authority_file_is_named() -> None:
    """A ca file that is not there is an error that names it."""
    with pytest.raises(PlaceError, match=r"objects\.ca:.*/nowhere"):
        open_bucket(replace(S3, ca_file="/nowhere/ca.pem"))


def test_azure_and_google_open() -> None:
    """Azure and GCS are opened with their own settings."""
    assert open_bucket(check_place(Place(url="az://mail/p", account="ours", secret_key="YWE=")))
    assert open_bucket(check_place(Place(url="gs://mail/p")))


@pytest.mark.parametrize(
    ("place", "address"),
    [
        (S3, "https://s3.us-east-1.amazonaws.com"),
        (replace(S3, path_style=False, region="eu-west-1"), "https://mail.s3.eu-west-1.amazonaws.com"),
        (replace(S3, path_style=False, endpoint="https://o.example:9000"), "https://mail.o.example:9000"),
        (Place(url="az://mail", account="ours"), "https://ours.blob.core.windows.net"),
    ],
)
def test_the_address_is_always_said(place: Place, address: str) -> None:
    """Requests go to an address that follows from the settings alone."""
    assert place.address() == address
