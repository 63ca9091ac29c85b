"""Rows between the two forms: the embedded store's columns, and PostgreSQL's, where what is personal is sealed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mailward.adapters.storage.moving.tables import Table
from mailward.adapters.storage.postgres.sealed import INSTALLATION, FieldCipher, SealedColumn

Values = dict[str, Any]

# Addresses of users are compared without regard to the case of ASCII letters.
_FOLD = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True, slots=True)
class Pack:
    """Several columns sealed as one."""

    column: str
    of: tuple[str, ...]
    row: tuple[str, ...]
    daily: bool = False
    octets: frozenset[str] = frozenset()
    """Those that are text on the embedded store and octets in the packed value."""


@dataclass(frozen=True, slots=True)
class One:
    """A column sealed by itself: text, or octets as they are."""

    column: str
    row: tuple[str, ...]
    daily: bool = False
    text: bool = True
    empty_is_null: bool = False
    source: str = ""
    """Its name on the embedded store, when that differs."""


@dataclass(frozen=True, slots=True)
class Token:
    """A column found by its keyed token."""

    column: str
    of: str
    purpose: str
    shared: bool = True
    """The same in every workspace."""
    fold: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """How a table looks on PostgreSQL. Columns that none of these takes are the same in both stores."""

    sealed: tuple[Pack | One, ...] = ()
    tokens: tuple[Token, ...] = ()
    under: str = ""
    """The name its ciphertext is bound to, when that is not the table's."""
    extra: tuple[tuple[str, Any], ...] = ()
    """Columns that only PostgreSQL has, with the value of a moved row."""


SHAPES: Final[Mapping[str, Shape]] = {
    "workspaces": Shape((One("name", ()), One("settings", ()))),
    "users": Shape(
        (Pack("person", ("email", "name"), ("id",)), One("password", ("id",))),
        (Token("email_token", "email", "user-email", fold=True),),
    ),
    "operators": Shape((One("register", ("id",)),)),
    "operator_grants": Shape((One("wish", ("id",)),)),
    "access_reviews": Shape((One("items", ("id",)),)),
    "sign_ins": Shape((One("details", ("user", "id"), text=False),)),
    "sign_in_links": Shape((One("details", ("token_hash",), text=False),)),
    "alerts": Shape((One("details", ("id",), text=False),)),
    "members": Shape((Pack("person", ("email", "name"), ("user",)),)),
    "sessions": Shape((Pack("place", ("device", "address"), ("id",)), Pack("origin", ("network", "place"), ("id",)))),
    "factors": Shape((One("name", ("id",)), One("secret", ("id",), text=False))),
    "tickets": Shape((One("facts", ("token_hash",)),)),
    "trusted_devices": Shape((Pack("details", ("device", "address"), ("id",)),)),
    "invitations": Shape(
        (One("person", ("id",), source="email"),), (Token("email_token", "email", "user-email", fold=True),)
    ),
    "identity_links": Shape(
        (Pack("details", ("identity", "provider", "email"), ("identity_token",)),),
        (Token("identity_token", "identity", "identity"),),
    ),
    "user_networks": Shape((One("networks", ("user",)),)),
    "credentials": Shape(
        (
            Pack("details", ("name", "hint", "domains", "networks"), ("id",)),
            One("pause_reason", ("id",), empty_is_null=True),
        )
    ),
    "domains": Shape(
        (Pack("details", ("name", "token", "checks"), ("id",), octets=frozenset(("checks",))),),
        (Token("name_token", "name", "domain-name"),),
    ),
    "dkim_selectors": Shape((One("name", ("name_token", "stem")),), (Token("name_token", "name", "domain-name"),)),
    "suppressions": Shape((One("address", ("token",)),)),
    "pauses": Shape((One("reason", ("stream",)),)),
    "usage": Shape(extra=(("shard", 0),)),
    "hours": Shape(extra=(("shard", 0),)),
    "idempotency": Shape(
        (One("sealed_key", ("key",), text=False, source="key"),), (Token("key", "key", "idempotency", shared=False),)
    ),
    "audit_facts": Shape((Pack("facts", ("salt", "facts"), ("id",)),)),
    "webhooks": Shape((Pack("details", ("url", "description", "disabled_reason"), ("id",)),)),
    "webhook_events": Shape((One("body", ("id",), daily=True, text=False),)),
    "webhook_attempts": Shape((One("response", ("id",), daily=True),)),
    "inbound_routes": Shape((One("details", ("id",), text=False),)),
    "received": Shape((One("facts", ("id",), daily=True, text=False), One("reason", ("id",), daily=True))),
    "received_attempts": Shape((One("response", ("id",), daily=True),)),
    "messages": Shape((One("facts", ("id",), daily=True, text=False),)),
    "deliveries": Shape(
        (Pack("recipient", ("recipient", "dsn"), ("message", "n"), daily=True), One("reason", ("message",), daily=True))
    ),
    "attempts": Shape((One("facts", ("message",), daily=True, text=False),)),
    "timeline": Shape((One("facts", ("message",), daily=True),)),
}


