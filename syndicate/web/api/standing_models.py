"""What the API tells of feeds and of how things stand."""

from __future__ import annotations

from pydantic import Field

from syndicate.web.api.issue_models import IssueOut
from syndicate.web.api.models import Answer, Time


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
