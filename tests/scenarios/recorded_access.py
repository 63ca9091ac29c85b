"""The part of the recorded script about who may do what: people, roles, keys that were paused, operators, reviews, and
a second workspace that asks for the domain of the first.

Accounts come about by the setup link and by a mailed invitation, in a browser; operators on the command line. Days
that have to pass between two acts are written into the store beside the running platform: its clock is not ours.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from mailward.app.context import choose
from mailward.app.installation import COMMAND_LINE, Installation
from mailward.app.settings import load
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.guard.model import Alert
from mailward.core.operators import register, review
from mailward.policy.access import Actor, Permission
from mailward.policy.boundaries import job_actor
from mailward.policy.bursts import DAY_SLOTS, slot_of
from tests.scenarios.holding_on import Browser
from tests.scenarios.platform import zone_lines
from tests.scenarios.recorded_mail import ME, mail
from tests.scenarios.recording import Recorder

BURST = {"limits.burst_floor": 10, "limits.burst_factor": 2}
"""Settings under which twelve recipients at once are a burst of whoever used to write to three."""

_BEN, _CY, _DEE = "ben@demo.mailward.test", "cy@demo.mailward.test", "dee@demo.mailward.test"
_SHELL = Actor(WorkspaceId(""), "cli", "cli", frozenset(Permission))


def access(r: Recorder) -> None:
    """All of it, in order."""
    key = r.call("createKey", {"name": "bursting", "scopes": ["send", "read"]})
    printer = r.call("createSmtpCredential", {"name": "bursting printer"})
    with Browser.set_up(r.platform) as owner:
        r.call("listMembers", note="the owner")
        ben = _people(r)
        waiting = _invitations(r)
        r.platform.cli_json("operator", "add", _BEN)
        days_pass(r, ben=ben, invitation=waiting, credentials=[key["id"], printer["username"]])
        _bursts(r, key, printer)
        r.call("resendInvitation", invitation=waiting)
        _operators(r)
        _reviews(r, key["id"], ben)
        _roles(r, ben)
        _networks(r)
        _leak(r)
        _alerts(r)
        _transfer(r, owner)
    r.call("removeMember", member=ben)
    r.call("removeMember", member=ben, note="again")
    r.call("listMembers", note="in the end")


# -- what no door of a running platform does ------------------------------------------------------


def days_pass(r: Recorder, *, ben: str, invitation: str, credentials: list[str]) -> None:
    """An invitation is old enough to be sent again, keys have a history, Ben's file is full, a quarter began."""

    async def act(i: Installation) -> None:
        workspace, now = await choose(i.store, None), i.clock.now()

        async def everywhere(tx: Tx) -> None:
            for number, of in enumerate((workspace, workspace, None)):
                id, why = ids.new("alr", now, i.entropy), "It was refused 25 different operations within an hour."
                alert = Alert(id, of, now, "key-abuse", "high", credentials[0], why)
                await tx.guard.add_alert(alert, bytes([number]))
            slot = slot_of(now.timestamp()) - 2 * DAY_SLOTS
            for credential in credentials:
                await tx.credentials.add_traffic(workspace, credential, slot, 3)
            for what in ("confidentiality", "background", "training"):
                await register.note(tx, _SHELL, UserId(ben), what, now, now=now)

        async def here(tx: Tx) -> None:
            await tx.entry.renew_invitation(invitation, bytes(32), now - timedelta(minutes=10), now + timedelta(days=6))
            assert await review.open_review(tx, job_actor(workspace, "reviews"), now=now, entropy=i.entropy)

        await i.store.system_write(everywhere)
        await i.store.write(workspace, here)

    async def beside() -> None:
        installation = Installation(load(str(r.platform.config), {}), worker=COMMAND_LINE + 903)
        await installation.open()
        try:
            await act(installation)
        finally:
            await installation.close()

    asyncio.run(beside())


# -- people ---------------------------------------------------------------------------------------


def _people(r: Recorder) -> str:
    """Ben is invited and joins with what was mailed to him; his id."""
    r.call("invite", {"email": _BEN}, note="Ben")
    r.call("invite", {"email": _BEN}, note="Ben again")
    r.call("invite", {"email": "nobody"}, note="no address")
    r.call("invite", {"email": _DEE, "role": "super_admin"}, note="no role")
    [letter] = r.call("listMessages", query={"tag": "invitation", "limit": 1}, quiet=True)["data"]
    text = r.call("getMessageContent", message=letter["id"], quiet=True)["text"]
    link = re.search(r"/invitation/mwi_[0-9A-Za-z]+", text)
    assert link is not None
    password = "orange lantern walks slowly"
    with Browser(r.platform) as guest:
        assert guest.post(link[0], link[0], {"name": "Ben", "password": password, "again": password}) == 303
    r.call("invite", {"email": _BEN}, note="a member")
    ben: str = next(m["id"] for m in r.call("listMembers", note="two")["data"] if m["email"] == _BEN)
    r.call("changeMember", {"role": "workspace_admin"}, member=ben)
    r.call("changeMember", {"role": "nothing"}, member=ben, note="no role")
    return ben


