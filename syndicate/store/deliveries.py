"""The ledger's rows: taking deliveries up, recording their outcomes. What is in doubt is settled in ``doubts.py``.

Every transition is a conditional UPDATE. A row is ``sending`` durably before its data leaves; an outcome is written
only by the process that holds the row, so one that was given up for dead and wakes up changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    BigInteger,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlmodel import Session, col

from syndicate.core.outcomes import BounceClass
from syndicate.errors import UnknownNameError
from syndicate.model import DeliveryState, IssueState, Outcome, SubscriptionState
from syndicate.store.compiled import Compiled, as_time, moment
from syndicate.store.due import RETRIABLE, WAITING, Span, due_rows
from syndicate.store.limits import Limits, admit
from syndicate.store.parting import Part, groups, part, put_behind
from syndicate.store.statements import among_in, key_list
from syndicate.store.suppressions import suppressed_domains
from syndicate.store.tables import (
    DeliveryRow,
    EditionRow,
    IssueRow,
)

_TABLE: Any = DeliveryRow.__table__  # type: ignore[attr-defined]
_CONFIRMED = SubscriptionState.CONFIRMED.value
# About so many rows at most are put off to their turn in one transaction, so many of them in one step.
MOST_PUT_OFF = 1_000
STEP = 400


class Joint(NamedTuple):
    """The mail in which a delivery goes with others: its edition, and all its deliveries, the leading one first."""

    edition_id: int
    parts: tuple[Part, ...]


class Task(NamedTuple):
    """One delivery taken up: all that its message and envelope need. ``first_marked_at``: its first attempt.

    ``joint``: it leads others, which were marked with it and have its outcome.
    """

    id: int
    issue_id: int
    edition_id: int
    digest: str
    subscriber_id: int
    subscription_id: int
    email: str
    name: str
    attempts: int
    first_marked_at: datetime
    joint: Joint | None = None

    @property
    def rows(self) -> tuple[int, ...]:
        """All rows of the ledger that it stands for."""
        return (self.id,) if self.joint is None else tuple(part.id for part in self.joint.parts)

    @property
    def issues(self) -> tuple[int, ...]:
        """Their issues."""
        return (self.issue_id,) if self.joint is None else tuple(part.issue_id for part in self.joint.parts)


class Result(NamedTuple):
    """What became of a task: the state to record and, when deferred, the time of the next attempt."""

    task: Task
    state: DeliveryState
    outcome: Outcome
    bounce_class: BounceClass | None = None
    due_at: datetime | None = None
    resolved: bool = False


def take(
    session: Session,
    *,
    holder: str,
    now: datetime,
    limit: int,
    issues: Sequence[int] | None = None,
    limits: Limits | None = None,
    span: Span | None = None,
) -> list[Task]:
    """Mark up to ``limit`` due rows of running issues (within ``span``) ``sending`` for this holder and return them.

    Suppression, unsubscription and erasure are read again here, in the transaction that marks the row: such rows end as
    ``suppressed`` or ``cancelled`` with the reason. What ``limits`` do not let go now is put off to its turn; so fewer
    than are due may come back. Rows taken must be committed before their data leaves.
    """
    tasks: list[Task] = []
    put_off = 0
    stamp = moment(session, now)
    for issue_id in running_issues(session, issues):
        while len(tasks) < limit and put_off < MOST_PUT_OFF:
            room = limit - len(tasks)
            # Where a limit holds many back, the others are looked for in larger steps.
            rows = due_rows(session, issue_id, stamp, max(room, STEP) if put_off else room, span)
            if span is not None and span.moved_on(rows):
                continue
            if not rows:
                break
            marked, waiting = _mark(session, rows, limits, room=room, holder=holder, now=now)
            tasks += marked
            put_off += waiting
        if len(tasks) >= limit:
            break
    return tasks


def running_issues(session: Session, issues: Sequence[int] | None = None) -> list[int]:
    """The running issues (of these, if given), oldest first."""
    found = [issue_id for (issue_id,) in _RUNNING.rows(session, {})]
    return found if issues is None else [issue_id for issue_id in found if issue_id in issues]


_RUNNING = Compiled(
    lambda _dialect: (
        select(col(IssueRow.id))
        .where(col(IssueRow.state) == literal_column(f"'{IssueState.RUNNING.value}'"))
        .order_by(col(IssueRow.id))
    )
)


_SENDING: Any = _TABLE.c.state == literal_column(f"'{DeliveryState.SENDING.value}'")
_MARK = Compiled(
    lambda dialect: (
        update(_TABLE)
        .where(among_in(dialect, _TABLE.c.id, bindparam("ids")), WAITING)
        .values(
            state=literal_column(f"'{DeliveryState.SENDING.value}'"),
            holder=bindparam("holder"),
            marked_at=bindparam("now"),
            first_marked_at=func.coalesce(_TABLE.c.first_marked_at, bindparam("now")),
            attempts=_TABLE.c.attempts + literal_column("1"),
        )
    )
)


def _mark(
    session: Session, rows: Sequence[Any], limits: Limits | None, *, room: int, holder: str, now: datetime
) -> tuple[list[Task], int]:
    """The rows that were marked, as tasks, and how many others were put off."""
    listed = rows[0][_DOMAINS_LISTED]
    domains = suppressed_domains(session, {row[_DOMAIN] for row in rows if row[_DOMAIN] is not None}) if listed else {}
    tasks, ended = [], []
    joined = [row[_JOINED] for row in rows if row[_JOINED] is not None]
    joints = _joints(session, rows, now) if joined else {}
    for row in rows:
        refusal = _refusal(row, domains)
        if refusal is None:
            if row[_JOINED] is not None and row[0] not in joints:
                continue  # it goes alone, and the next look finds it
            own: tuple[Any, ...] = (*row[:_ATTEMPTS], row[_ATTEMPTS] + 1, as_time(row[_FIRST]) or now)
            tasks.append(Task._make((*own, joints.get(row[0]))))
        else:
            ended.append({"b_id": row[0], "b_state": refusal[0].value, "b_reason": refusal[1]})
            if row[0] in joints:
                part(session, {row[0]: refusal[1]}, now)
    put_off = 0
    if limits is not None and limits.any:
        at = {row[0]: row[_DOMAIN] for row in rows}
        admitted = admit(session, [(task.id, at[task.id]) for task in tasks], limits, room=room, now=now)
        tasks = [task for task in tasks if task.id in admitted.ids]
        put_off = admitted.put_off
    if ended:
        _end_rows(session, ended, now)
    if tasks:
        ids = key_list(session, [row for task in tasks for row in task.rows] if joints else [task.id for task in tasks])
        _MARK.run(session, {"ids": ids, "holder": holder, "now": moment(session, now)})
    return tasks, put_off


# The columns of ``due_rows``: a task's own eight come first, in order.
_ATTEMPTS, _FIRST, _DOMAIN, _STATE, _SUPPRESSION, _JOINED, _DOMAINS_LISTED = range(8, 15)
_EMAIL = 6


def _joints(session: Session, rows: Sequence[Any], now: datetime) -> dict[int, Joint]:
    """The joint mails that these rows lead and that may go; the deliveries of others go alone from now on."""
    found = groups(session, [row[_JOINED] for row in rows if row[_JOINED] == row[0]])
    part(session, {leader: each.alone_because for leader, each in found.items() if each.alone_because}, now)
    if astray := [row[0] for row in rows if row[_JOINED] not in (None, row[0])]:
        put_behind(session, astray)
    return {leader: Joint(each.edition_id, each.parts) for leader, each in found.items() if not each.alone_because}


def _refusal(row: Any, domains: dict[str, str]) -> tuple[DeliveryState, str] | None:
    if row[_EMAIL] is None:
        return DeliveryState.CANCELLED, "erased"
    if row[_SUPPRESSION] is not None:
        return DeliveryState.SUPPRESSED, row[_SUPPRESSION]
    if row[_DOMAIN] in domains:
        return DeliveryState.SUPPRESSED, domains[row[_DOMAIN]]
    if row[_STATE] != _CONFIRMED:
        return DeliveryState.SUPPRESSED, "unsubscribed"
    return None


def _end_rows(session: Session, ended: list[dict[str, Any]], now: datetime) -> None:
    session.connection().execute(
        update(_TABLE)
        # Not IN: SQLAlchemy expands its list at run time, which executemany does not allow.
        .where(_TABLE.c.id == bindparam("b_id"), or_(*(_TABLE.c.state == state for state in RETRIABLE)))
        .values(state=bindparam("b_state"), reason=bindparam("b_reason"), finished_at=now),
        ended,
    )


def record(session: Session, results: Sequence[Result], *, holder: str, now: datetime) -> int:
    """Write outcomes of rows this holder marked; returns how many of these tasks were still its own.

    A smaller number than given means that another process took some over: this one must stop. A joint mail is one task,
    all of whose rows get its outcome.
    """
    if not results:
        return 0
    alike: dict[tuple[Any, ...], dict[int, str]] = {}
    beside = 0
    for result in results:
        outcome = result.outcome
        key = (result.state, result.bounce_class, result.due_at, outcome.relay, outcome.code, result.resolved)
        alike.setdefault(key, {})[result.task.id] = outcome.text
        if result.task.joint is not None:
            # The others of the mail fare alike; when it is tried again is the leading one's alone.
            followers = dict.fromkeys(result.task.rows[1:], outcome.text)
            alike.setdefault((*key[:2], None, *key[3:]), {}).update(followers)
            beside += len(followers)
    at = moment(session, now)
    rows = sum(
        _RECORD.run(
            session,
            {
                "replies": json.dumps(replies),
                "state": state.value,
                "reason": bounce_class.value if bounce_class else None,
                "due": moment(session, due_at) if due_at is not None else None,
                "finished": None if state is DeliveryState.DEFERRED else at,
                "relay": relay,
                "code": code,
                "resolved": resolved,
                "holder": holder,
            },
        )
        for (state, bounce_class, due_at, relay, code, resolved), replies in alike.items()
    )
    return rows - beside


def _record(dialect: str) -> Any:
    # One statement for all rows that fared alike, as nearly all do; their replies come as one JSON object by id.
    # executemany is a statement for each row, and on SQLite hands on Python's lock at each.
    replies: Any = bindparam("replies", type_=Text)
    if dialect == "postgresql":
        listed = func.json_each_text(replies.cast(JSON)).table_valued("key", "value").render_derived("outcome")
        sending = _SENDING
    else:
        listed = func.json_each(replies).table_valued("key", "value", name="outcome")
        # The plus keeps SQLite from the index of what is sending: with it the JSON is read anew for each row (19 us a
        # row instead of 6).
        sending = literal_column(f"+deliveries.state = '{DeliveryState.SENDING.value}'")
    return (
        update(_TABLE)
        .where(_TABLE.c.id == cast(listed.c.key, BigInteger), sending, _TABLE.c.holder == bindparam("holder"))
        .values(
            state=bindparam("state"),
            reason=bindparam("reason"),
            due_at=func.coalesce(bindparam("due", type_=_TABLE.c.due_at.type), _TABLE.c.due_at),
            finished_at=bindparam("finished", type_=_TABLE.c.finished_at.type),
            relay=bindparam("relay"),
            reply_code=bindparam("code"),
            # Erased while it was on the wire: the server's words often repeat the address.
            reply=case((_TABLE.c.subscriber_id.is_(None), None), else_=func.nullif(listed.c.value, "")),
            resolved=bindparam("resolved"),
        )
    )


_RECORD = Compiled(_record)


def release(session: Session, task_ids: Sequence[int], *, holder: str) -> int:
    """Put rows back whose data did not begin to leave (the relay could not be reached); the attempt does not count."""
    result = session.execute(
        update(DeliveryRow)
        .where(
            col(DeliveryRow.id).in_(task_ids),
            col(DeliveryRow.state) == DeliveryState.SENDING.value,
            col(DeliveryRow.holder) == holder,
        )
        .values(
            state=DeliveryState.QUEUED.value,
            holder=None,
            marked_at=None,
            first_marked_at=case((col(DeliveryRow.attempts) <= 1, None), else_=col(DeliveryRow.first_marked_at)),
            attempts=col(DeliveryRow.attempts) - 1,
        )
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def cancel_open(session: Session, issue_id: int, now: datetime) -> int:
    """Cancel what an issue has queued or deferred; what is on the wire gets its outcome."""
    result = session.execute(
        update(DeliveryRow)
        .where(col(DeliveryRow.issue_id) == issue_id, col(DeliveryRow.state).in_(RETRIABLE))
        .values(state=DeliveryState.CANCELLED.value, reason="the issue was cancelled", finished_at=now)
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def mark_started(session: Session, issue_ids: Iterable[int], now: datetime) -> None:
    """Stamp the time at which an issue's first delivery was taken up."""
    session.execute(
        update(IssueRow)
        .where(col(IssueRow.id).in_(list(issue_ids)), col(IssueRow.started_at).is_(None))
        .values(started_at=now)
        .execution_options(synchronize_session=False)
    )


def edition_message(session: Session, edition_id: int) -> bytes:
    """The finished bytes of an edition, with slots. Raises UnknownNameError when they were pruned."""
    message: bytes | None = session.execute(
        select(col(EditionRow.message)).where(col(EditionRow.id) == edition_id)
    ).scalar_one_or_none()
    if message is None:
        raise UnknownNameError(f"edition {edition_id} is no longer kept (service.keep_editions)")
    return message
