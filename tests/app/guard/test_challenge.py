"""A solution is good once, for ten minutes, unaltered; the question and the outside services likewise."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from mailward.app.guard import challenge
from mailward.app.guard.challenge import Challenges
from mailward.app.sign_in_options import ChallengeSettings
from tests.app.guard.solving import solution, solve
from tests.conftest import MovingClock, SeededEntropy


@pytest.fixture(autouse=True)
def little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proofs of work of a few hundred hashes."""
    monkeypatch.setattr(challenge, "WORK", 300)


@pytest.fixture
def made(entropy: SeededEntropy) -> Challenges:
    """The default: altcha, or a question instead."""
    return Challenges(bytes(32), entropy, ChallengeSettings())


@pytest.mark.asvs("9.2.1")
async def test_a_right_solution_is_taken_in_time_and_not_later(made: Challenges, clock: MovingClock) -> None:
    """Within ten minutes it proves, afterwards no more; with another key never."""
    payload = solution(made.offer(now=clock.now()))
    assert await made.solved(f"altcha:{payload}", "192.0.2.1", now=clock.now())
    other = Challenges(bytes(range(32)), SeededEntropy(), ChallengeSettings())
    assert await other.solved(f"altcha:{payload}", "192.0.2.1", now=clock.now()) is None
    assert await made.solved(f"altcha:{payload}", "192.0.2.1", now=clock.move(minutes=11)) is None


async def test_one_solution_spelled_in_two_ways_is_spent_as_one(made: Challenges, clock: MovingClock) -> None:
    """A salt with or without its last delimiter verifies alike, so both spend the same."""
    offered = made.offer(now=clock.now())
    first = await made.solved(f"altcha:{solution(offered)}", "", now=clock.now())
    second = await made.solved(f"altcha:{solution(offered, salt=offered['salt'].rstrip('&'))}", "", now=clock.now())
    assert first is not None
    assert second is None or second.token == first.token


@pytest.mark.asvs("9.1.1")
@pytest.mark.parametrize(
    "changed",
    [{"number": -1}, {"number": "7"}, {"number": 10**9}, {"salt": "aa?expires=99999999999&"}, {"algorithm": "SHA-1"},
     {"challenge": "00"}, {"signature": ""}, {"number": True}],
)  # fmt: skip
async def test_an_altered_solution_proves_nothing(made: Challenges, clock: MovingClock, changed: object) -> None:
    """Whatever part of a right solution is changed, it is refused without an error."""
    assert isinstance(changed, dict)
    payload = solution(made.offer(now=clock.now()), **changed)
    assert await made.solved(f"altcha:{payload}", "", now=clock.now()) is None


def _coded(raw: bytes) -> str:
    return "altcha:" + base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    "junk",
    ["altcha:", "altcha:!!", _coded(b"[" * 3000), _coded(b'{"a":1}'), "x" * 9000, "question:1.a.b:3", "question:::"],
)
async def test_junk_proves_nothing(made: Challenges, clock: MovingClock, junk: str) -> None:
    """What is no solution is none, however it is made."""
    assert await made.solved(junk, "", now=clock.now()) is None


async def test_the_question_is_answered_in_digits_or_words(made: Challenges, clock: MovingClock) -> None:
    """The right number in either form proves; another one, or an hour later, does not."""
    proof = solve(made, clock.now())
    token, _, number = proof.removeprefix("question:").partition(":")
    words = [
        *challenge._NUMBERS,
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
    ]
    for answer in (number, words[int(number)], words[int(number)].upper()):
        assert await made.solved(f"question:{token}:{answer}", "", now=clock.now()), answer
    assert await made.solved(f"question:{token}:{int(number) + 1}", "", now=clock.now()) is None
    assert await made.solved(proof, "", now=clock.move(hours=1)) is None


async def test_where_work_is_not_enough_both_are_needed(entropy: SeededEntropy, clock: MovingClock) -> None:
    """With `question = "also"` neither the work nor the answer proves alone."""
    made = Challenges(bytes(32), entropy, ChallengeSettings(question="also"))
    work, answer = f"altcha:{solution(made.offer(now=clock.now()))}", solve(made, clock.now())
    assert await made.solved(work, "", now=clock.now()) is None
    assert await made.solved(answer, "", now=clock.now()) is None
    assert await made.solved(f"{work} {answer}", "", now=clock.now())


@pytest.mark.parametrize("kind", sorted(challenge.OUTSIDE))
async def test_an_outside_service_is_asked_and_believed(kind: str, entropy: SeededEntropy, clock: MovingClock) -> None:
    """The token goes to the service with our secret; only its plain yes counts, and an error is none."""
    asked = []
    answers = [(200, b'{"success": true}'), (200, b'{"success": "true"}'), (500, b""), (200, b"[]")]

    async def post(url: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        asked.append((url, parse_qs(body.decode())))
        return answers[len(asked) - 1]

    settings = ChallengeSettings(kind=kind, site_key="site", secret="ours", question="never")
    made = Challenges(bytes(32), entropy, settings, post)
    proved = [await made.solved(f"outside:t{n}", "192.0.2.1", now=clock.now()) for n in range(4)]
    assert [p is not None for p in proved] == [True, False, False, False]
    assert asked[0] == (
        challenge.OUTSIDE[kind].verify, {"secret": ["ours"], "response": ["t0"], "remoteip": ["192.0.2.1"]}
    )  # fmt: skip
    work = f"altcha:{solution(made.offer(now=clock.now()))}"
    assert await made.solved(work, "", now=clock.now() + timedelta(seconds=1)) is None


def test_an_offer_has_the_form_the_widget_expects(made: Challenges, clock: MovingClock) -> None:
    """The fields that our script, and altcha's own, read."""
    offered = json.loads(json.dumps(made.offer(now=clock.now())))
    assert set(offered) == {"algorithm", "challenge", "maxNumber", "salt", "signature"}