def _invitations(r: Recorder) -> str:
    """One is withdrawn, one waits; the id of the latter."""
    gone = r.call("invite", {"email": _CY, "role": "workspace_admin"}, note="Cy")["id"]
    r.call("revokeInvitation", invitation=gone)
    r.call("revokeInvitation", invitation=gone, note="again")
    r.call("resendInvitation", invitation=gone, note="withdrawn")
    waiting: str = r.call("invite", {"email": _DEE}, note="Dee")["id"]
    r.call("resendInvitation", invitation=waiting, note="just sent")
    r.call("listInvitations")
    return waiting


def _roles(r: Recorder, ben: str) -> None:
    permissions = ["message.read", "suppression.read"]
    role = r.call("createRole", {"name": "Support", "permissions": permissions})["id"]
    r.call("createRole", {"name": "Support", "permissions": permissions}, note="again")
    r.call("createRole", {"name": "Odd", "permissions": ["message.whatever"]}, note="no permission")
    r.call("changeRole", {"name": "Help desk", "permissions": ["message.read"]}, role=role)
    r.call("giveRole", {"member": ben}, role=role)
    r.call("listRoles")
    r.call("listMembers", note="with a role")
    r.call("removeRole", role=role, note="held")
    r.call("changeMember", {"role": "member"}, member=ben, note="out of the role")
    r.call("removeRole", role=role)
    r.call("listRoles", note="none")


def _networks(r: Recorder) -> None:
    r.call("getNetworks")
    r.call("changeNetworks", {"networks": ["127.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"]})
    r.call("changeNetworks", {"networks": ["192.0.2.1/24", "nonsense"]}, note="nonsense")
    r.call("getNetworks", note="three")
    r.call("changeNetworks", {"networks": []}, note="lifted")


# -- credentials ----------------------------------------------------------------------------------


def _bursts(r: Recorder, key: dict[str, Any], printer: dict[str, Any]) -> None:
    """Both write to twelve at once, are paused, and are released."""
    crowd = [f"n{n}@example.com" for n in range(12)]
    r.call("sendMessage", mail("burst", to=crowd), key=key["secret"], note="to a crowd")
    token = base64.b64encode(f"\0{printer['username']}\0{printer['password']}".encode()).decode()
    open_ = ("EHLO a.test", f"AUTH PLAIN {token}", f"MAIL FROM:<{ME}>")
    content = f"From: {ME}\r\nSubject: burst\r\n\r\nx\r\n.\r\n".encode()
    # The one is paused before the other writes: each has its place in the log.
    _paused(r, "listKeys", key["id"])
    r.smtp("to a crowd", *open_, *(f"RCPT TO:<{one}>" for one in crowd), "DATA", content, "QUIT")
    _paused(r, "listSmtpCredentials", printer["username"])
    refused: Callable[[], object] = lambda: "code" in r.call("sendMessage", mail("p"), key=key["secret"], quiet=True)  # noqa: E731
    r.until(refused)
    r.call("sendMessage", mail("while-paused"), key=key["secret"], note="with a paused key")
    r.call("listKeys", query={"limit": 100}, note="one paused")
    r.call("listSmtpCredentials", query={"limit": 100}, note="one paused")
    r.call("releaseKey", path_of={"key": key["id"]})
    r.call("releaseKey", path_of={"key": key["id"]}, note="again")
    r.call("releaseSmtpCredential", path_of={"credential": printer["username"]})
    r.call("releaseSmtpCredential", path_of={"credential": printer["username"]}, note="again")
    r.until(lambda: not refused())


def _paused(r: Recorder, listing: str, id: str) -> None:
    def seen() -> object:
        found = r.call(listing, query={"limit": 100}, quiet=True)["data"]
        return next(c for c in found if c["id"] == id).get("paused_at")

    r.until(seen)


