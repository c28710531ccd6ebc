"""The verb ``why``: one reader's issues, got or not, because of what; each delivery with all that happened to it.

Reads one snapshot and decides in ``core/fate.py``, ``core/candidacy.py`` and ``core/happenings.py``. Writes nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.config.sections import Digest
from syndicate.core.addresses import Address, hash_address, parse_address
from syndicate.core.candidacy import Absence, Occurrence, Run, absence, absence_line
from syndicate.core.fate import WORDS, Fate, Frozen, fate, obstacle
from syndicate.core.happenings import DeliveryFacts, Happening, got_it, happenings, outcome_line
from syndicate.core.reads import Reads, reads
from syndicate.core.selection import Standing
from syndicate.core.topics import chosen_topics
from syndicate.model import Article, DeliveryState, IssueState, Keyring, Subscriber, Subscription
from syndicate.store import evidence
from syndicate.store.articles import outlines
from syndicate.store.attempts import attempts_of
from syndicate.store.confirmations import LastConfirmation, last_of
from syndicate.store.engine import Database
from syndicate.store.evidence import CohortFacts, EditionFacts, IssueFacts, SameMail
from syndicate.store.subscribers import consent_of, find_subscriber, subscriptions_of
from syndicate.store.suppressions import Suppression, suppression_of

_SUGGESTED = 3
_ALIKE = 0.75  # of difflib's ratio; a slip of the pen in a short address gives about 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleStory:
    """What became of the asked article in an issue."""

    fate: Fate
    because: str
    got_in: int | None = None  # the earlier issue of this reader that had it


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueStory:
    """One issue as it was for one reader. ``got`` is None while nobody knows; ``reason`` says why it was not sent."""

    issue: IssueFacts
    selected: bool
    got: bool | None
    reason: str | None
    because: str
    cohort: CohortFacts | None = None
    edition: EditionFacts | None = None
    titles: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    delivery: DeliveryFacts | None = None
    history: Sequence[Happening] = ()
    same_mail: Sequence[SameMail] = ()
    article: ArticleStory | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The answer. For an address that is not known: what may be meant, and how many deliveries lost their names.

    ``confirmations``: the newest confirmation mail, by the id of its subscription.
    """

    email: str
    subscriber: Subscriber | None
    suppression: Suppression | None
    subscriptions: Sequence[Subscription] = ()
    confirmations: Mapping[int, LastConfirmation] = field(default_factory=dict)
    article: Article | None = None
    issues: Sequence[IssueStory] = ()
    suggestions: Sequence[str] = ()
    nameless: int = 0


def why(
    database: Database,
    settings: Settings,
    keyring: Keyring,
    email: str,
    *,
    issue_id: int | None = None,
    article: str | None = None,
    limit: int = 20,
) -> Story:
    """Explain the newest issues of a reader's digests, or one issue; and what became of an article in each.

    Raises AddressError, and UnknownNameError for an issue or an article that is not there; an address that is not known
    has an answer, too.
    """
    address = parse_address(email)
    with database.read() as session:
        found = None if article is None else evidence.article_at(session, article)
        only = None if issue_id is None else evidence.issue_facts(session, issue_id)
        suppression = suppression_of(session, hash_address(address.key, keyring.hash_key), address.domain)
        subscriber = find_subscriber(session, address.key)
        if subscriber is None:
            return Story(
                email=address.email,
                subscriber=None,
                suppression=suppression,
                article=found,
                suggestions=_suggestions(session, address),
                nameless=evidence.nameless(session, issue_id),
            )
        subscriptions = subscriptions_of(session, [subscriber.id])[subscriber.id]
        teller = _Teller(session, settings, subscriber, {each.digest: each for each in subscriptions}, found)
        return Story(
            email=subscriber.email,
            subscriber=subscriber,
            suppression=suppression,
            subscriptions=subscriptions,
            confirmations=last_of(session, [each.id for each in subscriptions]),
            article=found,
            issues=teller.tell([only] if only else teller.newest(limit)),
        )


