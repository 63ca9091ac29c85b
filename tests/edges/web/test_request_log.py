"""What is gathered of requests while they are answered."""

from __future__ import annotations

from mailward.edges.web.request_log import Noted, RequestLog


def noted(n: int, status: int = 202) -> Noted:
    return Noted(1_000_000 + n, f"req_{n:020x}", "POST", "sendMessage", status, 900, "key_1")


def test_a_batch_is_taken_once() -> None:
    """What was taken is gone; another workspace's requests stay its own."""
    log = RequestLog()
    log.note("ws_a", noted(1))
    log.note("ws_b", noted(2, 422))
    assert log.take() == ({"ws_a": [noted(1)], "ws_b": [noted(2, 422)]}, {})
    assert log.take() == ({}, {})


def test_refusals_have_room_of_their_own_and_the_rest_is_counted() -> None:
    """Ten thousand successes cannot push a refusal out, nor fill the memory; what is left out is counted."""
    log = RequestLog()
    for n in range(10_000):
        log.note("ws_a", noted(n))
    log.note("ws_a", noted(10_000, 422))
    kept, left_out = log.take()
    assert len(kept["ws_a"]) == 41 and kept["ws_a"][-1].status == 422
    assert left_out == {"ws_a": 9_960}
    for n in range(100):
        log.note("ws_a", noted(n, 500))
    log.note("ws_a", noted(100))
    kept, left_out = log.take()
    assert [r.status for r in kept["ws_a"]].count(500) == 40 and kept["ws_a"][-1].status == 202
