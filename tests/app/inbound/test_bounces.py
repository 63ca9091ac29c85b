"""Reports to our return-paths: proof first, then what they say, then the one copy they are about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailward.app.inbound.bounces import Returns
from mailward.app.inbound.ports import Judged
from mailward.app.store import Store, Tx
from mailward.base.errors import Unavailable
from mailward.core.delivery.lease import lease
from mailward.core.delivery.report import Reports
from mailward.core.inbound.model import DmarcFacts
from mailward.core.messages.find import index
from mailward.core.messages.model import DeliveryState
from mailward.core.suppression.model import token
from mailward.protocol import verp
from mailward.protocol.smtp.model import SessionFacts
from tests.conftest import SeededEntropy
from tests.core.conftest import T0, TOKEN_KEY, WS, WS_ID, put, submission
from tests.core.delivery.test_report import add_workspace, ended, settle
from tests.spent import awaited_within

KEY, OLD_KEY, SEARCH = b"v" * 32, b"o" * 32, b"s" * 32
SESSION = SessionFacts("relay.example", "192.0.2.1", "", "", "ESMTP")
SAMPLES = Path(__file__).parents[2] / "policy" / "returned" / "samples"
BOB = "bob@customer.example"
MESSAGE = submission(1).id


def sample(name: str) -> bytes:
    (path,) = SAMPLES.glob(f"{name}.*.eml")
    return path.read_bytes()


def address(n: int = 0, message: bytes = MESSAGE, key: bytes = KEY) -> str:
    return verp.encode(message, n, key) + "@bounce.mail.example"


class Reporter:
    """A judge to whom every message is authenticated as one domain's."""

    def __init__(self, domain: str, result: str = "pass") -> None:
        self.dmarc = DmarcFacts(result, domain)

    async def judge(self, content: bytes, session: SessionFacts, mail_from: str) -> Judged:
        return Judged(dmarc=self.dmarc)


def returns(store: Store, **over: Any) -> Returns:
    given: dict[str, Any] = {
        "keys": (KEY, OLD_KEY),
        "hostname": "mail.example",
        "senders": lambda domain: [WS] if domain == "mail.example" else [],
        "search_key": lambda workspace: SEARCH,
        "now_us": lambda: T0 + 60_000_000,
        **over,
    }
    return Returns(store, Reports(lambda workspace: TOKEN_KEY, SeededEntropy(5)), **given)


async def deliver(store: Store, *, done: bool = True) -> None:
    """A delivered message to Bob and Eve."""
    await store.system_write(lambda tx: add_workspace(tx, WS_ID))
    await put(store, submission(1, BOB, "eve@customer.example", message_id="<abc.123@mail.example>"))
    (work,) = await store.system_write(lambda tx: lease(tx, 5, now=T0, until=T0 + 1, limit=9, turn=0))
    if done:
        await store.write_item(settle, WS, ended(work))


async def state(store: Store, who: str = BOB) -> tuple[list[DeliveryState], str]:
    async def look(tx: Tx) -> Any:
        mark = token(TOKEN_KEY, who)
        listed = (await tx.suppressions.among([mark])).get(mark, {})
        return [c.state for c in (await tx.deliveries.of([MESSAGE]))[MESSAGE]], str(listed.get("", ""))

    return await store.read(WS_ID, look)


D, B = DeliveryState.DELIVERED, DeliveryState.BOUNCED


async def test_a_bounce_to_a_signed_return_path_suppresses(store: Store) -> None:
    """From the octets at the MX to the suppression list, for the one recipient the return-path names."""
    await deliver(store)
    there = returns(store)
    assert there.genuine(address())
    await there.take([address()], "", sample("postfix-unknown"), SESSION)
    assert await state(store) == ([B, D], "hard_bounce")


async def test_case_and_a_former_key_do_not_matter(store: Store) -> None:
    """Relays change the case of local parts; keys are rotated while mail is on the way."""
    await deliver(store)
    old = address(key=OLD_KEY).upper()
    await returns(store).take([old], "", sample("postfix-unknown"), SESSION)
    assert await state(store) == ([B, D], "hard_bounce")


@pytest.mark.parametrize(
    "forged",
    [
        address(key=b"x" * 32),
        address()[:-21] + ("a" if address()[-21] != "a" else "b") + address()[-20:],
        "b+" + address(1)[2:31] + address(0)[31:],
        "postmaster@bounce.mail.example",
        "b+@bounce.mail.example",
        address(message=b"?" * 16, key=b"x" * 32),
    ],
)
async def test_a_forged_return_path_is_none(store: Store, forged: str) -> None:
    """Another key, another recipient under a genuine signature, a made-up one: not ours, and nothing happens."""
    await deliver(store)
    there = returns(store)
    assert not there.genuine(forged)
    await there.take([forged], "", sample("postfix-unknown"), SESSION)
    assert await state(store) == ([D, D], "")


