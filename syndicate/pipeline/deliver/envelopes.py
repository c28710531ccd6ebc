"""From a delivery taken up to the message on the wire: the edition's bytes with this reader's values filled in."""

from __future__ import annotations

import threading

from syndicate.core.links import Purpose, sign_for_mail, tagged_address
from syndicate.core.message.template import MessageTemplate
from syndicate.core.personal import Personal, slot_values
from syndicate.model import Envelope, Keyring
from syndicate.store.deliveries import Task, edition_message
from syndicate.store.engine import Database

# Parsed editions kept at hand; an issue in 200 editions sends them mixed.
_KEPT = 256


class Envelopes:
    """Makes envelopes; safe to share between the connection threads."""

    def __init__(self, database: Database, personal: Personal, keyring: Keyring) -> None:
        self._database = database
        self._personal = personal
        self._keyring = keyring
        self._templates: dict[int, MessageTemplate] = {}
        self._lock = threading.Lock()

    def __call__(self, task: Task) -> Envelope:
        """The finished message of one delivery. Raises AddressError when this reader's values fit into no message."""
        values = slot_values(
            self._personal,
            self._keyring,
            issue_id=task.issue_id,
            edition_id=task.edition_id,
            subscriber_id=task.subscriber_id,
            subscription_id=task.subscription_id,
            email=task.email,
            name=task.name,
        )
        template = self._template(task.edition_id)
        return Envelope(self._return_path(task), task.email, template.fill(values), template.ready)

    def _return_path(self, task: Task) -> str:
        # VERP: the failure report comes back to an address that says which delivery it is about (email.md R26).
        if self._personal.return_path is None:
            return self._personal.sender
        token = sign_for_mail(self._keyring, Purpose.BOUNCE, task.issue_id, task.subscriber_id)
        return tagged_address(self._personal.return_path, token)

    def _template(self, edition_id: int) -> MessageTemplate:
        found = self._templates.get(edition_id)
        if found is not None:
            return found
        with self._database.read() as session:
            template = MessageTemplate(edition_message(session, edition_id))
        with self._lock:
            self._templates[edition_id] = template
            if len(self._templates) > _KEPT:
                del self._templates[next(iter(self._templates))]
        return template
