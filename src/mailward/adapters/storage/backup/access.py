"""Who had access at a moment. It is kept beside the data keys, so that a restore can take away what was taken since."""

from __future__ import annotations

from typing import Any

import apsw
import msgspec


class Access(msgspec.Struct, array_like=True, frozen=True):
    """What still counted: ids as they are stored, and no secret, address or name."""

    credentials: list[tuple[bytes, bytes, str]]
    """workspace, id, kind."""
    places: list[tuple[bytes, bytes, str]]
    """workspace, person, role."""
    people: list[bytes]
    operators: list[bytes]


def access_of(db: apsw.Connection) -> Access:
    """Credentials that are not revoked, places in workspaces, people who are not disabled, operators who serve."""

    def rows(sql: str) -> list[Any]:
        return db.execute(sql).fetchall()

    return Access(
        rows("SELECT workspace, id, kind FROM t_credentials WHERE revoked IS NULL ORDER BY id"),
        rows("SELECT workspace, user, role FROM t_members ORDER BY workspace, user"),
        [row[0] for row in rows("SELECT id FROM users WHERE disabled IS NULL ORDER BY id")],
        [row[0] for row in rows("SELECT id FROM operators WHERE ended IS NULL ORDER BY id")],
    )


def taken_since(then: Access, now: Access | None, *, every_credential: bool = False) -> Access:
    """What `then` has and `now` has no more. A place is in it with the role it is to have, "" for none at all.

    Of what `now` does not know (None) nothing is taken; `every_credential` takes all of those.
    """
    known = now or then
    live, roles = set(known.credentials), {(workspace, user): role for workspace, user, role in known.places}
    places = [(w, u, roles.get((w, u), "")) for w, u, role in then.places if roles.get((w, u), "") != role]
    there, serving = set(known.people), set(known.operators)
    return Access(
        [credential for credential in then.credentials if every_credential or credential not in live],
        places,
        [person for person in then.people if person not in there],
        [operator for operator in then.operators if operator not in serving],
    )
