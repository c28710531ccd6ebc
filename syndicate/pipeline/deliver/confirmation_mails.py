"""From a confirmation that is owed to its message: the link signed with its expiry, in the subscriber's language."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from syndicate.config import Settings
from syndicate.core.addresses import mask
from syndicate.core.links import Purpose, address_url, confirm_url, sign
from syndicate.core.message.confirmation_message import Confirmation, build_confirmation
from syndicate.core.message.headers import parse_mailbox
from syndicate.core.personal import Personal
from syndicate.core.render.languages import with_region
from syndicate.core.render.templates import TemplateSet
from syndicate.model import Envelope, Keyring
from syndicate.store.confirmations import DueConfirmation

#: Whoever is away for two weeks still finds a way back to the old address; ``upkeep.CHANGES_KEPT`` is longer.
WAY_BACK: Final = timedelta(days=14)


class ConfirmationMails:
    """Makes the envelopes of confirmation mails."""

    def __init__(
        self,
        settings: Settings,
        templates: Mapping[str, str],
        keyring: Keyring,
        sign: Callable[[bytes, datetime], bytes] | None = None,
    ) -> None:
        """``sign``: what puts signatures on a finished message; None when the relay does it."""
        self._settings = settings
        self._templates = TemplateSet(templates)
        self._keyring = keyring
        self._personal = Personal.of(settings)
        self._sign = sign

    def __call__(self, confirmation: DueConfirmation, now: datetime) -> Envelope:
        """One finished mail. Its link works for ``privacy.confirm_link_valid`` from ``now``, a way back longer.

        Raises TemplateError, HeaderError, AddressError.
        """
        settings = self._settings
        moved = confirmation.moved_to is not None
        valid_until = now + (WAY_BACK if moved else settings.privacy.confirm_link_valid)
        change = confirmation.address_change_id
        purpose, number = (Purpose.ADDRESS, change) if change else (Purpose.CONFIRM, confirmation.subscription_id)
        token = sign(self._keyring, purpose, number, expires_at=valid_until)
        url = (address_url if change else confirm_url)(settings.service.public_url, token)
        zone = settings.digest_zone(confirmation.digest)
        wished, site = confirmation.language, settings.site.language
        delivery = settings.delivery
        # The same for every try of one confirmation, so that servers recognise a second copy.
        mark = hmac.new(self._keyring.hash_key, f"confirmation\0{confirmation.id}".encode(), hashlib.sha256).hexdigest()
        data = build_confirmation(
            self._templates,
            Confirmation(
                site=settings.site,
                digest_title=settings.digest_title(confirmation.digest),
                language=with_region(str(self._templates.words(wished, site)["language"]), wished, site),
                zone=zone.key,
                sender=parse_mailbox(delivery.confirm_from or delivery.from_),
                recipient=confirmation.email,
                confirm_url=url,
                kind="moved" if moved else "move" if change else "confirm",
                moved_to=mask(confirmation.moved_to) if confirmation.moved_to else "",
                valid_until=valid_until,
                date=now.astimezone(zone).replace(microsecond=0),
                message_id=f"confirm.{mark[:32]}@{settings.mail_domain}",
                reply_to=parse_mailbox(delivery.reply_to) if delivery.reply_to else None,
            ),
            nonce=f"c{mark[32:60]}",
        )
        sender = self._personal.return_path or self._personal.sender
        if self._sign is not None:
            data = self._sign(data, now)
        return Envelope(sender=sender, recipient=confirmation.email, data=data)
