"""A message that crashes whoever works on it, on the running platform."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.scenarios.peers import PeerFailed
from tests.scenarios.platform import Platform

# What a fault in a library of C does, put into the workers from outside: Python reads this file at its start.
FAULT = """
import sys
if "mailward.app.process" in sys.orig_argv and "committer" not in sys.orig_argv:
    import ctypes
    from mailward.app import signing

    def broken(real):
        def call(*given, **named):
            if any(isinstance(g, bytes) and b"X-Poison: yes" in g for g in given):
                ctypes.string_at(0)
            return real(*given, **named)
        return call

    signing.Signing.sign = broken(signing.Signing.sign)
"""


class Faulty(Platform):
    """Its workers have the fault."""

    def _environment(self) -> dict[str, str]:
        (self.folder / "fault").mkdir(exist_ok=True)
        (self.folder / "fault" / "sitecustomize.py").write_text(FAULT)
        kept = super()._environment()
        return kept | {"PYTHONPATH": f"{self.folder / 'fault'}:{kept['PYTHONPATH']}"}

    def deaths(self) -> int:
        """How many workers were ended by the fault."""
        return self.log.count("SIGSEGV")

    def api(self, method: str, path: str, *more: Any, **named: Any) -> tuple[int, Any]:
        """Asked again while the worker that would answer is being replaced: what is asked here bears it."""
        for _ in range(100):
            with contextlib.suppress(OSError, http.client.HTTPException):
                return super().api(method, path, *more, **named)
            time.sleep(0.1)
        raise PeerFailed("nobody answers")

    def message(self, name: str) -> str:
        """Send one, a little later than it is accepted; its id."""
        at = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        about = {"from": f"ada@{self.domain}", "to": ["bob@example.org"], "subject": name, "scheduled_at": at}
        status, made = self.api("POST", "/v1/messages", {**about, "text": "x", "headers": {"X-Poison": name}})
        assert status in (200, 201, 202), made
        return str(made["id"])


@pytest.mark.claim("AVAIL-1")
def test_a_poison_message_is_parked_and_the_others_flow() -> None:
    """Three workers die of it; then it waits for a person, an alert tells of it, and what came with it is through."""
    with Faulty(workers=1) as platform:
        bad, good = platform.message("yes"), platform.message("no")
        platform.wait_status(bad, ["held"], 60)
        platform.wait_status(good, ["delivered"], 60)
        assert platform.deaths() == 3
        assert "it was parked" in platform.api("GET", f"/v1/messages/{bad}/explain")[1]["summary"]
        assert platform.log.count("message_parked") == 1
        (alert,) = json.loads(platform.cli("alerts", "list", "--json").stdout)
        assert (alert["rule"], alert["subject"]) == ("poison-message", bad)
