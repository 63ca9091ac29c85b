"""What the catalogue of PostgreSQL says of walls and roles is read right: each gap has its sentence."""

from __future__ import annotations

from typing import Any

import pytest

from mailward.app.checks.walls import above, gaps_in

MINE = "(workspace = mailward.bound_workspace())"
POLICIES = [
    ("mail", "tenant", "PERMISSIVE", ["mailward_tenant"], "ALL", MINE, MINE),
    ("mail", "system", "PERMISSIVE", ["mailward_system"], "ALL", "true", "true"),
]
MAIL = ("mail", "p", True, True, "mailward_owner", False)
DAY = ("mail_20260101", "r", True, True, "mailward_owner", True)


def policy(name: str, *, to: str = "mailward_tenant", verb: str = "ALL", using: str = "true") -> tuple[Any, ...]:
    """One more on `mail`."""
    return ("mail", name, "PERMISSIVE", [to], verb, using, "")


def test_a_whole_wall_has_no_gap() -> None:
    """A table with its two policies and a day of it without any; an operator's look is let be."""
    reader = policy("reader", to="mailward_reader", verb="SELECT", using="(workspace = mailward.reader_workspace())")
    assert gaps_in([MAIL, DAY], [*POLICIES, reader]) == []


@pytest.mark.claim("AUTHZ-2")
@pytest.mark.parametrize(
    ("table", "policies", "gap"),
    [
        (("mail", "p", False, True, "mailward_owner", False), POLICIES, "row security of mail is off"),
        (("mail", "p", True, False, "mailward_owner", False), POLICIES, "row security of mail does not bind its owner"),
        (("mail", "r", True, True, "mailward_app", False), POLICIES, "mail belongs to mailward_app"),
        (("all_mail", "v", False, False, "mailward_owner", False), [], "all_mail is a view or foreign table"),
        (MAIL, POLICIES[1:], "its policy tenant is gone"),
        (MAIL, [policy("tenant"), POLICIES[1]], "its policy tenant is another than it was"),
        (MAIL, [*POLICIES, policy("help")], "a policy help that is not ours"),
        (MAIL, [*POLICIES, policy("keeper", to="mailward_owner", verb="SELECT")], "a policy keeper that is not ours"),
        (MAIL, [*POLICIES, policy("reader", to="public", verb="SELECT")], "its policy reader is another"),
        (("mail", "p", True, True, "mailward_owner", True), POLICIES[:1], "a policy tenant that is not ours"),
    ],
)
def test_each_gap_is_named(table: tuple[Any, ...], policies: list[Any], gap: str) -> None:
    """Off, not forced, another owner, a view around it, a policy gone, widened or added, one on a day."""
    (found,) = gaps_in([table], policies)
    assert gap in found


@pytest.mark.claim("AUTHZ-2")
def test_roles_above_the_wall_are_named() -> None:
    """A superuser, one that may bypass, and one that may become the owner."""
    rows = [("a", False, False, False), ("b", True, True, False), ("c", False, True, False), ("d", False, False, True)]
    assert above(rows) == ["b is a superuser", "c may bypass row security", "d may become the owner of the tables"]
