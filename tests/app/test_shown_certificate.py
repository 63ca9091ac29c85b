"""What an operator is told of the certificate in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailward.app.platform.operators import Operators
from mailward.app.settings import Server, Settings, Tls
from mailward.app.shown_certificate import facts
from mailward.base.errors import NotFound
from mailward.edges.web.dashboard.pages.operator import _shown
from tests.conftest import MovingClock, SeededEntropy
from tests.core.operators.operators_rig import Rig


@pytest.mark.claim("TRANSIT-3")
async def test_an_operator_sees_names_issuer_and_expiry(
    store: Any, clock: MovingClock, entropy: SeededEntropy, tmp_path: Path
) -> None:
    """The self-signed pair with its own names; a file that cannot be read says so; whoever is no operator sees
    nothing."""
    settings = Settings(server=Server(data=str(tmp_path), hostname="mail.example.com"))
    keys: Any = None  # no content is read
    rig = await Rig(store, clock, entropy).settle()

    def area(of: Settings) -> Operators:
        return Operators(
            store,
            keys,
            clock,
            entropy,
            lambda w: bytes(32),
            certificate=lambda: facts(store, of, clock.now()),
        )

    shown = dict(_shown(await area(settings).certificate(rig.ann)))
    assert shown["source"] == "self-signed" and "mail.example.com" in shown["names"]
    assert shown["issuer"].startswith("CN=") and shown["expires"].endswith(" UTC")
    broken = Settings(server=settings.server, tls=Tls(certificate=str(tmp_path / "none.pem"), key="x"))
    assert "cannot be read" in (await area(broken).certificate(rig.ann))["why"]
    with pytest.raises(NotFound):
        await area(settings).certificate(rig.owner)