def _leak(r: Recorder) -> None:
    lost = r.call("createKey", {"name": "lost", "scopes": ["send"]})
    r.call("reportLeakedKey", {"token": lost["secret"], "where": "a public paste"}, key="")
    r.call("reportLeakedKey", {"token": "nonsense"}, key="", note="no key")


# -- alerts ---------------------------------------------------------------------------------------


def _alerts(r: Recorder) -> None:
    """Two of the workspace's are listed, the installation's is not; one is acknowledged, and stays so."""
    page = r.call("listAlerts", query={"limit": 1})
    r.call("listAlerts", query={"limit": 1, "cursor": page["next_cursor"]}, note="the next page")
    alert = page["data"][0]["id"]
    first = r.call("acknowledgeAlert", alert=alert)
    again = r.call("acknowledgeAlert", alert=alert, note="again")
    assert first["acknowledged_at"] == again["acknowledged_at"]
    r.call("acknowledgeAlert", alert="alr_" + "0" * 26, note="of nobody")


# -- operators and reviews ------------------------------------------------------------------------


def _operators(r: Recorder) -> None:
    """Ben, the only one, asks for content; it is permitted and taken back, and the next request is turned down."""
    workspace = r.call("getWorkspace", quiet=True)["id"]
    asking = ("operator", "request", workspace, "content", "--as", _BEN, "--reason", "their mail does not arrive")
    grant = r.platform.cli_json(*asking, "--ticket", "T-12")["id"]
    r.call("listOperatorAccess")
    r.call("permitOperatorAccess", grant=grant)
    r.call("permitOperatorAccess", grant=grant, note="again")
    r.call("revokeOperatorAccess", grant=grant)
    r.call("revokeOperatorAccess", grant=grant, note="again")
    r.call("permitOperatorAccess", grant=grant, note="ended")
    r.call("listOperatorAccess", note="ended")


def _reviews(r: Recorder, key: str, ben: str) -> None:
    """The quarter's review: kept, removed, and what may not be."""
    [found] = r.call("listAccessReviews")["data"]
    id = found["id"]
    r.call("getAccessReview", review=id)
    owner = next(i["id"] for i in found["items"] if i["kind"] == "member" and i["id"] != ben)
    for note, kind, item, decision in (
        ("Ben", "member", ben, "keep"),
        ("Ben again", "member", ben, "remove"),
        ("the last manager", "member", owner, "remove"),
        ("a key", "key", key, "remove"),
        ("nobody", "member", "usr_nobody", "keep"),
    ):
        r.call("decideAccess", {"kind": kind, "id": item, "decision": decision}, review=id, note=note)
    r.call("getAccessReview", review=id, note="decided in part")


# -- a second workspace ---------------------------------------------------------------------------


def _transfer(r: Recorder, owner: Browser) -> None:
    """The owner's other workspace proves a name that this one holds, is refused, asks again and is granted."""
    ours = r.call("getWorkspace", quiet=True)["id"]
    assert owner.post("/workspaces", "/workspaces", {"name": "Other"}) == 303
    both = set(re.findall(r"ws_[0-9a-z]{26}", owner.http.get("/workspaces").text))
    [theirs] = both - {ours}
    key = r.platform.cli_json("key", "create", "other", "--scope", "admin", "--workspace", theirs)["secret"]
    r.call("getWorkspace", key=key, note="the other")
    domain = r.call("addDomain", {"name": "shop.example"}, key=key, note="held by another")
    r.call("askDomainTransfer", domain=domain["id"], key=key, note="not proven")
    r.dns.publish(list(dict.fromkeys([*r.dns.records, *zone_lines(domain["records"])])))
    r.call("checkDomain", domain=domain["id"], key=key, note="held by another")
    for note, grant in (("refused", False), ("granted", True)):
        asked = r.call("askDomainTransfer", domain=domain["id"], key=key, note=note)["id"]
        r.call("askDomainTransfer", domain=domain["id"], key=key, note=f"again, {note}")
        r.call("listDomainTransfers", note=f"to be {note}")
        r.call("decideDomainTransfer", {"grant": grant}, transfer=asked, key=key, note="not theirs to decide")
        r.call("decideDomainTransfer", {"grant": grant}, transfer=asked, note=note)
        r.call("decideDomainTransfer", {"grant": grant}, transfer=asked, note=f"again, {note}")
        r.call("listDomainTransfers", key=key, note=note)
    r.until(lambda: r.call("checkDomain", domain=domain["id"], key=key, quiet=True).get("status") == "verified")
    r.call("getDomain", domain=domain["id"], key=key, note="free")
    r.call("listDomains", note="one less")
