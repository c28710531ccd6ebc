"""What the API takes and gives of issues and their deliveries."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from syndicate.model import DeliveryState, IssueState, OutcomeKind
from syndicate.web.api.models import TEXT, Answer, Request, Time, Word


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
    subject: Annotated[str, StringConstraints(max_length=1000, pattern=TEXT)] | None = Field(
        default=None, description="As it stands in the mail; empty: the composed one."
    )
    intro: Annotated[str, StringConstraints(max_length=20_000, pattern=TEXT)] | None = Field(
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
