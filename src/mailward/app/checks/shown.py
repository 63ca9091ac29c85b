"""TRANSIT-1 and TRANSIT-3: the suites a listener takes, and the key and the dates of the certificate it shows.

What the code asks for is not yet what is spoken: the system's OpenSSL configuration (OPENSSL_CONF) adds suites
of TLS 1.3 behind its back, and certificates are files that an operator replaces, or forgets.
"""

from __future__ import annotations

import ssl
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1

from mailward.app.checks.hello import WEAK_12, WEAK_13, client_hello, taken
from mailward.app.checks.registry import check
from mailward.app.checks.transport import lenient, shown, tls_listeners
from mailward.app.context import Context
from mailward.core.evidence.model import Finding, failed, not_configured, passed

_LEAST_RSA, _LEAST_EC = 2048, 256
_EDWARDS = frozenset({"Ed25519PublicKey", "Ed448PublicKey"})
# Whoever is to replace a certificate by hand has this long, or a tenth of its life where that is less.
_NOTICE = timedelta(days=7)


@check("TRANSIT-1")
async def nothing_weak_is_taken(context: Context) -> Finding:
    """Each listener is offered weak suites alone, of TLS 1.2 and of 1.3, and its certificate's key is measured."""
    listeners = tls_listeners(context)
    for address, starttls in listeners:
        for version, suites in (("1.3", WEAK_13), ("1.2", WEAK_12)):
            hello = client_hello(suites, context.entropy, modern=version == "1.3")
            try:
                suite = await taken(address, starttls, hello)
            except OSError:
                return failed(f"{address} does not answer; is the platform running?")
            if suite is not None:
                return failed(f"{address}: the weak suite 0x{suite:04X} of TLS {version} is accepted")
        certificate = await _certificate(address, starttls)
        if certificate is None:
            return failed(f"{address} shows no certificate")
        if wrong := weakness(certificate):
            return failed(f"{address}: {wrong}")
    if not listeners:
        return not_configured("no TLS listener")
    return passed(
        f"{len(listeners)} listeners offered {len(WEAK_12) + len(WEAK_13)} weak suites take none of them; "
        f"each shows a key of {_LEAST_RSA} bits of RSA, {_LEAST_EC} of a curve, or more"
    )


@check("TRANSIT-3")
async def certificates_are_in_date(context: Context) -> Finding:
    """Each listener shows a certificate that has begun, has not ended, and does not end within the week."""
    listeners = tls_listeners(context)
    now = context.clock.now()
    ends = []
    for address, starttls in listeners:
        held = await _certificate(address, starttls)
        if held is None:
            return failed(f"{address} shows no certificate; is the platform running?")
        begins, end = held.not_valid_before_utc, held.not_valid_after_utc
        if now < begins:
            return failed(f"{address}: the certificate begins on {begins:%Y-%m-%d %H:%M} UTC")
        if end <= now:
            return failed(f"{address}: the certificate expired on {end:%Y-%m-%d %H:%M} UTC")
        if end - now < min(_NOTICE, (end - begins) / 10):
            return failed(f"{address}: the certificate expires on {end:%Y-%m-%d %H:%M} UTC, and there is no other yet")
        ends.append(end)
    if not ends:
        return not_configured("no TLS listener")
    return passed(f"{len(listeners)} listeners, each with a certificate that is valid until {min(ends):%Y-%m-%d}")


async def _certificate(address: str, starttls: bool) -> x509.Certificate | None:
    # Level 0 takes a key that is too small, so that it can be named.
    der = await shown(address, starttls, lenient(ssl.TLSVersion.TLSv1_3))
    return None if der is None else x509.load_der_x509_certificate(der)


def weakness(certificate: x509.Certificate) -> str:
    """What is weak about a certificate; "" when nothing is."""
    match key := certificate.public_key():
        case rsa.RSAPublicKey() if key.key_size < _LEAST_RSA:
            return f"its certificate has an RSA key of {key.key_size} bits"
        case ec.EllipticCurvePublicKey() if key.key_size < _LEAST_EC:
            return f"its certificate has a key on a curve of {key.key_size} bits"
        case rsa.RSAPublicKey() | ec.EllipticCurvePublicKey():
            pass
        case _ if type(key).__name__ not in _EDWARDS:
            return f"its certificate has a key of an unknown kind ({type(key).__name__})"
    if isinstance(certificate.signature_hash_algorithm, MD5 | SHA1):
        return f"its certificate is signed with {certificate.signature_hash_algorithm.name}"
    return ""
