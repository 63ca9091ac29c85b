"""Templates: drafted, published, previewed."""

from __future__ import annotations

from mailward.base.errors import NotFound
from mailward.edges.web.limits import RateClass
from mailward.edges.web.routes import Call, Operation
from mailward.edges.web.schema import templates as types
from mailward.edges.web.schema.common import NoQuery
from mailward.policy.access import Permission


async def create(call: Call[NoQuery, types.CreateTemplate]) -> types.Template:
    """A draft."""
    return await call.platform.templates.create(call.actor, call.body)


async def find(call: Call[types.TemplateQuery, None]) -> types.TemplatePage:
    """By name."""
    return await call.platform.templates.list(call.actor, call.query)


async def get(call: Call[NoQuery, None]) -> types.Template:
    """With its draft."""
    return await call.platform.templates.get(call.actor, call.params["template"])


async def change(call: Call[NoQuery, types.ChangeTemplate]) -> types.Template:
    """Only the fields given change."""
    return await call.platform.templates.change(call.actor, call.params["template"], call.body)


async def remove(call: Call[NoQuery, None]) -> None:
    """It is gone with its versions."""
    await call.platform.templates.remove(call.actor, call.params["template"])


async def publish(call: Call[NoQuery, None]) -> types.Template:
    """The draft is what is sent."""
    return await call.platform.templates.publish(call.actor, call.params["template"])


async def roll_back(call: Call[NoQuery, types.RollBack]) -> types.Template:
    """An earlier version is what is sent."""
    return await call.platform.templates.roll_back(call.actor, call.params["template"], call.body.version)


async def versions(call: Call[types.VersionQuery, None]) -> types.VersionPage:
    """The newest first."""
    return await call.platform.templates.versions(call.actor, call.params["template"], call.query)


async def version(call: Call[NoQuery, None]) -> types.TemplateVersionView:
    """As it was published."""
    number = call.params["version"]
    if not (number.isascii() and number.isdecimal() and len(number) <= 4):
        raise NotFound("template_version_not_found", "That template has no such version.")
    return await call.platform.templates.version(call.actor, call.params["template"], int(number))


async def render(call: Call[NoQuery, types.RenderTemplate]) -> types.RenderedMail:
    """What would be sent."""
    return await call.platform.templates.preview(call.actor, call.params["template"], call.body)


OPERATIONS = [
    Operation(
        method="POST",
        path="/v1/templates",
        handler=create,
        permission=Permission.TEMPLATE_CHANGE,
        rate=RateClass.WRITE,
        name="createTemplate",
        tag="templates",
        summary="Write a template",
        description="It is a draft until it is published; only published versions are sent.",
        request=types.CreateTemplate,
        response=types.Template,
        status=201,
        errors=("name_taken",),
    ),
    Operation(
        method="GET",
        path="/v1/templates",
        handler=find,
        permission=Permission.TEMPLATE_READ,
        rate=RateClass.READ,
        name="listTemplates",
        tag="templates",
        summary="List templates",
        query=types.TemplateQuery,
        response=types.TemplatePage,
    ),
    Operation(
        method="GET",
        path="/v1/templates/{template}",
        handler=get,
        permission=Permission.TEMPLATE_READ,
        rate=RateClass.READ,
        name="getTemplate",
        tag="templates",
        summary="One template with its draft",
        response=types.Template,
        errors=("template_not_found",),
    ),
    Operation(
        method="PATCH",
        path="/v1/templates/{template}",
        handler=change,
        permission=Permission.TEMPLATE_CHANGE,
        rate=RateClass.WRITE,
        name="changeTemplate",
        tag="templates",
        summary="Change the draft",
        description="What is sent stays as it is until the draft is published.",
        request=types.ChangeTemplate,
        response=types.Template,
        errors=("template_not_found",),
    ),
    Operation(
        method="DELETE",
        path="/v1/templates/{template}",
        handler=remove,
        permission=Permission.TEMPLATE_CHANGE,
        rate=RateClass.WRITE,
        name="removeTemplate",
        tag="templates",
        summary="Remove a template with its versions",
        status=204,
        errors=("template_in_use", "template_not_found"),
    ),
    Operation(
        method="POST",
        path="/v1/templates/{template}/publish",
        handler=publish,
        permission=Permission.TEMPLATE_CHANGE,
        rate=RateClass.WRITE,
        name="publishTemplate",
        tag="templates",
        summary="Publish the draft",
        description="The draft is rendered with its sample first; what does not render is refused with part and line.",
        response=types.Template,
        errors=("template_changed", "template_error", "template_not_found"),
    ),
    Operation(
        method="POST",
        path="/v1/templates/{template}/rollback",
        handler=roll_back,
        permission=Permission.TEMPLATE_CHANGE,
        rate=RateClass.WRITE,
        name="rollBackTemplate",
        tag="templates",
        summary="Send an earlier version again",
        request=types.RollBack,
        response=types.Template,
        errors=("template_version_not_found",),
    ),
    Operation(
        method="GET",
        path="/v1/templates/{template}/versions",
        handler=versions,
        permission=Permission.TEMPLATE_READ,
        rate=RateClass.READ,
        name="listTemplateVersions",
        tag="templates",
        summary="List what was published",
        query=types.VersionQuery,
        response=types.VersionPage,
        errors=("template_not_found",),
    ),
    Operation(
        method="GET",
        path="/v1/templates/{template}/versions/{version}",
        handler=version,
        permission=Permission.TEMPLATE_READ,
        rate=RateClass.READ,
        name="getTemplateVersion",
        tag="templates",
        summary="One version as it was published",
        response=types.TemplateVersionView,
        errors=("template_version_not_found",),
    ),
    Operation(
        method="POST",
        path="/v1/templates/{template}/render",
        handler=render,
        permission=Permission.TEMPLATE_READ,
        rate=RateClass.WRITE,
        name="renderTemplate",
        tag="templates",
        summary="Preview",
        description="The draft, or a version, with data or the sample. Nothing is sent.",
        request=types.RenderTemplate,
        response=types.RenderedMail,
        errors=("template_error", "template_too_costly"),
    ),
]
