"""Retention on the real store: what is there on the last day, and what is nowhere on the next."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.adapters.storage.records import HEAD, BodyRef
from mailward.adapters.storage.sqlite.connection import connect
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.storage.sqlite.upkeep import cut_log
from mailward.app.settings import SettingsError, load
from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.core.messages.model import DeliveryState
from mailward.core.workspaces.data_keys import aad
from mailward.core.workspaces.model import WorkspaceSettings
from mailward.core.workspaces.retention import DAY_US, Terms
from tests.app.retention_rig import SEARCH_KEY, A, B, Rig
from tests.conftest import MovingClock, SeededEntropy

MARKER = b"Subject: hello\r\n\r\nplanted-marker-7d1f\r\n"


@pytest.fixture
async def rig(store: SqliteStore, clock: MovingClock, entropy: SeededEntropy, tmp_path: Path) -> Rig:
    made = Rig(store, clock, entropy, tmp_path / "data")
    await made.workspace(A)
    await made.workspace(B)
    return made


async def tables(rig: Rig) -> dict[str, int]:
    """How many rows name a message, by table."""
    names = ("messages", "deliveries", "attempts", "timeline", "search", "content_waiting", "idempotency")
    return {n: (await rig.rows(f"SELECT count(*) FROM t_{n}"))[0][0] for n in names}


@pytest.mark.claim("PRIVACY-1")
async def test_on_day_59_all_is_there_and_on_day_61_nothing_is(rig: Rig) -> None:
    """The simulated clock of the promise: rows, tokens, key and octets, before and after."""
    id = await rig.accept(MARKER)
    await rig.index()
    rig.clock.move(days=59)
    await rig.keep()
    await rig.sweep()
    assert await rig.read(id) == MARKER
    assert (await tables(rig))["search"] > 0
    rig.clock.move(days=2)
    await rig.accept(b"another day, so that the old segment is not the open one")
    done = await rig.keep()
    assert (done.messages, done.keys) == (1, 1)
    assert (await rig.sweep()).files == 1
    assert (await tables(rig)) == {
        "messages": 1, "deliveries": 1, "attempts": 0, "timeline": 0,
        "search": 0, "content_waiting": 0, "idempotency": 0,
    }  # fmt: skip
    assert await rig.message(id) is None


@pytest.mark.claim("PRIVACY-1")
async def test_content_goes_before_what_is_known_of_it(rig: Rig) -> None:
    """With a shorter content term the body is let go on its day; facts and timeline stay to theirs."""
    await rig.workspace(A, WorkspaceSettings(messages_days=30, content_days=7))
    id = await rig.accept(MARKER)
    theirs = await rig.accept(MARKER, workspace=B)
    rig.clock.move(days=6, hours=23)
    await rig.keep()
    assert await rig.read(id) == MARKER
    rig.clock.move(hours=2)
    at = rig.now_us()
    await rig.keep()
    found = await rig.message(id)
    assert found is not None
    assert (found.body, found.content_gone, found.facts.subject) == (None, at, "hello there")
    assert await rig.read(theirs, B) == MARKER
    rig.clock.move(days=24)
    await rig.keep()
    assert await rig.message(id) is None
    assert await rig.read(theirs, B) == MARKER


@pytest.mark.claim("PRIVACY-1")
@pytest.mark.parametrize("state", [DeliveryState.QUEUED, DeliveryState.LEASED, DeliveryState.HELD])
async def test_a_day_with_an_open_message_keeps_its_key(rig: Rig, state: DeliveryState) -> None:
    """Queued, leased and held alike: the content can still be sent; when the copy ended the day ends too."""
    rig.default = Terms(60, 1)
    waiting = await rig.accept(MARKER, state=state)
    done = await rig.accept(MARKER)
    rig.clock.move(days=5)
    assert (await rig.keep()).keys == 0
    rig.keys.forget()
    assert await rig.read(waiting) == MARKER
    found = await rig.message(done)
    assert found is not None
    assert found.body is None
    rig.clock.move(days=80)
    assert ((await rig.keep()).messages, (await rig.keep()).keys) == (1, 0)
    assert await rig.read(waiting) == MARKER
    await rig.move(waiting, DeliveryState.DELIVERED)
    last = await rig.keep()
    assert (last.messages, last.keys) == (1, 1)


@pytest.mark.claim("PRIVACY-1")
async def test_a_key_lives_until_its_whole_day_is_over(rig: Rig) -> None:
    """The last message of a day is let go a day after the first; the key goes with the last."""
    rig.default = Terms(60, 1)
    rig.clock.move(hours=-5)
    await rig.accept(MARKER)
    rig.clock.move(hours=23, minutes=50)
    late = await rig.accept(MARKER)
    rig.clock.move(hours=23, minutes=55)
    assert (await rig.keep()).keys == 0
    assert await rig.read(late) == MARKER
    rig.clock.move(minutes=30)
    assert (await rig.keep()).keys == 1


@pytest.mark.claim("PRIVACY-1")
@pytest.mark.parametrize("store", ["embedded"], indirect=True)
async def test_a_destroyed_day_cannot_be_decrypted_from_the_folders_bytes(
    rig: Rig, tmp_path: Path, entropy: SeededEntropy
) -> None:
    """Whoever copied the segment files, and later holds every file and the vault, has no key for that day."""
    rig.default = Terms(60, 2)
    id = await rig.accept(MARKER)
    found = await rig.message(id)
    assert found is not None
    assert found.body is not None
    sealed = await rig.store.read_body(BodyRef(*found.body))
    ((wrapped,),) = await rig.rows("SELECT wrapped FROM t_data_keys")
    day = found.created // DAY_US
    plain = await rig.vault.service.unwrap(wrapped, aad(A, day, 1))
    assert AESGCM(plain).decrypt(sealed[HEAD : HEAD + 12], sealed[HEAD + 12 :], sealed[:HEAD]) == MARKER

    assert cut_log(rig.folder, bytes(range(32)))
    assert wrapped in _plain_pages(rig.folder, tmp_path / "plain.db")

    rig.clock.move(days=4)
    assert (await rig.keep()).keys == 1
    assert cut_log(rig.folder, bytes(range(32)))
    rig.keys.forget()
    with pytest.raises(NotFound) as refused:
        await rig.open(A, id, BodyRef(*found.body))
    assert refused.value.code == "content_gone"

    # The database, decrypted page by page with its own key, and every other file: the wrapped key is in none.
    pages = _plain_pages(rig.folder, tmp_path / "plain.db")
    assert b"data_keys.destroyed" in pages
    assert wrapped not in pages
    for path in [p for p in tmp_path.rglob("*") if p.is_file()]:
        octets = path.read_bytes()
        assert wrapped not in octets, path
        assert plain not in octets, path
        assert b"planted-marker" not in octets, path
    # And the day is never given another key that would pass for the old one.
    with pytest.raises(NotFound):
        await rig.keys.seal_key(A, day)
    with pytest.raises(InvalidTag):
        AESGCM(entropy.bytes(32)).decrypt(sealed[HEAD : HEAD + 12], sealed[HEAD + 12 :], sealed[:HEAD])


def _plain_pages(folder: Path, copy: Path) -> bytes:
    """Every page of the database without its encryption; the log behind it is empty."""
    log = folder / "state.db-wal"
    assert not log.exists() or log.stat().st_size == 0
    shutil.copyfile(folder / "state.db", copy)
    db = connect(copy, bytes(range(32)))
    db.pragma("journal_mode", "delete")
    db.pragma("rekey", "")
    db.close()
    pages = copy.read_bytes()
    copy.unlink()
    return pages


@pytest.mark.claim("PRIVACY-1")
async def test_destroying_is_audited_without_personal_data(rig: Rig) -> None:
    """One entry a run: the days, how many keys, why."""
    rig.default = Terms(60, 1)
    await rig.accept(MARKER)
    rig.clock.move(days=3)
    await rig.keep()
    facts = await rig.facts("data_keys.destroyed")
    assert len(facts) == 1
    assert "2026-03-04" in facts[0]
    assert "x.test" not in facts[0]
    await rig.keep()
    assert len(await rig.rows("SELECT 1 FROM t_audit WHERE act = 'data_keys.destroyed'")) == 1


async def test_a_backlog_is_worked_off_in_short_steps(rig: Rig) -> None:
    """More messages than one step takes, some of them open, leave nothing behind but the open ones."""
    keep = [await rig.accept(b"x", state=DeliveryState.HELD) for _ in range(60)]
    for _ in range(130):
        await rig.accept(b"x")
    await rig.index()
    rig.clock.move(days=61)
    assert (await rig.keep()).messages == 130
    assert {r[0] for r in await rig.rows("SELECT id FROM t_messages")} == set(keep)
    assert len(await rig.rows("SELECT 1 FROM t_content_waiting")) == 60


async def test_rows_of_a_message_that_is_gone_go_too(rig: Rig) -> None:
    """An attempt settled late, after its message was erased, is found by its time."""
    id = await rig.accept(b"x")
    scope = ids.encode("ws", A)
    await rig.store.write(scope, lambda tx: tx.messages.erase([id]))
    await rig.store.write(scope, lambda tx: tx.messages.timeline_add(id, rig.now_us(), "cancelled", "{}"))
    rig.clock.move(days=61)
    await rig.keep()
    assert (await tables(rig))["timeline"] == 0


async def test_terms_that_are_lengthened_do_not_bring_content_back(rig: Rig) -> None:
    """What was let go stays gone; what comes after is kept as long as now asked."""
    await rig.workspace(A, WorkspaceSettings(content_days=2))
    early = await rig.accept(MARKER)
    rig.clock.move(days=3)
    await rig.keep()
    await rig.workspace(A, WorkspaceSettings(content_days=50))
    late = await rig.accept(MARKER)
    rig.clock.move(days=40)
    await rig.keep()
    found = await rig.message(early)
    assert found is not None
    assert found.body is None
    assert await rig.read(late) == MARKER


async def test_another_search_key_would_leave_tokens_and_the_right_one_leaves_none(rig: Rig) -> None:
    """Tokens are found again by computing them, so the key is the one they were written under."""
    assert SEARCH_KEY
    await rig.accept(MARKER, tags=("welcome",))
    await rig.index()
    assert len(await rig.rows("SELECT 1 FROM t_search")) >= 5
    rig.clock.move(days=61)
    await rig.keep()
    assert await rig.rows("SELECT 1 FROM t_search") == []


async def test_days_that_wait_keep_no_later_day_waiting(rig: Rig) -> None:
    """More held days than one run destroys keys: the days after them end all the same, in as many runs as it takes."""
    rig.default = Terms(60, 1)
    for _ in range(33):
        await rig.accept(b"x", state=DeliveryState.HELD)
        rig.clock.move(days=1)
    for _ in range(33):
        await rig.accept(b"x")
        rig.clock.move(days=1)
    rig.clock.move(days=2)
    assert (await rig.keep()).keys == 31
    assert (await rig.keep()).keys == 2
    assert len(await rig.rows("SELECT 1 FROM t_data_keys WHERE wrapped IS NOT NULL")) == 33


async def test_a_quiet_workspace_costs_no_commit(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing is over, a run only reads; the mark still follows midnight, so that keys do not wait for mail."""
    rig.default = Terms(60, 1)
    await rig.accept(b"x")
    rig.clock.move(days=3)
    assert (await rig.keep()).keys == 1

    def written(*args: object) -> None:
        raise AssertionError("a run without work wrote")

    with monkeypatch.context() as patch:
        patch.setattr(rig.store, "write", written)
        rig.clock.move(hours=1)
        await rig.keep()
    rig.clock.move(days=1)
    before = await rig.rows("SELECT content_upto FROM t_retention WHERE workspace = ?", A)
    await rig.keep()
    assert await rig.rows("SELECT content_upto FROM t_retention WHERE workspace = ?", A) > before


@pytest.mark.parametrize("days", ["0", "3651", "-1"])
def test_the_installations_terms_have_limits(days: str) -> None:
    """A term of nothing, or of more than ten years, is a mistake that the start refuses."""
    for key in ("MESSAGES_DAYS", "CONTENT_DAYS"):
        assert load(None, {f"MAILWARD_RETENTION__{key}": "45"}).retention
        with pytest.raises(SettingsError, match=key.lower()):
            load(None, {f"MAILWARD_RETENTION__{key}": days})
