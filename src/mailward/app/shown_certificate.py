"""The certificate that the listeners show, in words for whoever runs the installation."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mailward.app.settings import Settings
from mailward.app.store import Store
from mailward.core.certificates import order as orders
from mailward.core.certificates.model import when


async def facts(store: Store, settings: Settings, now: datetime) -> dict[str, Any]:
    """Where it comes from, its names, issuer and dates, when the next is ordered, and why the last order failed.

    Times are ISO 8601. OSError or ValueError for a file that cannot be read or is no certificate.
    """
    from cryptography import x509

    from mailward.app.certificates import ensure_self_signed

    tls = settings.tls
    newest = await store.system_read(lambda tx: tx.certificates.newest()) if tls.acme.directory else None
    standing = await store.system_read(orders.standing)
    source = "authority" if newest else "files" if tls.certificate else "self-signed"
    found: dict[str, Any] = {"source": source}
    if newest is not None:
        found |= {"serial": newest.serial, "names": " ".join(newest.names), "issuer": tls.acme.directory}
        found |= {"issued": newest.issued.isoformat(), "expires": newest.expires.isoformat()}
        found |= {"renewal from": when(newest, standing, 0.0).isoformat()}
    else:
        path = tls.certificate or str(ensure_self_signed(settings.data / "tls", settings.hostname, now)[0])
        held = x509.load_pem_x509_certificate(await asyncio.to_thread(Path(path).read_bytes))
        found |= {"file": path, "serial": f"{held.serial_number:x}", "names": _names(held)}
        found |= {"issuer": held.issuer.rfc4514_string(), "expires": held.not_valid_after_utc.isoformat()}
    if tls.acme.directory:
        found |= {"directory": tls.acme.directory, "challenge": tls.acme.challenge}
    if standing.failures:
        found |= {"failures": standing.failures, "failed": _at(standing.failed), "why": standing.error}
        found |= {"next try": _at(standing.retry)}
    return found


def _names(held: Any) -> str:
    from cryptography import x509

    try:
        names = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return str(held.subject.rfc4514_string())
    return " ".join(str(name.value) for name in names)


def _at(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat(timespec="seconds")
