"""The transaction that makes an issue: everything rendered beforehand, everything decided again inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from syndicate.errors import StoreConflictError
from syndicate.model import Issue, IssueState
from syndicate.pipeline.compose.editions import EditionRenderer
from syndicate.pipeline.compose.planning import Plan, plan_issue
from syndicate.store.articles import number_due
from syndicate.store.engine import Database
from syndicate.store.freeze import FrozenEdition, freeze
from syndicate.store.issues import find_period, get_issue, skip

# PostgreSQL refuses a freeze during which somebody changed a subscription that it moves; then it is done again.
ATTEMPTS = 8


def compose(
    database: Database,
    renderer: EditionRenderer,
    digest_name: str,
    *,
    period: str,
    frequencies: Iterable[str] | None,
    now: datetime,
    with_it: Callable[[Session], None] = lambda _session: None,
    keep_empty: bool = True,
) -> Issue | None:
    """Compose the issue of a period for the confirmed subscriptions of these frequencies (None = all).

    A period that was composed before gives that issue. Nothing new gives an issue in state ``skipped`` with its
    reason, or None and no row unless ``keep_empty``. Editions are rendered before the write lock is taken; inside,
    selection is made again, and only what changed in between is rendered there. ``with_it`` runs in the same
    transaction (the clock moves its schedule there), also when the issue is skipped. Raises TemplateError, and
    nothing is written.
    """
    frequencies = None if frequencies is None else tuple(frequencies)
    with database.write() as session:
        number_due(session, now)
    with database.read() as session:
        plan = _plan(session, renderer, digest_name, frequencies, now)
    for edition in plan.editions:
        renderer.render(digest_name, edition, period=period, now=now)
    for attempt in range(ATTEMPTS):
        try:
            with database.write(snapshot=True) as session:
                with_it(session)
                return _freeze(session, renderer, digest_name, period, frequencies, now, keep_empty=keep_empty)
        except (StoreConflictError, IntegrityError):
            # IntegrityError: another process froze the same period at this moment; the next look finds its issue.
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("the loop returns or raises")


def _plan(
    session: Session, renderer: EditionRenderer, digest_name: str, frequencies: Iterable[str] | None, now: datetime
) -> Plan:
    return plan_issue(
        session,
        renderer.settings,
        digest_name,
        frequencies=frequencies,
        language_of=renderer.language_of,
        now=now,
    )


def _freeze(
    session: Session,
    renderer: EditionRenderer,
    digest_name: str,
    period: str,
    frequencies: Iterable[str] | None,
    now: datetime,
    *,
    keep_empty: bool,
) -> Issue | None:
    existing = find_period(session, digest_name, period)
    if existing is not None and existing.state is not IssueState.SKIPPED:
        return existing
    plan = _plan(session, renderer, digest_name, frequencies, now)
    if not plan.editions:
        if not keep_empty:
            return None
        reason = _why_empty(renderer, digest_name, plan)
        return get_issue(session, skip(session, digest=digest_name, period=period, reason=reason, now=now))
    rendered = [(edition, renderer.render(digest_name, edition, period=period, now=now)) for edition in plan.editions]
    issue_id = freeze(
        session,
        digest=digest_name,
        period=period,
        frequencies=frequencies,
        subject=rendered[0][1].subject,
        max_seq=plan.max_seq,
        editions=[
            FrozenEdition(
                key=edition.key,
                language=edition.language,
                subject=finished.subject,
                articles=[
                    *({"id": a.id, "version": a.version, "role": "full"} for a in edition.choice.articles),
                    *({"id": a.id, "version": a.version, "role": "headline"} for a in edition.choice.headlines),
                ],
                message=finished.message,
                cohorts=edition.cohorts,
            )
            for edition, finished in rendered
        ],
        now=now,
    )
    return get_issue(session, issue_id)


def _why_empty(renderer: EditionRenderer, digest_name: str, plan: Plan) -> str:
    if not plan.subscriptions:
        return "nobody is subscribed"
    least = renderer.settings.named_digest(digest_name).min_items
    people = f"{plan.subscriptions} subscription{'s' if plan.subscriptions != 1 else ''}"
    return f"nothing new for {people}" if least == 1 else f"fewer than {least} new articles for {people}"