class Sealing:
    """One table's rows, both ways."""

    def __init__(self, table: Table, cipher: FieldCipher) -> None:
        self.table = table
        self._cipher = cipher
        self._shape = shape = SHAPES.get(table.name, Shape())
        name = shape.under or table.name
        self._sealed: list[tuple[Pack | One, SealedColumn]] = [
            (s, cipher.column(name, s.column, daily=s.daily)) for s in shape.sealed
        ]
        taken = {c for s in shape.sealed if isinstance(s, Pack) for c in s.of}
        taken |= {s.source or s.column for s in shape.sealed if isinstance(s, One)}
        taken |= {t.of for t in shape.tokens}
        self._plain = tuple(c for c in table.columns if c not in taken)

    @property
    def columns(self) -> tuple[str, ...]:
        """PostgreSQL's columns of a row."""
        shape = self._shape
        return (
            *self._plain,
            *(t.column for t in shape.tokens),
            *(s.column for s in shape.sealed),
            *(name for name, _ in shape.extra),
        )

    @property
    def order(self) -> tuple[str, ...]:
        """PostgreSQL's columns for the key: a token stands where what it stands for is sealed."""
        instead = {t.of: t.column for t in self._shape.tokens}
        return tuple(instead.get(c, c) for c in self.table.key)

    def seal(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """The row for PostgreSQL, in the order of `columns`."""
        values = dict(zip(self.table.columns, row, strict=True))
        workspace = values.get("workspace", INSTALLATION)
        made: Values = {c: values[c] for c in self._plain}
        for t in self._shape.tokens:
            plain = values[t.of]
            octets = plain if isinstance(plain, bytes) else (plain.translate(_FOLD) if t.fold else plain).encode()
            made[t.column] = self._cipher.token(t.purpose, INSTALLATION if t.shared else workspace, octets)
        for s, column in self._sealed:
            made[s.column] = _seal(s, column, workspace, _place(s.row, made), values)
        made.update(self._shape.extra)
        return tuple(made[c] for c in self.columns)

    def open(self, made: Values, lost_name: Callable[[bytes], str | None]) -> tuple[Any, ...] | None:
        """The row again; None when its sealed key was not kept and `lost_name` does not know what the token stands for.

        Corrupt when a value was not sealed for its place.
        """
        workspace = made.get("workspace", INSTALLATION)
        values: Values = {c: made[c] for c in self._plain}
        for s, column in self._sealed:
            sealed, place = made[s.column], _place(s.row, made)
            if isinstance(s, Pack):
                # Null where the column was added to a row that was there before: it says nothing.
                unpacked = ("",) * len(s.of) if sealed is None else column.unpack(workspace, place, sealed)
                for name, value in zip(s.of, unpacked, strict=True):
                    values[name] = value.decode() if name in s.octets else value
            elif sealed is None and any(t.of == (s.source or s.column) for t in self._shape.tokens):
                found = lost_name(made[self._shape.tokens[0].column]) if s.text else None
                if found is None:
                    return None
                values[s.source or s.column] = found
            elif s.text:
                text = column.open_text(workspace, place, sealed)
                values[s.source or s.column] = "" if text is None and s.empty_is_null else text
            else:
                values[s.source or s.column] = column.open(workspace, place, sealed)
        return tuple(values[c] for c in self.table.columns)


def _seal(s: Pack | One, column: SealedColumn, workspace: bytes, place: bytes, values: Values) -> bytes | None:
    if isinstance(s, Pack):
        return column.pack(
            workspace,
            place,
            *(values[c].encode() if c in s.octets and values[c] is not None else values[c] for c in s.of),
        )
    value = values[s.source or s.column]
    if not s.text:
        return column.seal(workspace, place, value)
    return column.seal_text(workspace, place, None if s.empty_is_null and not value else value)


def _place(row: tuple[str, ...], made: Values) -> bytes:
    """The rest of the row's key, as its repository names it to the cipher."""
    parts = (made[c] for c in row)
    return b"".join(
        p if isinstance(p, bytes) else p.encode() if isinstance(p, str) else p.to_bytes(4, "big") for p in parts
    )
