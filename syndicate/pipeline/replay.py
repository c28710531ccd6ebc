"""The verb ``replay``: an old issue shown as it went out to one reader, byte for byte, from its edition and its slots.

What is the reader's own (links, Message-ID) is made again: tokens hold no time and no chance. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

from sqlmodel import Session

from syndicate.core.addresses import parse_address
from syndicate.core.happenings import DeliveryFacts
from syndicate.core.message.template import MessageTemplate
from syndicate.core.personal import JointPart, Personal, joint_values, keyring_as, slot_values
from syndicate.errors import PrunedError, TransitionError, UnknownNameError
from syndicate.model import DeliveryState, Keyring, Subscriber
from syndicate.store import evidence
from syndicate.store.deliveries import edition_message
from syndicate.store.engine import Database
from syndicate.store.evidence import EditionFacts, IssueFacts
from syndicate.store.subscribers import find_subscriber, subscription_to, subscriptions_of

MASKED = "https://masked.invalid/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One reader's message of an issue. ``doubts``: what may differ from what was sent, in words for people.

    ``masked``: the reader's own links were taken out, so it is not byte for byte.
    """

    issue_id: int
    edition_id: int
    state: DeliveryState
    sent_at: datetime | None
    subject: str
    message: bytes
    masked: bool
    doubts: Sequence[str] = ()

    @property
    def html(self) -> str:
        """The HTML part."""
        return self._part("html")

    @property
    def text(self) -> str:
        """The text part."""
        return self._part("plain")

    def _part(self, kind: str) -> str:
        parsed = message_from_bytes(self.message, policy=policy.default)
        assert isinstance(parsed, EmailMessage)  # noqa: S101 - what that policy makes
        part = parsed.get_body((kind,))
        return "" if part is None else str(part.get_content())


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """What signs messages today, and its name in ``Settings.signs_as``; both None when nothing is signed here."""

    sign: Callable[[bytes, datetime], bytes] | None = None
    name: str | None = None


NO_SIGNING = Signing()


def replay(
    database: Database,
    personal: Personal,
    keyring: Keyring,
    issue_id: int,
    email: str,
    *,
    mask: bool = False,
    signing: Signing = NO_SIGNING,
) -> Replay:
    """The bytes that a reader was sent of an issue.

    Raises UnknownNameError for an issue, a reader or a delivery that is not there, PrunedError when the bytes are kept
    no longer, TransitionError when nothing of it was sent to this reader.
    """
    with database.read() as session:
        issue = evidence.issue_facts(session, issue_id)
        reader = find_subscriber(session, parse_address(email).key)
        if reader is None:
            raise UnknownNameError(f"{email} is not known here: never subscribed, or erased")
        row = evidence.deliveries_to(session, reader.id, [issue_id]).get(issue_id)
        if row is None:
            if issue.pruned:
                raise PrunedError(f"issue {issue_id}: its rows were pruned (service.keep_deliveries)")
            raise UnknownNameError(f"issue {issue_id} has nothing for {reader.email}; `syndicate why` says why")
        if row.attempts == 0:
            raise TransitionError(f"nothing of issue {issue_id} was sent to {reader.email}: it is {row.state}")
        if row.joint_edition_id is not None:
            return _joint(session, personal, keyring, reader, row, mask=mask, signing=signing)
        edition = evidence.editions_by_id(session, [row.edition_id or 0]).get(row.edition_id or 0)
        blob = _kept(session, issue, edition)
        subscription = subscription_to(session, reader.id, issue.digest)
    assert edition is not None  # noqa: S101 - _kept raised
    doubts: list[str] = []
    personal, keyring = _as_then(personal, keyring, issue, doubts)
    sent_at = row.first_marked_at or row.due_at
    if subscription is None:
        doubts.append("the subscription is gone: its links lead nowhere")
    values = slot_values(
        personal,
        keyring,
        issue_id=issue.id,
        edition_id=edition.id,
        subscriber_id=reader.id,
        subscription_id=subscription.id if subscription else 0,
        email=reader.email,
        name=reader.name,
        sent_at=sent_at,
    )
    if mask:
        values |= dict.fromkeys(("unsubscribe_url", "preferences_url"), MASKED) | {"unsubscribe_mailto": ""}
    return Replay(
        issue_id=issue_id,
        edition_id=edition.id,
        state=row.state,
        sent_at=row.finished_at or row.marked_at,
        subject=edition.subject,
        message=_signed(MessageTemplate(blob).fill(values), issue, sent_at, None if mask else signing, doubts),
        masked=mask,
        doubts=doubts,
    )


