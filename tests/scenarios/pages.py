"""Every page of the dashboard, by the name of its picture. A page that is not in this table is not looked at: add it.

`{message}`, `{bounced}`, `{domain}`, `{webhook}` and `{route}` stand for ids of what `test_every_page.py` has made.
"""

from __future__ import annotations

PAGES = {
    "overview": "/",
    "overview-week": "/?span=7d",
    "messages": "/messages",
    "messages-nothing": "/messages?subject=nothingofthekind",
    "message": "/messages/{message}",
    "message-bounced": "/messages/{bounced}",
    "message-html": "/messages/{message}/html",
    "message-text": "/messages/{message}/text",
    "message-headers": "/messages/{message}/headers",
    "received": "/received",
    "routes": "/routes",
    "route": "/routes/{route}",
    "domains": "/domains",
    "domain": "/domains/{domain}",
    "keys": "/keys",
    "keys-revoked": "/keys?revoked=shown",
    "suppressions": "/suppressions",
    "webhooks": "/webhooks",
    "webhook": "/webhooks/{webhook}",
    "requests": "/requests",
    "audit": "/audit",
    "settings": "/settings",
    "security": "/security",
    "security-totp": "/security/totp",
    "security-again": "/security/again",
    "problem": "/messages/msg_00000000000000000000000000",
}
STRANGERS = {"sign-in": "/sign-in", "forgot": "/forgot"}
