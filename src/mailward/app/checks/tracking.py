"""EMAIL-8: without tracking a body leaves as it came; with it, a link leads where it was signed to, and only there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, MutableMapping
from types import SimpleNamespace
from typing import Any, cast

from mailward.adapters.storage.records import BodyRef
from mailward.app.candidate import Candidate
from mailward.app.checks import probe
from mailward.app.checks.probe import NotThere
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.knowledge import KnownDomain
from mailward.app.naming import installation_names
from mailward.app.signing import Signing, load_domains
from mailward.app.store import Store, Tx
from mailward.app.tracking.forms import Forms
from mailward.app.tracking.places import tracked
from mailward.app.tracking.visits import Visits
from mailward.base import ids
from mailward.base.outcome import Done
from mailward.core.delivery.attempt import Attempter, Delivered, Route, Shipment, Verdict
from mailward.core.delivery.model import Copy, Work
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.messages.model import DeliveryState, MessageFacts
from mailward.core.submission.model import Receipt, Recipient, Submission
from mailward.core.submission.record import record
from mailward.core.suppression.model import token as address_token
from mailward.core.tracking.model import CLICKED, FACTS
from mailward.edges.web.auth import Origin
from mailward.edges.web.limits import LocalLimiter
from mailward.edges.web.tracking.site import TrackingSite
from mailward.protocol.message.submission import for_submission
from mailward.protocol.tracking import tokens
from mailward.protocol.tracking.tokens import Keys, Kind, Link

TARGET = "https://verify.invalid/where?a=1&b=2"
_BODY = (
    b"<html><body>\r\n<p>Caf\xc3\xa9 \t\r\n.. a line of its own</p><a  HREF='https://verify.invalid/where?a=1&amp;b=2'>"
    b"x</a><a href=https://verify.invalid/2>y</a>\r\n</BODY></html>\r\n\r\n"
)
_PERSON = b"Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
_MINUTE_US = 60_000_000
_LINK = re.compile(rb'"(http[^"]*/c/[^"]+)"')
_OUT = re.compile(rb'"(http[^"]*/p/[^"]+)"')


class _Kept:
    """A courier that keeps what it was to carry, and says that it was taken."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []

    async def deliver(self, shipment: Shipment) -> Delivered:
        self.contents.append(b"".join(shipment.content))
        return Delivered([Done("kept", 250, "2.0.0")] * len(shipment.recipients), "", "", "", {}, [], 0)


class _Nowhere:
    """Every domain's mail goes to the courier."""

    def cached(self, domain: str) -> Route:
        return Route(domain, (), "a check", "")

    async def route(self, domain: str) -> Route:
        return self.cached(domain)


def _submitted(context: Context, known: KnownDomain, header: bytes = b"") -> bytes:
    """A message as a program hands it in by SMTP."""
    base = known.tracking.encode()
    body = _BODY.replace(b"</BODY>", b'<a href="' + base + b'/opt-out">no</a></BODY>')
    return (
        b"From: verify@" + known.name.encode() + b"\r\nTo: nobody@verify.invalid\r\nSubject: verify\r\n" + header
        + b"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        + body
    )  # fmt: skip


async def _relayed(
    context: Context, workspace: bytes, known: KnownDomain, handed_in: bytes, id: bytes
) -> tuple[bytes, MessageFacts]:
    """What leaves of it: accepted, taken apart by what is tracked, signed, and handed to a courier."""
    i = context.installation
    ready = for_submission(
        handed_in, now=context.clock.now(), entropy=context.entropy, hostname=context.settings.hostname
    )
    candidate = Candidate(
        ready.content, f"verify@{known.name}", [("nobody@verify.invalid", None)], f"verify@{known.name}", known.name,
        (known.name,), ready.to, ready.subject, ready.message_id, "smtp", tracking=ready.directives.tracking,
    )  # fmt: skip
    facts = MessageFacts(
        "smtp", context.actor.id, known.name, candidate.mail_from, candidate.header_from, candidate.to,
        candidate.subject, candidate.message_id, len(ready.content), eight_bit=True, tracking=tracked(known, candidate),
    )  # fmt: skip
    courier = _Kept()
    errors: list[BaseException] = []

    async def nobody(work: Work) -> set[int]:
        return set()

    async def content(work: Work) -> bytes:
        return ready.content

    async def unlisted(work: Work) -> dict[int, str]:
        return {}

    attempter = Attempter(
        router=_Nowhere(),
        courier=courier,
        signing=Signing(cast(Any, SimpleNamespace(domain=lambda w, n: known)), on=bool(known.signers)),
        return_path=lambda *_: candidate.mail_from,
        judge=lambda *_: Verdict(DeliveryState.DELIVERED, 0, "", False),
        load=content,
        listed=unlisted,
        lessee=1,
        now_us=i.now_us,
        forms=Forms(nobody, i.tracking_keys, errors.append),
        failed=errors.append,
    )
    now = i.now_us()
    work = Work(workspace, id, now, facts, [Copy(0, "nobody@verify.invalid", 0, None)], now + _MINUTE_US * 20, None,
                ready.content)  # fmt: skip
    await attempter.attempt(work)
    return (courier.contents or [b""])[0], facts


