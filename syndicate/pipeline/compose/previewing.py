"""Looking before sending: a digest as one reader would get it now, and who would get what. Writes nothing."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.core.addresses import parse_address
from syndicate.core.joining import may_join
from syndicate.core.message.template import MessageTemplate
from syndicate.core.periods import SCHEDULE, next_run
from syndicate.core.personal import JointPart as LinkedPart
from syndicate.core.personal import Personal, joint_values, slot_values
from syndicate.core.preflight import Finding, repeated_subject
from syndicate.core.preflight.links import web_links
from syndicate.core.render.slots import fill_markers
from syndicate.core.selection import Standing
from syndicate.core.topics import EVERYTHING
from syndicate.errors import UnknownNameError, UsageError
from syndicate.model import Envelope, Frequency, Keyring, Subscriber, Subscription, SubscriptionState
from syndicate.pipeline.compose.editions import EditionRenderer, FinishedEdition, JointPart
from syndicate.pipeline.compose.planning import PlannedEdition, give, offer_for, plan_issue, read_edition
from syndicate.store.articles import highest_seq
from syndicate.store.engine import Database
from syndicate.store.issues import last_subject
from syndicate.store.subscribers import find_subscriber, subscription_to, subscriptions_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A digest as it would go out.

    ``new`` is False when no issue would be made, and ``reason`` says why; then the newest articles stand in that are
    of the reader's topics. ``findings`` are the pre-flight's; ``html_size`` counts the HTML part's bytes as sent.
    ``digests``: those that the mail carries, when there are several.
    """

    subject: str
    html: str
    text: str
    message: bytes
    articles: list[str]
    new: bool
    reason: str = ""
    html_size: int = 0
    findings: Sequence[Finding] = field(default=())
    digests: Sequence[str] = ()


def preview_digest(
    database: Database,
    renderer: EditionRenderer,
    personal: Personal,
    keyring: Keyring,
    digest_name: str,
    *,
    email: str | None,
    now: datetime,
    try_links: Callable[[Sequence[str]], Sequence[Finding]] = lambda _links: (),
) -> Preview:
    """A digest as a subscriber (or, without one, a new reader) would get it now.

    ``try_links`` gets the addresses that the page links to, and says which of them lead nowhere.
    Raises UnknownNameError for an unknown digest or subscriber, UsageError when there is no article to show at all.
    """
    with database.read() as session:
        reader = _reader(session, email)
        subscription = subscription_to(session, reader.id, digest_name) if reader else None
        edition, reason = _edition(session, renderer, digest_name, reader, subscription, now)
        # A new reader's first issue says again what the others have had; a subscriber's does not.
        previous = last_subject(session, digest_name) if subscription and not reason else None
        own = JointPart(digest=digest_name, period="preview", edition=edition)
        joint = [] if reason or reader is None else _joint_parts(session, renderer, reader, own, now)
    if len(joint) > 1 and reader is not None:
        finished = renderer.render_joint([part for part, _ in joint], now=now)
        values = _joint_values(personal, keyring, reader, joint, now)
    else:
        finished = renderer.render(digest_name, edition, period="preview", now=now)
        values = reader_values(personal, keyring, reader, subscription, now=now)
    findings = [
        *repeated_subject(finished.subject, previous, digest_name),
        *try_links(web_links(finished.rendered.html, finished.rendered.nonce)),
    ]
    made = preview_of(finished, edition, values, reason=reason, findings=findings)
    if len(joint) < 2:  # noqa: PLR2004 - a mail of its own
        return made
    shown = [article.title for article in (*finished.articles, *finished.headlines)]
    return replace(made, articles=shown, digests=[part.digest for part, _ in joint])


def _joint_parts(
    session: Session, renderer: EditionRenderer, reader: Subscriber, own: JointPart, now: datetime
) -> list[tuple[JointPart, int]]:
    """What goes in one mail with a digest, itself included, and the subscriptions; nothing when it goes alone."""
    settings = renderer.settings
    subscriptions = {each.digest: each for each in subscriptions_of(session, [reader.id])[reader.id]}
    mine = subscriptions.get(own.digest)
    found = []
    for name in may_join(settings.digest):
        subscription = subscriptions.get(name)
        if mine is None or subscription is None or subscription.state is not SubscriptionState.CONFIRMED:
            continue
        if name == own.digest:
            found.append((own, subscription.id))
        elif _next(settings, mine, now) == _next(settings, subscription, now):
            try:
                edition, reason = _edition(session, renderer, name, reader, subscription, now)
            except UsageError:  # it selects nothing at all
                continue
            if not reason:
                found.append((JointPart(digest=name, period="preview", edition=edition), subscription.id))
    return found if any(part is own for part, _ in found) else []


def _next(settings: Settings, subscription: Subscription, now: datetime) -> datetime | str | None:
    """When a subscription's next issue is due; instant ones are made as articles come."""
    digest = settings.named_digest(subscription.digest)
    if digest.schedule is None and subscription.frequency is Frequency.INSTANT:
        return str(Frequency.INSTANT)
    rhythm = SCHEDULE if digest.schedule is not None else str(subscription.frequency)
    return next_run(digest, rhythm, after=now, zone=settings.digest_zone(subscription.digest))


def _joint_values(
    personal: Personal, keyring: Keyring, reader: Subscriber, parts: Sequence[tuple[JointPart, int]], now: datetime
) -> dict[str, str]:
    linked = [
        LinkedPart(digest=part.digest, issue_id=0, edition_id=0, subscription_id=subscription_id)
        for part, subscription_id in parts
    ]
    return joint_values(
        personal, keyring, linked, subscriber_id=reader.id, email=reader.email, name=reader.name, sent_at=now
    )


