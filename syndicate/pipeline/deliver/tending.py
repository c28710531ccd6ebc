"""What one worker at a time does for all: settle what dead processes held, find lost jobs, finish what is complete."""

from __future__ import annotations

from dataclasses import dataclass

from syndicate.pipeline.deliver.settling import Rules
from syndicate.store.deliveries import running_issues
from syndicate.store.doubts import take_over
from syndicate.store.engine import Database
from syndicate.store.holders import end_when_frozen
from syndicate.store.issues import finish_issues
from syndicate.store.jobs import call_workers, sweep, take_broom


@dataclass(frozen=True, slots=True, kw_only=True)
class Tended:
    """What was found: rows of processes that died, batches that had no job, issues that were complete."""

    taken_over: int = 0
    called: int = 0
    finished: tuple[int, ...] = ()


def tend(database: Database, *, me: str, rules: Rules) -> Tended:
    """Look after everybody's batches, unless another process is doing it at this moment. PostgreSQL only."""
    now = rules.clock()
    with database.write() as session:
        end_when_frozen(session)
        if not take_broom(session):
            return Tended()
        taken = take_over(session, me=me, alone=False, policy=rules.in_doubt, now=now)
        if taken and rules.in_doubt == "resend":
            for issue_id in running_issues(session):
                call_workers(session, issue_id)
        called = sweep(session, now)
        return Tended(taken_over=taken, called=called, finished=tuple(finish_issues(session, now)))
