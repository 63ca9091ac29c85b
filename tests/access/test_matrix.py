"""Every operation, page, SMTP command, command and job, asked by every role and scope: each answer is the policy's."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from structlog.testing import capture_logs

import mailward
from mailward.app.cli import app as commands
from mailward.base.errors import Forbidden, Unauthenticated
from mailward.base.ids import WorkspaceId
from mailward.base.secret import Secret
from mailward.edges.web import app
from mailward.edges.web.dashboard import guard
from mailward.edges.web.dashboard.ports import Session, Surroundings
from mailward.edges.web.dashboard.render import Renderer
from mailward.edges.web.dashboard.site import routes
from mailward.edges.web.endpoint import Services
from mailward.edges.web.limits import LocalLimiter, RateClass, WebLimits
from mailward.policy.access import OWN, PUBLIC, Actor, Permission, admits
from mailward.policy.boundaries import CLI, JOBS, SMTP, PolicyMissing, job_actor, known_jobs, of_verb, require_command
from mailward.protocol.smtp.server import TRANSITIONS
from tests.access.matrix import Nowhere, Page, holders, operations, pages_of
from tests.conftest import SeededEntropy
from tests.edges.web.dashboard.fake import FakePlatform
from tests.edges.web.fake_platform import WORKSPACE, FakeReadiness, FixedClock

_HOLDERS = holders()
_LACKS = "does not have the permission"


@dataclass
class Doors:
    """An authenticator that believes the name it is given."""

    asked: list[str] = field(default_factory=list)

    async def authenticate(self, token: str, ip: str) -> Actor:
        return Actor(WORKSPACE, "key", "key_1", _HOLDERS[token.replace("~", " ")])


@cache
def _front() -> app.Front:
    clock = FixedClock()
    services = Services(
        platform=Nowhere(),
        authenticator=Doors(),
        limiter=LocalLimiter(clock.monotonic),
        clock=clock,
        entropy=SeededEntropy(),
        limits=WebLimits(rates=dict.fromkeys(RateClass)),
    )
    return app.build(services, FakeReadiness())


def _client() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(_front(), client=("127.0.0.1", 1))
    return httpx.AsyncClient(transport=transport, base_url="http://x")


@pytest.mark.asvs("8.2.1", "8.2.3", "8.3.1")
@pytest.mark.claim("AUTHZ-1")
@pytest.mark.parametrize("holder", _HOLDERS)
async def test_each_operation_answers_each_holder_as_the_table_says(holder: str) -> None:
    """403 exactly where the permission is missing; whatever else is wrong is said only to who may ask."""
    wrong = []
    async with _client() as client:
        for operation in operations():
            path = re.sub(r"\{\w+\}", "nobody", operation.path)
            body = {"content": b"[]", "headers": {"content-type": "application/json"}} if operation.takes_body else {}
            headers = {"authorization": f"Bearer {holder.replace(' ', '~')}", **body.pop("headers", {})}  # type: ignore[dict-item]
            heard = await client.request(operation.method, path, headers=headers, **body)  # type: ignore[arg-type]
            refused = heard.status_code == 403 and _LACKS in heard.text
            if refused is admits(operation.permission, _HOLDERS[holder]) or heard.status_code >= 500:
                wrong.append((operation.name, heard.status_code))
    assert not wrong


@pytest.mark.asvs("6.3.4", "8.2.1")
@pytest.mark.claim("AUTHZ-1")
async def test_an_operation_without_a_key_is_for_nobody_unless_it_is_public() -> None:
    """401 without a key, and nothing else, on whatever is not written down as public."""
    async with _client() as client:
        for operation in operations():
            path = re.sub(r"\{\w+\}", "nobody", operation.path)
            heard = await client.request(operation.method, path)
            assert (heard.status_code == 401) is (operation.permission is not PUBLIC), operation.name


class Dashboard:
    """The pages over a platform in memory, and whoever is signed in to them just now."""

    def __init__(self) -> None:
        there: Any = FakePlatform()
        self.platform = there
        self.held: frozenset[Permission] | None = None
        self.platform.sessions.resolve = self.resolve
        found = routes(there, Surroundings(), SeededEntropy())
        self.pages = pages_of(found)
        transport = httpx.ASGITransport(Starlette(routes=found), client=("127.0.0.1", 1))
        self.http = httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", cookies={guard.SESSION: "anything"}
        )

    async def resolve(self, token: str, *, ip: str) -> Session:
        """Whoever the test put there."""
        if self.held is None:
            raise Unauthenticated("unauthenticated", "Sign in first.")
        return Session(Secret("t"), Actor(WORKSPACE, "session", "usr_1", self.held), "a@b.test", "Acme")

    async def ask(self, page: Page) -> httpx.Response:
        """One route, on a thing that is nobody's, without a form."""
        return await self.http.request(page.method, re.sub(r"\{\w+\}", "nobody", page.path))