def _joint(
    session: Session,
    personal: Personal,
    keyring: Keyring,
    reader: Subscriber,
    row: DeliveryFacts,
    *,
    mask: bool,
    signing: Signing,
) -> Replay:
    """The mail in which a delivery went with others."""
    joint = evidence.joint_facts(session, row.joint_edition_id or 0)
    if joint is None or joint.message is None:
        when = f" on {joint.pruned_at:%Y-%m-%d %H:%M} UTC" if joint and joint.pruned_at else ""
        raise PrunedError(f"issue {row.issue_id}: the bytes of this mail were pruned{when} (service.keep_editions)")
    leading = evidence.issue_facts(session, joint.issue_id)
    subscriptions = {each.digest: each.id for each in subscriptions_of(session, [reader.id])[reader.id]}
    rows = {each.edition_id: each for each in evidence.same_mail(session, reader.id, [row])[row.id]}
    doubts: list[str] = []
    personal, keyring = _as_then(personal, keyring, leading, doubts)
    sent_at = row.first_marked_at or row.due_at
    parts = [rows[edition_id] for edition_id in joint.parts if edition_id in rows]
    if len(parts) < len(joint.parts) or any(part.digest not in subscriptions for part in parts):
        doubts.append("a part or a subscription of this mail is gone: its links lead nowhere")
    values = joint_values(
        personal,
        keyring,
        [
            JointPart(
                digest=part.digest,
                issue_id=part.issue_id,
                edition_id=part.edition_id or 0,
                subscription_id=subscriptions.get(part.digest, 0),
            )
            for part in parts
        ],
        subscriber_id=reader.id,
        email=reader.email,
        name=reader.name,
        sent_at=sent_at,
    )
    if mask:
        own = [name for name in values if name.endswith("_url") or "_url " in name]
        values |= {name: MASKED for name in own if "web_url" not in name} | {"unsubscribe_mailto": ""}
    return Replay(
        issue_id=row.issue_id,
        edition_id=row.edition_id or 0,
        state=row.state,
        sent_at=row.finished_at or row.marked_at,
        subject=joint.subject,
        message=_signed(
            MessageTemplate(joint.message).fill(values), leading, sent_at, None if mask else signing, doubts
        ),
        masked=mask,
        doubts=doubts,
    )


def _as_then(personal: Personal, keyring: Keyring, issue: IssueFacts, doubts: list[str]) -> tuple[Personal, Keyring]:
    """Where links led and which key signed them when an issue was frozen; adds what is not known to the doubts."""
    made_with = issue.made_with
    if made_with is None:
        doubts.append("where links led then is not kept of issues this old: they are made with the settings of now")
        return personal, keyring
    then = keyring_as(keyring, made_with["key"])
    if then is None:
        doubts.append("the key that signed its links is not in the key file any more: their tokens differ")
    return Personal.of_document(made_with), then or keyring


def _signed(message: bytes, issue: IssueFacts, at: datetime, signing: Signing | None, doubts: list[str]) -> bytes:
    """With the signatures it had; without ``signing``, what is not as it went anyway has none."""
    then = (issue.made_with or {}).get("dkim")
    if signing is None or then is None:
        return message
    if signing.sign is None or signing.name != then:
        doubts.append(
            f"it was signed as {then}, which is not how this configuration signs: its signatures are left out"
        )
        return message
    return signing.sign(message, at)


def _kept(session: Session, issue: IssueFacts, edition: EditionFacts | None) -> bytes:
    if edition is None:
        raise PrunedError(f"issue {issue.id}: the edition of this delivery is kept no longer")
    if not edition.kept:
        when = f" on {edition.pruned_at:%Y-%m-%d %H:%M} UTC" if edition.pruned_at else ""
        raise PrunedError(
            f"issue {issue.id}: the bytes of its messages were pruned{when} (service.keep_editions); "
            "`syndicate why` still tells what was in it"
        )
    return edition_message(session, edition.id)
