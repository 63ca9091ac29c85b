"""SES through SNS: nothing is fetched, confirmed or settled before it is Amazon's and ours."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mailward.adapters.net.egress import HttpAnswer
from mailward.app.inbound.notifications import SnsNotifications
from mailward.app.store import Store
from mailward.base.errors import Unauthenticated, Unavailable
from mailward.core.messages.model import DeliveryState
from tests.app.inbound.test_bounces import BOB, address, deliver, returns, state
from tests.conftest import MovingClock

TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
CERTIFICATE = f"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{'0' * 32}.pem"
SUBSCRIBE = f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t"
KEY = rsa.generate_private_key(65537, 2048)
D, B = DeliveryState.DELIVERED, DeliveryState.BOUNCED


def certificate(key: rsa.RSAPrivateKey = KEY, until: datetime = datetime(2027, 1, 1, tzinfo=UTC)) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(until - timedelta(days=400))
        .not_valid_after(until)
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM)


class Web:
    """What is fetched, and what comes."""

    def __init__(self, pem: bytes) -> None:
        self.pem = pem
        self.fetched: list[str] = []

    async def get(self, url: str, *, deadline: float, max_response: int) -> HttpAnswer:
        self.fetched.append(url)
        return HttpAnswer(200, self.pem if url.endswith(".pem") else b"<ok/>", 1, None)


def ses(kind: str = "Bounce", source: str = "", **over: Any) -> str:
    who = {"emailAddress": BOB, "action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown"}
    return json.dumps(
        {
            "notificationType": kind,
            "mail": {"source": source or address(), "messageId": "x"},
            "bounce": {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [who]},
            "complaint": {"complainedRecipients": [{"emailAddress": BOB}], "complaintFeedbackType": "abuse"},
            **over,
        }
    )


def post(
    message: str = "",
    *,
    at: datetime,
    key: rsa.RSAPrivateKey = KEY,
    digest: HashAlgorithm | None = None,
    tamper: dict[str, str] | None = None,
    fields: dict[str, str] | None = None,
) -> bytes:
    """As SNS would post it: signed, then perhaps tampered with."""
    values = {
        "Type": "Notification",
        "MessageId": "11111111-2222",
        "TopicArn": TOPIC,
        "Message": message or ses(),
        "Timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        **(fields or {}),
    }
    names = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    signed = "".join(f"{n}\n{values[n]}\n" for n in names if n in values).encode()
    signature = key.sign(signed, padding.PKCS1v15(), digest or SHA256())
    given = {"SignatureVersion": "2", "Signature": b64encode(signature).decode(), "SigningCertURL": CERTIFICATE}
    return json.dumps({**values, **given, **(tamper or {})}).encode()


def listening(store: Store, clock: MovingClock, web: Web | None = None) -> tuple[SnsNotifications, Web]:
    web = web or Web(certificate())
    return SnsNotifications([TOPIC], returns(store), web, clock), web


async def test_a_signed_bounce_suppresses(store: Store, clock: MovingClock) -> None:
    """Permanent, user unknown, under our return-path: as if the bounce had come to it. The certificate is kept."""
    await deliver(store)
    sns, web = listening(store, clock)
    await sns.take(post(at=clock.now()))
    await sns.take(post(at=clock.now()))
    assert await state(store) == ([B, D], "hard_bounce")
    assert web.fetched == [CERTIFICATE]


async def test_a_signed_complaint_suppresses(store: Store, clock: MovingClock) -> None:
    """The copy stays delivered."""
    await deliver(store)
    sns, _ = listening(store, clock)
    await sns.take(post(ses("Complaint"), at=clock.now()))
    assert await state(store) == ([D, D], "complaint")


@pytest.mark.parametrize(
    "bounce",
    [
        {"bounceType": "Transient", "bounceSubType": "General"},
        {"bounceType": "Permanent", "bounceSubType": "Suppressed"},
        {"bounceType": "Permanent", "bounceSubType": "OnAccountSuppressionList"},
        {"bounceType": "Transient", "bounceSubType": "MailboxFull"},
        {"bounceType": "Undetermined", "bounceSubType": "Undetermined"},
        {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "diagnosticCode": "smtp; 550 5.7.1 blocked using spamhaus",
        },
    ],
)
async def test_other_bounces_suppress_nobody(store: Store, clock: MovingClock, bounce: dict[str, str]) -> None:
    """Transient, from a list of SES's own, or for another reason."""
    await deliver(store)
    who = {"emailAddress": BOB, "diagnosticCode": bounce.get("diagnosticCode", "smtp; 550 5.1.1 user unknown")}
    sns, _ = listening(store, clock)
    await sns.take(post(ses(bounce={**bounce, "bouncedRecipients": [who]}), at=clock.now()))
    assert await state(store) == ([D, D], "")