@cache
def _dashboard() -> Dashboard:
    return Dashboard()


@pytest.mark.asvs("8.2.1", "8.3.1")
@pytest.mark.claim("AUTHZ-1")
@pytest.mark.parametrize("holder", _HOLDERS)
async def test_each_page_and_act_answers_each_holder_as_its_route_says(
    holder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page or an act is refused exactly where its permission is missing, before the form is read."""
    # What a page looks like is tested elsewhere; here only whether it was shown or refused.
    monkeypatch.setattr(Renderer, "text", lambda self, template, **facts: str(facts.get("problem", "")))
    dashboard, wrong = _dashboard(), []
    dashboard.held = _HOLDERS[holder]
    with capture_logs():
        for page in dashboard.pages:
            heard = await dashboard.ask(page) if page.policy is not PUBLIC else None
            refused = heard is not None and heard.status_code == 403 and _LACKS in heard.text
            if refused is admits(page.policy, _HOLDERS[holder]):
                wrong.append((page.method, page.path))
    assert not wrong


@pytest.mark.asvs("6.3.4")
@pytest.mark.claim("AUTHZ-1")
async def test_a_stranger_is_sent_to_sign_in_from_every_page_that_is_not_public() -> None:
    """Nothing of a page is shown, and no act is done, without a session."""
    dashboard = _dashboard()
    dashboard.held = None
    before = list(dashboard.platform.done)
    for page in dashboard.pages:
        if page.policy is not PUBLIC:
            heard = await dashboard.ask(page)
            assert (heard.status_code, heard.headers.get("location")) == (303, "/sign-in"), page.path
    assert dashboard.platform.done == before


@pytest.mark.asvs("8.2.1")
@pytest.mark.claim("AUTHZ-1")
@pytest.mark.parametrize("holder", _HOLDERS)
def test_each_smtp_command_answers_each_holder_as_the_table_says(holder: str) -> None:
    """A session of whoever may not send is refused at MAIL, RCPT and DATA; the rest is for everybody."""
    actor = Actor(WORKSPACE, "smtp_credential", "smtp_1", _HOLDERS[holder])
    for command, policy in SMTP.items():
        if admits(policy, actor.permissions):
            require_command(actor, command)
        else:
            with pytest.raises(Forbidden):
                require_command(actor, command)


@pytest.mark.claim("AUTHZ-1")
def test_the_table_of_smtp_commands_is_the_machines() -> None:
    """Each verb that a session knows in any state has a policy, and none is written for a verb that is not there."""
    assert {verb.decode() for row in TRANSITIONS.values() for verb in row} == set(SMTP)


def verbs(group: Any = commands, path: tuple[str, ...] = ()) -> set[str]:
    """Every command that the command line knows, in full."""
    found = set()
    for name in group:
        if not name.startswith("-"):
            below = group[name]
            if below.default_command is not None:
                found.add(" ".join((*path, name)))
            found |= verbs(below, (*path, name))
    return found


@pytest.mark.claim("AUTHZ-1")
def test_the_table_of_commands_is_the_command_lines() -> None:
    """Each verb has a policy, and none is written for a verb that is not there."""
    assert verbs() == set(CLI)


@pytest.mark.claim("AUTHZ-1")
def test_each_job_that_is_written_down_has_a_policy() -> None:
    """Whatever the code calls a task by name is in the table: without it the worker that starts it stops."""
    sources = Path(mailward.__file__).parent.rglob("*.py")
    named = {name for source in sources for name in re.findall(r'\bTask\(\s*"(\w+)"', source.read_text("utf-8"))}
    assert len(named) > 20
    assert named <= set(JOBS)


@pytest.mark.claim("AUTHZ-1")
def test_what_has_no_policy_does_not_begin() -> None:
    """A verb, a job or a page that nobody wrote down stops with its name."""
    with pytest.raises(PolicyMissing, match="message burn"):
        of_verb("message burn")
    with pytest.raises(PolicyMissing, match="mischief"):
        known_jobs(["audit", "mischief"])
    with pytest.raises(PolicyMissing, match="mischief"):
        job_actor(WorkspaceId("ws_1"), "mischief")


def test_no_job_holds_more_than_it_was_given() -> None:
    """Reading content, roles, members and operators is no job's; erasing is a person's."""
    never = {Permission.ROLE_CHANGE, Permission.MEMBER_CHANGE, Permission.OPERATOR_CHANGE, Permission.MESSAGE_ERASE}
    for job, held in JOBS.items():
        assert not held & never, job
        assert Permission.MESSAGE_CONTENT not in held or job == "start", job


def test_own_pages_take_no_permission_and_need_a_session() -> None:
    """OWN is for who is signed in, whatever they hold; it is never a stranger's."""
    assert admits(OWN, frozenset())
    assert not admits(OWN, frozenset(Permission), signed_in=False)
