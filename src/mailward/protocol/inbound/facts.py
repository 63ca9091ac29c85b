"""What is known of a received message beside its octets: how it came, what the checks said and why."""

from __future__ import annotations

import msgspec


class SpfFacts(msgspec.Struct, array_like=True, frozen=True):
    """RFC 7208: `result` is none, neutral, pass, fail, softfail, temperror or permerror; `domain` the one judged."""

    result: str = "none"
    domain: str = ""
    reason: str = ""
    scope: str = "mailfrom"


class DkimFacts(msgspec.Struct, array_like=True, frozen=True):
    """One signature (RFC 6376): `result` is pass, fail, neutral, policy, temperror or permerror."""

    result: str
    domain: str
    selector: str
    reason: str = ""
    algorithm: str = ""


class DmarcFacts(msgspec.Struct, array_like=True, frozen=True):
    """RFC 9989: `result` is none, pass, fail, temperror or permerror; `policy` what the domain asks for."""

    result: str = "none"
    domain: str = ""
    policy: str = ""
    reason: str = ""
    spf_aligned: bool = False
    dkim_aligned: bool = False


class ArcFacts(msgspec.Struct, array_like=True, frozen=True):
    """RFC 8617: `result` is none, pass or fail; `sealers` the domains that sealed, the oldest first."""

    result: str = "none"
    reason: str = ""
    sealers: tuple[str, ...] = ()


class ScanFacts(msgspec.Struct, array_like=True, frozen=True):
    """What the scanners said: `verdict` is clean, infected, spam, suspicious, unavailable or skipped.

    `matches` names rules and signatures; `score` is a spam score if a scanner gave one, `symbols` what it is made of.
    """

    verdict: str = "skipped"
    reason: str = ""
    engines: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    score: float | None = None
    symbols: tuple[str, ...] = ()


class ReceivedFacts(msgspec.Struct, array_like=True, frozen=True):
    """What is kept of a received message beside its octets. Encoded as one msgpack array in its row.

    `tls_version` is "TLSv1.3" and the like, "" in the clear; `mail_from` "" for the null sender; `recipients` those of
    this workspace; `sha256` the hex digest of the octets as they came; `trace` the header fields we put on top
    (Received, Authentication-Results), CRLF-ended; `authserv_id` the name under which we write Authentication-Results,
    so that forged ones are dropped from what is handed over; `took_us` from end of data to the verdict; `routes` raw
    ids of the routes that matched; `removed` header fields that were dropped as forgeries;
    `redacted` the fields (core/redaction) that are not stored any more, or never were.
    """

    helo: str
    ip: str
    tls_version: str
    tls_cipher: str
    mail_from: str
    recipients: tuple[str, ...]
    header_from: str
    to: str
    subject: str
    message_id: str
    size: int
    sha256: str
    spf: SpfFacts = SpfFacts()
    dkim: tuple[DkimFacts, ...] = ()
    dmarc: DmarcFacts = DmarcFacts()
    arc: ArcFacts = ArcFacts()
    scan: ScanFacts = ScanFacts()
    defects: tuple[str, ...] = ()
    routes: tuple[bytes, ...] = ()
    trace: str = ""
    authserv_id: str = ""
    took_us: int = 0
    smtputf8: bool = False
    rdns: str = ""
    auto_submitted: bool = False
    removed: int = 0
    redacted: tuple[str, ...] = ()


ENCODER = msgspec.msgpack.Encoder()
DECODER = msgspec.msgpack.Decoder(ReceivedFacts)
