"""The words of the glossary as frozen values: articles, subscriptions, issues, deliveries, outcomes.

No behaviour beyond what a value says of itself; no pydantic, no SQL. States are ``StrEnum``s whose values are what
operators see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple


class IssueState(StrEnum):
    """Of one dated run of a digest."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class SubscriptionState(StrEnum):
    """Of one subscriber's subscription to one digest."""

    UNCONFIRMED = "unconfirmed"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"


class DeliveryState(StrEnum):
    """Of one issue to one subscriber: the ledger's column. Their counts always add up to the issue's recipients."""

    QUEUED = "queued"
    SENDING = "sending"
    DEFERRED = "deferred"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    IN_DOUBT = "in_doubt"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"


class AttemptEvent(StrEnum):
    """What happened to a delivery beside being accepted: answers of servers, crashes, decisions about both."""

    DEFERRED = "deferred"
    GIVEN_UP = "given_up"  # deferred for longer than give_up_after
    REJECTED = "rejected"
    IN_DOUBT = "in_doubt"
    RESENT = "resent"  # in doubt, and queued again
    SKIPPED = "skipped"  # in doubt, and left so
    RETRIED = "retried"  # rejected, and queued again


class WebhookEvent(StrEnum):
    """What webhooks are told of (docs/webhooks.md)."""

    SUBSCRIBED = "subscribed"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    ISSUE_FINISHED = "issue_finished"
    ISSUE_PAUSED = "issue_paused"  # by itself: too much of it is refused


class Frequency(StrEnum):
    """How often a subscriber wants a digest."""

    INSTANT = "instant"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class FeedFormat(StrEnum):
    """The formats of feed documents: RSS 2.0, Atom (RFC 4287), JSON Feed 1.1."""

    RSS = "rss"
    ATOM = "atom"
    JSON = "json"

    @property
    def file_name(self) -> str:
        return {"rss": "rss.xml", "atom": "atom.xml", "json": "feed.json"}[self.value]

    @property
    def media_type(self) -> str:
        return {"rss": "application/rss+xml", "atom": "application/atom+xml", "json": "application/feed+json"}[
            self.value
        ]


class ArticleKind(StrEnum):
    """What sort of text an article is."""

    ARTICLE = "article"
    COLUMN = "column"
    NOTICE = "notice"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that belongs to an article: absolute address, media type or nothing, size in bytes if it is known."""

    url: str
    type: str
    length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleContent:
    """What a publisher says in one article, cleaned: plain texts hold no mark-up and no forbidden characters.

    ``html`` is sanitised and its addresses are absolute; times are aware UTC, whole seconds. ``key`` is the article's
    id in its source.
    """

    key: str
    title: str
    url: str | None = None
    html: str = ""
    markdown: str | None = None
    summary: str = ""
    authors: tuple[str, ...] = ()
    publisher: str | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    language: str | None = None
    published_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None
    withdrawn: bool = False
    pinned: bool = False
    kind: ArticleKind = ArticleKind.ARTICLE
    image: str | None = None
    image_alt: str = ""
    comments: int | None = None
    comments_url: str | None = None
    comments_feed: str | None = None
    popularity: float | None = None
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """An article as the store mirrors it. ``seq`` is None until it is publishable (decision 1 of the design)."""

    id: int
    uid: str  # permanent tag: URI (RFC 4151)
    source: str
    seq: int | None
    version: int
    published_at: datetime
    updated_at: datetime | None  # the last edit after publication, if any
    withdrawn_at: datetime | None
    content: ArticleContent

    @property
    def title(self) -> str:
        return self.content.title

    @property
    def url(self) -> str | None:
        return self.content.url


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceItem:
    """One thing a source holds (a file, a row), as read: fields not yet normalised, or the error that stopped it.

    ``item`` is its place in the source (relative path, row id); ``stamp`` changes whenever the thing does.
    ``body`` is in ``format`` ``markdown``, ``html`` or ``text``.
    """

    item: str
    stamp: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    body: str = ""
    format: str = "html"
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemProblem:
    """A file or row that could not be taken, and why."""

    item: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """What one poll of one source did; ``error`` when the source as a whole could not be read.

    ``problems`` were not taken; ``warnings`` were, and are perhaps not as they were meant.
    """

    source: str
    seen: int = 0
    added: int = 0
    updated: int = 0
    withdrawn: int = 0
    error: str | None = None
    problems: tuple[ItemProblem, ...] = ()
    warnings: tuple[ItemProblem, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.added or self.updated or self.withdrawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """A person (or mailbox). ``email_key`` is the compared form: lower case, domain as A-label."""

    id: int
    email: str
    email_key: str
    name: str
    language: str | None
    timezone: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One subscriber's subscription to one digest, with what has been considered for it.

    ``topics`` maps a case-folded topic (``*`` = everything) to the sequence number after which it counts; ``carry``
    holds the ids of articles left over from earlier issues. ``first`` means that no run considered it yet: of what was
    numbered up to ``joined_seq``, the last number when the reader joined or came back, the next one holds only what is
    not older than ``lookback``.
    """

    id: int
    subscriber_id: int
    digest: str
    state: SubscriptionState
    frequency: Frequency
    topics: Mapping[str, int]
    cursor: int
    first: bool
    joined_seq: int = 0
    carry: tuple[int, ...]
    created_at: datetime
    confirmed_at: datetime | None
    unsubscribed_at: datetime | None
    paused_until: datetime | None = None


