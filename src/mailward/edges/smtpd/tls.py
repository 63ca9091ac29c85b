"""TLS between a raw transport and a session, by ssl.SSLObject.

The event loop's own start_tls has two traps: what is decrypted can arrive before it returns, when an answer through the
old transport would leave in the clear; and on a connection just made, the first octets of the handshake can arrive
before it takes over, and are lost. Here the transport never changes: from one octet to the next, everything that
comes in is ciphertext and everything that goes out is encrypted.
"""

from __future__ import annotations

import contextlib
import ssl

_PIECE = 262_144


class TlsLayer:
    """Ciphertext in, plaintext out, and the other way; `ready` once the handshake is done."""

    __slots__ = ("_incoming", "_object", "_outgoing", "ready")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.ready = False

    def feed(self, data: bytes) -> bytes:
        """Ciphertext from the network; the plaintext it completes. Raises ssl.SSLError; SSLZeroReturnError is the end.

        What there is to send afterwards (handshake, alerts, tickets) is in outgoing().
        """
        self._incoming.write(data)
        plain: list[bytes] = []
        try:
            if not self.ready:
                self._object.do_handshake()
                self.ready = True
            while piece := self._object.read(_PIECE):
                plain.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            if not plain:
                raise
        return plain[0] if len(plain) == 1 else b"".join(plain)

    def seal(self, data: bytes) -> bytes:
        """Ciphertext for `data`, and for whatever else waits to be sent."""
        self._object.write(data)
        return self._outgoing.read()

    def outgoing(self) -> bytes:
        """What the handshake and the protocol itself have to send."""
        return self._outgoing.read()

    def farewell(self) -> bytes:
        """The close_notify, so that the client can tell an end from a cut."""
        with contextlib.suppress(ssl.SSLError):  # it does not wait for the client's own
            self._object.unwrap()
        return self._outgoing.read()

    def facts(self) -> tuple[str, str]:
        """Protocol version and cipher name, as "TLSv1.3" and "TLS_AES_256_GCM_SHA384"."""
        cipher = self._object.cipher()
        return self._object.version() or "", cipher[0] if cipher else ""
