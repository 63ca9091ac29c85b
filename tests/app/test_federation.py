"""Providers as they are asked: a real OpenID Connect server in a process of its own, through the guarded client."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from mailward.adapters.net.egress import GuardedHttp
from mailward.app.federation import Federation
from mailward.policy.egress import networks
from mailward.protocol.federation import proofs
from mailward.protocol.federation.provider import FederationError, Provider
from tests.conftest import SeededEntropy

BACK = "http://127.0.0.1:1/sign-in/with/work/callback"
CLAIMS = {"email": "olive@example.com", "email_verified": True, "name": "Olive"}


async def nowhere(host: str) -> Sequence[str]:
    return ["127.0.0.1"]


class RealClock:
    """The server signs by the machine's clock."""

    def now(self) -> Any:
        from datetime import UTC, datetime

        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


@pytest.fixture
async def issuer() -> AsyncIterator[str]:
    """The address of a running OpenID Connect server that knows Olive."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    args = ("-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), "--host", "127.0.0.1", "--require-nonce")
    quiet = asyncio.subprocess.DEVNULL
    server = await asyncio.create_subprocess_exec(sys.executable, *args, stdout=quiet, stderr=quiet)
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as client:
            for _ in range(200):
                try:
                    await client.put(f"{url}/users/olive", json=CLAIMS)
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield url
    finally:
        server.terminate()
        await server.wait()


def asked(issuer: str, allowed: list[str]) -> tuple[Federation, GuardedHttp]:
    http = GuardedHttp(nowhere, allow_networks=networks(allowed))
    one = Provider("work", "Work", "oidc", issuer, "client", "secret")
    return Federation({"work": (one, http)}, RealClock(), callback=lambda name: BACK), http


async def code_of(url: str) -> dict[str, str]:
    """Say yes at the provider, as a browser would; what it brings back."""
    async with httpx.AsyncClient() as client:
        answer = await client.post(url, data={"sub": "olive"})
    return {k: v[0] for k, v in parse_qs(urlsplit(answer.headers["location"]).query).items()}


@pytest.mark.asvs("10.1.2", "10.2.2")
async def test_a_real_server_says_who_somebody_is(issuer: str) -> None:
    """From the way out to the identity; a code of another browser's way, a used code, and a private issuer that
    nobody allowed are refused."""
    federation, http = asked(issuer, ["127.0.0.0/8"])
    shut, other = asked(issuer, [])
    entropy = SeededEntropy(9)
    now = RealClock().now().timestamp()
    try:
        begun = proofs.begin("work", proofs.SIGN_IN, now=now, entropy=entropy.bytes(32))
        back = await code_of(await federation.url("work", begun))
        assert proofs.come_back(begun.cookie, "work", back["state"], now=now) == begun
        with pytest.raises(FederationError):
            await federation.identity(begun, back["code"], "https://evil.example")
        identity = await federation.identity(begun, back["code"], back.get("iss", ""))
        assert (identity.issuer, identity.subject, identity.email) == (issuer, "olive", "olive@example.com")
        with pytest.raises(FederationError):
            await federation.identity(begun, back["code"], "")
        stolen = proofs.begin("work", proofs.SIGN_IN, now=now, entropy=entropy.bytes(32))
        code = (await code_of(await federation.url("work", begun)))["code"]
        with pytest.raises(FederationError, match="nonce"):
            await federation.identity(stolen, code, "")
        with pytest.raises(FederationError, match="target_refused"):
            await shut.url("work", begun)
    finally:
        await http.close()
        await other.close()