class Envelope(NamedTuple):
    """One message and whom it goes to. ``data`` is not dot-stuffed (RFC 5321 4.5.2).

    ``ready``: its maker vouches that the data has CRLF line ends only, ends with one, and that no line of it begins
    with a dot, so that nobody need look through it again: for each recipient that costs as much as sending it.
    """

    sender: str
    recipient: str
    data: bytes
    ready: bool = False


class OutcomeKind(StrEnum):
    """What a mail server said to one message."""

    ACCEPTED = "accepted"  # 250 after the data: the server took responsibility
    DEFERRED = "deferred"  # 4xx, or the connection broke before the data was complete: try again later
    REJECTED = "rejected"  # 5xx: for good
    IN_DOUBT = "in_doubt"  # the data went out and no answer came


class Outcome(NamedTuple):
    """The answer to one attempt: reply code and text as the server gave them (RFC 5321 4.2, RFC 3463).

    ``about_relay``: it was given before a recipient was named (to MAIL), so it is no destination's.
    """

    kind: OutcomeKind
    code: int | None = None
    enhanced: str | None = None
    text: str = ""
    relay: str = ""
    about_relay: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """An issue's deliveries by state. ``balanced`` is the promise of the ledger."""

    queued: int = 0
    sending: int = 0
    deferred: int = 0
    accepted: int = 0
    rejected: int = 0
    in_doubt: int = 0
    suppressed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        return sum(self.as_dict().values())

    def as_dict(self) -> dict[str, int]:
        return {state.value: getattr(self, state.value) for state in DeliveryState}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One dated run of a digest with its recipients frozen, as read from the ledger."""

    id: int
    digest: str
    period: str
    state: IssueState
    reason: str | None
    subject: str
    composed_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    editions: int
    recipients: int
    counts: Counts
    deadline_at: datetime | None = None  # of a draft: what happens then, unless somebody approves it before
    deadline_action: str | None = None

    @property
    def balanced(self) -> bool:
        return self.recipients == self.counts.total


class Role(StrEnum):
    """What an operator may do in the console; each may do what those after it may."""

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One key for links and cookies; the newest signs, older ones still verify."""

    id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """The keys of ``secret.key``. ``hash_key`` never rotates: suppressions are kept under it."""

    keys: tuple[SigningKey, ...]  # newest first, at least one
    hash_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPlan:
    """When a deferred delivery is tried again: delays in order, the last one repeats, until ``give_up_after``."""

    delays: tuple[timedelta, ...]
    give_up_after: timedelta


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` in any time of length ``period``."""

    count: int
    period: timedelta
