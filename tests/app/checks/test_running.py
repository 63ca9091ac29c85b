"""Checks that ask the running doors: they hold for the platform, and a door that lets everybody in fails them."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from mailward.adapters.net.courier import SmtpCourier
from mailward.adapters.storage.alike.limits import OwnerNotices
from mailward.adapters.storage.records import BodyRef
from mailward.app.bodies import Bodies
from mailward.app.checks import (
    acts,
    bounces,
    content,
    delivery,
    doors,
    email,
    everywhere,
    fuzzing,
    input,
    keys,
    limits,
    log,
    network,
    notices,
    outcomes,
    pages,
    places,
    probe,
    reach,
    roles,
    somebody,
    transport,
)
from mailward.app.checks.registry import Check
from mailward.app.context import Context, choose, cli_actor
from mailward.app.guard import letters
from mailward.app.installation import COMMAND_LINE, Installation
from mailward.app.letters import Letters
from mailward.app.settings import load
from mailward.base.ids import UserId
from mailward.base.outcome import PermFail
from mailward.core.audit.export import export
from mailward.core.domains.add import _new
from mailward.core.domains.model import DomainState
from mailward.core.evidence.model import Result
from mailward.core.guard import sign_ins
from mailward.core.identity import bursts, people, restrictions
from mailward.core.identity.credentials import Wish, create_smtp
from mailward.core.identity.model import CredentialKind, User
from mailward.core.nodes.model import NodeSeen
from mailward.core.workspaces.model import Notice
from mailward.core.workspaces.notices import tell_owner
from mailward.policy.access import Actor, Role
from mailward.policy.bursts import DAY_SLOTS, slot_of
from mailward.policy.returned import classify
from mailward.policy.tls import TlsPolicy
from tests.scenarios.platform import Platform

_NO_PASSWORD = "$argon2id$v=19$m=65536,t=3,p=1$" + "c" * 22 + "$" + "h" * 43


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """Capture mode, two workers, and a limit on connections that can be reached."""
    settings = {"limits.api_per_minute": 60_000, "submission.max_connections_per_ip": 20}
    with Platform(workers=2, settings=settings) as running:
        yield running


@pytest.fixture
async def context(platform: Platform) -> AsyncIterator[Context]:
    """The installation as the operator's shell opens it."""
    installation = Installation(load(str(platform.config), {}), worker=COMMAND_LINE + 901)
    await installation.open()
    yield Context(installation, cli_actor(await choose(installation.store, None)))
    await installation.close()


@pytest.fixture
async def manager(context: Context) -> None:
    """Somebody manages the workspace, so that a person of the checks' own may come and go."""
    user = User(UserId("usr_00000000000000000000000000"), "ada@ours.test", "Ada", _NO_PASSWORD, context.clock.now())

    async def come(tx: Any) -> None:
        if await tx.people.user(user.id) is None:
            await tx.people.add_user(user)
            await people.add_member(tx, context.actor, user, Role.MANAGER, now=user.created)

    await context.store.system_write(come)


def _changed(context: Context, **sections: dict[str, Any]) -> Context:
    """The same installation under other settings: what the operator believes, not what runs."""
    settings = msgspec.convert(msgspec.to_builtins(context.settings), type(context.settings))
    for section, values in sections.items():
        for name, value in values.items():
            setattr(getattr(settings, section), name, value)
    installation = Installation.__new__(Installation)
    installation.__dict__.update(context.installation.__dict__)
    installation.settings = settings
    return replace(context, installation=installation)