@pytest.mark.parametrize(
    "tamper",
    [
        {"Message": ses("Complaint")},
        {"Signature": ""},
        {"Signature": "AAAA"},
        {"SignatureVersion": "1"},
        {"TopicArn": TOPIC + "2"},
        {"SigningCertURL": "https://evil.example/SimpleNotificationService-00.pem"},
        {"SigningCertURL": CERTIFICATE.replace("https", "http")},
        {"SigningCertURL": CERTIFICATE.replace("amazonaws.com", "amazonaws.com.evil.example")},
        {"SigningCertURL": CERTIFICATE.replace("sns.", "evil@sns.")},
        {"SigningCertURL": CERTIFICATE.replace("eu-west-1", "us-east-1")},
        {"SigningCertURL": CERTIFICATE.replace("/Simple", "/bucket/Simple")},
        {"SigningCertURL": CERTIFICATE + "?x=1"},
        {"SigningCertURL": "https://s3.eu-west-1.amazonaws.com/x.pem"},
        {"Timestamp": "yesterday"},
    ],
)
async def test_what_is_not_surely_amazons_is_refused(store: Store, clock: MovingClock, tamper: dict[str, str]) -> None:
    """401, nothing settled; and nothing fetched but Amazon's own certificate, for a topic of ours."""
    await deliver(store)
    sns, web = listening(store, clock)
    with pytest.raises(Unauthenticated):
        await sns.take(post(at=clock.now(), tamper=tamper))
    assert await state(store) == ([D, D], "")
    assert set(web.fetched) <= {CERTIFICATE}


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b"x" * 300_000, b'{"Type":"Notification"}'])
async def test_what_is_no_notification_is_refused_without_a_fetch(
    store: Store, clock: MovingClock, body: bytes
) -> None:
    """An unsigned post never makes us ask anybody anything."""
    sns, web = listening(store, clock)
    with pytest.raises(Unauthenticated):
        await sns.take(body)
    assert web.fetched == []


async def test_keys_that_are_weak_old_or_somebody_elses_are_refused(store: Store, clock: MovingClock) -> None:
    """Another key, 1024 bits, an expired certificate, SHA-1 under version 2, a message of last week, no certificate."""
    other, weak = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 1024)
    now = clock.now()
    for web, body in (
        (Web(certificate()), post(at=now, key=other)),
        (Web(certificate(weak)), post(at=now, key=weak)),
        (Web(certificate(until=now - timedelta(days=1))), post(at=now)),
        (Web(certificate()), post(at=now, digest=SHA1())),
        (Web(certificate()), post(at=now - timedelta(days=7))),
        (Web(certificate()), post(at=now + timedelta(days=1))),
        (Web(b"no certificate"), post(at=now)),
    ):
        sns, _ = listening(store, clock, web)
        with pytest.raises(Unauthenticated):
            await sns.take(body)


async def test_a_flood_of_certificates_is_not_fetched(store: Store, clock: MovingClock) -> None:
    """Whoever knows our topic can name any certificate of Amazon's; after six a minute he waits."""
    sns, web = listening(store, clock, Web(b"nothing"))
    for n in range(20):
        named = {"SigningCertURL": CERTIFICATE.replace("0" * 32, f"{n:032x}")}
        with pytest.raises((Unauthenticated, Unavailable)):
            await sns.take(post(at=clock.now(), tamper=named))
    assert len(web.fetched) == 6


async def test_a_subscription_is_confirmed_only_when_signed_and_ours(store: Store, clock: MovingClock) -> None:
    """SubscribeURL is followed after the signature held, and only where it can do nothing but confirm our topic."""
    confirm = {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": SUBSCRIBE}
    sns, web = listening(store, clock)
    await sns.take(post("You have chosen", at=clock.now(), fields=confirm))
    assert web.fetched == [CERTIFICATE, SUBSCRIBE]
    for url in (
        "http://169.254.169.254/latest/meta-data",
        SUBSCRIBE.replace("ConfirmSubscription", "DeleteTopic"),
        SUBSCRIBE.replace("bounces&", "other&"),
        SUBSCRIBE + "&Action=DeleteTopic",
        SUBSCRIBE.replace("amazonaws.com/", "amazonaws.com:8443/"),
    ):
        sns, web = listening(store, clock)
        with pytest.raises(Unauthenticated):
            await sns.take(post("You have chosen", at=clock.now(), fields={**confirm, "SubscribeURL": url}))
        assert web.fetched == [CERTIFICATE]
    sns, web = listening(store, clock)
    with pytest.raises(Unauthenticated):
        await sns.take(post("x", at=clock.now(), tamper={"SubscribeURL": SUBSCRIBE + "1"}, fields=confirm))
    assert SUBSCRIBE + "1" not in web.fetched


async def test_a_notification_that_comes_too_early_is_asked_for_again(store: Store, clock: MovingClock) -> None:
    """503, and SNS posts it again."""
    await deliver(store, done=False)
    sns, _ = listening(store, clock)
    with pytest.raises(Unavailable, match="report_early"):
        await sns.take(post(at=clock.now()))


async def test_a_return_path_that_is_not_ours_names_nothing(store: Store, clock: MovingClock) -> None:
    """Signed by Amazon, about mail of somebody else's: taken, and nothing happens."""
    await deliver(store)
    sns, _ = listening(store, clock)
    await sns.take(post(ses(source="a@elsewhere.example"), at=clock.now()))
    await sns.take(post("{}", at=clock.now()))
    await sns.take(post("hello", at=clock.now()))
    assert await state(store) == ([D, D], "")
