"""What the API takes and gives, as pydantic models: they check requests, and say in OpenAPI what answers look like."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from syndicate.model import ArticleKind, DeliveryState, Frequency, IssueState, OutcomeKind, SubscriptionState

_TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$"
Line = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[str, StringConstraints(pattern=_TEXT)]
Email = Annotated[str, StringConstraints(min_length=3, max_length=320, pattern=r"^[^\x00-\x20\x7f]+$")]
Time = Annotated[datetime, WithJsonSchema({"type": "string", "format": "date-time"})]


def _read_time(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("expected a time such as 2026-11-22T08:00:00Z")  # noqa: TRY004 - pydantic collects ValueErrors
    try:
        found = datetime.fromisoformat(value)
        moved = found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("expected a time such as 2026-11-22T08:00:00Z") from None
    if found.tzinfo is None:
        raise ValueError("expected a time with its zone, such as 2026-11-22T08:00:00Z")
    return moved


GivenTime = Annotated[Time, BeforeValidator(_read_time)]


class Request(BaseModel):
    """What all requests share: nothing unknown, nothing taken for something else."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Answer(BaseModel):
    """What all answers share: every field is always there."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)


class Fault(Answer):
    where: str
    message: str


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    errors: list[Fault] | None = None


class AttachmentIn(Request):
    url: Line
    type: Line | None = None
    length: int | None = Field(default=None, ge=0, le=2**53)


class ArticleFields(Request):
    title: Annotated[
        str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")
    ]
    url: Line | None = None
    html: Text | None = Field(default=None, description="The body: html, markdown or text, one of them.")
    markdown: Text | None = None
    text: Text | None = None
    summary: Annotated[str, StringConstraints(max_length=10_000, pattern=_TEXT)] | None = None
    authors: list[Word] | None = Field(default=None, max_length=50)
    publisher: Line | None = None
    category: Line | None = None
    tags: list[Word] | None = Field(default=None, max_length=100)
    language: Line | None = None
    published_at: GivenTime | None = Field(default=None, description="In the future: it waits until then.")
    updated_at: GivenTime | None = None
    expires_at: GivenTime | None = None
    pinned: bool | None = None
    kind: Literal["article", "column", "notice", "correction"] | None = None
    image: Line | None = None
    image_alt: Line | None = None
    comments: int | None = Field(default=None, ge=0, le=2**31 - 1)
    comments_url: Line | None = None
    comments_feed: Line | None = None
    attachments: list[AttachmentIn] | None = Field(default=None, max_length=50)
    popularity: float | None = None


class NewArticle(ArticleFields):
    id: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x20\x7f]+$")] | None = Field(
        default=None, description="What you call it; without one we make it."
    )


class ArticleLine(Answer):
    source: str
    id: str
    uid: str
    title: str
    url: str | None
    summary: str
    authors: list[str]
    publisher: str | None
    category: str | None
    tags: list[str]
    language: str | None
    kind: ArticleKind
    pinned: bool
    version: int
    published_at: Time
    updated_at: Time | None
    expires_at: Time | None
    withdrawn_at: Time | None


class AttachmentOut(Answer):
    url: str
    type: str
    length: int | None


class ArticleOut(ArticleLine):
    html: str
    image: str | None
    image_alt: str
    comments: int | None
    comments_url: str | None
    comments_feed: str | None
    attachments: list[AttachmentOut]
    popularity: float | None
    remarks: list[str] = Field(description="What was taken otherwise than it was perhaps meant.")


class Articles(Answer):
    articles: list[ArticleLine]
    next: str | None


class Consent(Request):
    wording: Annotated[str, StringConstraints(min_length=1, max_length=4000, pattern=_TEXT)] = Field(
        description="The words that the reader agreed to."
    )
    form: Word | None = Field(default=None, description="Where that was.")
    network: Annotated[str, StringConstraints(max_length=64, pattern=r"^[0-9A-Fa-f:./]*$")] | None = Field(
        default=None, description="The network they came from, if you keep it."
    )


class NewSubscription(Request):
    email: Email
    digest: Word
    name: Line | None = None
    frequency: Literal["instant", "daily", "weekly", "monthly"] | None = None
    topics: list[Word] | None = Field(default=None, max_length=200)
    timezone: Line | None = None
    language: Line | None = None
    confirmed: bool = Field(default=False, description="You have the consent: needs `consent` and subscribers:confirm.")
    consent: Consent | None = None


class Choice(Request):
    frequency: Literal["instant", "daily", "weekly", "monthly"] | None = None
    topics: list[Word] | None = Field(default=None, max_length=200)
    name: Line | None = None
    timezone: Line | None = None
    language: Line | None = None
    pause: Annotated[str, StringConstraints(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] | None = Field(
        default=None, description="The first day with issues again; empty: no pause."
    )
    catch_up: bool = Field(default=False, description="Added topics count from the last issue on, not from now.")


class EmailIn(Request):
    email: Email


class SubscriptionOut(Answer):
    digest: str
    state: SubscriptionState
    frequency: Frequency
    topics: list[str]
    created_at: Time
    confirmed_at: Time | None
    unsubscribed_at: Time | None
    paused_until: Time | None


class SubscriberOut(Answer):
    id: int
    email: str
    name: str
    language: str | None
    timezone: str | None
    created_at: Time
    subscriptions: list[SubscriptionOut]


class Subscribed(SubscriberOut):
    answer: Literal["confirmation_owed", "enough_mails", "confirmed", "already"]


class ConsentLine(Answer):
    digest: str
    event: str
    at: Time
    via: str
    wording: str | None
    wording_sha256: str | None
    form: str | None
    network: str | None


class SubscriberShown(SubscriberOut):
    consent: list[ConsentLine]


class Subscribers(Answer):
    subscribers: list[SubscriberOut]
    next: str | None


class Ended(Answer):
    digest: str
    state: SubscriptionState
    changed: bool


class Erased(Answer):
    erased: bool


class NewSuppression(Request):
    entry: Annotated[str, StringConstraints(min_length=1, max_length=320, pattern=r"^[^\x00-\x20\x7f]+$")] = Field(
        description="An address, or a domain."
    )
    note: Line = ""


class SuppressionOut(Answer):
    id: int
    scope: Literal["address", "domain"]
    value: str = Field(description="A keyed hash of an address, or the domain.")
    reason: str
    note: str
    created_at: Time


class Suppressions(Answer):
    suppressions: list[SuppressionOut]
    next: str | None


class Released(Answer):
    removed: bool
    absolved: int = Field(description="So many returned messages count no more.")


class CountsOut(Answer):
    queued: int
    sending: int
    deferred: int
    accepted: int
    rejected: int
    in_doubt: int
    suppressed: int
    cancelled: int


class IssueOut(Answer):
    id: int
    digest: str
    period: str
    state: IssueState
    reason: str | None
    subject: str
    composed_at: Time
    started_at: Time | None
    finished_at: Time | None
    editions: int
    recipients: int
    counts: CountsOut
    balanced: bool
    deadline_at: Time | None
    deadline_action: str | None


class Issues(Answer):
    issues: list[IssueOut]
    next: str | None


class IssueChanged(IssueOut):
    changed: int = Field(description="So many deliveries were resolved, or queued again.")


class NewIssue(Request):
    digest: Word


class Resolution(Request):
    as_: Literal["resend", "skip"] = Field(alias="as")


class Retry(Request):
    class_: Literal["soft", "block"] | None = Field(default=None, alias="class")


Address = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00-\x20\x7f]+$")]
Addresses = Annotated[list[Address], Field(max_length=200)]


class EditIn(Request):
    subject: Annotated[str, StringConstraints(max_length=1000, pattern=_TEXT)] | None = Field(
        default=None, description="As it stands in the mail; empty: the composed one."
    )
    intro: Annotated[str, StringConstraints(max_length=20_000, pattern=_TEXT)] | None = Field(
        default=None, description="Words before the articles, in Markdown; empty: none."
    )
    pin: Addresses = Field(default=[], description="To the top.")
    drop: Addresses = Field(default=[], description="Out of this issue.")
    restore: Addresses = Field(default=[], description="As it was chosen.")
    order: Addresses | None = Field(default=None, description="These in this order, before the others; empty: none.")
    reset: bool = Field(default=False, description="Take all changes back, first.")


class ChosenOut(Answer):
    uid: str
    title: str
    url: str | None
    recipients: int
    pinned: bool
    dropped: bool
    withdrawn: bool


class IssueEventOut(Answer):
    event: str
    at: Time
    by: str | None


class ContentsOut(Answer):
    issue: int
    state: IssueState
    subject: str
    edited_subject: str | None
    intro: str
    articles: list[ChosenOut]
    events: list[IssueEventOut]


class TestOut(Answer):
    subject: str
    outcome: OutcomeKind
    reply: str
    relay: str


class DeliveryOut(Answer):
    id: int
    subscriber_id: int | None = Field(description="Null once the reader was erased.")
    state: DeliveryState
    reason: str | None
    attempts: int
    relay: str | None
    code: int | None
    due_at: Time | None
    finished_at: Time | None
    resolved: bool


class Deliveries(Answer):
    deliveries: list[DeliveryOut]
    next: str | None


class FindingOut(Answer):
    code: str
    severity: str
    what: str
    where: str
    do: str


class PreviewOut(Answer):
    subject: str
    html: str
    text: str
    articles: list[str]
    new: bool
    reason: str | None
    size: int
    preflight: list[FindingOut]


class FeedOut(Answer):
    feed: str
    entries: int
    built_at: Time | None
    error: str | None
    documents: dict[str, str] = Field(description="The address of each format.")


class Feeds(Answer):
    feeds: list[FeedOut]
    next: str | None


class SourceOut(Answer):
    source: str
    articles: int
    problems: int
    polled_at: Time | None
    ok_at: Time | None
    broken_since: Time | None
    error: str | None
    next_poll_at: Time | None


class FailureOut(Answer):
    error: str
    since: Time


class WebhookOut(Answer):
    webhook: str
    owed: int
    given_up: int
    oldest_at: Time | None


class StatusOut(Answer):
    now: Time
    sources: list[SourceOut]
    next_runs: dict[str, Time]
    not_composed: dict[str, FailureOut]
    running: list[IssueOut]
    last_skipped: list[IssueOut]
    subscriptions: dict[str, dict[str, int]]
    in_doubt: dict[str, int]
    webhooks: list[WebhookOut]
    alarms: list[str]
