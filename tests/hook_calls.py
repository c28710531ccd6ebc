"""Calls of providers' webhooks as they come in, signed with keys of the test's own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem"
CONFIRM = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=abc"
MAILGUN, POSTMARK, BREVO, GENERIC = "key-mailgun", "harbour:postmark", "brevo-token", "whsec_" + "QUJD" * 8
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
    ),
}  # fmt: skip


@dataclass
class Amazon:
    """SNS with a key of its own: gives its certificate, remembers what was asked of it."""

    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    asked: list[str] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)

    def certificate(self, url: str) -> bytes:
        self.asked.append(url)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )
        return made.sign(self.key, SHA256()).public_bytes(Encoding.PEM)

    def confirm(self, url: str) -> None:
        self.confirmed.append(url)

    def message(self, inner: Any, *, kind: str = "Notification", **other: str) -> dict[str, str]:
        """A signed message of SNS around some JSON."""
        document = {
            "Type": kind,
            "MessageId": "m-1",
            "TopicArn": TOPIC,
            "Message": json.dumps(inner),
            "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "SignatureVersion": "2",
            "SigningCertURL": CERTIFICATE,
        }
        if kind != "Notification":
            document |= {"SubscribeURL": CONFIRM, "Token": "abc"}
        document |= other
        return self.sign(document)

    def sign(self, document: dict[str, str]) -> dict[str, str]:
        text = "".join(f"{name}\n{document[name]}\n" for name in _SIGNED[document["Type"]] if name in document)
        signature = self.key.sign(text.encode(), PKCS1v15(), SHA256())
        return document | {"Signature": base64.b64encode(signature).decode()}


@dataclass
class SendGrid:
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def public_key(self) -> str:
        public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(public).decode()

    def headers(self, body: bytes, at: datetime | None = None) -> dict[str, str]:
        stamp = str(int((at or datetime.now(UTC)).timestamp()))
        signature = self.key.sign(stamp.encode() + body, ec.ECDSA(SHA256()))
        return {
            "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
            "x-twilio-email-event-webhook-timestamp": stamp,
        }


def mailgun(event: Any, *, token: str = "t" * 50, at: datetime | None = None) -> dict[str, Any]:
    stamp = str(int((at or datetime.now(UTC)).timestamp()))
    signature = hmac.new(MAILGUN.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {"signature": {"timestamp": stamp, "token": token, "signature": signature}, "event-data": event}


def generic(body: bytes, *, number: str = "msg_1", at: datetime | None = None) -> dict[str, str]:
    stamp = str(int((at or datetime.now(UTC)).timestamp()))
    key = base64.b64decode(GENERIC.removeprefix("whsec_"))
    signature = hmac.new(key, f"{number}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": number,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def basic(user_and_password: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(user_and_password.encode()).decode()}"}
