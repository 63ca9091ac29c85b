"""kill -9 of every role at random points under full load, judged by a ledger that is not ours.

`python -m tests.scenarios.soak` (`make soak`) runs 20 rounds of 5,000 messages; `make
test` a short form of the same rounds. Exit code 1 when a message that was acknowledged
did not arrive, or arrived twice without a kill that explains it.

A message may arrive twice when the process that sent it was killed between the far end's
250 and the commit that notes it: no protocol closes that window. So each duplicate must
have a kill shortly after its earlier arrival, and the platform must know of one delivery
only, since the killed process never came to note the other.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mailward.base import ids
from tests.scenarios.apart import APART, TOGETHER, Apart
from tests.scenarios.cluster import Cluster
from tests.scenarios.ledger import Arrival, LedgerSink
from tests.scenarios.peers import PeerFailed, wait_until
from tests.scenarios.traffic import ApiSender, Sender, SmtpSender, SourceSender, SwaksSender

# An outcome is written with whatever else waits for the disk; a starved machine takes its time.
WINDOW_SECONDS = 5.0
_ROLES = ("web", "submission", "sender", "upkeep")


@dataclass(frozen=True)
class Kill:
    """A SIGKILL: when (seconds of the machine's clock), of which part, of what of it, and whether that sends mail.

    A supervisor alone sends nothing, and its workers drain: that excuses no duplicate.
    """

    at: float
    part: str
    what: str
    sends: bool


@dataclass
class Duplicate:
    """A message that arrived more than once, with what explains it; `fault` is empty when everything does."""

    token: str
    gaps: list[float]
    kills: list[Kill]
    recorded: int
    fault: str = ""


@dataclass
class Round:
    """What one round did and found."""

    number: int
    layout: str
    seconds: float = 0.0
    acknowledged: int = 0
    by_door: dict[str, int] = field(default_factory=dict)
    unanswered: int = 0
    extra: int = 0
    kills: list[Kill] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def bad(self) -> bool:
        """Something was lost, or came twice without a reason."""
        return bool(self.lost or self.failures or any(d.fault for d in self.duplicates))


class Soak:
    """Rounds of traffic and kills over one data folder."""

    def __init__(self, platform: Apart | Cluster, sink: LedgerSink, *, seed: int, relentless: bool = True) -> None:
        """Unless `relentless`, killing ends once each role has had its turn."""
        self._platform, self._sink = platform, sink
        self._chance = random.Random(seed)
        self._relentless = relentless
        self.rounds: list[Round] = []

    def run_round(self, number: int, messages: int) -> Round:
        """Traffic with kills, then wait for all that was acknowledged, then judge."""
        round_ = Round(number, "together" if len(self._platform.layout) == 1 else "apart")
        began = time.monotonic()
        senders = self._senders(number, messages)
        # Traffic until the last planned kill, however soon the others are through.
        endless = SmtpSender(f"smtp-{number}-endless", self._platform.private_port, 1_000_000)
        for sender in (*senders, endless):
            sender.start()
        try:
            self._kill_while(senders, round_)
        finally:
            for sender in (*senders, endless):
                sender.stopped.set()
        senders.append(endless)
        for sender in senders:
            sender.join(120)
            door = sender.name.split("-")[0]
            round_.by_door[door] = round_.by_door.get(door, 0) + len(sender.acknowledged)
            round_.unanswered += sender.unanswered
            if sender.failure:
                round_.failures.append(sender.failure)
        acknowledged = [entry for sender in senders for entry in sender.acknowledged]
        round_.acknowledged = len(acknowledged)
        self._await_arrivals(acknowledged, round_)
        self._judge(number, set(acknowledged), round_)
        round_.seconds = time.monotonic() - began
        self.rounds.append(round_)
        return round_

    def _senders(self, number: int, messages: int) -> list[Sender]:
        p, swaks = self._platform, max(2, messages // 500)
        share = (messages - swaks) // 10
        out: list[Sender] = [SwaksSender(f"swaks-{number}", p, swaks)]
        out += [SourceSender(f"source-{number}-{i}", p.private_port, share * 5 // 5) for i in range(5)]
        out += [SmtpSender(f"smtp-{number}-{i}", p.private_port, share * 2 // 4) for i in range(4)]
        left = messages - swaks - share * 5 - (share * 2 // 4) * 4
        out += [ApiSender(f"api-{number}-{i}", p.http_port, p.send_key, left // 4 + (i < left % 4)) for i in range(4)]
        return out

    # -- kills -----------------------------------------------------------------------------------

    def _kill_while(self, senders: Sequence[Sender], round_: Round) -> None:
        """Each role's worker and the sender's supervisor in random order, then anything until the traffic ends."""
        chance, plan = self._chance, self._platform
        todo = [(plan.part_of(role), "worker") for role in _ROLES] + [(plan.part_of("sender"), "supervisor")]
        if round_.number % 4 == 0:
            todo.append((chance.choice(plan.layout)[0], "supervisor and workers"))
        chance.shuffle(todo)
        pauses = [chance.uniform(0.2, 1.5) for _ in range(400)] + [chance.uniform(0.05, 0.5) for _ in todo]
        told = time.monotonic()
        while todo or any(s.is_alive() for s in senders):
            time.sleep(pauses.pop() if pauses else 1.0)
            if todo:
                self._kill(*todo.pop(), round_)
            elif self._relentless and chance.random() < 0.5:
                what = "worker" if chance.random() < 0.85 else "supervisor"
                self._kill(chance.choice(plan.layout)[0], what, round_)
            if time.monotonic() - told > 10:
                told = time.monotonic()
                done = sum(len(s.acknowledged) for s in senders)
                self._tell(f"round {round_.number}: {done} acknowledged, {len(round_.kills)} kills")

    def _kill(self, part: str, what: str, round_: Round) -> None:
        plan = self._platform
        match what:
            case "worker":
                # One that was just killed has to come back before it can be killed again.
                wait_until(lambda: bool(plan.children(part)), f"a worker of {part}", 30, 0.01)
                plan.kill_worker(part, self._chance.choice(plan.children(part)))
            case "committer":
                plan.kill_worker(part, plan.committer(part))
            case "supervisor":
                plan.kill_supervisor(part)
            case _:
                plan.kill_part(part)
        sends = plan.sends(part) and what not in ("supervisor", "committer")
        round_.kills.append(Kill(time.time(), part, what, sends))
        if what.startswith("supervisor"):
            plan.start_part(part)

    # -- judgement -------------------------------------------------------------------------------

    def _await_arrivals(self, acknowledged: Sequence[tuple[str, str]], round_: Round) -> None:
        wanted = set(acknowledged)
        try:
            wait_until(lambda: wanted <= self._sink.read().keys(), "all that was acknowledged", 180, 0.5)
        except PeerFailed:
            round_.lost = sorted(token for token, recipient in wanted - self._sink.read().keys())
        # A second copy comes when a lease is taken over, which the restarts have done by now.
        time.sleep(1.0)

    def _judge(self, number: int, acknowledged: set[tuple[str, str]], round_: Round) -> None:
        kills = [k for r in (*self.rounds, round_) for k in r.kills]
        for entry, arrivals in self._sink.read().items():
            token = entry[0]
            if token.removeprefix("src-").split("-")[1:2] != [str(number)]:
                continue
            if entry not in acknowledged:
                round_.extra += 1
            if len(arrivals) > 1:
                round_.duplicates.append(self._explain(token, arrivals, kills))

    def _explain(self, token: str, arrivals: list[Arrival], kills: Sequence[Kill]) -> Duplicate:
        """Each arrival but the last needs a kill soon after it; and the platform may know of one delivery only."""
        found = Duplicate(token, [], [], -1)
        for arrival in arrivals[:-1]:
            after = [k for k in kills if 0 <= k.at - arrival.at + 0.05 <= WINDOW_SECONDS and k.sends]
            if after:
                nearest = min(after, key=lambda k: k.at - arrival.at)
                found.gaps.append(nearest.at - arrival.at)
                found.kills.append(nearest)
            else:
                found.fault = "no kill of a sending process after an arrival that was repeated"
        found.recorded = self._recorded(arrivals[0])
        if found.recorded != 1:
            found.fault = f"the platform knows of {found.recorded} deliveries"
        return found

    def _recorded(self, arrival: Arrival) -> int:
        """How many successful attempts the platform shows for the message that this envelope sender names."""
        local = arrival.sender.partition("@")[0].removeprefix("b+").partition("-")[0]
        message = ids.encode("msg", base64.b32decode(local.upper() + "===")[:16])
        _, why = self._platform.api("GET", f"/v1/messages/{message}/explain")
        return sum(a["outcome"] == "delivered" for d in why["deliveries"] for a in d["attempts"])

    def _tell(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def table(rounds: Sequence[Round]) -> str:
    """The rounds as text, with a line of sums."""
    head = (
        f"{'round':>5} {'layout':<9}{'seconds':>8}{'acked':>7}{'kills':>6}{'lost':>5}{'twice':>6}{'gap ms':>7}  by door"
    )
    lines = [head]
    for r in rounds:
        gap = max((g for d in r.duplicates for g in d.gaps), default=0.0) * 1000
        doors = " ".join(f"{k}={v}" for k, v in sorted(r.by_door.items()))
        lines.append(
            f"{r.number:>5} {r.layout:<9}{r.seconds:>8.1f}{r.acknowledged:>7}{len(r.kills):>6}{len(r.lost):>5}"
            f"{len(r.duplicates):>6}{gap:>7.0f}  {doors}"
        )
    kills = Counter(f"{k.part} {k.what}" for r in rounds for k in r.kills)
    lines.append(
        f"total {'':<9}{sum(r.seconds for r in rounds):>8.1f}{sum(r.acknowledged for r in rounds):>7}"
        f"{sum(len(r.kills) for r in rounds):>6}{sum(len(r.lost) for r in rounds):>5}"
        f"{sum(len(r.duplicates) for r in rounds):>6}"
    )
    lines.append("kills: " + ", ".join(f"{n} {what}" for what, n in sorted(kills.items())))
    return "\n".join(lines)


def details(round_: Round) -> list[str]:
    """Each duplicate, each loss and each failure of a round, a line each."""
    out = [f"LOST {token}" for token in round_.lost[:20]] + [f"FAILED {text}" for text in round_.failures]
    for d in round_.duplicates:
        killed = ", ".join(f"{k.part} {k.what}" for k in d.kills) or "nothing"
        gaps = ", ".join(f"{g * 1000:.0f} ms" for g in d.gaps) or "no gap"
        word = f"UNEXPLAINED ({d.fault})" if d.fault else "explained"
        out.append(f"twice {d.token}: {word}: arrived {gaps} before kill of {killed}; {d.recorded} delivery on record")
    return out


def _layout(number: int) -> tuple[tuple[str, ...], ...]:
    return TOGETHER if number % 5 == 0 else APART


def main() -> int:
    """Run the long form; 1 when anything was lost, failed, or came twice without a reason."""
    parser = argparse.ArgumentParser(prog="soak", description="kill -9 of each role under load, with a ledger.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1, help="number of the first round: each fifth runs all together")
    parser.add_argument("--messages", type=int, default=5000, help="a round (default %(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--workers", type=int, default=2, help="a role (default %(default)s)")
    parser.add_argument("--json", default="", help="also write the rounds to this file")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with (
        LedgerSink() as sink,
        Apart(_layout(given.first), route=f"127.0.0.1:{sink.port}", workers=given.workers) as platform,
    ):
        soak = Soak(platform, sink, seed=given.seed)
        for number in range(given.first, given.first + given.rounds):
            wanted = _layout(number)
            if len(platform.layout) != len(wanted):
                platform.relayout(wanted)
            round_ = soak.run_round(number, given.messages)
            print("\n".join([table([round_]).splitlines()[1], *details(round_)]), flush=True)
            if round_.bad:
                print(platform.log[-6000:], file=sys.stderr)
    print("\n" + table(soak.rounds))
    bad = sum(r.bad for r in soak.rounds)
    print(f"seed {given.seed}: " + (f"{bad} rounds FAILED" if bad else "0 lost, every duplicate explained"))
    if given.json:
        Path(given.json).write_text(json.dumps([asdict(r) for r in soak.rounds]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