def reader_values(
    personal: Personal,
    keyring: Keyring,
    reader: Subscriber | None,
    subscription: Subscription | None,
    issue_id: int = 0,
    *,
    now: datetime,
) -> dict[str, str]:
    """The values of a reader's slots; of nobody in particular without one, whose links lead nowhere."""
    return slot_values(
        personal,
        keyring,
        issue_id=issue_id,
        subscriber_id=reader.id if reader else 0,
        subscription_id=subscription.id if subscription else 0,
        email=reader.email if reader else "reader@example.org",
        name=reader.name if reader else "",
        sent_at=now,
    )


def preview_of(
    finished: FinishedEdition,
    edition: PlannedEdition,
    values: dict[str, str],
    *,
    reason: str = "",
    findings: Sequence[Finding] = (),
) -> Preview:
    """A rendered edition filled for one reader; ``reason`` says why no issue would be made.

    ``findings`` come beside those of its own pre-flight.
    """
    rendered = finished.rendered
    return Preview(
        subject=fill_markers(rendered.subject, rendered.nonce, values),
        html=fill_markers(rendered.html, rendered.nonce, values, html.escape),
        text=fill_markers(rendered.text, rendered.nonce, values),
        message=MessageTemplate(finished.message).fill(values),
        articles=[article.title for article in (*edition.articles, *edition.headlines)],
        new=not reason,
        reason=reason,
        html_size=finished.size,
        findings=[*finished.findings, *findings],
    )


def sample_envelope(
    database: Database,
    renderer: EditionRenderer,
    personal: Personal,
    keyring: Keyring,
    digest_name: str,
    *,
    to: str,
    now: datetime,
) -> tuple[Envelope, str]:
    """One ``[test]`` copy for an editor, and its subject.

    Its Message-ID is its own, so that no server takes it for a double.
    """
    with database.read() as session:
        edition, _ = _edition(session, renderer, digest_name, None, None, now)
    return envelope_for(renderer.render_test(digest_name, edition, now=now), personal, keyring, to=to, now=now)


def envelope_for(
    finished: FinishedEdition, personal: Personal, keyring: Keyring, *, to: str, now: datetime
) -> tuple[Envelope, str]:
    """A rendered edition as a copy for an editor, and its subject: its links end nobody's subscription."""
    values = slot_values(
        personal, keyring, issue_id=0, subscriber_id=0, subscription_id=0, email=to, name="", sent_at=now
    )
    values["message_id"] = f"test.{now:%Y%m%d%H%M%S%f}@{personal.message_domain}"
    data = MessageTemplate(finished.message).fill(values)
    return Envelope(sender=personal.return_path or personal.sender, recipient=to, data=data), finished.subject


def _reader(session: Session, email: str | None) -> Subscriber | None:
    if email is None:
        return None
    found = find_subscriber(session, parse_address(email).key)
    if found is None:
        raise UnknownNameError(f"there is no subscriber {email}")
    return found


def _edition(
    session: Session,
    renderer: EditionRenderer,
    digest_name: str,
    reader: Subscriber | None,
    subscription: Subscription | None,
    now: datetime,
) -> tuple[PlannedEdition, str]:
    """What would go out now, or else what could have gone out at some time, and why nothing would."""
    digest = renderer.settings.named_digest(digest_name)
    standing = Standing(cursor=0, first=True, topics={EVERYTHING: 0}, joined_seq=highest_seq(session))
    if subscription is not None:
        standing = Standing(
            cursor=subscription.cursor,
            first=subscription.first,
            topics=subscription.topics,
            carry=subscription.carry,
            joined_seq=subscription.joined_seq,
        )
    own, site = (reader.language if reader else None) or "", renderer.settings.site.language
    language = renderer.language_of(own)
    given = give(offer_for(session, digest, [standing], now=now), standing, digest, own, site, now=now)
    choice = given.choice
    if choice.wanted:
        return read_edition(session, choice, language, given.corrections), ""
    ever = Standing(cursor=0, first=False, topics=dict.fromkeys(standing.topics, 0))
    shown = digest.model_copy(update={"min_items": 1, "overflow": "drop"})
    newest = give(offer_for(session, digest, [ever], now=now), ever, shown, own, site, now=now).choice
    if not newest.wanted:
        of = "" if EVERYTHING in standing.topics else f" of the topics {', '.join(sorted(standing.topics))}"
        raise UsageError(f"digest {digest_name} selects no article{of} yet; `syndicate poll` reads the sources")
    few = f"fewer than {digest.min_items} articles are new (min_items)"
    return read_edition(session, newest, language), few if choice.waits else "nothing is new"


@dataclass(frozen=True, slots=True, kw_only=True)
class DryEdition:
    """One edition that would be made."""

    language: str
    subject: str
    recipients: int
    articles: list[str]
    headlines: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """An issue that would be made."""

    digest: str
    subscriptions: int
    recipients: int
    editions: list[DryEdition]

    def document(self) -> dict[str, Any]:
        """It as plain values."""
        return asdict(self)


def dry_run(database: Database, renderer: EditionRenderer, digest_name: str, *, now: datetime) -> DryRun:
    """Who would get what if the digest were sent now; renders every edition, so that a broken template shows."""
    with database.read() as session:
        plan = plan_issue(
            session, renderer.settings, digest_name, frequencies=None, language_of=renderer.language_of, now=now
        )
    return DryRun(
        digest=digest_name,
        subscriptions=plan.subscriptions,
        recipients=plan.recipients,
        editions=[
            DryEdition(
                language=edition.language,
                subject=renderer.render(digest_name, edition, period="dry-run", now=now).subject,
                recipients=edition.recipients,
                articles=[article.title for article in edition.articles],
                headlines=[article.title for article in edition.headlines],
            )
            for edition in plan.editions
        ],
    )
