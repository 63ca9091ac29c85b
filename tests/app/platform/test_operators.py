"""What an operator reads, through the areas and the vault as the platform runs them, on the embedded store."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailward.adapters.vault.vault import Vault
from mailward.app.granted import GrantedStore, unwrapping
from mailward.app.platform.access import Access
from mailward.app.platform.operators import Operators
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import Forbidden, NotFound
from mailward.core.messages.model import DeliveryState
from mailward.core.operators import end
from mailward.core.operators.model import Reach, Reader
from mailward.core.submission.record import record
from mailward.core.workspaces.data_keys import DataKeys
from mailward.edges.web.schema.common import PageQuery
from mailward.edges.web.schema.messages import MessageQuery
from mailward.policy.access import Permission
from tests.conftest import MovingClock, SeededEntropy
from tests.core.conftest import submission
from tests.core.operators.operators_rig import CONTENT, METADATA, Rig


class Desk:
    """The rig with the operators' area over real data keys, and one message of the customer."""

    def __init__(self, rig: Rig, tmp_path: Path) -> None:
        vault = Vault(tmp_path / "keys", rig.entropy, now=rig.now)
        self.rig = rig
        self.keys = DataKeys(rig.store, vault.service, rig.entropy, unwrapping(rig.store, rig.clock.now))
        self.area = Operators(rig.store, self.keys, rig.clock, rig.entropy, lambda w: bytes(32))
        self.message = ""

    async def put(self) -> None:
        raw, day = ids.decode("ws", self.rig.workspace), 20_000
        now = int(self.rig.now.timestamp() * 1e6)
        epoch = await self.rig.store.system_read(lambda tx: tx.revocations.current())
        item = submission(1, "b@x.test", created=now, state=DeliveryState.DELIVERED, epochs=(epoch, 0))
        body = b"Subject: x\r\n\r\ntheir secret\r\n"
        key = await self.keys.seal_key(raw, day)
        await self.rig.store.write_item(record, raw, item, body=(item.id, key, body))
        self.message = ids.encode("msg", item.id)


@pytest.fixture
async def desk(store: Store, clock: MovingClock, entropy: SeededEntropy, tmp_path: Path) -> Desk:
    made = Desk(await Rig(store, clock, entropy).settle(), tmp_path)
    await made.put()
    return made


@pytest.mark.claim("AUTHZ-3")
async def test_content_is_read_by_a_live_grant_and_each_read_is_in_the_log(desk: Desk) -> None:
    """List, explanation and content by the grant; the customer's log and list have them; ended, none is left."""
    rig, area = desk.rig, desk.area
    live = await rig.live(CONTENT)
    reader = await area.reader(rig.ann, live.id)
    page = await area.list_messages(reader, MessageQuery(limit=5))
    assert [m.id for m in page.data] == [desk.message]
    assert (await area.explain(reader, desk.message)).status == "delivered"
    assert "their secret" in (await area.content(reader, desk.message)).text
    assert [act for act, _ in await rig.log()].count("read") >= 4
    shown = await Access(rig.store, rig.clock).list_access(rig.customer, PageQuery())
    assert [(g.state, g.operator) for g in shown.data] == [("live", "ann@ops.test")]

    await rig.do(end.revoke, rig.customer, live.id)
    before = len(await rig.log())
    for read in (
        area.list_messages(reader, MessageQuery(limit=5)), area.explain(reader, desk.message),
        area.content(reader, desk.message), area.configuration(reader),
    ):  # fmt: skip
        with pytest.raises(Forbidden, match="no_grant"):
            await read
    assert len(await rig.log()) == before


@pytest.mark.asvs("13.3.2")
@pytest.mark.claim("AUTHZ-3")
async def test_the_vault_refuses_below_the_permissions(desk: Desk) -> None:
    """A reader whose permissions were forged gets no data key, not even one that is unwrapped already."""
    rig = desk.rig
    raw = ids.decode("ws", rig.workspace)
    assert await desk.keys.open_key(raw, 20_000, 1)
    live = await rig.live(METADATA)
    forged = Reader(rig.workspace, "operator", rig.ann, frozenset(Permission), grant=live.id)
    for reader in (forged, Reader(rig.workspace, "operator", rig.ann, frozenset(Permission))):
        with pytest.raises(Forbidden, match="no_grant"):
            await desk.keys.open_key(raw, 20_000, 1, reader=reader)
    assert await desk.keys.open_key(raw, 20_000, 1, reader=rig.customer)
    bare = DataKeys(rig.store, desk.keys._service, rig.entropy)
    with pytest.raises(Forbidden, match="no_grant"):
        await bare.open_key(raw, 20_000, 1, reader=forged)


@pytest.mark.claim("AUTHZ-3")
async def test_a_grant_changes_nothing(desk: Desk) -> None:
    """Whatever is not a read in the one workspace is refused by the store that a grant gives."""
    rig = desk.rig
    live = await rig.live()
    reader = await desk.area.reader(rig.ann, live.id)
    store = GrantedStore(rig.store, reader, Reach.METADATA, "x", "", rig.clock.now)
    with pytest.raises(Forbidden, match="no_grant"):
        store.system_read(lambda tx: tx.workspaces.all())
    with pytest.raises(Forbidden, match="no_grant"):
        store.write_item(record, b"", None)
    with pytest.raises(AttributeError):
        await store.write(rig.workspace, lambda tx: tx.workspaces.rename(rig.workspace, "mine"))
    messages = desk.area.messages(reader, "x", "")
    with pytest.raises((Forbidden, AttributeError)):
        await messages.erase(reader, desk.message)
    with pytest.raises(NotFound):
        await desk.area.reader(rig.bob, live.id)


@pytest.mark.claim("AUTHZ-3")
async def test_the_operators_page_is_for_operators_and_shows_numbers(desk: Desk) -> None:
    """Workspaces appear with counts; for a customer's manager the door is not there."""
    (shown,) = await desk.area.workspaces(desk.rig.ann)
    assert (shown.name, shown.accepted) == ("Acme", 1)
    assert len(await desk.area.register(desk.rig.bob)) == 2
    for asked in (desk.area.workspaces, desk.area.register, desk.area.grants, desk.area.reviews):
        with pytest.raises(NotFound):
            await asked(desk.rig.owner)


@pytest.mark.claim("PEOPLE-1")
async def test_a_refused_request_is_itself_on_record(desk: Desk) -> None:
    """Who asks with a lapsed register is refused, and the installation's log says so."""
    rig = desk.rig
    rig.clock.move(days=365)
    with pytest.raises(Forbidden, match="register_lapsed"):
        await desk.area.request(rig.ann, rig.workspace, METADATA)
    installation = bytes(16)
    size = await rig.store.system_read(lambda tx: tx.audit.size(installation))
    rows = list(await rig.store.system_read(lambda tx: tx.audit.leaves(installation, size - 1, size)))
    assert rows[0].act == "operator_access.refused"
