"""Reading a DMARC Policy Record (RFC 9989 sections 4.7 and 4.8): what is wrong in it falls back to defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

Policy: TypeAlias = Literal["none", "quarantine", "reject"]
Psd: TypeAlias = Literal["y", "n", "u"]
Mode: TypeAlias = Literal["r", "s"]

MAX_RECORD = 8192
MAX_TAGS = 50
MAX_ADDRESSES = 10

# dmarc-version: "v" in either case, the value exactly so, then a separator or the end.
_VERSION = re.compile(rb"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_VALUE = re.compile(rb"[ -:<-~]+")
_NAME = re.compile(rb"[A-Za-z]+")
_POLICIES = ("none", "quarantine", "reject")
_SIZE = re.compile(r"![0-9]+[kmgtKMGT]?\Z")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-Z_a-z~%\[\]]+")
_MAILTO = re.compile(r"mailto:[!-+\--;=?A-~]{1,64}@[A-Za-z0-9.-]{1,253}(?:\?[!-~]*)?", re.IGNORECASE)
_FO = re.compile(r"[01ds](?::[01ds])*")


@dataclass(frozen=True, slots=True)
class Record:
    """The tags with their defaults. `sp` and `np` are None when absent.

    `usable` is False when p is missing or a policy tag not valid, and no report address makes up for it: such a record
    applies to no message (section 4.10.1), but still counts where organizational domains are looked for.
    """

    p: Policy = "none"
    sp: Policy | None = None
    np: Policy | None = None
    adkim: Mode = "r"
    aspf: Mode = "r"
    psd: Psd = "u"
    testing: bool = False
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    fo: str = "0"
    usable: bool = True


def is_record(text: bytes) -> bool:
    """Whether a TXT record starts with the version of DMARC; all others are ignored (section 4.7, v)."""
    return len(text) <= MAX_RECORD and _VERSION.match(text) is not None


def parse(text: bytes) -> Record:
    """A record that `is_record`. Unknown tags (pct, rf, ri among them) are ignored, syntax errors take the default."""
    tags: dict[str, str] = {}
    for piece in text.split(b";", MAX_TAGS)[1:MAX_TAGS]:
        name, equals, value = piece.partition(b"=")
        name, value = name.strip(b" \t"), value.strip(b" \t")
        if equals and _NAME.fullmatch(name) and _VALUE.fullmatch(value):
            tags.setdefault(name.decode("ascii"), value.decode("ascii"))
        elif equals and name in (b"p", b"sp", b"np"):
            tags.setdefault(name.decode("ascii"), "")  # there, but not valid
    rua = _uris(tags.get("rua", ""))
    policies = {name: tags[name].lower() for name in ("p", "sp", "np") if name in tags}
    # Section 4.10.1 asks for a valid p, which a record without p does not have either.
    valid = "p" in policies and all(policy in _POLICIES for policy in policies.values())
    if not valid:
        policies = {}  # as if a record with "p=none" had been retrieved
    ruf = _uris(tags.get("ruf", ""))
    fo = tags.get("fo", "0").lower().replace(" ", "")
    return Record(
        p=cast(Policy, policies.get("p", "none")),
        sp=cast("Policy | None", policies.get("sp")),
        np=cast("Policy | None", policies.get("np")),
        adkim="s" if tags.get("adkim", "").lower() == "s" else "r",
        aspf="s" if tags.get("aspf", "").lower() == "s" else "r",
        psd=cast(Psd, _one_of(tags.get("psd", ""), "yn", "u")),
        testing=tags.get("t", "").lower() == "y",
        rua=rua,
        ruf=ruf,
        fo=fo if ruf and _FO.fullmatch(fo) else "0",
        usable=valid or bool(rua),
    )


def _one_of(value: str, letters: str, default: str) -> str:
    value = value.lower()
    return value if len(value) == 1 and value in letters else default


def _uris(text: str) -> tuple[str, ...]:
    """The report addresses that are URIs, without the size that RFC 7489 allowed behind them (section 4.8)."""
    found = []
    for piece in text.split(",")[:MAX_ADDRESSES]:
        uri = _SIZE.sub("", piece.strip(" \t"))
        if uri[:7].lower() == "mailto:" and not _MAILTO.fullmatch(uri):
            continue
        if _URI.fullmatch(uri):
            found.append(uri)
    return tuple(found)
