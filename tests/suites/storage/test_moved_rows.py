"""A row that stands in the wrong workspace: ciphertext there, because each workspace has data keys of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailward.app.store import Store
from mailward.base.errors import MailwardError
from tests.app.retention_rig import A, B, Rig
from tests.conftest import MovingClock, SeededEntropy
from tests.raw import raw

CONTENT = b"Subject: hello\r\n\r\nplanted-marker-91ab\r\n"


@pytest.mark.asvs("8.4.1")
@pytest.mark.claim("AUTHZ-2")
async def test_a_message_moved_to_another_workspace_cannot_be_opened_there(
    store: Store, clock: MovingClock, entropy: SeededEntropy, tmp_path: Path
) -> None:
    """By raw SQL and past every guard, a message gets another tenant: it finds a row, and no content in it."""
    rig = Rig(store, clock, entropy, tmp_path / "data")
    for workspace in (A, B):
        await rig.workspace(workspace)
    id, theirs = await rig.accept(CONTENT, A), await rig.accept(CONTENT, B)
    assert await rig.read(id, A) == await rig.read(theirs, B) == CONTENT
    await raw(store, "UPDATE t_messages SET workspace = ? WHERE id = ?", B, id)
    assert await raw(store, "SELECT 1 FROM t_messages WHERE workspace = ? AND id = ?", B, id)
    with pytest.raises(MailwardError) as refused:
        await rig.read(id, B)
    assert "planted-marker" not in f"{refused.value} {refused.value.detail}"
    assert await rig.read(theirs, B) == CONTENT, "what is theirs they can still read"


@pytest.mark.asvs("8.4.1", "11.3.3")
@pytest.mark.claim("AUTHZ-2")
async def test_a_data_key_moved_to_another_workspace_opens_nothing(
    store: Store, clock: MovingClock, entropy: SeededEntropy, tmp_path: Path
) -> None:
    """A wrapped key says whose it is: put in another's place, the vault does not unwrap it."""
    rig = Rig(store, clock, entropy, tmp_path / "data")
    for workspace in (A, B):
        await rig.workspace(workspace)
    await rig.accept(CONTENT, A)
    theirs = await rig.accept(CONTENT, B)
    [(wrapped,)] = await raw(store, "SELECT wrapped FROM t_data_keys WHERE workspace = ?", A)
    await raw(store, "UPDATE t_data_keys SET wrapped = ? WHERE workspace = ?", wrapped, B)
    rig.keys.forget()
    with pytest.raises(MailwardError):
        await rig.read(theirs, B)
