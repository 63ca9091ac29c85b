# ruff: noqa: RUF012 - msgspec copies an empty default for each instance
"""Templates: mails written once and sent often."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from mailward.edges.web.schema.common import Limit, Request, View
from mailward.edges.web.schema.messages import Instant, TemplateName, TemplateVersion

Description = Annotated[str, Meta(max_length=200)]
Subject = Annotated[str, Meta(max_length=998, examples=["Welcome, {{ user.name }}"])]
Html = Annotated[
    str, Meta(max_length=500_000, description="Escaped as HTML; rules of <style> are put into the elements.")
]
Text = Annotated[str, Meta(max_length=200_000, description="Made from the HTML when empty.")]
Layout = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"^([a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?)?$(?!\n)",
        description="Another template that holds `{{ content }}`; empty for none.",
    ),
]
Sample = Annotated[
    dict[str, Any],
    Meta(description="Data for previews, and for the trial before a version is published; no real person's."),
]


class CreateTemplate(Request):
    """A new draft."""

    name: TemplateName
    description: Description = ""
    subject: Subject = ""
    html: Html = ""
    text: Text = ""
    layout: Layout = ""
    sample: Sample = {}


class ChangeTemplate(Request):
    """Only the fields given change, and only in the draft."""

    description: Description | UnsetType = UNSET
    subject: Subject | UnsetType = UNSET
    html: Html | UnsetType = UNSET
    text: Text | UnsetType = UNSET
    layout: Layout | UnsetType = UNSET
    sample: Sample | UnsetType = UNSET


class TemplateSummary(View):
    """One line of a list."""

    name: str
    description: str
    layout: str
    version: Annotated[int | None, Meta(description="The published version that is sent; null when none is.")]
    created_at: Instant
    changed_at: Annotated[Instant, Meta(description="When its draft was last changed.")]


class Template(TemplateSummary):
    """A template with its draft."""

    subject: str = ""
    html: str = ""
    text: str = ""
    sample: dict[str, Any] = {}


class TemplateQuery(Request):
    """One page, by name."""

    limit: Limit = 25
    cursor: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$(?!\n)")] | None = None


class TemplatePage(View):
    """Templates by name."""

    data: list[TemplateSummary]
    next_cursor: str | None = None


class TemplateVersionView(View):
    """A template as it was published."""

    version: int
    published_at: Instant
    by: str
    current: bool
    subject: str
    html: str
    text: str
    layout: str
    sample: dict[str, Any]


class VersionQuery(Request):
    """One page of versions, the newest first."""

    limit: Limit = 25
    cursor: Annotated[str, Meta(min_length=1, max_length=4, pattern=r"^[0-9]+$(?!\n)")] | None = None


class VersionPage(View):
    """Versions, the newest first."""

    data: list[TemplateVersionView]
    next_cursor: str | None = None


class RollBack(Request):
    """Which version is sent from now on."""

    version: TemplateVersion


class RenderTemplate(Request):
    """What to render with. Without data its own sample; without a version the draft."""

    data: Sample | None = None
    version: TemplateVersion | None = None


class RenderedMail(View):
    """What would be sent."""

    version: Annotated[int | None, Meta(description="Null for the draft.")]
    subject: str
    html: str
    text: str