async def test_a_report_cannot_reach_beyond_the_copy_of_its_return_path(store: Store) -> None:
    """Bob's return-path with a report that condemns Eve: neither is silenced."""
    await deliver(store)
    about_eve = sample("postfix-unknown").replace(BOB.encode(), b"eve@customer.example")
    await returns(store).take([address(0)], "", about_eve, SESSION)
    assert await state(store) == ([D, D], "")
    assert await state(store, "eve@customer.example") == ([D, D], "")


async def test_a_bounce_to_a_shared_return_path_is_settled_by_whom_it_names(store: Store) -> None:
    """Bob and Eve got it in one transaction: from the octets at the MX to the one that is dead."""
    await deliver(store)
    path = verp.encode(MESSAGE, 0, KEY, shared=True) + "@bounce.mail.example"
    there = returns(store)
    assert there.genuine(path)
    about_eve = sample("postfix-unknown").replace(BOB.encode(), b"eve@customer.example")
    await there.take([path], "", about_eve, SESSION)
    assert await state(store, "eve@customer.example") == ([D, B], "hard_bounce")
    assert await state(store) == ([D, B], "")


async def test_a_message_of_nobody_is_no_message(store: Store) -> None:
    """Signed by us, but erased or of an installation restored from a backup: taken, and nothing happens."""
    await deliver(store)
    await returns(store).take([address(message=b"?" * 16)], "", sample("postfix-unknown"), SESSION)
    assert await state(store) == ([D, D], "")


async def test_a_bounce_that_comes_too_early_is_deferred(store: Store) -> None:
    """Before our own record of the delivery: 451, and the report comes again."""
    await deliver(store, done=False)
    with pytest.raises(Unavailable, match="report_early"):
        await returns(store).take([address()], "", sample("postfix-unknown"), SESSION)


async def test_what_is_no_bounce_suppresses_nobody(store: Store) -> None:
    """Out of office, challenges, delays, and people who answer to a return-path."""
    await deliver(store)
    there = returns(store)
    for name in ("away-en", "challenge", "exim-delay", "a-person", "gmail-full", "postfix-dnsbl", "success"):
        await there.take([address()], BOB, sample(name), SESSION)
    assert await state(store) == ([D, D], "")


async def test_a_bounce_of_ten_megabytes_is_read_like_a_small_one(store: Store) -> None:
    """What comes back with it is not looked at."""
    await deliver(store)
    there, bounce = returns(store), sample("postfix-unknown") + b"x" * 10_000_000
    await awaited_within(1, lambda: there.take([address()], "", bounce, SESSION))
    assert await state(store) == ([B, D], "hard_bounce")


async def test_a_complaint_is_proven_by_the_return_path_inside(store: Store) -> None:
    """A feedback loop writes to its own address; the original's envelope sender is ours."""
    await deliver(store)
    complaint = sample("arf-redacted").replace(b"b+x@bounce.mail.example", address().encode())
    there = returns(store)
    assert there.genuine("Feedback@bounce.mail.example")
    await there.take(["feedback@bounce.mail.example"], "", complaint, SESSION)
    assert await state(store) == ([D, D], "complaint")


@pytest.mark.parametrize(
    ("judge", "who", "listed"),
    [
        (Reporter("arf.mail.yahoo.com"), BOB, "complaint"),
        (Reporter("arf.mail.yahoo.com", "fail"), BOB, ""),
        (Reporter("evil.example"), BOB, ""),
        (Reporter("arf.mail.yahoo.com"), "rob@customer.example", ""),
        (None, BOB, ""),
    ],
)
async def test_without_our_return_path_only_a_known_provider_is_believed(
    store: Store, judge: Reporter | None, who: str, listed: str
) -> None:
    """By Message-ID and recipient, from a provider that DMARC vouches for; a bounce there is never enough."""
    await deliver(store)
    await store.write(WS_ID, lambda tx: index(tx, key=SEARCH, below=b"\xff" * 16, limit=10))
    there = returns(store, judge=judge)
    complaint = sample("arf-abuse").replace(BOB.encode(), who.encode())
    await there.take(["feedback@bounce.mail.example"], "", complaint, SESSION)
    assert await state(store) == ([D, D], listed)
    await there.take(["feedback@bounce.mail.example"], "", sample("postfix-unknown"), SESSION)
    assert await state(store) == ([D, D], listed)
