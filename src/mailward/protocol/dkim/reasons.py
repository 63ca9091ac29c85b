"""What a DKIM verdict's reason means, in a sentence for the person who reads it."""

from __future__ import annotations

_SENTENCES = {
    "": "The signature holds.",
    "syntax": "The DKIM-Signature field is no tag list, or holds a tag twice.",
    "version": "The DKIM-Signature field has another version than 1.",
    "tag_missing": "The DKIM-Signature field lacks a tag it must have.",
    "domain_invalid": "d= or s= is no name a key could be published at.",
    "canonicalization_unknown": "c= names an unknown canonicalization.",
    "query_unknown": "q= names no way to the key that is known.",
    "header_list_invalid": "h= is no list of header fields.",
    "from_not_signed": "The From field is not signed, so the signature says nothing of the author.",
    "identity_outside_domain": "i= lies outside d=.",
    "time_invalid": "t= or x= is no time, or x= does not lie behind t=.",
    "expired": "The signature has expired (x=).",
    "from_the_future": "The signature was made in the future (t=).",
    "sha1": "The signature uses SHA-1, which RFC 8301 forbids.",
    "algorithm_unknown": "a= names an unknown algorithm.",
    "body_length": "The signature covers only a part of the body (l=), so text may have been added.",
    "base64_invalid": "b= or bh= is no base64.",
    "body_hash": "The body has been changed since it was signed.",
    "key_unavailable": "The key could not be asked for.",
    "key_missing": "The domain publishes no key under this selector.",
    "key_syntax": "The published key cannot be read.",
    "key_version": "The published key has another version than DKIM1.",
    "key_type_mismatch": "The published key is of another kind than the signature.",
    "key_hash_mismatch": "The published key does not allow SHA-256.",
    "key_service_mismatch": "The published key is not for mail.",
    "key_revoked": "The key has been revoked.",
    "key_too_short": "The RSA key is shorter than 1024 bits, which RFC 8301 forbids.",
    "key_too_long": "The RSA key is longer than 4096 bits.",
    "identity_not_exact": "The key demands that i= and d= name the same domain (t=s).",
    "signature": "The signature does not match the signed fields.",
    "field_added": "The signature holds, but a field that it covers has been added a second time.",
    "too_many_signatures": "Further signatures than the first ten are not looked at.",
}


def sentence(reason: str) -> str:
    """The sentence for a verdict's reason code. KeyError for a code no verdict has."""
    return _SENTENCES[reason]
