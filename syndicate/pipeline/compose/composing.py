"""The transaction that makes an issue: everything rendered beforehand, everything decided again inside."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from syndicate.core.preflight import Finding, refuse, repeated_subject
from syndicate.core.waves import LocalTime
from syndicate.errors import LedgerError, StoreConflictError
from syndicate.model import Issue, IssueState
from syndicate.pipeline.compose.editions import EditionRenderer, FinishedEdition
from syndicate.pipeline.compose.joining import Frozen, UnrenderedError, join_frozen
from syndicate.pipeline.compose.planning import Plan, PlannedEdition, plan_issue
from syndicate.store.articles import number_due
from syndicate.store.cohorts import pass_over
from syndicate.store.corrections import owe_corrections
from syndicate.store.engine import Database
from syndicate.store.freeze import FrozenEdition, Hold, freeze, hold_readers
from syndicate.store.issues import find_period, get_issue, last_subject, skip
from syndicate.store.pauses import end_pauses, pass_over_paused

log = logging.getLogger(__name__)

# PostgreSQL refuses a freeze during which somebody changed a subscription that it moves. The second attempt keeps
# them from it, so what the third could still meet is a deadlock with somebody else's work.
ATTEMPTS = 4
# An article that is numbered between the looks makes all editions new; after these it is done inside.
LOOKS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A run that is due: see ``compose``. ``seq``: up to which article an instant issue looks."""

    digest: str
    period: str
    frequencies: tuple[str, ...] | None
    with_it: Callable[[Session], None] = lambda _session: None
    keep_empty: bool = True
    seq: int | None = None
    local: LocalTime | None = None


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
    local: LocalTime | None = None,
) -> Issue | None:
    """Compose the issue of a period for the confirmed subscriptions of these frequencies (None = all).

    A period that was composed before gives that issue. Nothing new gives an issue in state ``skipped`` with its
    reason, or None and no row unless ``keep_empty``. Editions are rendered before the write lock is taken; inside,
    selection is made again, and if that gives an edition not yet rendered, the lock is left for it. ``with_it`` runs
    in the same transaction (the clock moves its schedule there), also when the issue is skipped. With ``local`` it
    comes to each reader at their own local time, in waves. Raises TemplateError
    and PreflightError, and nothing is written; LedgerError when the ledger would not balance.
    """
    wanted = Wanted(
        digest=digest_name,
        period=period,
        frequencies=None if frequencies is None else tuple(frequencies),
        with_it=with_it,
        keep_empty=keep_empty,
        local=local,
    )
    return compose_together(database, renderer, [wanted], now=now)[0]


def compose_together(
    database: Database, renderer: EditionRenderer, wanted: Sequence[Wanted], *, now: datetime
) -> list[Issue | None]:
    """Compose several runs in one transaction: all of them, or none. What one reader has of several goes in one mail.

    Each run gives what ``compose`` gives, in their order, which is that of the parts of a mail; all of them must be due
    at the same local time, if at any. Raises as ``compose``.
    """
    runs = [_Run(renderer, each, now) for each in wanted]
    database.repeat(lambda session: number_due(session, now))
    for name in {each.digest for each in wanted}:
        database.repeat(lambda session, name=name: end_pauses(session, name, now))  # type: ignore[misc]
    for run in runs:
        run.prepare(database)
    named = ", ".join(f"{each.digest} {each.period}" for each in wanted)
    conflicts, looks = 0, 0
    while True:
        try:
            with database.write(snapshot=True) as session:
                if conflicts:
                    hold_readers(session)
                return _freeze_all(session, runs, may_render=looks == LOOKS)
        except UnrenderedError as found:
            looks += 1
            found.render()
        except StoreConflictError:
            conflicts += 1
            if conflicts == ATTEMPTS:
                raise
        except IntegrityError as error:
            # Another process froze the same period at this moment: the next look finds its issue.
            conflicts += 1
            if conflicts == ATTEMPTS:
                raise LedgerError(
                    f"issue {named} breaks a rule of the ledger; nothing was composed. Please report this."
                ) from error


def _freeze_all(session: Session, runs: Sequence[_Run], *, may_render: bool) -> list[Issue | None]:
    issues = []
    for run in runs:
        run.wanted.with_it(session)
        issues.append(run.freeze(session, may_render=may_render))
    if len(runs) > 1:
        frozen = [run.frozen for run in runs if run.frozen is not None]
        join_frozen(session, runs[0].renderer, frozen, runs[0].now, may_render=may_render)
    return issues


