"""dkimpy's test data and dkimpy itself as oracle; every difference is one that RFC 8301 or our policy asks for."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import dkim  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives import serialization

from mailward.protocol.dkim import publickey
from tests.protocol.dkim import oracles
from tests.protocol.dkim.conftest import Bench

CORPUS = Path(__file__).resolve().parents[2] / "corpus" / "dkimpy"
BRISBANE = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def text(name: str) -> str:
    """A published key of the corpus."""
    return (CORPUS / name).read_text("ascii").strip()


def message(name: str) -> bytes:
    """A message of the corpus, in CRLF."""
    return (CORPUS / name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def records(key: str = "test.txt") -> dict[str, str]:
    """The keys of the RFC's football domain, with `key` as the RSA one."""
    return {
        "brisbane._domainkey.football.example.com": BRISBANE,
        "test._domainkey.football.example.com": text(key),
        "20120113._domainkey.gmail.com": text("gmail.txt"),
        "sed._domainkey.test.ex": "v=DKIM1; k=ed25519; p=sPs07Vu29FpHT/80UXUcYHFOHifD4o2ZlP2+XUh9g6E=",
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rfc6376.signed.msg", [("pass", ""), ("pass", "")]),
        ("rfc6376.signed.rsa.msg", [("pass", "")]),
        ("rfc6376.signed.no_t.msg", [("fail", "signature")]),
        ("ed25519test2.msg", [("pass", "")]),
        ("test2.message", [("pass", "")]),
        ("test.message.baddomain", [("permerror", "domain_invalid")]),
        ("rfc6376.msg", []),
        ("test_nofrom.message", []),
    ],
)
def test_vectors(bench: Bench, name: str, expected: list[tuple[str, str]]) -> None:
    """Each signed message of dkimpy's suite gets the verdict its suite wants, and dkimpy gives the same."""
    verdicts = bench.verify(message(name), records())
    assert [(v.result, v.reason) for v in verdicts] == expected
    for index, verdict in enumerate(verdicts):
        assert oracles.dkimpy(message(name), records(), index) == (verdict.result == "pass")


@pytest.mark.parametrize(
    ("key", "expected"),
    [("test2.txt", "pass"), ("badk.txt", "permerror"), ("badversion.txt", "permerror"), ("test.txt", "pass")],
)
def test_keys_of_the_suite(bench: Bench, key: str, expected: str) -> None:
    """k= may be missing; an unknown k= and a broken version are no key."""
    assert bench.verify(message("rfc6376.signed.rsa.msg"), records(key))[0].result == expected


@pytest.mark.parametrize("bits", [1024, 2048])
def test_both_forms_of_an_rsa_key(bits: int) -> None:
    """A key published as bare RSAPublicKey (RFC 6376) and one as SubjectPublicKeyInfo are the same."""
    found = [
        publickey.parse(text(f"{bits}_testkey_wo_markers.{form}.txt").encode(), "rsa-sha256")
        for form in ("pub", "pub.rsa")
    ]
    assert [key.bits for key in found] == [bits, bits]
    numbers = [key.key.public_numbers() for key in found]  # type: ignore[union-attr]
    assert numbers[0] == numbers[1]


def pem(bench: Bench) -> bytes:
    """The bench's RSA key as dkimpy wants it."""
    return serialization.load_der_private_key(bench.private, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def random_message(rng: random.Random) -> bytes:
    """Odd spacing, folding, repeated and empty fields, bodies with all kinds of line ends dkimpy also takes."""
    fields = [b"From: %b<a@example.com>%b" % (rng.choice([b"", b"  A  "]), rng.choice([b"", b" ", b"\t"]))]
    for _ in range(rng.randrange(6)):
        words = [bytes(rng.choices(b"abc:;=,", k=rng.randrange(1, 6))) for _ in range(rng.randrange(5))]
        space = rng.choice([b" ", b"  ", b"\t", b"\r\n ", b" \t \r\n\t "])
        fields.append(
            rng.choice([b"Subject", b"X-A", b"To", b"List-Id"]) + rng.choice([b":", b": "]) + space.join(words)
        )
    body = b"".join(
        rng.choice([b"word", b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b"."]) for _ in range(rng.randrange(30))
    )
    rng.shuffle(fields)
    return b"\r\n".join(fields) + b"\r\n\r\n" + body + b"\r\n"


@pytest.mark.claim("EMAIL-3")
def test_random_messages_signed_by_dkimpy(bench: Bench) -> None:
    """What dkimpy signs, in all four canonicalisations, passes here; after a change of one byte both judge alike."""
    rng = random.Random(8301)
    key = pem(bench)
    now = datetime.now(UTC)  # dkimpy writes t= by the system's clock
    checked = {True: 0, False: 0}
    for _ in range(120):
        content = random_message(rng)
        form = (rng.choice([b"simple", b"relaxed"]), rng.choice([b"simple", b"relaxed"]))
        names = sorted({line.partition(b":")[0].lower() for line in content.partition(b"\r\n\r\n")[0].split(b"\r\n")
                        if line[:1] not in b" \t"})  # fmt: skip
        field = dkim.sign(content, b"r1", b"example.com", key, canonicalize=form, include_headers=names)
        signed = field + content
        verdict = bench.verify(signed, now=now)[0]
        if verdict.reason == "field_added":  # dkimpy signs one of two Subjects: see the attack tests
            continue
        assert verdict.result == "pass", (form, signed, verdict)
        assert oracles.dkimpy(signed, bench.records)
        position = rng.randrange(len(field), len(signed))
        changed = signed[:position] + bytes([signed[position] ^ 1]) + signed[position + 1 :]
        theirs, ours = oracles.dkimpy(changed, bench.records), bench.verify(changed, now=now)
        if (
            any(v.reason == "field_added" for v in ours)
            or b"\r" in changed.replace(b"\r\n", b"")
            or (b"\n" in changed.replace(b"\r\n", b""))
        ):  # bare CR and LF never get here, and dkimpy repairs them
            continue
        passed = bool(ours) and ours[0].result == "pass"
        assert passed == theirs, (form, changed, ours)
        checked[passed] += 1
    assert checked[True] > 3 and checked[False] > 40, checked
