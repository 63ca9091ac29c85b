"""The application of the tracking hosts:

GET  /c/<token>        302 to the signed target, and nowhere else
GET  /o/<token>.gif    an image of 43 octets, whatever the token
GET  /p/<token>        a page that asks whether to stop tracking; POST does
GET  /opt-out          what a link to here becomes in a tracked mail, for who sees it in another
"""

from __future__ import annotations

import structlog

from mailward.base.errors import MailwardError, Unavailable
from mailward.edges.web.auth import Origin
from mailward.edges.web.endpoint import Receive, Scope, Send
from mailward.edges.web.limits import Limiter
from mailward.edges.web.tracking.ports import Answer, Visit, Visits
from mailward.policy.access import PUBLIC
from mailward.policy.gcra import Rate
from mailward.policy.tracking import refuses
from mailward.protocol.tracking.tokens import Kind

log = structlog.get_logger()

IMAGE = bytes.fromhex("47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b")
"""A transparent GIF of one pixel."""
# Proxies of mailbox providers ask for thousands of people from a few addresses.
RATE = Rate("tracking", 3000, 60)
_CSP = b"default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">
<title>{title}</title></head>
<body><main><h1>{title}</h1><p>{text}</p>{form}</main></body>
</html>
"""
_FORM = '<form method="post"><button type="submit">Do not track me</button></form>'
_NO_LINK = ("This link is not valid", "It was not made here, or it was changed on its way. It leads nowhere.")
_OVER = ("This link is no longer valid", "The mail that it came in is not kept any more, and its links end with it.")
_LIMITED = ("Too many requests", "Try again in a minute.")
_AWAY = ("Not now", "Something here is away. Try again in a moment.")
_ASKS = (
    "Stop tracking",
    "The sender of this mail learns whether you open it or follow its links. You can say that you do not want that, "
    "for this and all other mail of this sender. Links go on working.",
)
_DONE = ("You are not tracked any more", "This sender is not told any more whether you open mail or follow links.")
_PLACEHOLDER = (
    "Tracking",
    "In a mail whose opens or clicks are tracked, this link leads to a page where its reader can say no. "
    "The mail that you come from is not tracked.",
)


class TrackingSite:
    """One ASGI application for all tracking hosts."""

    policy = PUBLIC

    def __init__(self, visits: Visits, origin: Origin, limiter: Limiter) -> None:
        self._visits = visits
        self._origin = origin
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["mailward.operation"] = "tracking"
        try:
            await self._answer(scope, send)
        except Unavailable:
            await _page(scope, send, 503, *_AWAY)
        except MailwardError:
            await _page(scope, send, 400, *_NO_LINK)
        except Exception:
            log.exception("http_failed", request=scope.get("mailward.request_id"), operation="tracking")
            await _page(scope, send, 500, *_AWAY)

    async def _answer(self, scope: Scope, send: Send) -> None:
        peer = scope["client"][0] if scope.get("client") else ""
        ip, private = self._origin.of(peer, scope["scheme"], scope["headers"])
        path, method = scope["path"], scope["method"]
        if not private:
            await _page(scope, send, 403, "Use HTTPS", "This is answered over HTTPS only.")
            return
        allowed = (await self._limiter.take(ip, RATE)).allowed
        kind, token = _asked(path)
        if kind is Kind.OPEN and method in ("GET", "HEAD"):
            # Whether a token is anybody's is not told: an image that is missing would be seen in the mail.
            if allowed:
                await self._visits.visit(_visit(scope, token.removesuffix(".gif")), kind)
            await _send(scope, send, 200, [(b"content-type", b"image/gif")], IMAGE)
        elif not allowed:
            await _page(scope, send, 429, *_LIMITED)
        elif kind is Kind.CLICK and method in ("GET", "HEAD"):
            await self._click(scope, send, token)
        elif kind is Kind.OPT_OUT and method in ("GET", "HEAD", "POST"):
            # A GET changes nothing: what scans mail follows every link.
            answer = await self._visits.opt_out(_visit(scope, token), sure=method == "POST")
            if _wrong(answer):
                await _refuse(scope, send, answer)
            elif method == "POST":
                await _page(scope, send, 200, *_DONE)
            else:
                await _page(scope, send, 200, *_ASKS, form=_FORM)
        elif path == "/opt-out" and method in ("GET", "HEAD"):
            await _page(scope, send, 200, *_PLACEHOLDER)
        else:
            await _page(scope, send, 404, *_NO_LINK)

    async def _click(self, scope: Scope, send: Send, token: str) -> None:
        answer = await self._visits.visit(_visit(scope, token), Kind.CLICK)
        if _wrong(answer) or not answer.target:
            await _refuse(scope, send, answer)
            return
        await _send(scope, send, 302, [(b"location", answer.target.encode("ascii"))], b"")


def _asked(path: str) -> tuple[Kind | None, str]:
    """The kind of link and its token: exactly two parts."""
    parts = path.split("/")
    if len(parts) != 3 or parts[0] or parts[1] not in tuple(Kind):
        return None, ""
    return Kind(parts[1]), parts[2]


def _visit(scope: Scope, token: str) -> Visit:
    given: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        given.setdefault(name, value)
    purpose = b" ".join(given.get(name, b"") for name in (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz"))
    return Visit(
        host=host_of(given.get(b"host", b"") or scope.get("server", ("",))[0].encode()),
        token=token,
        method=scope["method"],
        agent=given.get(b"user-agent", b"").decode("latin-1")[:500],
        purpose=purpose.decode("latin-1")[:100].strip(),
        refuses=refuses(scope["headers"]),
    )


def host_of(value: bytes) -> str:
    """The name in a Host field, in lower case and without its port."""
    return value.decode("latin-1").lower().partition(":")[0].removesuffix(".")


def _wrong(answer: Answer) -> bool:
    return answer is Answer.NOBODY or answer is Answer.OVER


async def _refuse(scope: Scope, send: Send, answer: Answer) -> None:
    if answer is Answer.OVER:
        await _page(scope, send, 410, *_OVER)
    else:
        await _page(scope, send, 404, *_NO_LINK)


async def _page(scope: Scope, send: Send, status: int, title: str, text: str, form: str = "") -> None:
    body = _PAGE.format(title=title, text=text, form=form).encode()
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-security-policy", _CSP)]
    if status == 429:
        headers.append((b"retry-after", b"60"))
    await _send(scope, send, status, headers, body)


async def _send(scope: Scope, send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers += [
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"vary", b"*"),
        (b"x-robots-tag", b"noindex, nofollow"),
    ]
    if status == 200 and body == IMAGE:
        # The image stands in pages of others: mail readers in a browser.
        headers.append((b"cross-origin-resource-policy", b"cross-origin"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
