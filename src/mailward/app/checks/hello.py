"""The first words of TLS, made by hand: which suites a listener takes that no OpenSSL of today would offer it.

A client's library leaves out what is weak, so that it cannot ask for it. A ClientHello (RFC 8446 section 4.1.2,
RFC 5246 section 7.4.1.2) that names nothing else gets a ServerHello or an alert, and that is the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mailward.app.checks.transport import Talk
from mailward.base.sources import Entropy

_SECONDS = 10.0
_HANDSHAKE, _SERVER_HELLO = 22, 2
_X25519, _P256 = 0x001D, 0x0017
# ECDSA with P-256, RSA-PSS, RSA PKCS#1 (all with SHA-256) and Ed25519: a key of any kind finds its own.
_SIGNATURES = (0x0403, 0x0804, 0x0401, 0x0807)

WEAK_13 = (0x1304, 0x1305, 0xC0B4, 0xC0B5)
"""TLS 1.3: CCM, CCM with a short tag (RFC 8446 B.4), and the two without encryption (RFC 9150)."""
WEAK_12 = (
    *(0x0001, 0x0002, 0x003B, 0xC006, 0xC010),  # no encryption
    *(0x0003, 0x0006, 0x0008, 0x000B, 0x0014, 0x0009, 0x0015),  # export and DES
    *(0x0004, 0x0005, 0xC007, 0xC011),  # RC4
    *(0x000A, 0x0016, 0xC008, 0xC012),  # 3DES
    *(0x0018, 0x0034, 0x006C, 0x00A6, 0xC018, 0xC019),  # nobody is authenticated
    *(0x002F, 0x0035, 0x003C, 0x003D, 0x0041, 0x0084, 0x009C, 0x009D, 0xC09C),  # no forward secrecy
    *(0x0033, 0x0039, 0x0067, 0x006B, 0x009E, 0x009F),  # finite-field groups
    *(0xC009, 0xC00A, 0xC013, 0xC014, 0xC023, 0xC024, 0xC027, 0xC028),  # CBC
)
"""TLS 1.2: what IANA's registry does not recommend, by the reason."""


def client_hello(suites: Sequence[int], entropy: Entropy, *, modern: bool) -> bytes:
    """One record with a ClientHello that offers these suites alone; `modern`: of TLS 1.3, else of 1.2."""
    extensions = _extension(10, _list(_numbers((_X25519, _P256)), 2)) + _extension(11, _list(b"\0", 1))
    extensions += _extension(13, _list(_numbers(_SIGNATURES), 2))
    if modern:
        share = _numbers((_X25519,)) + _list(entropy.bytes(32), 2)
        extensions += _extension(43, _list(_numbers((0x0304,)), 1)) + _extension(51, _list(share, 2))
    body = _numbers((0x0303,)) + entropy.bytes(32) + _list(entropy.bytes(32), 1)
    body += _list(_numbers(suites), 2) + _list(b"\0", 1) + _list(extensions, 2)
    return b"\x16\x03\x01" + _list(b"\x01" + _list(body, 3), 2)


async def taken(address: str, starttls: bool, hello: bytes) -> int | None:
    """The suite a listener takes of a ClientHello, None when it takes none. OSError when it does not answer at all."""
    talk = await Talk.open(address)
    try:
        if starttls:
            await talk.answer()
            await talk.say("EHLO verify.invalid")
            if not (await talk.say("STARTTLS")).startswith("220"):
                return None
        talk.writer.write(hello)
        async with asyncio.timeout(_SECONDS):
            head = await talk.reader.readexactly(5)
            body = await talk.reader.readexactly(int.from_bytes(head[3:5], "big"))
    except asyncio.IncompleteReadError:
        return None
    finally:
        await talk.leave()
    if head[0] != _HANDSHAKE or body[:1] != bytes((_SERVER_HELLO,)):
        return None
    # type 1, length 3, version 2, random 32, then the session's id with its length.
    at = 39 + body[38]
    return int.from_bytes(body[at : at + 2], "big")


def _numbers(values: Sequence[int]) -> bytes:
    return b"".join(v.to_bytes(2, "big") for v in values)


def _list(content: bytes, width: int) -> bytes:
    """Content behind its length in `width` octets."""
    return len(content).to_bytes(width, "big") + content


def _extension(kind: int, content: bytes) -> bytes:
    return _numbers((kind,)) + _list(content, 2)
