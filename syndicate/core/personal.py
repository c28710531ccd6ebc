"""What one reader's message is filled with: the values of its slots, all links signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from syndicate.config import Settings
from syndicate.core.links import (
    DeliveryTokens,
    Purpose,
    preferences_url,
    sign,
    sign_joint,
    tagged_address,
    token_maker,
    unsubscribe_url,
)
from syndicate.core.message.headers import date_value, parse_mailbox
from syndicate.model import Keyring


@dataclass(frozen=True, slots=True)
class Personal:
    """What every message of this installation is filled with, beside the reader: where links lead and bounces go."""

    public_url: str
    message_domain: str
    return_path: str | None
    sender: str

    @classmethod
    def of(cls, settings: Settings) -> Personal:
        """Read it from the settings."""
        return cls(
            public_url=settings.service.public_url,
            message_domain=settings.mail_domain,
            return_path=settings.bounce.return_path,
            sender=parse_mailbox(settings.delivery.from_).address,
        )

    def document(self, keyring: Keyring) -> dict[str, str | None]:
        """It as plain values, with the id of the key that signs, so that a message can be made again for ``replay``."""
        return asdict(self) | {"key": keyring.keys[0].id}

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Personal:
        """From the plain values of ``document``."""
        return cls(**{name: document[name] for name in ("public_url", "message_domain", "return_path", "sender")})


def keyring_as(keyring: Keyring, key_id: str) -> Keyring | None:
    """The keyring as it was when that key was its newest; None when it holds no such key."""
    ids = [key.id for key in keyring.keys]
    return replace(keyring, keys=keyring.keys[ids.index(key_id) :]) if key_id in ids else None


def slot_values(
    personal: Personal,
    keyring: Keyring,
    *,
    issue_id: int,
    edition_id: int = 0,
    subscriber_id: int,
    subscription_id: int,
    email: str,
    name: str,
    sent_at: datetime,
) -> dict[str, str]:
    """The value of every slot for one reader and one issue; ``sent_at``: the first attempt, whose time is the Date.

    Without an issue (a preview) the address on the web is that of the list of issues.
    """
    tokens = token_maker(keyring)(issue_id, subscriber_id, subscription_id)
    web = web_url(personal, issue_id, edition_id)
    return values_with(personal, tokens, web_url=web, email=email, name=name, sent_at=sent_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class JointPart:
    """One delivery of a joint mail, as its links need it."""

    digest: str
    issue_id: int
    edition_id: int
    subscription_id: int


def joint_values(
    personal: Personal,
    keyring: Keyring,
    parts: Sequence[JointPart],
    *,
    subscriber_id: int,
    email: str,
    name: str,
    sent_at: datetime,
) -> dict[str, str]:
    """The value of every slot of a mail for several issues, of which the first leads: the Message-ID is its own.

    ``unsubscribe_url``, which the mail program's button asks, ends all of them; each part has links of its own.
    """
    first = parts[0]
    values = slot_values(
        personal,
        keyring,
        issue_id=first.issue_id,
        subscriber_id=subscriber_id,
        subscription_id=first.subscription_id,
        email=email,
        name=name,
        sent_at=sent_at,
    )
    token = sign_joint(keyring, [part.subscription_id for part in parts])
    mailbox = quote(personal.return_path or personal.sender, safe="@+")
    values |= {
        "web_url": web_url(personal, 0, 0),
        "unsubscribe_url": unsubscribe_url(personal.public_url, token),
        "unsubscribe_mailto": f"mailto:{mailbox}?subject=unsubscribe%20{token}",
    }
    for part in parts:
        leave = sign(keyring, Purpose.UNSUBSCRIBE, part.subscription_id)
        choose = sign(keyring, Purpose.PREFERENCES, part.subscription_id)
        values |= {
            f"part.unsubscribe_url {part.digest}": unsubscribe_url(personal.public_url, leave),
            f"part.preferences_url {part.digest}": preferences_url(personal.public_url, choose),
            f"part.web_url {part.digest}": web_url(personal, part.issue_id, part.edition_id),
        }
    return values


def values_with(
    personal: Personal, tokens: DeliveryTokens, *, web_url: str, email: str, name: str, sent_at: datetime
) -> dict[str, str]:
    """The value of every slot, from a delivery's tokens and its edition's address on the web."""
    by_mail = tokens.unsubscribe_by_mail.decode()
    if personal.return_path is not None:
        mailto = f"mailto:{tagged_address(personal.return_path, by_mail)}?subject=unsubscribe"
    else:  # whoever reads the sender's mail is asked, and the token says for which subscription
        mailto = f"mailto:{quote(personal.sender, safe='@+')}?subject=unsubscribe%20{by_mail}"
    return {
        "recipient.name": name,
        "recipient.email": email,
        "unsubscribe_url": unsubscribe_url(personal.public_url, tokens.unsubscribe.decode()),
        "preferences_url": preferences_url(personal.public_url, tokens.preferences.decode()),
        "web_url": web_url,
        "unsubscribe_mailto": mailto,
        "message_id": f"{tokens.message_id.decode()}@{personal.message_domain}",
        "date": date_value(sent_at.astimezone(UTC).replace(microsecond=0)),
    }


def web_url(personal: Personal, issue_id: int, edition_id: int) -> str:
    """Where an edition is shown in the web archive."""
    root = f"{personal.public_url.rstrip('/')}/issues/"
    return f"{root}{issue_id}/{edition_id}" if edition_id else f"{root}{issue_id or ''}"


def return_path(personal: Personal, tokens: DeliveryTokens) -> str:
    """The envelope's sender: VERP, so that a failure report says which delivery it is about (email.md R26).

    Raises AddressError when the address of ``bounce.return_path`` is too long for a token.
    """
    if personal.return_path is None:
        return personal.sender
    return tagged_address(personal.return_path, tokens.bounce.decode())