@pytest.mark.claim("INPUT-3")
@pytest.mark.claim("RATE-1")
@pytest.mark.claim("RATE-2")
@pytest.mark.claim("KEYS-2")
@pytest.mark.claim("AUTHZ-1")
@pytest.mark.claim("EMAIL-6")
@pytest.mark.claim("EMAIL-7")
@pytest.mark.claim("TRANSIT-5")
@pytest.mark.parametrize(
    "check",
    [
        limits.limits_have_their_answers,
        limits.requests_are_counted,
        limits.stolen_credentials_send_nothing,
        limits.bursts_pause,
        keys.keys_reach_what_they_should,
        keys.every_operation_asks_for_its_permission,
        doors.no_page_without_a_session,
        doors.an_open_session_ends_with_its_credential,
        outcomes.hard_bounces_are_remembered,
        outcomes.broadcasts_can_be_left,
        bounces.reports_are_settled,
        delivery.tls_whenever_offered,
        input.hostile_requests_are_refused,
        email.unverified_domains_send_nothing,
        fuzzing.the_schema_is_kept,
        network.metrics_tell_nothing,
        network.only_documented_ports,
        network.strict_pages,
        notices.sign_ins_are_told,
        pages.cookies_and_forms_are_the_browsers_own,
        pages.what_is_shown_is_escaped,
        reach.strangers_lead_us_to_public_addresses_alone,
        transport.nothing_before_tls,
        transport.old_tls_fails,
        acts.acts_are_in_the_log,
        log.an_export_proves_itself,
        content.bodies_are_sealed,
    ],
)
async def test_the_platform_as_it_is_passes(context: Context, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every door answers as promised, and no credential made for a question is left."""
    # The same questions at each run of the tests; an installation draws others each time.
    monkeypatch.setattr(fuzzing, "draw", lambda every, seed: every[::9])
    found = await check(context)
    assert found.result is Result.PASSED, found.evidence
    workspace = context.actor.workspace
    kinds = (CredentialKind.KEY, CredentialKind.SMTP)
    left = await context.store.read(workspace, lambda tx: tx.credentials.page(kinds, before=None, limit=500))
    assert not [c.name for c in left if c.name.startswith("verify:") and c.revoked is None]


@pytest.mark.claim("AUTHN-9")
async def test_access_that_goes_on_somewhere_is_found(
    context: Context, manager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key, a session or an SMTP session that is still believed after its end is named; else nobody is left."""
    found = await everywhere.access_ends_at_every_node(context)
    assert found.result is Result.PASSED, found.evidence
    workspace = context.actor.workspace
    left = await context.store.read(workspace, lambda tx: tx.people.members(workspace))
    assert [m.email for m in left] == ["ada@ours.test"]
    kept: list[Any] = []

    async def keep(context: Context, what: Any) -> None:
        kept.append(what)

    for module, name, words in (
        (probe, "end", "the key at|the SMTP session at"),
        (somebody, "leave", "the session at"),
    ):
        real = getattr(module, name)
        with monkeypatch.context() as patch:
            patch.setattr(everywhere, "WITHIN", 0.1)
            patch.setattr(module, name, keep)
            found = await everywhere.access_ends_at_every_node(context)
        assert found.result is Result.FAILED
        assert all(word in found.evidence for word in words.split("|")), found.evidence
        for what in kept:
            await real(context, what)
        kept.clear()


@pytest.mark.claim("AUTHZ-1")
async def test_people_and_commands_that_reach_too_far_are_found(
    context: Context, manager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages that a lower role gets, a verb that asks nobody, an id of another workspace that opens: each is named."""
    actor = Actor(context.actor.workspace, "session", UserId("usr_00000000000000000000000000"))
    other = await context.store.system_write(
        lambda tx: people.found_another(tx, actor, "Other", now=context.clock.now(), entropy=context.entropy)
    )
    theirs, ours = (
        _new(name, DomainState.PENDING, now=context.clock.now(), entropy=context.entropy)
        for name in ("theirs.test", "ours.test")
    )
    await context.store.write(other.id, lambda tx: tx.domains.insert(theirs))
    await context.store.write(actor.workspace, lambda tx: tx.domains.insert(ours))
    for check, words in (
        (roles.each_role_gets_what_is_its_own, "by people of 3 roles"),
        (roles.commands_reach_their_own_verbs, "each tried on 7 verbs"),
        (roles.foreign_ids_are_unknown, "1 things of other workspaces"),
    ):
        found = await check(context)
        assert (found.result, words in found.evidence) == (Result.PASSED, True), found.evidence

    async def lax(*_: Any, **__: Any) -> list[Any]:
        return []

    real, held = somebody.somebody, roles._held

    async def through_the_wall(context: Context, workspace: Any) -> dict[str, list[str]]:
        return {"domains": [ours.id]} if workspace == other.id else await held(context, workspace)

    for check, name, broken, words in (
        (roles.each_role_gets_what_is_its_own, "somebody", lambda c, _, a: real(c, Role.MANAGER, a), "to a member"),
        (roles.commands_reach_their_own_verbs, "list_domains", lax, "domain.read"),
        (roles.foreign_ids_are_unknown, "_held", through_the_wall, "another workspace"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(roles, name, broken)
            found = await check(context)
        assert (found.result, words in found.evidence) == (Result.FAILED, True), found.evidence


class _Open(BaseHTTPRequestHandler):
    """Says yes to everything."""

    def _yes(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _yes

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def open_door() -> Iterator[str]:
    """The address of a server that lets everybody in."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Open)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (limits.limits_have_their_answers, "foreign From"),
        (limits.requests_are_counted, "RateLimit"),
        (keys.keys_reach_what_they_should, "not listed"),
        (keys.every_operation_asks_for_its_permission, "without a key|scope"),
        (doors.no_page_without_a_session, "answered 200"),
        (pages.cookies_and_forms_are_the_browsers_own, "answered 200"),
        (pages.what_is_shown_is_escaped, "answered 200"),
        (reach.strangers_lead_us_to_public_addresses_alone, "was answered 200"),
        (email.unverified_domains_send_nothing, "answered 200"),
        (outcomes.broadcasts_can_be_left, "nobody can leave"),
        (input.hostile_requests_are_refused, "answered 200"),
        (network.strict_pages, "policy"),
    ],
)
async def test_an_open_door_fails(context: Context, open_door: str, check: Check, words: str) -> None:
    """An API that never refuses is found by every check that asks it."""
    found = await check(_changed(context, http={"listen": [open_door]}))
    assert found.result is Result.FAILED
    assert any(word in found.evidence for word in words.split("|")), found.evidence


