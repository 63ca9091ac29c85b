"""Received mail: routes, the messages, what endpoints said, and handing over again."""

from __future__ import annotations

from mailward.edges.web.limits import RateClass
from mailward.edges.web.routes import Call, Operation, Reply
from mailward.edges.web.schema import inbound as types
from mailward.edges.web.schema.common import NoQuery, PageQuery
from mailward.policy.access import Permission


async def create_route(call: Call[NoQuery, types.CreateRoute]) -> types.NewRoute:
    """A route with its secret."""
    return await call.platform.inbound.create_route(call.actor, call.body)


async def routes(call: Call[PageQuery, None]) -> types.RoutePage:
    """Newest first."""
    return await call.platform.inbound.routes(call.actor, call.query)


async def route(call: Call[NoQuery, None]) -> types.Route:
    """Without its secret."""
    return await call.platform.inbound.route(call.actor, call.params["route"])


async def change_route(call: Call[NoQuery, types.ChangeRoute]) -> types.Route:
    """Only the fields given change."""
    return await call.platform.inbound.change_route(call.actor, call.params["route"], call.body)


async def remove_route(call: Call[NoQuery, None]) -> None:
    """Its addresses take no mail any more."""
    await call.platform.inbound.remove_route(call.actor, call.params["route"])


async def rotate_secret(call: Call[NoQuery, None]) -> types.NewRoute:
    """The route with its new secret."""
    return await call.platform.inbound.rotate_secret(call.actor, call.params["route"])


async def start_replay(call: Call[NoQuery, types.ReplayRange]) -> types.InboundReplay:
    """Hand over again."""
    return await call.platform.inbound.replay_range(call.actor, call.params["route"], call.body)


async def replay_progress(call: Call[NoQuery, None]) -> types.InboundReplay:
    """How far it is."""
    return await call.platform.inbound.replay_progress(call.actor, call.params["route"], call.params["replay"])


async def find(call: Call[types.ReceivedQuery, None]) -> types.ReceivedPage:
    """Newest first."""
    return await call.platform.inbound.find(call.actor, call.query)


async def get(call: Call[NoQuery, None]) -> types.ReceivedDetail:
    """Everything but the content."""
    return await call.platform.inbound.get(call.actor, call.params["message"])


async def attempts(call: Call[PageQuery, None]) -> types.HandOverPage:
    """Newest first."""
    return await call.platform.inbound.attempts(call.actor, call.params["message"], call.query)


async def raw(call: Call[NoQuery, None]) -> Reply:
    """The octets as they came, as a download: no browser should render them."""
    name = call.params["message"]
    body = await call.platform.inbound.raw(call.actor, name)
    disposition = f'attachment; filename="{name}.eml"'.encode()
    return Reply(body, media="message/rfc822", headers=((b"content-disposition", disposition),))


async def replay(call: Call[NoQuery, types.ReplayMessage]) -> types.Started:
    """Hand one message over again."""
    return await call.platform.inbound.replay(call.actor, call.params["message"], call.body)


async def release(call: Call[NoQuery, None]) -> types.Started:
    """Hand over what waits in quarantine."""
    return await call.platform.inbound.release(call.actor, call.params["message"])


async def discard(call: Call[NoQuery, None]) -> types.Started:
    """Never hand it over."""
    return await call.platform.inbound.discard(call.actor, call.params["message"])


async def erase(call: Call[NoQuery, None]) -> None:
    """Before its time."""
    await call.platform.inbound.erase(call.actor, call.params["message"])


_ROUTES = "/v1/routes"
_ROUTE = "/v1/routes/{route}"
_RECEIVED = "/v1/received"
_ONE = "/v1/received/{message}"

