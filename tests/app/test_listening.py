"""What the listeners of SMTP speak of TLS."""

from __future__ import annotations

import ssl

import pytest
import trustme

from mailward.app.certificates import Pair, context_of
from mailward.policy.listening import LISTENERS


@pytest.mark.asvs("12.1.1", "12.1.2")
def test_a_listener_speaks_what_is_recommended_and_nothing_else() -> None:
    """TLS 1.2 and 1.3; suites of one list, each with forward secrecy and authenticated encryption; our order."""
    issued = trustme.CA().issue_cert("mail.example")
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    context = context_of(Pair(chain, issued.private_key_pem.bytes()))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.maximum_version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.MAXIMUM_SUPPORTED)
    offered = [suite["name"] for suite in context.get_ciphers()]
    assert [name for name in offered if not name.startswith("TLS_")] == list(LISTENERS.suites)
    for name in LISTENERS.suites:
        assert name.startswith("ECDHE-") and ("-GCM-" in name or name.endswith("-POLY1305"))
    assert context.options & ssl.OP_NO_COMPRESSION and context.options & ssl.OP_CIPHER_SERVER_PREFERENCE
