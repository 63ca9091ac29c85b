"""Signed notes and checkpoints."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mailward.protocol.merkle.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from mailward.protocol.merkle.note import NoteError, VerifierKey, open_note, sign_note, split_note

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
HEAD = Checkpoint("example.test/log", 42, bytes(range(32)))


def test_the_published_example_verifies() -> None:
    """The example key and note of the signed-note specification (golang.org/x/mod/sumdb/note) open."""
    key = VerifierKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    note = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
        "\n"
        "\u2014 PeterNeumann "
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    assert open_note(note, key).startswith("If you think")
    with pytest.raises(NoteError):
        open_note(note.replace("answer", "Answer"), key)


def test_a_checkpoint_comes_back() -> None:
    """What was signed is read, under the right key and origin only."""
    note = sign_checkpoint(HEAD, PUBLIC, KEY.sign)
    assert open_checkpoint(note, PUBLIC, origin="example.test/log") == HEAD
    with pytest.raises(NoteError):
        open_checkpoint(note, PUBLIC, origin="example.test/other")
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    with pytest.raises(NoteError):
        open_checkpoint(note, other)


def test_every_changed_byte_is_refused() -> None:
    """No single flipped character of a signed checkpoint goes unnoticed."""
    note = sign_checkpoint(HEAD, PUBLIC, KEY.sign)
    for i, c in enumerate(note):
        changed = note[:i] + ("A" if c != "A" else "B") + note[i + 1 :]
        with pytest.raises(NoteError):
            open_checkpoint(changed, PUBLIC)


def test_another_signature_beside_ours_is_passed_over() -> None:
    """A witness may add its line; ours still verifies."""
    note = sign_checkpoint(HEAD, PUBLIC, KEY.sign)
    witness = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
    key = VerifierKey("witness.test", witness.public_key().public_bytes_raw())
    cosigned = note + sign_note(HEAD.text(), key, witness.sign).rpartition("\n\n")[2]
    assert open_checkpoint(cosigned, PUBLIC) == HEAD
    assert open_note(cosigned, key) == HEAD.text()
    assert [name for name, _ in split_note(cosigned)[1]] == ["example.test/log", "witness.test"]


@pytest.mark.parametrize(
    "text",
    ["", "a\n", "a\n1\n", "a\n01\nAAAA\n", "a\n-1\n" + "A" * 43 + "=\n", "a\n1\nAAAA\n", "\n1\n" + "A" * 43 + "=\n"],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    """Leading zeros, signs, short roots, missing lines."""
    with pytest.raises(NoteError):
        parse_checkpoint(text)


def test_a_verifier_key_round_trips() -> None:
    """The text form holds the id that belongs to the key; another id is refused."""
    key = VerifierKey("example.test/log", PUBLIC)
    assert VerifierKey.parse(str(key)) == key
    with pytest.raises(NoteError):
        VerifierKey.parse(str(key).replace(key.id.hex(), "00000000"))
