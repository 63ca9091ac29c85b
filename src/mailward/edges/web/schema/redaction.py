"""What of its mail a workspace does not want stored."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from mailward.edges.web.schema.common import Request, View

Mode = Annotated[
    Literal["keep", "redact", "never"],
    Meta(
        description="`keep`: stored as everything is. `redact`: taken out of what is stored once no copy is under way "
        "and `after_hours` have passed. `never`: not stored in readable form; what sending needs is sealed under a key "
        "of the message's own, which is deleted with the last copy's outcome."
    ),
]
Hours = Annotated[int, Meta(ge=0, le=8760, description="Hours from acceptance, for `redact` only.")]


class FieldRule(View):
    """What is done with one field."""

    mode: Mode
    after_hours: Hours


class Redaction(View):
    """Each field's rule. What is taken out shows as `[redacted]`, and the message's `redacted` lists the fields."""

    subject: FieldRule
    addresses: FieldRule
    ip: FieldRule
    body: FieldRule


class ChangeRule(Request):
    """What is to be done with one field."""

    mode: Mode
    after_hours: Hours = 0


class ChangeRedaction(Request):
    """Only the fields given change. What was taken out does not come back."""

    subject: ChangeRule | UnsetType = UNSET
    addresses: ChangeRule | UnsetType = UNSET
    ip: ChangeRule | UnsetType = UNSET
    body: ChangeRule | UnsetType = UNSET
