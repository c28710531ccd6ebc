"""From a delivery taken up to the message on the wire: the edition's bytes with this reader's values filled in."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from syndicate.core.links import token_maker
from syndicate.core.message.prepared import PreparedMessage
from syndicate.core.message.template import MessageTemplate
from syndicate.core.personal import JointPart, Personal, joint_values, return_path, web_url
from syndicate.model import Envelope, Keyring
from syndicate.store.deliveries import Joint, Task, edition_message
from syndicate.store.engine import Database
from syndicate.store.joint_mails import joint_message

if TYPE_CHECKING:
    # Brings the library that signs, which only who signs pays for.
    from syndicate.core.dkim.signing import Signer

# Parsed editions kept at hand; an issue in 200 editions sends them mixed.
_KEPT = 256


class _Prepared(NamedTuple):
    """An edition's message, and what its template knows of every copy."""

    message: PreparedMessage
    ready: bool
    relaxed: bool


class Envelopes:
    """Makes envelopes; safe to share between the connection threads."""

    def __init__(
        self,
        database: Database,
        personal: Personal,
        keyring: Keyring,
        sign: Signer | None = None,
    ) -> None:
        """``sign``: what puts signatures on finished messages; None when the relay does it."""
        self._database = database
        self._personal = personal
        self._keyring = keyring
        self._sign = sign
        self._tokens = token_maker(keyring)
        self._specimen = self._tokens(0, 0, 0)
        self._editions: dict[int, _Prepared] = {}
        self._joints: dict[int, MessageTemplate] = {}
        self._lock = threading.Lock()

    def __call__(self, task: Task) -> Envelope:
        """The finished message of one delivery. Raises AddressError when this reader's values fit into no message."""
        if task.joint is not None:
            return self._joint(task, task.joint)
        tokens = self._tokens(task.issue_id, task.subscriber_id, task.subscription_id)
        found = self._editions.get(task.edition_id) or self._prepare(task)
        data = found.message.fill(tokens, task.email, task.name, task.first_marked_at)
        if self._sign is not None:
            data = self._signed(data, task, found.relaxed)
        return Envelope(return_path(self._personal, tokens), task.email, data, found.ready)

    def _joint(self, task: Task, joint: Joint) -> Envelope:
        """One mail for several deliveries; its envelope and Message-ID are those of the leading one."""
        found = self._joints.get(joint.edition_id)
        if found is None:
            with self._database.read() as session:
                found = MessageTemplate(joint_message(session, joint.edition_id))
            with self._lock:
                self._joints[joint.edition_id] = found
                if len(self._joints) > _KEPT:
                    del self._joints[next(iter(self._joints))]
        values = joint_values(
            self._personal,
            self._keyring,
            [
                JointPart(
                    digest=part.digest,
                    issue_id=part.issue_id,
                    edition_id=part.edition_id,
                    subscription_id=part.subscription_id,
                )
                for part in joint.parts
            ],
            subscriber_id=task.subscriber_id,
            email=task.email,
            name=task.name,
            sent_at=task.first_marked_at,
        )
        tokens = self._tokens(task.issue_id, task.subscriber_id, task.subscription_id)
        data = self._signed(found.fill(values), task, found.relaxed)
        return Envelope(return_path(self._personal, tokens), task.email, data, found.ready)

    def _signed(self, data: bytes, task: Task, relaxed: bool) -> bytes:
        # With the time of the first attempt: a later one has the same bytes, as it has the same Message-ID.
        return data if self._sign is None else self._sign(data, task.first_marked_at, relaxed=relaxed)

    def _prepare(self, task: Task) -> _Prepared:
        edition_id = task.edition_id
        with self._database.read() as session:
            template = MessageTemplate(edition_message(session, edition_id))
        web = web_url(self._personal, task.issue_id, edition_id)
        message = PreparedMessage(template, self._personal, self._specimen, web_url=web)
        found = _Prepared(message, template.ready, template.relaxed)
        with self._lock:
            self._editions[edition_id] = found
            if len(self._editions) > _KEPT:
                del self._editions[next(iter(self._editions))]
        return found
