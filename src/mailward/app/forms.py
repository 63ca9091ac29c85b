"""The form each setting has: bounds of a number, words to choose from, how an address is written.

A form stands with the setting's type, `Annotated[int, Within(1, 100)]`, and is asked about the value in force. What
has to be looked up outside of the settings, such as a file, is asked by `app/usable.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Protocol, TypeGuard, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec

# A name of the DNS as programs write it: ASCII, without a dot at its end.
HOST = r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
_PORTS = range(65_536)
# Beyond what any setting needs, and what a slip of the keyboard writes.
_LONGEST = 4096
_DAY, _WEEK = 86_400, 604_800


class Form(Protocol):
    """What a value has to be."""

    @property
    def allowed(self) -> str:
        """In words, to stand behind the name of the setting."""

    def amiss(self, value: Any) -> str:
        """ "" when the value fits, else what it is instead, or what of it; "it" when it is not to be shown."""


@dataclass(frozen=True, slots=True)
class Within:
    """A finite number."""

    least: float
    most: float
    never: float | None = None
    """Besides, this one, which switches something off."""

    @property
    def allowed(self) -> str:
        """See Form."""
        besides = "" if self.never is None else f", or {self.never:g}"
        return f"at least {self.least:.15g}, at most {self.most:.15g}{besides}"

    def amiss(self, value: Any) -> str:
        """See Form."""
        fits = math.isfinite(value) and (self.least <= value <= self.most or value == self.never)
        return "" if fits else repr(value)


@dataclass(frozen=True, slots=True)
class OneOf:
    """A word of a list."""

    words: tuple[str, ...]
    any_case: bool = False

    @property
    def allowed(self) -> str:
        """See Form."""
        return f"choose from {', '.join(self.words)}"

    def amiss(self, value: Any) -> str:
        """See Form."""
        return "" if (value.lower() if self.any_case else value) in self.words else _shown(value)


@dataclass(frozen=True, slots=True)
class Written:
    """A text that a pattern describes."""

    pattern: str
    allowed: str

    def amiss(self, value: Any) -> str:
        """See Form."""
        return "" if _plain(value) and re.fullmatch(self.pattern, value) else _shown(value)


@dataclass(frozen=True, slots=True)
class Text:
    """Any text on one line, up to a length in characters."""

    longest: int = _LONGEST

    @property
    def allowed(self) -> str:
        """See Form."""
        return f"one line of at most {self.longest} characters"

    def amiss(self, value: Any) -> str:
        """See Form."""
        return "" if _plain(value) and len(value) <= self.longest else _shown(value)


@dataclass(frozen=True, slots=True)
class Secret:
    """The same, never shown: passwords, and addresses with one in them."""

    allowed: str = "one line without control characters"

    def amiss(self, value: Any) -> str:
        """See Form."""
        return "" if _plain(value) else "it"


@dataclass(frozen=True, slots=True)
class Place:
    """A path. `kind` says what has to be there when the platform starts: `file`, `folder`, or "" for what it makes."""

    kind: str = "file"

    @property
    def allowed(self) -> str:
        """See Form."""
        return f"the path of a {self.kind or 'folder'}"

    def amiss(self, value: Any) -> str:
        """See Form."""
        return "" if _plain(value) else _shown(value)


@dataclass(frozen=True, slots=True)
class Listener:
    """Where to listen. Port 0 is any that is free."""

    allowed: str = "write address:port, [v6]:port"

    def amiss(self, value: Any) -> str:
        """See Form."""
        host, _, port = value.rpartition(":")
        return "" if _is_ip(host.removeprefix("[").removesuffix("]")) and _is_port(port) else _shown(value)


@dataclass(frozen=True, slots=True)
class Door:
    """Where somebody listens: a name or an address, and a port."""

    allowed: str = "write host:port, [v6]:port"

    def amiss(self, value: Any) -> str:
        """See Form."""
        host, _, port = value.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        return "" if (_is_ip(bare) or re.fullmatch(HOST, host)) and _is_port(port) and int(port) else _shown(value)


@dataclass(frozen=True, slots=True)
class Server:
    """A name server: an address, with a port or without."""

    allowed: str = "write an address, address:port, [v6]:port"

    def amiss(self, value: Any) -> str:
        """See Form."""
        host, port = value, "53"
        if host.startswith("["):
            host, _, rest = host[1:].partition("]")
            port = rest.removeprefix(":") or port
        elif host.count(":") == 1:
            host, _, port = host.partition(":")
        return "" if _is_ip(host.partition("%")[0]) and _is_port(port) and int(port) else _shown(value)


@dataclass(frozen=True, slots=True)
class Socket:
    """Where a program of this or another machine answers: `address:port`, or the path of a Unix socket."""

    allowed: str = "write address:port, or the path of a Unix socket from / on"

    def amiss(self, value: Any) -> str:
        """See Form."""
        if value.startswith("/"):
            return "" if _plain(value) else _shown(value)
        return Door().amiss(value)


@dataclass(frozen=True, slots=True)
class Route:
    """A next hop."""

    allowed: str = "write host, host:port or [v6]:port, with ?tls=none, opportunistic, encrypt or verify behind it"

    def amiss(self, value: Any) -> str:
        """See Form."""
        place, _, query = value.partition("?")
        host, colon, port = place.rpartition(":")
        if not colon or "]" in port:
            host, port = place, "25"
        good = (
            (_is_ip(host.strip("[]")) or re.fullmatch(HOST.replace("A-Za-z0-9-", "A-Za-z0-9_-"), host.rstrip(".")))
            and _is_port(port)
            and int(port)
            and query in ("", "tls=none", "tls=opportunistic", "tls=encrypt", "tls=verify")
        )
        return "" if good else _shown(value)


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address."""

    allowed: str = "write an IPv4 or IPv6 address"

    def amiss(self, value: Any) -> str:
        """See Form."""
        return "" if _is_ip(value) else _shown(value)


