"""kill -9 of whoever receives, commits and hands over, at random points, judged by the endpoint's own ledger.

`python -m tests.scenarios.inbound_soak` (part of `make soak`) runs 10 rounds of 2,000
messages; `make test` a short form of the same round. Exit code 1 when a message that got
its 250 did not reach the endpoint, or reached it twice without a kill that explains it.

What may come twice, and how often, is counted by cause:

- *handed over again*: the courier was killed between the endpoint's 200 and the commit
  that notes it. Same webhook-id, one attempt on record; a receiver drops it by that id.
- *sent again*: the process that received was killed between the commit and the 250, so
  the sender, which has a queue of its own, sent it again. The platform cannot know that
  the two are one: each has its own webhook-id, both carry the sender's Message-ID.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from tests.scenarios.apart import Apart
from tests.scenarios.endpoint_ledger import EndpointLedger, Post
from tests.scenarios.killing import of_kind
from tests.scenarios.peers import Dns, PeerFailed, Postfix, several, swaks, tool, wait_until
from tests.scenarios.traffic import Dialogue, Sender, SmtpSender, SourceSender

LAYOUT = (("mx",), ("sender",), ("web", "submission", "upkeep"))
DOMAIN = "demo.mailward.test"
RECIPIENT = f"in@{DOMAIN}"
SENDER = "a@good.test"
ZONE = ['good.test. 60 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"', '_dmarc.good.test. 60 IN TXT "v=DMARC1; p=reject"']
# An outcome is written with whatever else waits for the disk; a starved machine takes its time.
WINDOW_SECONDS = 5.0
# A killed courier's leases run out after 90 s; an attempt that meets the restart is made again after 5 s.
PATIENCE_SECONDS = 150.0
SETTINGS = {
    "mx.max_connections_per_ip": 1000,
    "mx.connections_per_minute_ip": 0,
    "mx.max_errors": 1000,
}


@dataclass(frozen=True)
class Kill:
    """A SIGKILL: when (seconds of the machine's clock), of which part, of what of it."""

    at: float
    part: str
    what: str


@dataclass
class Duplicate:
    """A message that came more than once: `cause` in words, `fault` empty when a kill explains it."""

    token: str
    cause: str
    gap: float
    kill: str
    fault: str = ""


@dataclass
class Round:
    """What one round did and found."""

    number: int
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


class SwaksToMx(Sender):
    """swaks over STARTTLS, one process a message."""

    def __init__(self, name: str, port: int, count: int) -> None:
        super().__init__(name)
        self._port, self._count = port, count

    def send_all(self) -> None:
        for number in range(self._count):
            tries = iter(range(1, 1_000_000))
            self.persist(lambda number=number, tries=tries: self._once(f"{self.name}-{number}-{next(tries)}"))  # type: ignore[misc]

    def _once(self, token: str) -> bool:
        done = swaks(
            "--server", "127.0.0.1", "--port", str(self._port), "--tls", "--from", SENDER, "--to", RECIPIENT,
            "--h-X-Ledger", token, "--hide-all", "--timeout", "30",
        )  # fmt: skip
        if done.returncode == 0:
            self.acknowledged.append((token, RECIPIENT))
            return True
        self.refused(f"swaks {done.returncode}")
        return False


class PostfixToMx(Sender):
    """Postfix, which takes `count` messages at once and has to bring them all: it keeps what it has no 250 for."""

    def __init__(self, name: str, postfix: Postfix, count: int) -> None:
        super().__init__(name)
        self._postfix, self._count = postfix, count

    def send_all(self) -> None:
        subject = f"src-{self.name}"
        # One session: with more, smtp-source gives two messages the same number.
        subprocess.run(
            [tool("smtp-source"), "-d", "-m", str(self._count), "-s", "1", "-l", "3000", "-S", subject, "-f", SENDER,
             "-t", RECIPIENT, f"127.0.0.1:{self._postfix.port}"],
            check=True, timeout=120, capture_output=True,
        )  # fmt: skip
        # What it finds still locked by the delivery that just failed ("skipped, still being delivered") it leaves alone
        # for five minutes, whatever its back-off: it is asked again.
        for left in reversed(range(12)):
            try:
                wait_until(lambda: self._postfix.queued() == 0, "Postfix's queue to be empty", 12, 0.2)
                break
            except PeerFailed:
                if not left:
                    raise
                self._postfix.flush()
        self.acknowledged += [(f"{subject}/{n:04x}", RECIPIENT) for n in range(self._count)]


def patient_postfix(mx_port: int) -> Postfix:
    """A sending Postfix that tries again within seconds, so that a test ends."""
    return Postfix(
        mx_port,
        extra={
            "smtp_tls_security_level": "may",
            "minimal_backoff_time": "1s",
            "maximal_backoff_time": "2s",
            "queue_run_delay": "1s",
            "transport_retry_time": "1s",
            "default_destination_concurrency_failed_cohort_limit": "0",
        },
    )


class InboundSoak:
    """Rounds of mail at the MX and kills over one data folder."""

    def __init__(self, platform: Apart, postfix: Postfix, endpoint: EndpointLedger, *, seed: int) -> None:
        self._platform, self._postfix, self._endpoint = platform, postfix, endpoint
        self._chance = random.Random(seed)
        self.rounds: list[Round] = []

    def run_round(self, number: int, messages: int, *, kills: Sequence[tuple[str, str]] = ()) -> Round:
        """Mail with kills, then wait for all that was acknowledged, then judge.

        `kills` are (part, what) in any order, done once while mail comes; without them anything is killed until the
        senders are through. `what` is "worker", "committer", "supervisor", or "supervisor and workers".
        """
        round_, began = Round(number), time.monotonic()
        senders = self._senders(number, messages)
        endless = SmtpSender(
            f"smtp-{number}-endless", self._platform.mx_port, 1_000_000, sender=SENDER, recipient=RECIPIENT
        )
        for sender in (*senders, endless):
            sender.start()
        try:
            self._kill_while(senders, list(kills), round_)
        finally:
            endless.stopped.set()
        for sender in (*senders, endless):
            sender.join(180)
            door = sender.name.split("-")[0]
            round_.by_door[door] = round_.by_door.get(door, 0) + len(sender.acknowledged)
            round_.unanswered += sender.unanswered
            if sender.failure or sender.is_alive():
                round_.failures.append(sender.failure or f"{sender.name} did not end")
        acknowledged = {token for sender in (*senders, endless) for token, _ in sender.acknowledged}
        round_.acknowledged = len(acknowledged)
        self._await(acknowledged, round_)
        self._judge(number, acknowledged, round_)
        round_.seconds = time.monotonic() - began
        self.rounds.append(round_)
        return round_

    def _senders(self, number: int, messages: int) -> list[Sender]:
        port, few = self._platform.mx_port, max(2, messages // 200)
        share = (messages - few) // 10
        to: dict[str, str] = {"sender": SENDER, "recipient": RECIPIENT}
        out: list[Sender] = [
            SwaksToMx(f"swaks-{number}", port, few),
            PostfixToMx(f"postfix-{number}", self._postfix, share * 4),
        ]
        out += [SourceSender(f"source-{number}-{i}", port, share, **to) for i in range(3)]  # type: ignore[arg-type]
        left = messages - few - share * 7
        out += [SmtpSender(f"smtp-{number}-{i}", port, left // 3 + (i < left % 3), **to) for i in range(3)]  # type: ignore[arg-type]
        return out

    # -- kills -----------------------------------------------------------------------------------

    def _kill_while(self, senders: Sequence[Sender], kills: list[tuple[str, str]], round_: Round) -> None:
        chance, relentless = self._chance, not kills
        if relentless:
            kills = [("mx", "worker"), ("sender", "worker"), ("", "committer"), ("sender", "supervisor and workers")]
        chance.shuffle(kills)
        while kills or any(s.is_alive() for s in senders):
            time.sleep(chance.uniform(0.05, 0.6) if kills or not relentless else chance.uniform(0.3, 2.0))
            if kills:
                self._kill(*kills.pop(), round_)
            elif relentless and chance.random() < 0.7:
                part, what = chance.choice(
                    [("mx", "worker"), ("sender", "worker"), ("", "committer"), ("mx", "supervisor and workers"),
                     ("web", "worker")]
                )  # fmt: skip
                self._kill(part, what, round_)

    def _kill(self, part: str, what: str, round_: Round) -> None:
        plan = self._platform
        match what:
            case "worker":
                wait_until(lambda: bool(self._of(part, "worker")), f"a worker of {part}", 30, 0.01)
                plan.kill_worker(part, self._chance.choice(self._of(part, "worker")))
            case "committer":
                wait_until(lambda: bool(self._committer()), "the committer", 30, 0.01)
                plan.kill_worker(*self._committer()[0])
            case "supervisor":
                plan.kill_supervisor(part)
            case _:
                plan.kill_part(part)
        round_.kills.append(Kill(time.time(), part or "committer", what))
        if what.startswith("supervisor"):
            plan.start_part(part)

    def _of(self, part: str, kind: str) -> list[int]:
        return of_kind(self._platform.parts[part].pid, kind)

    def _committer(self) -> list[tuple[str, int]]:
        return [(name, pid) for name in self._platform.parts for pid in self._of(name, "committer")]

    # -- judgement -------------------------------------------------------------------------------

    def _await(self, acknowledged: set[str], round_: Round) -> None:
        try:
            wait_until(lambda: acknowledged <= self._endpoint.read().keys(), "all that got 250", PATIENCE_SECONDS, 0.3)
        except PeerFailed:
            round_.lost = sorted(acknowledged - self._endpoint.read().keys())
        # A copy that is handed over again comes when a lease runs out: the others of that lease have come by now.
        time.sleep(1.0)

    def _judge(self, number: int, acknowledged: set[str], round_: Round) -> None:
        kills = [k for r in (*self.rounds, round_) for k in r.kills]
        for token, posts in self._endpoint.read().items():
            if token.removeprefix("src-").split("/")[0].split("-")[1:2] != [str(number)]:
                continue
            round_.extra += token not in acknowledged
            if len(posts) > 1:
                round_.duplicates += self._explain(token, posts, kills)

    def _explain(self, token: str, posts: Sequence[Post], kills: Sequence[Kill]) -> list[Duplicate]:
        """One for each request beyond the first, by cause."""
        by_event: dict[str, list[Post]] = {}
        for post in posts:
            by_event.setdefault(post.event, []).append(post)
        out = []
        for same in by_event.values():
            for earlier in same[:-1]:
                out.append(self._kill_after(token, "handed over again", earlier.at, ("sender", "committer"), kills))
            if len(same) > 1 and (known := self._recorded(same[0])) != 1:
                out[-1].fault = f"the platform knows of {known} attempts that were taken"
        # The sender had no 250 for all but the last of what it sent.
        received = sorted({p.message: datetime.fromisoformat(p.since).timestamp() for p in posts}.values())
        for at in received[:-1]:
            found = self._kill_after(token, "sent again", at, ("mx", "committer"), kills)
            if not token.startswith("src-postfix-"):
                found.fault = "only Postfix sends a message again"
            out.append(found)
        return out

    def _kill_after(self, token: str, cause: str, at: float, parts: Sequence[str], kills: Sequence[Kill]) -> Duplicate:
        after = [k for k in kills if k.part in parts and -0.1 <= k.at - at <= WINDOW_SECONDS]
        if not after:
            return Duplicate(token, cause, -1.0, "", "no kill soon after the first one")
        nearest = min(after, key=lambda k: k.at - at)
        return Duplicate(token, cause, nearest.at - at, f"{nearest.part} {nearest.what}")

    def _recorded(self, post: Post) -> int:
        """How many attempts that were taken the platform shows for a message."""
        _, page = self._platform.api("GET", f"/v1/received/{post.message}/attempts")
        return sum(a["outcome"] == "handed_over" for a in page["data"])


def make_route(platform: Apart, url: str) -> None:
    """Mail for RECIPIENT goes there; returns when every worker of the MX knows."""
    body = {"domain": DOMAIN, "kind": "exact", "pattern": RECIPIENT.partition("@")[0], "url": url}
    status, said = platform.api("POST", "/v1/routes", body)
    if status != 201:
        raise PeerFailed(f"making a route: {status} {said}")
    wait_until(lambda: all(known(platform.mx_port, RECIPIENT) for _ in range(6)), "the route to be known", 15)


def known(port: int, recipient: str) -> bool:
    """Does the MX take mail for this address?"""
    dialogue = Dialogue(port, 10)
    try:
        dialogue.say("EHLO probe.test")
        dialogue.say(f"MAIL FROM:<{SENDER}>")
        return dialogue.say(f"RCPT TO:<{recipient}>")[0] == 250
    finally:
        dialogue.close()


def table(rounds: Sequence[Round]) -> str:
    """The rounds as text, with a line of sums."""
    lines = [
        f"{'round':>5}{'seconds':>9}{'250':>7}{'extra':>7}{'kills':>7}{'lost':>6}{'again':>7}{'resent':>8}  by door"
    ]
    for r in rounds:
        causes = Counter(d.cause for d in r.duplicates)
        doors = " ".join(f"{k}={v}" for k, v in sorted(r.by_door.items()))
        lines.append(
            f"{r.number:>5}{r.seconds:>9.1f}{r.acknowledged:>7}{r.extra:>7}{len(r.kills):>7}{len(r.lost):>6}"
            f"{causes['handed over again']:>7}{causes['sent again']:>8}  {doors}"
        )
    kills = Counter(f"{k.part} {k.what}" for r in rounds for k in r.kills)
    return "\n".join([*lines, "kills: " + ", ".join(f"{n} {what}" for what, n in sorted(kills.items()))])


def details(round_: Round) -> list[str]:
    """Each duplicate, each loss and each failure of a round, a line each."""
    out = [f"LOST {token}" for token in round_.lost[:20]] + [f"FAILED {text}" for text in round_.failures]
    for d in round_.duplicates:
        why = f"UNEXPLAINED ({d.fault})" if d.fault else f"{d.gap * 1000:.0f} ms before kill of {d.kill}"
        out.append(f"twice {d.token}: {d.cause}: {why}")
    return out


def main() -> int:
    """Run the long form; 1 when anything was lost, failed, or came twice without a reason."""
    parser = argparse.ArgumentParser(prog="inbound_soak", description="kill -9 while mail arrives, with a ledger.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--messages", type=int, default=2000, help="a round (default %(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--workers", type=int, default=2, help="a role (default %(default)s)")
    parser.add_argument("--json", default="", help="also write the rounds to this file")
    given, _ = parser.parse_known_args()
    print(f"seed {given.seed}", flush=True)
    with EndpointLedger() as endpoint, Dns(ZONE) as dns:
        platform = Apart(LAYOUT, workers=given.workers, settings=SETTINGS | {"delivery.resolvers": [dns.address]})
        postfix = patient_postfix(platform.mx_port)
        with several(platform, postfix):
            make_route(platform, endpoint.url + "/in")
            soak = InboundSoak(platform, postfix, endpoint, seed=given.seed)
            for number in range(1, given.rounds + 1):
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
