"""The check of forged identities can fail."""

from __future__ import annotations

import time
from typing import Any

from mailward.app.checks.people import forgeries
from mailward.protocol.federation import id_token


def test_a_reader_that_believes_everything_is_found_out() -> None:
    """Each forgery is told from the right token; whoever believes them all is named for all."""

    def believes(*_: Any, **__: Any) -> None:
        return None

    assert forgeries(id_token.verify, time.time(), bytes(range(32))) == ([], 7)
    wrong, _ = forgeries(believes, time.time(), bytes(range(32)))
    assert wrong == ["nonce", "audience", "issuer", "expired", "key", "unsigned"]
