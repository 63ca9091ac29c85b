"""Messages of Amazon SNS, by which SES tells of bounces and complaints: what is signed, which addresses are Amazon's.

Nothing here is fetched or trusted; the driver does both, in the order that `Notification` asks for: first the
topic must be one of ours, then the certificate's address must be Amazon's, then the signature must hold.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import msgspec

MAX_BYTES = 256 * 1024  # an SNS message is at most that long

NOTIFICATION = "Notification"
CONFIRMATION = "SubscriptionConfirmation"
_ENDED = "UnsubscribeConfirmation"
_HOST = re.compile(r"sns\.([a-z]{2}(?:-[a-z]{2,10}){1,3}-\d{1,2})\.amazonaws\.com(?:\.cn)?")
_CERTIFICATE = re.compile(r"/SimpleNotificationService-[0-9a-f]{32,64}\.pem")
_TOPIC = re.compile(r"arn:aws[a-z-]{0,10}:sns:([a-z0-9-]{5,30}):\d{12}:[A-Za-z0-9_.-]{1,256}")
_SIGNED = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


class _Envelope(msgspec.Struct, rename="pascal"):
    """As SNS posts it."""

    type: str
    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    signature_version: str
    signature: str
    signing_cert_url: str = msgspec.field(name="SigningCertURL")
    subject: str | None = None
    token: str | None = None
    subscribe_url: str | None = msgspec.field(name="SubscribeURL", default=None)


@dataclass(frozen=True, slots=True)
class Notification:
    """One message of a topic. `signed` is the text under the signature; `certificate` and `subscribe` are addresses
    that have the form Amazon's have, in the topic's own region, or "".
    """

    type: str
    topic: str
    message: str
    timestamp: str
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    certificate: str
    subscribe: str


def is_topic(arn: str) -> bool:
    """Whether this is the name of an SNS topic."""
    return _TOPIC.fullmatch(arn) is not None


def read(body: bytes) -> Notification | None:
    """An SNS message, or None for what is none, or is signed in a way that is not believed.

    Signature version 1 is SHA-1, under which two messages of one signature can be made; topics
    are to be set to version 2.
    """
    if len(body) > MAX_BYTES:
        return None
    try:
        e = _DECODER.decode(body)
        signature = b64decode(e.signature, validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError):
        return None
    topic = _TOPIC.fullmatch(e.topic_arn)
    if topic is None or e.signature_version != "2" or e.type not in (NOTIFICATION, CONFIRMATION, _ENDED):
        return None
    values = {
        "Message": e.message,
        "MessageId": e.message_id,
        "Subject": e.subject if e.type == NOTIFICATION else None,
        "SubscribeURL": e.subscribe_url if e.type != NOTIFICATION else None,
        "Timestamp": e.timestamp,
        "Token": e.token if e.type != NOTIFICATION else None,
        "TopicArn": e.topic_arn,
        "Type": e.type,
    }
    # A value with a line break could pass for two of the list (the message itself is JSON of one line).
    if any("\n" in v for k, v in values.items() if v is not None and k not in ("Message", "Subject")):
        return None
    signed = "".join(f"{name}\n{values[name]}\n" for name in _SIGNED if values[name] is not None)
    return Notification(
        type=e.type,
        topic=e.topic_arn,
        message=e.message,
        timestamp=e.timestamp,
        signed=signed.encode(),
        signature=signature,
        certificate=e.signing_cert_url if _is_certificate(e.signing_cert_url, topic[1]) else "",
        subscribe=e.subscribe_url if e.subscribe_url and _confirms(e.subscribe_url, e.topic_arn, topic[1]) else "",
    )


_DECODER = msgspec.json.Decoder(_Envelope)


def _ours(url: str, region: str) -> tuple[str, str] | None:
    """(path, query) of an https address of SNS in that region, written plainly; None for any other."""
    if len(url) > 2000 or not url.isascii() or not url.isprintable() or any(c in url for c in "\\@# "):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    host = _HOST.fullmatch(parts.netloc)
    if parts.scheme != "https" or host is None or host[1] != region:
        return None
    return parts.path, parts.query


def _is_certificate(url: str, region: str) -> bool:
    found = _ours(url, region)
    return found is not None and not found[1] and _CERTIFICATE.fullmatch(found[0]) is not None


def _confirms(url: str, topic: str, region: str) -> bool:
    """Whether following it does nothing but confirm a subscription to that very topic."""
    found = _ours(url, region)
    if found is None or found[0] != "/":
        return False
    query = parse_qsl(found[1], keep_blank_values=True, max_num_fields=10)
    asked = dict(query)
    return (
        len(asked) == len(query)
        and asked.keys() == {"Action", "TopicArn", "Token"}
        and asked["Action"] == "ConfirmSubscription"
        and asked["TopicArn"] == topic
    )