@pytest.mark.parametrize(
    ("check", "section", "name", "value", "words"),
    [
        (limits.limits_have_their_answers, "submission", "max_recipients", 99, "one recipient more"),
        (limits.limits_have_their_answers, "submission", "max_message_bytes", 1000, "a size beyond the limit"),
        (limits.stolen_credentials_send_nothing, "submission", "max_connections_per_ip", 2, "more connections"),
        (limits.stolen_credentials_send_nothing, "limits", "auth_failures_per_minute_ip", 0, "never got 421"),
    ],
)
async def test_a_limit_that_is_not_what_the_settings_say_fails(
    context: Context, check: Check, section: str, name: str, value: int, words: str
) -> None:
    """What runs is laxer than what is written down: the check asks what runs."""
    found = await check(_changed(context, **{section: {name: value}}))
    assert found.result is Result.FAILED
    assert words in found.evidence


@pytest.mark.claim("AUTHN-7")
async def test_a_sign_in_that_nobody_is_told_of_fails(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A letter that is not sent, or says too little, or has a dead link is found; without a domain there is no way."""

    async def lost(*_: Any, **__: Any) -> bool:
        return False

    with monkeypatch.context() as patch:
        patch.setattr(Letters, "send", lost)
        assert (await notices.sign_ins_are_told(context)).evidence == "whoever signs in is not mailed"
    with monkeypatch.context() as patch:
        patch.setattr(letters, "_where", lambda arrival, now: "somewhere")
        assert "time, address, place, browser" in (await notices.sign_ins_are_told(context)).evidence
    with monkeypatch.context() as patch:
        patch.setattr(sign_ins, "DISOWN_LIFE", timedelta(seconds=-1))
        assert "no link" in (await notices.sign_ins_are_told(context)).evidence
    with monkeypatch.context() as patch:
        patch.setattr(notices, "load_domains", lambda i: _nothing())
        assert (await notices.sign_ins_are_told(context)).result is Result.NOT_CONFIGURED
    assert (await notices.sign_ins_are_told(context)).result is Result.PASSED


async def _nothing() -> dict[bytes, Any]:
    return {}


@pytest.mark.claim("RATE-2")
async def test_a_burst_that_was_not_paused_fails(context: Context) -> None:
    """A credential that burst and goes on behind the platform's back is found; paused, all is well again."""
    now = context.clock.now()
    issued = await context.store.write(
        context.actor.workspace,
        lambda tx: create_smtp(tx, context.actor, Wish("burst"), now=now, entropy=context.entropy),
    )
    id, slot = issued.credential.id, slot_of(now.timestamp())

    async def write(tx: Any) -> None:
        await tx.credentials.add_traffic(context.actor.workspace, id, slot - 2 * DAY_SLOTS, 50)
        await tx.credentials.add_traffic(context.actor.workspace, id, slot, 5000)

    await context.store.system_write(write)
    assert (await limits.bursts_pause(context)).result is Result.FAILED
    await context.store.system_write(lambda tx: tx.credentials.pause(id, "why", now))
    assert (await limits.bursts_pause(context)).result is Result.PASSED
    off = _changed(context, limits={"burst_factor": 0})
    assert (await limits.bursts_pause(off)).result is Result.NOT_CONFIGURED


@pytest.mark.claim("RATE-2")
async def test_a_pause_that_nobody_is_told_of_fails(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause that owes no letter, one that owes two, a letter that says nothing, and one that waits for hours."""
    assert (await notices.owners_are_told_of_pauses(context)).result is Result.PASSED
    monkeypatch.setattr(notices, "letter_of", lambda *facts: ("A letter", "with nothing in it"))
    assert (await notices.owners_are_told_of_pauses(context)).result is Result.FAILED
    monkeypatch.undo()

    async def twice(*facts: Any, now: datetime) -> None:
        await tell_owner(*facts, now=now)
        await tell_owner(*facts, now=now + timedelta(seconds=1))

    async def silent(*facts: Any, now: datetime) -> None:
        return None

    for wrong in (twice, silent):
        monkeypatch.setattr(bursts, "tell_owner", wrong)
        assert (await notices.owners_are_told_of_pauses(context)).result is Result.FAILED
    monkeypatch.undo()
    monkeypatch.setattr(notices, "_PATIENCE", timedelta(seconds=-10))
    owed = Notice("ntc_" + "0" * 26, context.actor.workspace, context.clock.now(), "key.paused", "smtp_x")

    async def due(*_: Any) -> list[Notice]:
        return [owed]

    monkeypatch.setattr(OwnerNotices, "due", due)
    assert (await notices.owners_are_told_of_pauses(context)).result is Result.FAILED


@pytest.mark.claim("EMAIL-6")
async def test_a_list_that_forgets_fails(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were bounces not put on the list, the rehearsal would see the next message go out; nothing of it stays."""
    messages = await context.store.read(context.actor.workspace, lambda tx: tx.messages.page(before=None, limit=10))
    monkeypatch.setattr(outcomes, "classify", lambda *_: PermFail("spam_content"))
    assert (await outcomes.hard_bounces_are_remembered(context)).result is Result.FAILED
    monkeypatch.setattr(outcomes, "_REPLIES", outcomes._REPLIES[:1])
    monkeypatch.undo()

    async def nothing(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr("mailward.core.delivery.settle.by_bounce", nothing)
    found = await outcomes.hard_bounces_are_remembered(context)
    assert found.result is Result.FAILED
    assert "after a hard bounce" in found.evidence
    after = await context.store.read(context.actor.workspace, lambda tx: tx.messages.page(before=None, limit=10))
    assert [m.id for m in after] == [m.id for m in messages]


@pytest.mark.claim("EMAIL-6")
async def test_reports_that_are_misread_or_change_nothing_fail(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A classifier that understands nothing, a list that forgets a late bounce, a signature that anybody can make, a
    report on two copies pinned on one that it does not name.
    """

    async def nothing(*_: Any, **__: Any) -> None:
        return None

    mute = classify(b"")
    for where, broken in (
        ("mailward.app.checks.bounces.classify", lambda _: mute),
        ("mailward.core.delivery.report.by_bounce", nothing),
        ("mailward.protocol.verp.hmac.compare_digest", lambda *_: True),
        ("mailward.core.delivery.report.Reports._named", lambda self, tx, v, m, copies: [(copies[0], v.recipients[0])]),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(where, broken)
            assert (await bounces.reports_are_settled(context)).result is Result.FAILED
    assert (await bounces.reports_are_settled(context)).result is Result.PASSED


@pytest.mark.claim("TRANSIT-5")
async def test_a_courier_that_ignores_tls_fails(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear text to a server that offered TLS is seen at the far end; so is giving in where TLS is demanded."""

    class Careless(SmtpCourier):
        def start(self, job: Any) -> Any:
            return super().start(job._replace(tls_policy=self.policy))

        policy = TlsPolicy.NONE

    monkeypatch.setattr(delivery, "SmtpCourier", Careless)
    found = await delivery.tls_whenever_offered(context)
    assert (found.result, "in clear" in found.evidence) == (Result.FAILED, True)
    monkeypatch.setattr(Careless, "policy", TlsPolicy.OPPORTUNISTIC)
    found = await delivery.tls_whenever_offered(context)
    assert (found.result, "demands TLS" in found.evidence) == (Result.FAILED, True)


@pytest.mark.claim("REST-1")
async def test_a_body_in_clear_fails(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a body written as it is, the search would find it in the segment."""
    (context.settings.data / "leak").write_bytes(b"")
    leaked: list[str] = []

    class Leaking(Bodies):
        async def read(self, workspace: bytes, message: bytes, ref: BodyRef, *, reader: Actor | None) -> bytes:
            found = await super().read(workspace, message, ref, reader=reader)
            (context.settings.data / "leak").write_bytes(found)
            leaked.append("leak")
            return found

    monkeypatch.setattr(content, "Bodies", Leaking)
    try:
        found = await content.bodies_are_sealed(context)
    finally:
        (context.settings.data / "leak").unlink()
    assert leaked
    assert (found.result, "leak" in found.evidence) == (Result.FAILED, True)


@pytest.mark.claim("LOG-1")
async def test_an_export_with_a_fault_fails(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export that lost an entry on its way, and a verifier that accepts forgeries, are both found."""
    real = export

    async def short(*a: Any, **kw: Any) -> dict[str, Any]:
        made = await real(*a, **kw)
        return {**made, "entries": made["entries"][:-1]}

    monkeypatch.setattr(log, "export", short)
    assert "does not prove itself" in (await log.an_export_proves_itself(context)).evidence
    monkeypatch.undo()
    monkeypatch.setattr(log, "verify_export", lambda *_, **__: SimpleNamespace(faults=[], entries=1))
    assert "is not found" in (await log.an_export_proves_itself(context)).evidence


@pytest.mark.claim("LOG-2")
async def test_metrics_that_repeat_what_is_said_fail(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A marker that comes back in the metrics is found, and so is an address."""
    real = network.fetch

    def repeating(word: str) -> Any:
        def fetch(url: str) -> tuple[int, dict[str, str], str]:
            status, headers, text = real(url)
            return status, headers, text + word

        return fetch

    monkeypatch.setattr(network, "fetch", repeating('x{who="ada@example.com"} 1'))
    assert "like an address" in (await network.metrics_tell_nothing(context)).evidence
    said: list[str] = []

    async def say(_: Any, marker: str) -> int:
        said.append(marker)
        monkeypatch.setattr(network, "fetch", repeating(f'x{{agent="{marker}"}} 1'))
        return 1

    monkeypatch.setattr(network, "_say", say)
    assert "a client said" in (await network.metrics_tell_nothing(context)).evidence


@pytest.mark.claim("INPUT-1")
async def test_a_sanitiser_that_lets_script_through_fails(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTML that comes out as it went in is found."""
    monkeypatch.setattr(input, "sanitise", lambda html: html)
    monkeypatch.setattr(input, "operations", list)
    found = await input.hostile_requests_are_refused(context)
    assert (found.result, "sanitiser" in found.evidence) == (Result.FAILED, True)


@pytest.mark.claim("NET-1")
async def test_a_port_that_is_not_in_the_settings_fails(context: Context) -> None:
    """What listens beyond what is written down is named."""
    found = await network.only_documented_ports(_changed(context, submission={"private": []}))
    assert (found.result, "also listening" in found.evidence) == (Result.FAILED, True)


async def test_a_node_that_cannot_be_asked_is_told(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes that name no door, the same door, or one that is out of reach: said, never green."""

    def node(number: int, http: str, *roles: str) -> NodeSeen:
        return NodeSeen(number, f"n{number}", "", "1", "up", 1, roles or ("web",), 1.0, http)

    alive = [
        node(0, "http://" + context.settings.http.listen[0]), node(1, ""), node(2, "http://127.0.0.1:1"),
        node(3, "http://127.0.0.1:1"), node(4, "", "sender"), node(5, "https://127.0.0.1:1"),
    ]  # fmt: skip

    async def known() -> list[NodeSeen]:
        return alive

    monkeypatch.setattr(places, "is_near", lambda place: place.name != "node 5")
    monkeypatch.setattr(type(context.store), "nodes", lambda self: SimpleNamespace(known=known))
    found = await everywhere.access_ends_at_every_node(context)
    assert found.result is Result.NOT_CONFIGURED
    for words in ("1 of the live nodes", "node 1 does not say", "node 2 is reached where", "node 5 cannot be asked"):
        assert words in found.evidence, found.evidence
    assert "node 4" not in found.evidence


async def test_where_nobody_may_come_from_here_it_is_said(context: Context, manager: None) -> None:
    """A workspace that lists its networks: no person is tried from this machine, and what was tried is told."""
    now, actor = context.clock.now(), context.actor

    async def restrict(*networks: str) -> None:
        await context.store.system_write(
            lambda tx: restrictions.restrict_workspace(tx, actor, networks, own=None, now=now)
        )

    await restrict("192.0.2.0/24")
    try:
        ended = await everywhere.access_ends_at_every_node(context)
        asked = await roles.each_role_gets_what_is_its_own(context)
    finally:
        await restrict()
    assert (ended.result, asked.result) == (Result.NOT_CONFIGURED, Result.NOT_CONFIGURED), (ended, asked)
    assert "a key and an SMTP credential ended" in ended.evidence
    assert "listed networks alone" in ended.evidence
    assert "listed networks alone" in asked.evidence


@pytest.mark.claim("EMAIL-2")
async def test_an_unverified_domain_that_may_send_fails(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also before a worker has heard of it."""

    class Everything(dict[str, Any]):
        def __contains__(self, name: object) -> bool:
            return True

    async def careless(_: Any) -> dict[bytes, dict[str, Any]]:
        return {b"": Everything()}

    monkeypatch.setattr(email, "load_domains", careless)
    found = await email.unverified_domains_send_nothing(context)
    assert (found.result, "among those that may send" in found.evidence) == (Result.FAILED, True)