@dataclass(frozen=True, slots=True)
class Network:
    """A network in CIDR form."""

    allowed: str = "write networks as 192.0.2.0/24 or 2001:db8::/32, without bits of a host"

    def amiss(self, value: Any) -> str:
        """See Form."""
        try:
            ip_network(value)
        except ValueError:
            return _shown(value)
        return ""


@dataclass(frozen=True, slots=True)
class Url:
    """An address of the web, without user, query and fragment."""

    schemes: tuple[str, ...] = ("http", "https")

    @property
    def allowed(self) -> str:
        """See Form."""
        return f"an address that begins with {' or '.join(f'{s}://' for s in self.schemes)}, without user and query"

    def amiss(self, value: Any) -> str:
        """See Form."""
        try:
            parts = urlsplit(value)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            return "it"
        good = (
            parts.scheme in self.schemes
            and (_is_ip(host) or re.fullmatch(HOST, host))
            and not (parts.query or parts.fragment or "@" in parts.netloc)
            and re.fullmatch(r"[!-~]+", value)
        )
        return "" if good else "it" if "@" in parts.netloc else _shown(value)


@dataclass(frozen=True, slots=True)
class OrEmpty:
    """A form, or "" where that is a choice and not the default."""

    form: Form

    @property
    def allowed(self) -> str:
        """See Form."""
        return f'{self.form.allowed}, or ""'

    def amiss(self, value: Any) -> str:
        """See Form."""
        return self.form.amiss(value) if value else ""


@dataclass(frozen=True, slots=True)
class Each:
    """A list of what has a form."""

    form: Form
    least: int = 0

    @property
    def allowed(self) -> str:
        """See Form."""
        return ("at least one; " if self.least else "") + self.form.allowed

    def amiss(self, value: Any) -> str:
        """See Form."""
        if len(value) < self.least:
            return "none"
        return next((amiss for one in value if (amiss := self.form.amiss(one))), "")


@dataclass(frozen=True, slots=True)
class Table:
    """Names, each with a value that has a form."""

    name: Form
    form: Form

    @property
    def allowed(self) -> str:
        """See Form."""
        return f"{self.name.allowed}; {self.form.allowed}"

    def amiss(self, value: Mapping[str, Any]) -> str:
        """See Form."""
        return next((a for k, v in value.items() if (a := self.name.amiss(k) or self.form.amiss(v))), "")


SECONDS = Within(1, _WEEK)
OCTETS = Within(1, 2_147_483_647)
RATE = Within(0, 1_000_000_000)


class Declared(msgspec.Struct, frozen=True):
    """A setting as its section declares it."""

    name: str
    """As it is written in the file, with its section before it."""
    kind: Any
    """Its type, without the form."""
    form: Form | None
    default: Any
    """msgspec.UNSET when it has none."""


def declared(section: type[msgspec.Struct], where: str = "") -> Iterator[Declared]:
    """Every setting of a section and of those inside it; of a list of sections those of its items, after `[]`."""
    hints = get_type_hints(section, include_extras=True)
    for field in msgspec.structs.fields(section):
        kind, *notes = get_args(hints[field.name]) if hasattr(hints[field.name], "__metadata__") else (field.type,)
        item = get_args(kind)[0] if get_origin(kind) is list else None
        if _is_section(kind):
            yield from declared(kind, f"{where}{field.name}.")
        elif _is_section(item):
            yield from declared(item, f"{where}{field.name}[].")
        else:
            default = field.default if field.default is not msgspec.NODEFAULT else msgspec.UNSET
            if field.default_factory is not msgspec.NODEFAULT:
                default = field.default_factory()
            form = next((n for n in notes if hasattr(n, "amiss")), None)
            yield Declared(where + field.name, kind, form, default)


def misfits(settings: msgspec.Struct) -> Iterator[tuple[Declared, str]]:
    """(setting, what it is instead) of those that have not their form. A default fits: "" is "not set"."""
    for setting in declared(type(settings)):
        for name, value in values_of(settings, setting.name):
            if setting.form is None or (value == setting.default):
                continue
            if found := setting.form.amiss(value):
                yield msgspec.structs.replace(setting, name=name), found


def values_of(settings: Any, name: str) -> list[tuple[str, Any]]:
    """What a declared setting is: its value, or that in each item of a list of sections, whose names count from 0."""
    found: list[tuple[str, Any]] = [("", settings)]
    for step in name.split("."):
        key, many, _ = step.partition("[]")
        found = [(f"{where}.{key}" if where else key, getattr(held, key)) for where, held in found]
        if many:
            found = [(f"{where}[{n}]", one) for where, held in found for n, one in enumerate(held)]
    return found


def _shown(text: str) -> str:
    return repr(text[:100])


def _is_section(kind: Any) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _plain(text: str) -> bool:
    return len(text) <= _LONGEST and text.isprintable()


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) in _PORTS
