"""The marker search: whatever is personal is written through every repository, and found nowhere on the server."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailward.adapters.storage.postgres.tx import PgTx
from mailward.adapters.storage.times import from_us
from mailward.base import ids
from mailward.base.ids import SessionId, UserId, WorkspaceId
from mailward.core.domains.model import Domain, DomainState, Record, RecordCheck
from mailward.core.identity.model import Credential, CredentialKind, Member, Session, User
from mailward.core.messages.model import FACTS_ENCODER, AttemptFacts, MessageFacts, Pause
from mailward.core.messages.model import DeliveryState as S
from mailward.core.suppression.model import Entry, Reason
from mailward.core.webhooks.model import Attempt, Endpoint, JobState, Room
from mailward.core.workspaces.model import Workspace, WorkspaceSettings
from mailward.policy.access import Actor, Role, Scope
from tests.adapters.storage.postgres.transactions import T0, WS, Node, id_of
from tests.postgres_server import PostgresServer

WORD = "zqxmarker"
NETWORK = "198.51.100.77"
MAIL = f"{WORD}@{WORD}.example"
NOW = from_us(T0)
WS_ID = WorkspaceId(ids.encode("ws", WS))
ACTOR = Actor(WS_ID, "system", "test", frozenset())
USER = UserId(ids.encode("usr", id_of(1)))
SESSION = Session(SessionId(ids.encode("ses", id_of(2))), USER, WS_ID, NOW, NOW, f"{WORD} Browser", NETWORK)
CREDENTIAL = Credential(
    ids.encode("smtp", id_of(3)), WS_ID, CredentialKind.NETWORK, f"{WORD} key", f"{WORD}_", frozenset(Scope),
    frozenset((f"{WORD}.example",)), (ipaddress.ip_network(NETWORK),), NOW, "usr_x",
)  # fmt: skip
ENDPOINT = Endpoint(id_of(4), f"https://{MAIL}/hook", frozenset(), f"{WORD} hook", True, "", T0)


def message_facts() -> MessageFacts:
    return MessageFacts(
        "api", "key_x", f"{WORD}.example", MAIL, f"{WORD} <{MAIL}>", MAIL, f"Subject {WORD}", f"<1@{WORD}.example>", 9,
        tags=(WORD,), metadata={WORD: WORD}, envid=WORD,
    )  # fmt: skip


def attempt_facts() -> AttemptFacts:
    line = f"RCPT TO:<{MAIL}>"
    return AttemptFacts(
        "bounced", f"reason {WORD}", 550, "5.1.1", f"no {MAIL}", f"mx.{WORD}.example", NETWORK, f"why {WORD}", "",
        {"cert": WORD}, [(1, ">", line)], 1, (WORD,),
    )  # fmt: skip


async def write_for_the_workspace(tx: PgTx) -> None:
    """Everything a workspace keeps, with the word wherever a person could be."""
    message = id_of(10)
    await tx.messages.insert([(message, T0, 1, 0, 10, FACTS_ENCODER.encode(message_facts()))])
    await tx.deliveries.insert(
        [
            (message, 0, MAIL, 1, T0, 5, T0, f"first {WORD}", f"NOTIFY=NEVER ORCPT=rfc822;{MAIL}"),
            (message, 1, MAIL, 3, 0, 0, T0, f"done {WORD}", None),
        ]
    )
    await tx.deliveries.settle([(int(S.BOUNCED), 0, 1, T0, f"550 no {MAIL}", message, 0, 5)])
    await tx.deliveries.add_attempts([(message, 0, 1, T0, FACTS_ENCODER.encode(attempt_facts()))])
    await tx.messages.timeline_add(message, T0, "held", f'{{"reason": "{WORD}"}}')
    await tx.messages.claim_answers([(WORD.encode(), b"hash", b"answer", T0 + 1)], T0)
    await tx.deliveries.pause(Pause("", T0, f"paused for {WORD}"))
    await tx.suppressions.insert([(b"t" * 16, Entry(id_of(11), MAIL, "", Reason.MANUAL, "", T0))])
    await tx.suppressions.put_bounces([(b"u" * 16, MAIL, message, T0)])
    await tx.audit.append(ACTOR, "thing.done", "x", {"email": MAIL}, now=NOW)
    await write_domains_and_webhooks(tx)


async def write_domains_and_webhooks(tx: PgTx) -> None:
    checks = (RecordCheck(Record("spf", "TXT", f"{WORD}.example", WORD, True), "missing", (WORD,), f"add {WORD}"),)
    domain = Domain(
        ids.encode("dom", id_of(5)), f"{WORD}.example", DomainState.PENDING, f"token-{WORD}", NOW, NOW, checks=checks
    )
    assert await tx.domains.insert(domain)
    assert await tx.domains.update(replace(domain, state=DomainState.VERIFIED))
    assert await tx.domains.take_selector(f"{WORD}.example", "mw1")
    await tx.webhooks.insert(ENDPOINT)
    await tx.webhooks.update(replace(ENDPOINT, disabled_reason=f"because {WORD}"))
    await tx.webhooks.add_events([(id_of(6), "message.bounced", T0, f'{{"recipient":"{MAIL}"}}'.encode())])
    await tx.webhooks.add_jobs([(ENDPOINT.id, id_of(6), "message.bounced", T0)])
    answer = f"got {MAIL}"
    await tx.webhooks.add_attempt(
        Attempt(id_of(7), ENDPOINT.id, id_of(6), "message.bounced", T0, 1, "retry", 500, 3, answer, 0)
    )


async def write_for_the_installation(tx: PgTx) -> None:
    settings = WorkspaceSettings()
    await tx.workspaces.insert(Workspace(WS_ID, "before", NOW, settings))
    await tx.workspaces.rename(WS_ID, f"Company {WORD}")
    await tx.people.add_user(User(USER, MAIL.upper(), f"Ann {WORD}", f"$argon2id${WORD}", NOW))
    await tx.people.set_password(USER, f"$argon2id$new{WORD}")
    await tx.people.add_member(WS_ID, Member(USER, MAIL, f"Ann {WORD}", Role.ADMIN, NOW))
    await tx.people.add_session(SESSION, b"h" * 32)
    await tx.credentials.insert(CREDENTIAL, b"c" * 32)
    await tx.credentials.pause(CREDENTIAL.id, f"burst by {WORD}", NOW)


async def read_for_the_workspace(tx: PgTx) -> list[object]:
    """The same again, each thing that has to hold the word."""
    message = id_of(10)
    found = await tx.messages.get(message)
    assert found is not None
    assert found.facts == message_facts()
    copies = (await tx.deliveries.of([message]))[message]
    (tried,) = await tx.deliveries.attempts(message)
    assert tried.facts == attempt_facts()
    domain = await tx.domains.by_name(f"{WORD}.example")
    assert domain is not None
    endpoint = await tx.webhooks.get(ENDPOINT.id)
    assert endpoint is not None
    return [
        *(c.recipient for c in copies), *(c.reason for c in copies), *await tx.messages.timeline(message),
        *await tx.deliveries.pauses(), *await tx.suppressions.page(
            before=None, limit=9, search=WORD.upper(), reason=None, stream=None
        ),
        *[r.facts for r in await tx.audit.leaves(WS, 0, 9)], domain.name, domain.token, domain.checks[0].hint,
        endpoint.url, endpoint.description, endpoint.disabled_reason, await tx.webhooks.event(id_of(6)),
        *await tx.webhooks.attempts(ENDPOINT.id, before=None, limit=9),
    ]  # fmt: skip


async def read_for_the_installation(tx: PgTx) -> list[object]:
    user = await tx.people.user_by_email(MAIL)
    assert user is not None
    session = await tx.people.session_by_token(b"h" * 32)
    assert session == SESSION
    credential = await tx.credentials.by_token(b"c" * 32)
    assert credential is not None
    assert credential.networks == CREDENTIAL.networks
    workspace = await tx.workspaces.get(WS_ID)
    assert workspace is not None
    room = Room(limit=9, each=9, tenant=9, slow=9, busy={}, tenants={})
    works = await tx.webhooks.lease(lessee=0, now=T0 + 1, until=T0 + 2, turn=0, room=room)
    return [
        user.email.lower(), user.name, user.password, session.device, credential.name, credential.hint,
        sorted(credential.domains or ()), credential.pause_reason, workspace.name,
        *await tx.people.members(WS_ID), *((w.url, w.body) for w in works),
        *await tx.evidence.passwords(), *await tx.evidence.recent_recipients(5),
    ]  # fmt: skip


async def everything(admin: Any) -> bytes:
    """Every value of every column of every table, as octets."""
    out = bytearray()
    names = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'mailward'")
    for (name,) in names:
        for row in await admin.fetch(f'SELECT * FROM mailward."{name}"'):
            for value in row.values():
                out += value if isinstance(value, bytes) else str(value).encode()
                out += b"\n"
    return bytes(out)


def files(folder: Path) -> Iterable[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path, path.read_bytes()


@pytest.mark.claim("REST-1")
async def test_no_word_of_a_person_is_on_the_server(
    node: Node, admin: Any, postgres_server: PostgresServer, database: str
) -> None:
    """With the key every value reads back; without it no table, no WAL, no file and no line of the log has the word."""
    async with node.begin(WS) as tx:
        await write_for_the_workspace(tx)
    async with node.begin(None) as tx:
        await write_for_the_installation(tx)
    async with node.begin(WS) as tx:
        theirs = await read_for_the_workspace(tx)
    async with node.begin(None) as tx:
        ours = await read_for_the_installation(tx)
    assert len(theirs) > 15
    assert [v for v in (*theirs, *ours) if WORD not in str(v)] == []

    with pytest.raises(Exception, match="duplicate key"):  # which the server logs, with the values of the key
        async with node.begin(None) as tx:
            await tx.people.add_user(User(UserId(ids.encode("usr", id_of(9))), MAIL, "x", "x", NOW))

    needles = [w.encode() for w in (WORD, WORD.upper(), NETWORK)]
    # The same search finds what is not sealed, so that finding nothing says something.
    await admin.execute(f"CREATE TABLE mailward.control AS SELECT '{WORD.replace('marker', 'control')}'::text AS word")
    control = WORD.replace("marker", "control").encode()
    rows = await everything(admin)
    assert control in rows
    assert not any(n in rows for n in needles)
    await admin.execute("CHECKPOINT")
    seen = [(path, octets) for path, octets in files(postgres_server.folder) if control in octets]
    assert any("pg_wal" in p.parts for p, _ in seen)
    assert any("base" in p.parts for p, _ in seen)
    holding = [str(p) for p, octets in files(postgres_server.folder) if any(n in octets for n in needles)]
    assert holding == []


async def test_a_search_in_sealed_addresses_pages(node: Node) -> None:
    """A part of an address is found without regard to case, newest first, over as many pages as there are."""
    rows = [
        (
            n.to_bytes(16, "big"),
            Entry(id_of(n), f"{'Ann' if n % 100 == 0 else 'bob'}{n}@x.test", "", Reason.MANUAL, "", T0),
        )
        for n in range(2500)
    ]
    async with node.begin(WS) as tx:
        assert await tx.suppressions.insert(rows) == 2500
        assert await tx.suppressions.insert(rows[:3]) == 0
        found: list[str] = []
        before: bytes | None = None
        while page := await tx.suppressions.page(before=before, limit=10, search="aNN", reason=None, stream=None):
            found += [e.address for e in page]
            before = page[-1].id
    assert found == [f"Ann{n}@x.test" for n in range(2400, -1, -100)]


def test_states_of_jobs_are_what_rows_hold() -> None:
    """The numbers written into statements are those of the model."""
    assert (JobState.PENDING, JobState.CANCELLED) == (0, 3)
    assert (S.LEASED, S.HELD) == (1, 2)
    assert timedelta(microseconds=T0) == NOW - from_us(0)
