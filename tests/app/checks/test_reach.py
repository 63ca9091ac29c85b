"""Where strangers may lead us: the check holds, and notices each network and each form that the guard forgot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv6Network
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mailward.adapters.host.clock import SystemClock
from mailward.adapters.net import egress as guarded
from mailward.app.checks import probe, reach
from mailward.app.checks.probe import Heard
from mailward.app.context import Context
from mailward.core.evidence.model import Result
from mailward.core.webhooks import endpoints
from mailward.policy import egress, routing
from mailward.policy.egress import Allow, Refuse


class Api:
    """The running platform, as far as it is asked; and how it answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, entropy: Any) -> None:
        self.status, self.code = 422, "invalid_url"
        self.asked: list[tuple[str, str]] = []
        settings = SimpleNamespace(endpoint_networks=["127.0.0.0/8"])
        made = SimpleNamespace(settings=settings, clock=SystemClock(), entropy=entropy)
        self.context = cast(Context, made)
        monkeypatch.setattr(probe, "temporary", self.temporary)
        monkeypatch.setattr(reach, "secret", lambda issued: "")
        monkeypatch.setattr(probe, "ask", self.ask)

    @asynccontextmanager
    async def temporary(self, *_: Any) -> AsyncIterator[None]:
        yield None

    async def ask(self, context: Context, method: str, path: str, *, key: str, body: Any = None) -> Heard:
        self.asked.append((method, body["url"] if body else path))
        return Heard(self.status, {}, {"code": self.code, "id": "whk_1"})

    async def found(self) -> tuple[Result, str]:
        """What the check finds, with nothing remembered of before."""
        egress._judge.cache_clear()
        try:
            found = await reach.strangers_lead_us_to_public_addresses_alone(self.context)
        finally:
            egress._judge.cache_clear()
        return found.result, found.evidence


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, entropy: Any) -> Api:
    return Api(monkeypatch, entropy)


def _allow(ip: Any, allow_networks: Any = ()) -> Allow:
    return Allow(str(ip))


def _refuse(ip: Any, allow_networks: Any = ()) -> Refuse:
    return Refuse("private", "No.")


@pytest.mark.claim("INPUT-1")
async def test_a_guard_that_is_open_or_shut_is_found(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """For everybody, for one of those who ask it, and one that lets nothing through at all."""
    result, evidence = await api.found()
    assert (result, "the running API refused" in evidence) == (Result.PASSED, True), evidence
    assert not [url for _, url in api.asked if "//127." in url], "listed by the operator"
    for verdict in (_allow, _refuse):
        with monkeypatch.context() as patched:
            for module in (egress, guarded, routing):
                patched.setattr(module, "judge", verdict)
            assert (await api.found())[0] is Result.FAILED
    for module, words in (
        (guarded, "an endpoint"),
        (routing, "a mail server may lead to"),
        (endpoints, "an endpoint may lead to"),
    ):
        with monkeypatch.context() as patched:
            if module is endpoints:
                patched.setattr(endpoints, "judge_url", lambda url, reach: url)
                patched.setattr(reach, "judge_url", lambda url, reach: url)
            else:
                patched.setattr(module, "judge", _allow)
            result, evidence = await api.found()
            assert (result, words in evidence) == (Result.FAILED, True), evidence


@pytest.mark.claim("INPUT-1")
async def test_a_connection_that_asks_no_guard_is_found(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses of a name that are not judged, also where the socket would refuse them; and redirects."""

    async def any_address(self: Any, host: str, port: int = 0, family: Any = None) -> list[Any]:
        return [
            {"hostname": host, "host": ip, "port": port, "family": 2 + 8 * (":" in ip), "proto": 0, "flags": 4}
            for ip in await self._resolve(host)
        ]

    monkeypatch.setattr(guarded._Judging, "resolve", any_address)
    assert "an endpoint's name may lead to" in (await api.found())[1]
    monkeypatch.setattr(guarded.GuardedHttp, "_socket", lambda self, info: guarded.socket.socket(*info[:3]))  # type: ignore[attr-defined]
    assert "on loopback that nobody listed" in (await api.found())[1]


@pytest.mark.claim("INPUT-1")
async def test_each_network_that_is_forgotten_is_found(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of the tables taken out, and each form in which IPv6 carries IPv4, unless another line refuses it."""
    seen = 0
    for table in ("_V4", "_V6"):
        lines = getattr(egress, table)
        for line in lines:
            with monkeypatch.context() as patched:
                patched.setattr(egress, table, tuple(other for other in lines if other is not line))
                egress._judge.cache_clear()
                if isinstance(egress.judge(line[0][min(1, line[0].num_addresses - 1)]), Allow):
                    assert (await api.found())[0] is Result.FAILED, line
                    seen += 1
    assert seen >= 25
    for form in ("_SIX_TO_FOUR", "_TEREDO", "_MAPPED", "_NAT64"):
        with monkeypatch.context() as patched:
            patched.setattr(egress, form, IPv6Network("fc00::7/128"))
            found = await api.found()
            assert found[0] is (Result.FAILED if form in ("_SIX_TO_FOUR", "_TEREDO") else Result.PASSED), (form, found)
    with monkeypatch.context() as patched:
        real, mapped = egress.embedded, IPv6Network("::ffff:0:0/96")
        patched.setattr(egress, "embedded", lambda address: real(address) if address in mapped else ())
        assert (await api.found())[0] is Result.FAILED


@pytest.mark.claim("INPUT-1")
async def test_an_api_that_takes_them_is_found(api: Api) -> None:
    """And what it made is taken away again."""
    api.status, api.code = 201, ""
    result, evidence = await api.found()
    assert (result, "was answered 201" in evidence) == (Result.FAILED, True)
    assert ("DELETE", "/v1/webhooks/whk_1") in api.asked
