"""TLS contexts for outgoing hops, and the facts of a finished handshake.

An opportunistic hop takes any certificate, yet we want to tell the tenant whether it was a good
one. So the chain is verified after the handshake, beside it; a hop that must be verified leaves
that to OpenSSL, which then ends the handshake itself.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from mailward.policy.tls import TlsFacts, TlsPolicy

_MAX_NAMES = 20
_UNREADABLE = "the certificate cannot be read"
_CA = ExtensionPolicy.webpki_defaults_ca()


def _for_servers(_: object, __: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
    if usage is not None and ExtendedKeyUsageOID.SERVER_AUTH not in usage:
        raise ValueError("the certificate is not for servers")


# As on the web, but whether an extension is marked critical is nobody's loss, and private authorities differ.
_LEAF = (
    ExtensionPolicy.webpki_defaults_ee()
    .require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _for_servers)
)


def client_context(policy: TlsPolicy, *, cafile: str | None = None) -> ssl.SSLContext:
    """A context for a policy: TLS 1.2 at least, no compression, names checked only under VERIFY."""
    context = ssl.create_default_context(cafile=cafile)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if policy is not TlsPolicy.VERIFY:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def trust_store(cafile: str | None = None) -> Store | None:
    """The roots against which facts are checked: a PEM file, or those the system trusts; None when there are none."""
    if cafile is not None:
        with open(cafile, "rb") as file:
            roots = x509.load_pem_x509_certificates(file.read())
    else:
        roots = list(_readable(ssl.create_default_context().get_ca_certs(binary_form=True)))
    return Store(roots) if roots else None


def _readable(ders: Iterable[bytes]) -> Iterable[x509.Certificate]:
    for der in ders:
        try:
            with warnings.catch_warnings():
                # Of roots with an odd serial number the library warns; they are the system's choice, not ours.
                warnings.simplefilter("ignore")
                root = x509.load_der_x509_certificate(der)
        except (ValueError, x509.InvalidVersion):
            continue  # an old root with an encoding the library refuses: not trusted then
        yield root


def facts(tls: Any, host: str, policy: TlsPolicy, store: Store | None) -> TlsFacts:
    """What a handshake showed; `tls` is the transport's `ssl_object`. Never raises for what the peer sent."""
    version = str(tls.version() or "")
    cipher = (tls.cipher() or ("",))[0]
    der = tls.getpeercert(binary_form=True)
    if not der:
        return TlsFacts(version, cipher, "", (), False, "the server showed no certificate")
    chain = (der, *_intermediates(tls))
    subject, names, problem = _examine(chain, host, None if policy is TlsPolicy.VERIFY else store)
    if policy is TlsPolicy.VERIFY:
        problem = ""  # OpenSSL verified it during the handshake
    return TlsFacts(version, cipher, subject, names, not problem, problem)


def _intermediates(tls: Any) -> tuple[bytes, ...]:
    # Public from Python 3.13 on; before, the chain is only on the inner object.
    inner = getattr(tls, "_sslobj", None)
    read = getattr(tls, "get_unverified_chain", None) or getattr(inner, "get_unverified_chain", None)
    if read is None:
        return ()
    chain = read() or ()
    return tuple(c if isinstance(c, bytes) else c.public_bytes(2) for c in chain)[1:10]  # 2 is DER in _ssl


@lru_cache(maxsize=512)
def _examine(chain: tuple[bytes, ...], host: str, store: Store | None) -> tuple[str, tuple[str, ...], str]:
    subject = ""
    try:
        leaf = x509.load_der_x509_certificate(chain[0])
        subject = leaf.subject.rfc4514_string()[:200]
        names = _names(leaf)
    except Exception:  # the library has an error of its own for each oddity: a version, a kind of name, a repetition
        return subject, (), _UNREADABLE
    if store is None:
        return subject, names, "no trusted roots are configured"
    try:
        name: x509.GeneralName
        try:
            name = x509.IPAddress(ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        others = [x509.load_der_x509_certificate(der) for der in chain[1:]]
        builder = PolicyBuilder().store(store).extension_policies(ca_policy=_CA, ee_policy=_LEAF)
        builder.build_server_verifier(name).verify(leaf, others)
    except (VerificationError, ValueError) as e:
        return subject, names, str(e)[:200] or "the certificate does not verify"
    except Exception:
        return subject, names, _UNREADABLE
    return subject, names, ""


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(name[:255] for name in found.get_values_for_type(x509.DNSName)[:_MAX_NAMES])