async def _known(context: Context, workspace: bytes) -> KnownDomain:
    """A domain of the workspace with its keys, else one that signs nothing, with links as at a customer's."""
    own = (await load_domains(context.installation)).get(workspace, {})
    host = f"https://{installation_names(context.settings).tracking_label}.verify.invalid"
    found = next(iter(own.values()), None)
    signers = found.signers if found is not None else ()
    name = found.name if found is not None else "verify.invalid"
    return KnownDomain(b"", name, False, False, "", signers, tracking=host)


def _body(content: bytes) -> bytes:
    return content.partition(b"\r\n\r\n")[2]


def _hash(content: bytes) -> str:
    return hashlib.sha256(_body(content)).hexdigest()


@check("EMAIL-8")
async def without_tracking_a_body_leaves_as_it_came(context: Context) -> Finding:
    """Hand a message in as a program would, and compare what a courier is given, hash by hash."""
    workspace = ids.decode("ws", context.actor.workspace)
    known = await _known(context, workspace)
    id = ids.new_raw(context.installation.now_us() // 1000, context.entropy)
    for header, what in ((b"", "nobody asked for tracking"), (b"X-Mailward-Tracking: off\r\n", "it was switched off")):
        handed_in = _submitted(context, known, header)
        left, _ = await _relayed(context, workspace, known, handed_in, id)
        if _hash(left) != _hash(handed_in):
            return failed(f"a body leaves changed although {what}")
        if b"x-mailward-tracking" in left.lower():
            return failed("the header that switches tracking leaves with the message")
    on, _ = await _relayed(context, workspace, known, _submitted(context, known, b"X-Mailward-Tracking: both\r\n"), id)
    if len(_LINK.findall(on)) != 2 or b"/o/" not in on:
        return failed("a message that asks to be tracked leaves without tracked links")
    return passed(
        "the body a courier is given has the hash of the one that was handed in, without a word about tracking and "
        "with it switched off; asked for, links and image are there"
    )


class _Undo(Exception):
    """Ends the transaction of a rehearsal without a trace; carries what went wrong, or nothing."""


@check("EMAIL-8")
async def a_link_leads_where_it_was_signed_to(context: Context) -> Finding:
    """A message, its tracked link followed, forged, and its recipient opted out: in a transaction that is undone."""
    workspace = ids.decode("ws", context.actor.workspace)
    known = await _known(context, workspace)
    id = ids.new_raw(context.installation.now_us() // 1000, context.entropy)
    handed_in = _submitted(context, known, b"X-Mailward-Tracking: both\r\n")
    content, facts = await _relayed(context, workspace, known, handed_in, id)
    wrong = "nothing was tried"
    try:
        await context.store.write(
            context.actor.workspace, lambda tx: _rehearse(context, tx, workspace, id, content, facts)
        )
    except _Undo as done:
        wrong = str(done)
    if wrong:
        return failed(wrong)
    return passed(
        "a followed link led to its target and was counted; a scanner's was kept as one and not counted; every forged "
        "one, another host's and one to script led nowhere; after an opt-out links work and nothing is kept"
    )


async def _rehearse(context: Context, tx: Tx, workspace: bytes, id: bytes, content: bytes, facts: MessageFacts) -> None:
    raise _Undo(await _wrong(context, tx, workspace, id, content, facts))


async def _wrong(context: Context, tx: Tx, workspace: bytes, id: bytes, content: bytes, facts: MessageFacts) -> str:
    i = context.installation
    now, key = i.now_us(), i.token_key(workspace)
    address = "nobody@verify.invalid"
    submission = Submission(
        id=id, created=now, facts=facts, recipients=[Recipient(address, address_token(key, address))],
        state=DeliveryState.DELIVERED, due=0, lessee=0, epochs=tx.epochs,
    )  # fmt: skip
    (receipt,) = await record(tx, [(submission, BodyRef(0, 0, 0))])
    if not isinstance(receipt, Receipt):
        raise receipt
    before = (await _count(tx)).get(CLICKED, 0)
    clock = [now + _MINUTE_US]
    store = _Within(tx, id, workspace)
    visits = Visits(
        cast(Store, store), keys=i.tracking_keys, token_key=i.token_key, now_us=lambda: clock[0], wake=lambda: None
    )
    site = TrackingSite(visits, Origin(), LocalLimiter(lambda: 0.0))
    link, out = _LINK.search(content), _OUT.search(content)
    if link is None or out is None:
        return "a message that asks to be tracked leaves without tracked links"
    url, way_out = link[1].decode(), out[1].decode()
    if await _get(site, url) != (302, TARGET):
        return "a tracked link does not lead to its target"
    if ((await _count(tx)).get(CLICKED, 0) - before, await _kept(tx, id)) != (1, [False]):
        return "a followed link is not counted once"
    clock[0] += _MINUTE_US
    await _get(site, url, agent=b"Barracuda Sentinel", method="HEAD")
    if ((await _count(tx)).get(CLICKED, 0) - before, await _kept(tx, id)) != (1, [False, True]):
        return "a scanner's visit is not told from a person's"
    base, _, token = url.rpartition("/")
    host = base.split("/")[2]
    forged = [f"{base}/{token[:n]}{'A' if token[n] != 'A' else 'B'}{token[n + 1 :]}" for n in range(len(token))]
    keys = i.tracking_keys(workspace)
    script = tokens.encode(Link(Kind.CLICK, id, 0, "javascript:alert(1)"), host, keys)
    # Past the first few octets, which only spare the store: it is the workspace's own key that counts.
    others = tokens.encode(Link(Kind.CLICK, id, 0, TARGET), host, keys._replace(own=context.entropy.bytes(32)))
    for wrong in (
        *forged,
        url.replace(host, "x" + host),
        f"{base}/{script}",
        f"{base}/{others}",
        f"{base}/",
        f"https://{host}/sign-in",
    ):
        status, location = await _get(site, wrong)
        if status < 400 or location:
            return f"a link that was not signed leads on ({status})"
    await _get(site, way_out)
    clock[0] += _MINUTE_US
    await _get(site, url)
    if len(await _kept(tx, id)) != 3:
        return "looking at the way out was taken for an opt-out"
    await _get(site, way_out, method="POST")
    clock[0] += _MINUTE_US
    if await _get(site, url) != (302, TARGET):
        return "a link stopped working because its recipient opted out"
    return "" if len(await _kept(tx, id)) == 3 else "what a recipient does who opted out is kept"


class _Within:
    """A store whose every door is one transaction that is under way."""

    def __init__(self, tx: Tx, message: bytes, workspace: bytes) -> None:
        self._tx, self._message, self._workspace = tx, message, workspace

    def write(self, workspace: str, verb: Callable[[Tx], Awaitable[Any]]) -> Awaitable[Any]:
        return verb(self._tx)

    read = write

    async def system_read(self, verb: Callable[[Tx], Awaitable[Any]]) -> Any:
        """Whose message it is: the only question asked outside of a workspace."""

        async def whose(message: bytes) -> bytes | None:
            return self._workspace if message == self._message else None

        return await verb(cast(Tx, SimpleNamespace(deliveries=SimpleNamespace(whose=whose))))


async def _count(tx: Tx) -> dict[str, int]:
    total: dict[str, int] = {}
    for _, what, n in await tx.messages.hours(0):
        total[what] = total.get(what, 0) + n
    return total


async def _kept(tx: Tx, id: bytes) -> list[bool]:
    """The clicks that are kept of the message: whether each was a program's."""
    rows = await tx.messages.timeline(id)
    return [FACTS.decode(facts).machine for _, moment, facts in rows if moment == CLICKED]


async def _get(site: TrackingSite, url: str, *, method: str = "GET", agent: bytes = _PERSON) -> tuple[int, str]:
    """Status and Location of the answer."""
    _, _, host, path = url.split("/", 3)
    heard: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        heard.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "method": method, "path": f"/{path}", "scheme": "https", "query_string": b"",
        "client": ("192.0.2.1", 1), "headers": [(b"host", host.encode()), (b"user-agent", agent)],
    }  # fmt: skip
    await site(scope, receive, send)
    headers = dict(heard[0]["headers"])
    return heard[0]["status"], headers.get(b"location", b"").decode()


@check("EMAIL-8")
async def tracking_hosts_serve_nothing_else(context: Context) -> Finding:
    """Ask the running web listener under a tracking host's name for what it serves elsewhere."""
    host = f"{installation_names(context.settings).tracking_label}.verify.invalid"
    token = tokens.encode(Link(Kind.CLICK, bytes(16), 0, TARGET), host, Keys(bytes(32), bytes(32)))
    paths = ("/", "/sign-in", "/v1/messages", "/openapi.json", f"/c/{token}", "/c/https://verify.invalid/")
    try:
        for path in paths:
            heard = await probe.ask(context, "GET", path, headers={"Host": host})
            if heard.status != 404 or "location" in heard.headers or "set-cookie" in heard.headers:
                return failed(f"a tracking host answers GET {path.split('/')[1] or '/'} with {heard.status}")
        image = await probe.ask(context, "GET", f"/o/{token}.gif", headers={"Host": host})
    except NotThere as e:
        return failed(str(e))
    if (image.status, len(image.body), image.headers.get("cache-control")) != (200, 43, "no-store"):
        return failed("the image of a tracking host is not what it should be")
    return passed(f"under a tracking host's name {len(paths)} paths were asked for, and no page, operation or way on")