@dataclass(slots=True)
class _Run:
    """One run of a digest: what stays the same however often it is tried; and what the last try has frozen."""

    renderer: EditionRenderer
    wanted: Wanted
    now: datetime
    frozen: Frozen | None = None

    @property
    def local_day(self) -> date | None:
        return None if self.wanted.local is None else self.wanted.local.day

    @property
    def digest(self) -> str:
        return self.wanted.digest

    @property
    def period(self) -> str:
        return self.wanted.period

    @property
    def frequencies(self) -> tuple[str, ...] | None:
        return self.wanted.frequencies

    def prepare(self, database: Database) -> None:
        """Render, before anybody's lock, what the freeze will most likely need."""
        if self.renderer.settings.named_digest(self.digest).corrections == "note":
            database.repeat(lambda session: owe_corrections(session, self.digest, self.now))
        with database.read() as session:
            plan = self.plan(session)
            previous = last_subject(session, self.digest)
        self.render(plan.editions)
        self.tell(plan.editions, previous)

    def plan(self, session: Session) -> Plan:
        return plan_issue(
            session,
            self.renderer.settings,
            self.digest,
            frequencies=self.frequencies,
            language_of=self.renderer.language_of,
            now=self.now,
        )

    def render(self, editions: Iterable[PlannedEdition]) -> None:
        for edition in editions:
            self._finished(edition)

    def freeze(self, session: Session, *, may_render: bool) -> Issue | None:
        self.frozen = None
        existing = find_period(session, self.digest, self.period)
        if existing is not None and (existing.state is not IssueState.SKIPPED or existing.recipients):
            return existing
        plan = self.plan(session)
        missing = [e for e in plan.editions if not self.renderer.has(self.digest, e, period=self.period)]
        if missing and not may_render:
            raise UnrenderedError(lambda: self.render(missing))
        # Everyone was looked at: the cursors of those for whom there is nothing move too, with an issue or without.
        digest = self.renderer.settings.named_digest(self.digest)
        apart = bool(digest.language_choice)
        pass_over(session, self.digest, self.frequencies, plan.passed_over, plan.max_seq, by_language=apart)
        pass_over_paused(session, self.digest, self.frequencies, plan.max_seq)
        if plan.editions:
            issue_id = self._freeze(session, plan)
            self.frozen = Frozen(
                digest=self.digest,
                period=self.period,
                issue_id=issue_id,
                local_day=self.local_day,
                editions={edition.key: edition for edition in plan.editions},
            )
            return get_issue(session, issue_id)
        if not self.wanted.keep_empty:
            return None
        reason = self._why_empty(plan)
        return get_issue(session, skip(session, digest=self.digest, period=self.period, reason=reason, now=self.now))

    def _freeze(self, session: Session, plan: Plan) -> int:
        rendered = [(edition, self._finished(edition)) for edition in plan.editions]
        return freeze(
            session,
            digest=self.digest,
            period=self.period,
            frequencies=self.frequencies,
            subject=rendered[0][1].subject,
            max_seq=plan.max_seq,
            editions=[
                FrozenEdition(
                    key=edition.key,
                    language=edition.language,
                    subject=finished.subject,
                    articles=finished.shown(edition),
                    plan=edition.plan,
                    message=finished.message,
                    cohorts=edition.cohorts,
                )
                for edition, finished in rendered
            ],
            now=self.now,
            hold=self._hold(),
            made_with=self.renderer.made_with,
            local=self.wanted.local,
        )

    def _hold(self) -> Hold | None:
        digest = self.renderer.settings.named_digest(self.digest)
        if digest.approval == "none":
            return None
        if digest.approval_deadline is None:
            return Hold()
        return Hold(deadline_at=self.now + digest.approval_deadline, action=digest.approval_default)

    def tell(self, editions: Iterable[PlannedEdition], previous: str | None) -> None:
        """Say in the log what the pre-flight found, each thing once."""
        found: dict[Finding, None] = {}
        for edition in editions:
            finished = self._finished(edition)
            found |= dict.fromkeys([*finished.findings, *repeated_subject(finished.subject, previous, self.digest)])
        for finding in found:
            log.warning("digest %s %s: %s: %s", self.digest, self.period, finding.severity, finding)

    def _finished(self, edition: PlannedEdition) -> FinishedEdition:
        finished = self.renderer.render(
            self.digest, edition, period=self.period, now=self.now, local_day=self.local_day
        )
        if self.renderer.settings.named_digest(self.digest).approval == "none":
            refuse(finished.findings, self.digest)  # a draft may have errors: its approval is refused
        return finished

    def _why_empty(self, plan: Plan) -> str:
        if not plan.subscriptions:
            return "nobody is subscribed"
        least = self.renderer.settings.named_digest(self.digest).min_items
        people = f"{plan.subscriptions} subscription{'s' if plan.subscriptions != 1 else ''}"
        return f"nothing new for {people}" if least == 1 else f"fewer than {least} new articles for {people}"
