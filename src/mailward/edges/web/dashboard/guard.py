"""Cookies and the proof that a form came from our own page.

A form of a signed-in person carries an HMAC of the session token; one shown before
signing in carries an HMAC of a random cookie. On top, a request that the browser
itself marks as coming from elsewhere is refused.
"""

from __future__ import annotations

import base64
import hmac
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from mailward.base.errors import Forbidden
from mailward.base.sources import Entropy

SESSION = "mailward"
BEFORE = "mailward_form"
THEME = "mailward_theme"
_THEME_SECONDS = 365 * 86_400
_COOKIE_MAX = 256
DEVICE = "mailward_device"
STEP = "mailward_step"
_DEVICE_SECONDS = 365 * 86_400


def _name(name: str, secure: bool) -> str:
    return f"__Host-{name}" if secure else name


def read_cookie(request: Request, name: str, *, secure: bool) -> str:
    """The cookie's value, or "" when it is missing or no value of ours."""
    value = request.cookies.get(_name(name, secure), "")
    return value if len(value) <= _COOKIE_MAX and value.isascii() and value.isprintable() else ""


def set_cookie(response: Response, name: str, value: str, *, secure: bool) -> None:
    """A cookie of this browser session: HttpOnly, SameSite=Lax, and Secure with the __Host- prefix over TLS."""
    response.set_cookie(_name(name, secure), value, path="/", secure=secure, httponly=True, samesite="lax")


def remember_device(response: Response, value: str, *, secure: bool) -> None:
    """Keep what makes this browser known for a year. It opens nothing: who signs in needs the password all the same."""
    response.set_cookie(
        _name(DEVICE, secure), value, max_age=_DEVICE_SECONDS, path="/", secure=secure, httponly=True, samesite="lax"
    )


def drop_cookie(response: Response, name: str, *, secure: bool) -> None:
    """Make the browser forget it."""
    response.delete_cookie(_name(name, secure), path="/", secure=secure, httponly=True, samesite="lax")


def theme_of(request: Request) -> str:
    """The colours that were chosen in this browser: "light", "dark", or "" for the system's."""
    chosen = request.cookies.get(_name(THEME, True)) or request.cookies.get(THEME, "")
    return chosen if chosen in ("light", "dark") else ""


def remember_theme(response: Response, theme: str, *, secure: bool) -> None:
    """Keep a choice of colours for a year. It says nothing about who somebody is, so it outlives the session."""
    name = _name(THEME, secure)
    response.set_cookie(name, theme, max_age=_THEME_SECONDS, path="/", secure=secure, httponly=True, samesite="lax")


def fresh(entropy: Entropy) -> str:
    """A random cookie value, 256 bits."""
    return base64.urlsafe_b64encode(entropy.bytes(32)).decode("ascii").rstrip("=")


def form_token(secret: str) -> str:
    """What a form must carry to show that its page was made for whoever holds `secret`."""
    mac = hmac.digest(secret.encode("utf-8"), b"mailward form", "sha256")
    return base64.urlsafe_b64encode(mac).decode("ascii").rstrip("=")


def require_own_form(request: Request, given: str, secret: str) -> None:
    """Raise Forbidden unless the form carries the right token and the browser does not name another origin."""
    refusal = Forbidden("form_expired", "This form is no longer valid. Go back, reload the page and try again.")
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        raise refusal
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
        raise refusal
    good = form_token(secret)
    if not secret or not hmac.compare_digest(given.encode("utf-8", "replace"), good.encode("ascii")):
        raise refusal
