"""The verb ``prune``: lets go of what is older than the configuration wants kept, in short transactions.

The ledger keeps its promise: an issue's sums are stored on it before the first of its rows goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.errors import LedgerError
from syndicate.store import upkeep
from syndicate.store.address_changes import drop_changes
from syndicate.store.api_requests import drop_requests
from syndicate.store.bounces import drop_bounces, drop_messages
from syndicate.store.engine import Database
from syndicate.store.feed_readers import drop_counts, drop_salts
from syndicate.store.form_limits import drop_arrivals
from syndicate.store.hook_calls import drop_calls
from syndicate.store.joint_mails import drop_joint_bodies
from syndicate.store.limits import drop_limits
from syndicate.store.outbox import drop_messages as drop_messages_of_webhooks

CHUNK = (
    2_000  # rows of a transaction: on SQLite every other writer waits for it (2,000 rows cost some 50 ms of processor)
)
BODIES = 50  # editions of a transaction: a body may have a megabyte, and clearing it touches all its pages
HOLDERS_KEPT = timedelta(days=30)
CHANGES_KEPT = timedelta(days=30)  # of address: they hold one, and their links have expired
REQUESTS_KEPT = timedelta(days=1)  # of the API with an Idempotency-Key
FORMS_KEPT = timedelta(days=1)
CALLS_KEPT = timedelta(days=7)  # of providers' webhooks: an older one is refused by its time
FORMS = 50_000  # limits of forms that go at one time: short rows without references


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneResult:
    """What went: bodies of editions, rows of the ledger, versions of articles, dead processes.

    ``problems`` names the issues whose rows were kept because they do not add up.
    """

    editions: int = 0
    deliveries: int = 0
    versions: int = 0
    holders: int = 0
    problems: tuple[str, ...] = ()


def prune(
    database: Database, settings: Settings, now: datetime, *, stopping: Callable[[], bool] = lambda: False
) -> PruneResult:
    """Remove what is older than ``[service] keep_editions``, ``keep_deliveries`` and ``keep_versions``.

    Harmless to stop at any moment and to run again; ``stopping`` is asked between chunks. Raises StoreError.
    """
    keep = settings.service
    bodies_before, rows_before = now - keep.keep_editions, now - keep.keep_deliveries
    versions_before = now - keep.keep_versions

    def drop_bodies(session: Session) -> int:
        of_issues = upkeep.drop_bodies(session, bodies_before, BODIES, now=now)
        return of_issues + drop_joint_bodies(session, bodies_before, BODIES, now=now)

    editions = _in_chunks(database, drop_bodies, BODIES, stopping)
    deliveries, problems = _prune_ledger(database, rows_before, stopping)
    versions = _in_chunks(
        database, lambda session: upkeep.drop_versions(session, versions_before, CHUNK), CHUNK, stopping
    )
    evidence_before = now - settings.bounce.keep_evidence
    _in_chunks(database, lambda session: drop_messages(session, evidence_before, CHUNK), CHUNK, stopping)
    _in_chunks(database, lambda session: drop_bounces(session, rows_before, CHUNK), CHUNK, stopping)
    _in_chunks(
        database, lambda session: drop_messages_of_webhooks(session, now - keep.keep_webhooks, CHUNK), CHUNK, stopping
    )
    _in_chunks(database, lambda session: drop_requests(session, now - REQUESTS_KEPT, CHUNK), CHUNK, stopping)
    with database.write() as session:
        holders = upkeep.drop_holders(session, now - HOLDERS_KEPT)
        drop_limits(session, now - HOLDERS_KEPT)
        drop_arrivals(session, now - FORMS_KEPT, FORMS)
        drop_counts(session, rows_before.date().isoformat())
        drop_calls(session, now - CALLS_KEPT)
        drop_salts(session, now.date().isoformat())
        drop_changes(session, now - max(CHANGES_KEPT, settings.privacy.confirm_link_valid))
    return PruneResult(
        editions=editions, deliveries=deliveries, versions=versions, holders=holders, problems=tuple(problems)
    )


def _prune_ledger(database: Database, before: datetime, stopping: Callable[[], bool]) -> tuple[int, list[str]]:
    problems: list[str] = []
    gone = 0
    with database.read() as session:
        issues = upkeep.issues_with_old_rows(session, before)
    for issue_id in issues:

        def drop(session: Session, issue_id: int = issue_id) -> int:
            upkeep.keep_sums(session, issue_id)
            return upkeep.drop_deliveries(session, issue_id, CHUNK)

        try:
            gone += _in_chunks(database, drop, CHUNK, stopping)
        except LedgerError as error:
            problems.append(str(error))
    return gone, problems


def _in_chunks(database: Database, drop: Callable[[Session], int], size: int, stopping: Callable[[], bool]) -> int:
    total = 0
    while not stopping():
        with database.write() as session:
            gone = drop(session)
        total += gone
        if gone < size:
            break
    return total