OPERATIONS = [
    Operation(
        method="POST",
        path=_ROUTES,
        handler=create_route,
        permission=Permission.INBOUND_CHANGE,
        rate=RateClass.WRITE,
        name="createRoute",
        tag="inbound",
        summary="Add a route",
        description="Mail for matching addresses of a verified domain goes to the endpoint. The secret is in this "
        "answer and nowhere else.",
        request=types.CreateRoute,
        response=types.NewRoute,
        status=201,
        errors=("conflict",),
    ),
    Operation(
        method="GET",
        path=_ROUTES,
        handler=routes,
        permission=Permission.INBOUND_READ,
        rate=RateClass.READ,
        name="listRoutes",
        tag="inbound",
        summary="List routes",
        query=PageQuery,
        response=types.RoutePage,
        errors=("invalid_cursor",),
    ),
    Operation(
        method="GET",
        path=_ROUTE,
        handler=route,
        permission=Permission.INBOUND_READ,
        rate=RateClass.READ,
        name="getRoute",
        tag="inbound",
        summary="A route",
        response=types.Route,
    ),
    Operation(
        method="PATCH",
        path=_ROUTE,
        handler=change_route,
        permission=Permission.INBOUND_CHANGE,
        rate=RateClass.WRITE,
        name="changeRoute",
        tag="inbound",
        summary="Change a route",
        description="A URL that is given replaces the credentials as well.",
        request=types.ChangeRoute,
        response=types.Route,
    ),
    Operation(
        method="DELETE",
        path=_ROUTE,
        handler=remove_route,
        permission=Permission.INBOUND_CHANGE,
        rate=RateClass.WRITE,
        name="removeRoute",
        tag="inbound",
        summary="Remove a route",
        status=204,
    ),
    Operation(
        method="POST",
        path=_ROUTE + "/rotate-secret",
        handler=rotate_secret,
        permission=Permission.INBOUND_CHANGE,
        rate=RateClass.WRITE,
        name="rotateRouteSecret",
        tag="inbound",
        summary="Replace a route's signing secret",
        description="For a day both secrets sign.",
        response=types.NewRoute,
    ),
    Operation(
        method="POST",
        path=_ROUTE + "/replays",
        handler=start_replay,
        permission=Permission.INBOUND_CHANGE,
        rate=RateClass.WRITE,
        name="replayRoute",
        tag="inbound",
        summary="Hand over again what a route received",
        description="A span of time, or all that failed; at most 10000 at a time, 20 a second, each under the id it "
        "had before.",
        request=types.ReplayRange,
        response=types.InboundReplay,
        status=202,
        errors=("conflict",),
    ),
    Operation(
        method="GET",
        path=_ROUTE + "/replays/{replay}",
        handler=replay_progress,
        permission=Permission.INBOUND_READ,
        rate=RateClass.READ,
        name="getRouteReplay",
        tag="inbound",
        summary="How far a replay is",
        response=types.InboundReplay,
    ),
    Operation(
        method="GET",
        path=_RECEIVED,
        handler=find,
        permission=Permission.INBOUND_READ,
        rate=RateClass.READ,
        name="listReceived",
        tag="inbound",
        summary="List received messages",
        query=types.ReceivedQuery,
        response=types.ReceivedPage,
        errors=("invalid_cursor",),
    ),
    Operation(
        method="GET",
        path=_ONE,
        handler=get,
        permission=Permission.INBOUND_READ,
        rate=RateClass.READ,
        name="getReceived",
        tag="inbound",
        summary="A received message",
        response=types.ReceivedDetail,
    ),
    Operation(
        method="GET",
        path=_ONE + "/attempts",
        handler=attempts,
        permission=Permission.INBOUND_READ,
        rate=RateClass.READ,
        name="listReceivedAttempts",
        tag="inbound",
        summary="Each try to hand it over",
        query=PageQuery,
        response=types.HandOverPage,
        errors=("invalid_cursor",),
    ),
    Operation(
        method="GET",
        path=_ONE + "/raw",
        handler=raw,
        permission=Permission.MESSAGE_CONTENT,
        rate=RateClass.READ,
        name="getReceivedRaw",
        tag="inbound",
        summary="The message as it came",
        description="Octet for octet; reading it is in the audit log.",
        response_media="message/rfc822",
    ),
    Operation(
        method="POST",
        path=_ONE + "/replay",
        handler=replay,
        permission=Permission.INBOUND_CHANGE,
        rate=RateClass.WRITE,
        name="replayReceived",
        tag="inbound",
        summary="Hand one message over again",
        request=types.ReplayMessage,
        response=types.Started,
        status=202,
        errors=("conflict", "content_gone", "message_redacted"),
    ),
    Operation(
        method="POST",
        path=_ONE + "/release",
        handler=release,
        permission=Permission.INBOUND_CHANGE,
        rate=RateClass.WRITE,
        name="releaseReceived",
        tag="inbound",
        summary="Release from quarantine",
        response=types.Started,
        status=202,
        errors=("conflict",),
    ),
    Operation(
        method="POST",
        path=_ONE + "/discard",
        handler=discard,
        permission=Permission.INBOUND_CHANGE,
        rate=RateClass.WRITE,
        name="discardReceived",
        tag="inbound",
        summary="Discard from quarantine",
        response=types.Started,
        status=202,
        errors=("conflict",),
    ),
    Operation(
        method="DELETE",
        path=_ONE,
        handler=erase,
        permission=Permission.MESSAGE_ERASE,
        rate=RateClass.WRITE,
        name="eraseReceived",
        tag="inbound",
        summary="Erase a received message",
        description="Rows at once, its content overwritten where it lies, stored attachments removed.",
        status=204,
    ),
]
