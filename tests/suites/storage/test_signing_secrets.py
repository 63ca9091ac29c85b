"""What signs what leaves, as the check of it asks every store."""

from __future__ import annotations

from typing import Any

import pytest

from mailward.app.store import Store, Tx
from mailward.core.webhooks.model import Endpoint, SealedSecret
from tests.core.conftest import T0, WS_ID


@pytest.mark.claim("EMAIL-9")
async def test_endpoints_without_a_secret_in_force_are_told(store: Store, clock: Any) -> None:
    """One with a secret, one whose secret ended, one that never had one; one that is off is nobody's concern."""

    def endpoint(n: int, *, enabled: bool = True) -> Endpoint:
        return Endpoint(bytes([n]) * 16, "https://example.com/", frozenset(), "", enabled, "", T0 + n)

    async def put(tx: Tx) -> None:
        for n in (1, 2, 3):
            await tx.webhooks.insert(endpoint(n))
        await tx.webhooks.insert(endpoint(4, enabled=False))
        await tx.webhooks.put_secret(bytes([1]) * 16, SealedSecret(T0, b"one"))
        await tx.webhooks.put_secret(bytes([1]) * 16, SealedSecret(T0 + 1, b"two", T0 + 1000))
        await tx.webhooks.put_secret(bytes([2]) * 16, SealedSecret(T0, b"old", T0 + 10))

    await store.write(WS_ID, put)
    found = await store.system_read(lambda tx: tx.evidence.signing_secrets(T0 + 100))
    assert sorted((place[0], sealed) for _, place, sealed in found if sealed) == [(1, b"one"), (1, b"two")]
    assert sorted(place[0] for _, place, sealed in found if sealed is None) == [2, 3]
    assert {len(workspace) for workspace, *_ in found} == {16}
