"""Start the platform, submit a folder of messages by SMTP and by API, and show what became of each."""

from __future__ import annotations

import argparse
import json
import re
import smtplib
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from demo.messages import Sample, default_folder, read
from tests.scenarios.peers import PeerFailed
from tests.scenarios.platform import Platform

SENDER = "demo@demo.mailward.test"
RECIPIENT = "someone@example.com"
ENDED = ("delivered", "bounced", "expired", "cancelled", "discarded", "suppressed")
_ID = re.compile(r"msg_[0-9a-z]{26}")


@dataclass
class Outcome:
    """What became of one submission; `message` is empty when it was refused, and `reason` says why."""

    name: str
    door: str
    message: str = ""
    reason: str = ""
    status: str = ""
    signed: str = ""
    explained: str = ""

    @property
    def well(self) -> bool:
        """Refused with a reason, or accepted, signed, delivered and explained."""
        if not self.message:
            return bool(self.reason)
        return self.status == "delivered" and bool(self.signed and self.explained)


def by_smtp(platform: Platform, samples: list[Sample]) -> list[Outcome]:
    """Submit over one SMTP session with STARTTLS and a password, as the standard library does it."""
    tls = ssl.create_default_context()
    # The certificate of a fresh installation is self-signed.
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    out = []
    session: smtplib.SMTP | None = None
    for sample in samples:
        outcome = Outcome(sample.name, "smtp")
        out.append(outcome)
        if session is None:
            session = smtplib.SMTP("127.0.0.1", platform.starttls_port, timeout=30)
            session.starttls(context=tls)
            session.login(platform.smtp_user, platform.smtp_password)
        try:
            session.mail(SENDER)
            session.rcpt(RECIPIENT)
            code, text = session.data(sample.content)
        except (smtplib.SMTPException, OSError) as e:
            outcome.reason = str(e)[:200]
            session.close()
            session = None
            continue
        said = text.decode("utf-8", "replace")
        if code == 250 and (found := _ID.search(said)):
            outcome.message = found[0]
        else:
            outcome.reason = f"{code} {said}"
            session.rset()
    if session is not None:
        session.quit()
    return out


def by_api(platform: Platform, samples: list[Sample]) -> list[Outcome]:
    """Submit each finished message by HTTP."""
    out = []
    for sample in samples:
        outcome = Outcome(sample.name, "api")
        out.append(outcome)
        request = urllib.request.Request(  # http on loopback, our own platform
            f"http://127.0.0.1:{platform.http_port}/v1/messages/raw",
            data=sample.content,
            headers={
                "Authorization": f"Bearer {platform.send_key}",
                "Content-Type": "message/rfc822",
                "Envelope-From": SENDER,
                "Envelope-To": RECIPIENT,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  # as above
                outcome.message = json.load(answer)["id"]
        except urllib.error.HTTPError as e:
            with e:
                problem = json.load(e)
            outcome.reason = f"{e.code} {problem.get('code', '')}: {problem.get('detail', '')}"
    return out


def follow(platform: Platform, outcomes: list[Outcome], seconds: float = 60) -> None:
    """Wait for each accepted message to end, and ask for its explanation."""
    end = time.monotonic() + seconds
    for outcome in (o for o in outcomes if o.message):
        while True:
            _, detail = platform.api("GET", f"/v1/messages/{outcome.message}")
            outcome.status = detail.get("status", "unknown")
            if outcome.status in ENDED or time.monotonic() > end:
                break
            time.sleep(0.1)
        _, why = platform.api("GET", f"/v1/messages/{outcome.message}/explain")
        outcome.explained = why.get("summary", "")
        attempts = [a for d in why.get("deliveries", ()) for a in d["attempts"]]
        outcome.signed = " ".join(attempts[-1]["signed"]) if attempts else ""


def show(outcomes: list[Outcome]) -> None:
    """A line each, refusals after the rest."""
    for o in sorted(outcomes, key=lambda o: (not o.message, o.name, o.door)):
        if o.message:
            print(f"{o.name:<16}{o.door:<6}{o.message}  {o.status:<10} signed: {o.signed or 'no'}")
            print(f"{'':<22}{o.explained}")
        else:
            print(f"{o.name:<16}{o.door:<6}refused: {o.reason}")


def main() -> int:
    """0 when every message was delivered and explained, or refused with a reason."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--folder", type=Path, help="message files (default: Python's own test data)")
    folder = parser.parse_args().folder or default_folder()
    if folder is None:
        print(
            "No Python here has its test data (on Debian: libpython3.11-testsuite); install it or use --folder.",
            file=sys.stderr,
        )
        return 1
    samples = read(folder, f"Demo <{SENDER}>")
    print(f"{len(samples)} messages from {folder}; starting the platform in capture mode ...", flush=True)
    try:
        with Platform() as platform:
            outcomes = by_smtp(platform, samples) + by_api(platform, samples)
            follow(platform, outcomes)
            show(outcomes)
            delivered = next((o for o in outcomes if o.status == "delivered"), None)
            if delivered is not None:
                print(f"\n$ mailward message explain {delivered.message}")
                print(platform.cli("message", "explain", delivered.message).stdout)
    except PeerFailed as e:
        print(f"the platform did not start: {e}", file=sys.stderr)
        return 1
    counts = Counter(o.status if o.message else "refused" for o in outcomes)
    print(f"{len(outcomes)} submissions: " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
    bad = [o for o in outcomes if not o.well]
    for o in bad:
        print(f"NOT WELL {o.name} by {o.door}: {o.status or 'refused without a reason'}")
    return 1 if bad or not counts["delivered"] else 0


if __name__ == "__main__":
    sys.exit(main())
