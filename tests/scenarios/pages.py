"""Every page of the dashboard, by the name of its picture. A page that is not in this table is not looked at: add it.

`{message}` and the like stand for ids of what `test_every_page.py` has made.
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
    "templates": "/templates",
    "received": "/received",
    "received-one": "/received/{received}",
    "routes": "/routes",
    "route": "/routes/{route}",
    "domains": "/domains",
    "domain": "/domains/{domain}",
    "transfers": "/domains/transfers",
    "keys": "/keys",
    "keys-revoked": "/keys?revoked=shown",
    "suppressions": "/suppressions",
    "webhooks": "/webhooks",
    "webhook": "/webhooks/{webhook}",
    "requests": "/requests",
    "audit": "/audit",
    "alerts": "/alerts",
    "settings": "/settings",
    "team": "/team",
    "roles": "/team/roles",
    "access": "/access",
    "data-protection": "/settings/registers",
    "workspaces": "/workspaces",
    "networks": "/networks",
    "security": "/security",
    "security-totp": "/security/totp",
    "security-again": "/security/again",
    "problem": "/messages/msg_00000000000000000000000000",
}
STRANGERS = {
    "sign-in": "/sign-in",
    "forgot": "/forgot",
    "setup": "/setup/{setup}",
    "setup-spent": "/setup/mwl_spent",
    "invitation": "/invitation/{invitation}",
    "invitation-over": "/invitation/mwi_over",
    "trust": "/trust",
    "status": "/status",
    "legal": "/legal",
    "agreement": "/legal/agreement",
    "disclosure": "/disclosure",
    "report": "/report",
    "report-followed": "{followed}",
    "reference": "/docs/api",
}
# For somebody who runs the installation.
OPERATORS = {
    "operator": "/operator",
    "operator-registers": "/operator/registers",
    "operator-register": "/operator/registers/subprocessor",
    "operator-reports": "/operator/reports",
    "operator-report": "{report}",
    "operator-status": "/operator/status",
}
# Those that say no, and how.
REFUSALS = {"problem": 404, "setup-spent": 404, "invitation-over": 404}