def _suggestions(session: Session, address: Address) -> list[str]:
    near = evidence.addresses_near(session, address.key)
    by_key = {email.lower(): email for email in near}
    return [by_key[key] for key in difflib.get_close_matches(address.key, by_key, n=_SUGGESTED, cutoff=_ALIKE)]


@dataclass(frozen=True, slots=True)
class _Teller:
    """Tells one reader's issues from one snapshot."""

    session: Session
    settings: Settings
    subscriber: Subscriber
    subscriptions: dict[str, Subscription]
    article: Article | None

    def newest(self, limit: int) -> list[IssueFacts]:
        return evidence.issues_of(self.session, self.subscriptions, self.subscriber.id, limit)

    def tell(self, issues: Sequence[IssueFacts]) -> list[IssueStory]:
        session = self.session
        rows = evidence.deliveries_to(session, self.subscriber.id, [issue.id for issue in issues])
        cohorts = evidence.cohorts_by_id(session, _present(row.cohort_id for row in rows.values()))
        editions = evidence.editions_by_id(session, _present(row.edition_id for row in rows.values()))
        attempts = attempts_of(session, [row.id for row in rows.values()])
        mails = evidence.same_mail(session, self.subscriber.id, rows.values())
        told = []
        for issue in issues:
            row = rows.get(issue.id)
            if row is None:
                told.append(self._absent(issue))
                continue
            cohort, edition = cohorts.get(row.cohort_id or 0), editions.get(row.edition_id or 0)
            ids = [entry["id"] for entry in edition.articles] if edition else []
            told.append(
                IssueStory(
                    issue=issue,
                    selected=True,
                    got=got_it(row),
                    reason=row.reason if row.state is not DeliveryState.ACCEPTED else None,
                    because=_outcome(issue, row),
                    cohort=cohort,
                    edition=edition,
                    titles=evidence.titles(session, ids),
                    delivery=row,
                    history=happenings(row, attempts.get(row.id, ()), queued_at=issue.composed_at),
                    same_mail=[each for each in mails.get(row.id, ()) if each.issue_id != issue.id],
                    article=self._fate(issue, row, cohort, edition),
                )
            )
        return told

    def _absent(self, issue: IssueFacts) -> IssueStory:
        subscription = self.subscriptions.get(issue.digest)
        run = Run(
            period=issue.period,
            state=issue.state,
            frozen_at=issue.composed_at,
            pruned=issue.pruned,
            frozen=issue.recipients > 0,
        )
        history = [] if subscription is None else consent_of(self.session, subscription.id)
        reason = absence(run, subscription, [Occurrence(event=e.event, at=e.at, detail=e.detail) for e in history])
        if reason is None and subscription is not None:
            reason = self._nothing_for(issue, subscription)
        reason = reason or Absence.UNKNOWN
        because = absence_line(
            reason,
            digest=issue.digest,
            period=issue.period,
            state=issue.state,
            skipped=issue.reason,
            min_items=self._digest(issue.digest).min_items,
        )
        return IssueStory(
            issue=issue, selected=False, got=None if reason is Absence.PRUNED else False, reason=reason, because=because
        )

    def _nothing_for(self, issue: IssueFacts, subscription: Subscription) -> Absence:
        """A candidate without a delivery: nothing fitted, or too little. Judged from where the issue before left it."""
        before = evidence.delivery_before(self.session, self.subscriber.id, issue)
        digest = self._digest(issue.digest)
        standing = Standing(
            cursor=before[1] if before else 0,
            first=before is None,
            topics=subscription.topics,
            carry=self._left_over(before[0]) if before else (),
            joined_seq=0 if before else subscription.joined_seq,
            reads=self._reads(digest, self.subscriber.language or ""),
        )
        look_back_to = issue.composed_at - digest.lookback
        new = evidence.outlines_between(self.session, standing.cursor, issue.max_seq, digest)
        carried = outlines(self.session, standing.carry)
        fitting = [
            each
            for each in (*new, *carried)
            if obstacle(each, standing, look_back_to=look_back_to, now=issue.composed_at) is None
        ]
        if not fitting:
            return Absence.NOTHING_NEW
        return Absence.TOO_LITTLE_NEW if len(fitting) < digest.min_items else Absence.UNKNOWN

    def _left_over(self, row: DeliveryFacts) -> tuple[int, ...]:
        cohort = evidence.cohorts_by_id(self.session, _present([row.cohort_id])).get(row.cohort_id or 0)
        return cohort.left_over if cohort else ()

    def _fate(
        self, issue: IssueFacts, row: DeliveryFacts, cohort: CohortFacts | None, edition: EditionFacts | None
    ) -> ArticleStory | None:
        if self.article is None:
            return None
        shown = {entry["id"]: entry["role"] for entry in edition.articles} if edition else {}
        if self.article.id in shown:
            found = Fate(shown[self.article.id])
        elif self.article.seq is None:
            found = Fate.NOT_PUBLISHED
        elif cohort is None:
            found = Fate.UNKNOWN
        else:
            found = self._judge(issue, cohort, edition, shown)
        earlier = self._earlier(issue) if found is Fate.CONSIDERED else None
        return ArticleStory(fate=found, because=_fate_line(found, self.article, cohort, row, earlier), got_in=earlier)

    def _judge(
        self, issue: IssueFacts, cohort: CohortFacts, edition: EditionFacts | None, shown: dict[int, str]
    ) -> Fate:
        assert self.article is not None  # noqa: S101 - asked by _fate alone
        digest = self._digest(issue.digest)
        (outline,) = outlines(self.session, [self.article.id])
        frozen = Frozen(
            standing=replace(cohort.standing, reads=self._reads(digest, cohort.language)),
            left_over=cohort.left_over,
            articles=shown,
            max_seq=issue.max_seq,
            at=issue.composed_at,
            look_back_to=issue.composed_at - digest.lookback,
            max_items=digest.max_items,
            chosen=edition.chosen if edition else (),
            dropped=issue.edits.dropped,
        )
        return fate(outline, frozen, of_digest=evidence.is_of(self.session, outline.id, digest))

    def _earlier(self, issue: IssueFacts) -> int | None:
        """The earlier issue of this digest in which the reader had the article."""
        assert self.article is not None  # noqa: S101 - asked by _fate alone
        return evidence.issue_with(self.session, self.subscriber.id, issue, self.article.id)

    def _reads(self, digest: Digest, own: str) -> Reads:
        return reads(digest.language_choice, own, self.settings.site.language)

    def _digest(self, name: str) -> Digest:
        return self.settings.digest.get(name) or Digest()


def _outcome(issue: IssueFacts, row: DeliveryFacts) -> str:
    if issue.state is IssueState.DRAFT and row.state is DeliveryState.QUEUED:
        return "has not got it yet: the issue is a draft and waits for its approval"
    return outcome_line(row)


def _fate_line(
    found: Fate, article: Article, cohort: CohortFacts | None, row: DeliveryFacts, earlier: int | None
) -> str:
    line = WORDS[found]
    if found in {Fate.FULL, Fate.HEADLINE, Fate.CORRECTION} and got_it(row) is False:
        return f"{line}, but the issue was not delivered"
    if found is Fate.CONSIDERED and cohort is not None:
        where = f"issue {earlier} had it" if earlier else f"it has number {article.seq}"
        return f"{line} ({where}; the cursor stood at {cohort.standing.cursor})"
    if found is Fate.OTHER_TOPIC and cohort is not None:
        own = ", ".join(term for term in (article.content.category, *article.content.tags) if term) or "none"
        return f"{line} (its topics: {own}; chosen: {', '.join(chosen_topics(cohort.standing.topics))})"
    if found is Fate.LATER:
        return f"{line} (it has number {article.seq})"
    return line


def _present(ids: Any) -> list[int]:
    return sorted({each for each in ids if each is not None})
