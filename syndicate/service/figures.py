"""The figures of the console that are counted over many rows, each remembered for as long as counting it deserves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmodel import Session

from syndicate.core.pace import Pace
from syndicate.core.reasons import Reason
from syndicate.errors import SyndicateError
from syndicate.model import Counts
from syndicate.pipeline.compose import editing
from syndicate.pipeline.compose.forecast import ForecastIssue, forecast
from syndicate.service.alarms import find_alarms
from syndicate.service.remembered import Remembered
from syndicate.service.status import pace_now
from syndicate.store.bounces import bounce_counts
from syndicate.store.growth import Day, growth
from syndicate.store.issues import get_issue, issue_reasons
from syndicate.store.overview import SourceStatus, Unserved, source_statuses, subscription_counts, unserved
from syndicate.store.waves import Wave, waves_to_come

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

GROWTH_DAYS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueFigures:
    """What is counted over an issue's deliveries. ``returned``: how many came back, by class."""

    counts: Counts
    reasons: Sequence[Reason]
    returned: Mapping[str, int]
    waves: Sequence[Wave]
    pace: Pace | None


class Figures:
    """All of them, from the services of one process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.counts = Remembered(self._counts)
        self.issues = Remembered(self._issue)
        self.growth = Remembered(self._growth)
        self.subscriptions = Remembered(self._subscriptions)
        self.plan = Remembered(self._plan)
        self.findings = Remembered(self._findings)
        self.sources = Remembered(self._sources)
        self.alarms = Remembered(self._alarms)

    def counting(self, _session: Session, issue_ids: Sequence[int]) -> dict[int, Counts]:
        """The counts of some issues, as the store's lists of issues take them."""
        return {number: self.counts.get(number) for number in issue_ids}

    def forget_issue(self, number: int) -> None:
        """An operator did something to an issue."""
        self.counts.forget(number)
        self.issues.forget(number)

    def _counts(self, number: int) -> Counts:
        with self._services.database.read() as session:
            return get_issue(session, number).counts

    def _issue(self, number: int) -> IssueFigures:
        services = self._services
        now = services.clock()
        with services.database.read() as session:
            issue = get_issue(session, number)
            return IssueFigures(
                counts=issue.counts,
                reasons=issue_reasons(session, number),
                returned=bounce_counts(session, number),
                waves=waves_to_come(session, number, now),
                pace=pace_now(session, issue, now),
            )

    def _growth(self, digest: str | None) -> list[Day]:
        with self._services.database.read() as session:
            return growth(session, self._services.clock(), days=GROWTH_DAYS, digest=digest)

    def _subscriptions(self, _key: None) -> tuple[dict[str, dict[str, int]], list[Unserved]]:
        with self._services.database.read() as session:
            return subscription_counts(session), unserved(session, self._services.settings.digest)

    def _plan(self, _key: None) -> tuple[list[ForecastIssue], str]:
        """The issues of the next two weeks; or none, and why a digest could not be planned."""
        services = self._services
        try:
            names = list(services.settings.digest)
            return forecast(services.database, services.renderer, digests=names, now=services.clock()), ""
        except SyndicateError as error:
            return [], str(error)

    def _findings(self, key: tuple[int, int]) -> list[tuple[str, str, str, str]]:
        """What pre-flight finds in a draft after so many changes."""
        services = self._services
        tools = services.database, services.renderer, services.personal, services.keyring
        try:
            preview = editing.preview_issue(*tools, key[0], email=None, now=services.clock())
        except SyndicateError as error:
            return [("error", str(error), "", "")]
        return [(str(each.severity), each.what, each.where, each.todo) for each in preview.findings]

    def _sources(self, _key: None) -> list[SourceStatus]:
        with self._services.database.read() as session:
            return source_statuses(session)

    def _alarms(self, _key: None) -> list[str]:
        with self._services.database.read() as session:
            return find_alarms(session, self._services.settings, self._services.clock())
