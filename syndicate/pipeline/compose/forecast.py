"""What will go out, and when: the runs of the next days with their waves and readers. Writes nothing.

The articles are those that are there already: what else comes until then is not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.config.holidays import holiday
from syndicate.config.recurrence import is_rule, words_for_rule
from syndicate.config.sections import Digest
from syndicate.core.periods import SCHEDULE, next_run, period_key, rhythms
from syndicate.core.waves import LocalTime, by_time, clock_reading, opens_at
from syndicate.model import Frequency
from syndicate.pipeline.compose.editions import EditionRenderer
from syndicate.pipeline.compose.planning import Plan, plan_issue
from syndicate.pipeline.compose.runs import frequencies_of, sources_down
from syndicate.pipeline.compose.timetable import schedule_name
from syndicate.store.engine import Database
from syndicate.store.schedules import Schedule, schedules
from syndicate.store.waves import zones_of

DAYS = 14
# A crontab line may come every minute: so many runs of each rhythm are told.
MOST_RUNS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastWave:
    """Readers who have their mail due together; ``local``: what their clocks show, by zone ("" = the digest's own)."""

    due_at: datetime
    recipients: int
    local: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastIssue:
    """An issue to be. ``subscriptions``: who could get it; ``skipped``: it will not be made, and why.

    Of the next one of a rhythm alone are known ``recipients``, ``articles`` and ``headlines`` so far, ``editions``, and
    ``size``, the bytes of the mail that most of them get, rendered as it would go now.
    """

    digest: str
    period: str
    rhythm: str
    composed_at: datetime
    subscriptions: int
    waves: list[ForecastWave] = field(default_factory=list)
    skipped: str | None = None
    approval: bool = False
    waits_for: list[str] = field(default_factory=list)
    recipients: int | None = None
    editions: int | None = None
    articles: list[str] | None = None
    headlines: list[str] | None = None
    subject: str | None = None
    size: int | None = None

    def document(self) -> dict[str, Any]:
        """It as plain values."""
        return asdict(self)


def forecast(
    database: Database, renderer: EditionRenderer, *, digests: list[str], now: datetime, days: int = DAYS
) -> list[ForecastIssue]:
    """The issues of the next days, in the order in which they are composed; one due now and not made comes first.

    Raises UnknownNameError for a digest that is not configured, TemplateError.
    """
    found: list[ForecastIssue] = []
    with database.read() as session:
        known = schedules(session)
        for name in digests:
            digest = renderer.settings.named_digest(name)
            for rhythm in rhythms(digest):
                found += _rhythm(session, renderer, name, digest, rhythm, known, now, now + timedelta(days=days))
    return sorted(found, key=lambda each: (each.composed_at, each.digest, each.rhythm))


def rhythm_words(digest: Digest, rhythm: str) -> str:
    """When a rhythm comes, in words."""
    if rhythm == SCHEDULE:
        line = digest.schedule or ""
        return f"{words_for_rule(line)} at {digest.send_at}" if is_rule(line) else line
    days = {Frequency.WEEKLY.value: f" on {digest.weekly_on.capitalize()}", Frequency.MONTHLY.value: ""}
    often = {Frequency.MONTHLY.value: f"on day {digest.monthly_on} of every month"}.get(rhythm, rhythm)
    return f"{often}{days.get(rhythm, '')} at {digest.send_at}"


def _rhythm(
    session: Session,
    renderer: EditionRenderer,
    name: str,
    digest: Digest,
    rhythm: str,
    known: dict[str, Schedule],
    now: datetime,
    until: datetime,
) -> Iterator[ForecastIssue]:
    settings = renderer.settings
    zone = settings.digest_zone(name)
    zones = zones_of(session, name, frequencies_of(rhythm))
    schedule = known.get(schedule_name(name, rhythm))
    due = schedule.due_at if schedule is not None else next_run(digest, rhythm, after=now, zone=zone)
    first = True
    for _ in range(MOST_RUNS):
        if due is None:
            return
        reading = clock_reading(digest, due, zone)
        composed_at = opens_at(reading, zones, zone) if digest.local else due
        if composed_at > until:
            return
        free = holiday(digest.holidays, reading.date())
        issue = ForecastIssue(
            digest=name,
            period=period_key(rhythm, due, zone),
            rhythm=rhythm_words(digest, rhythm),
            composed_at=composed_at,
            subscriptions=sum(zones.values()),
            waves=[] if free else _waves(digest, LocalTime(reading=reading, zone=zone), due, zones, composed_at),
            skipped=f"a holiday ({free})" if free else None,
            approval=digest.approval == "hold",
        )
        if first and not free:
            first = False
            issue = _in_detail(session, settings, renderer, issue, frequencies_of(rhythm), now)
        yield issue
        due = next_run(digest, rhythm, after=due, zone=zone)


def _waves(
    digest: Digest, local: LocalTime, due: datetime, zones: dict[str, int], composed_at: datetime
) -> list[ForecastWave]:
    if not digest.local:
        shown = {"": f"{due.astimezone(local.zone):%Y-%m-%d %H:%M}"}
        return [ForecastWave(due_at=due, recipients=sum(zones.values()), local=shown)]
    times = local.due_times(zones, not_before=composed_at)
    return [
        ForecastWave(
            due_at=at,
            recipients=sum(zones[name] for name in names),
            local=dict.fromkeys(names, f"{local.reading:%Y-%m-%d %H:%M}"),
        )
        for at, names in by_time(times).items()
    ]


def _in_detail(
    session: Session,
    settings: Settings,
    renderer: EditionRenderer,
    issue: ForecastIssue,
    frequencies: list[str] | None,
    now: datetime,
) -> ForecastIssue:
    name = issue.digest
    plan = plan_issue(
        session,
        settings,
        name,
        frequencies=frequencies,
        language_of=renderer.language_of,
        now=max(now, issue.composed_at),
    )
    values = issue.document() | {"waves": issue.waves, "recipients": plan.recipients, "editions": len(plan.editions)}
    return ForecastIssue(**values | _largest(renderer, plan, issue) | {"waits_for": _down(session, settings, name)})


def _largest(renderer: EditionRenderer, plan: Plan, issue: ForecastIssue) -> dict[str, Any]:
    if not plan.editions:
        return {"articles": [], "headlines": []}
    edition = plan.editions[0]
    finished = renderer.render(issue.digest, edition, period=issue.period, now=issue.composed_at)
    return {
        "articles": [article.title for article in edition.articles],
        "headlines": [article.title for article in edition.headlines],
        "subject": finished.subject,
        "size": len(finished.message),
    }


def _down(session: Session, settings: Settings, name: str) -> list[str]:
    digest = settings.named_digest(name)
    return sources_down(session, settings, digest) if digest.grace else []
