"""Deliveries of several issues to one reader joined by one mail: joining them at the freeze, and parting them again.

One of them leads: it is due and taken up like any other, and ``deliveries.py`` looks up its followers then. These are
due never (``due.FOLLOWS``), so that nobody takes them up by themselves. Decision 30; what may join: ``core.joining``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Text, and_, case, cast, func, literal, literal_column, or_, select, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from syndicate.core.joining import Member, alone_because
from syndicate.errors import LedgerError, UnknownNameError
from syndicate.model import DeliveryState, IssueState, SubscriptionState
from syndicate.store.articles import chunks
from syndicate.store.columns import UtcDateTime
from syndicate.store.due import FOLLOWS, RETRIABLE
from syndicate.store.tables import DeliveryRow, EditionRow, IssueRow, JointEditionRow, SubscriptionRow
from syndicate.store.tables.ledger import JOINED

_QUEUED = DeliveryState.QUEUED.value


@dataclass(frozen=True, slots=True)
class Combination:
    """The editions that some readers would get at once, one for each digest (None: nothing), and how many readers."""

    editions: tuple[int | None, ...]
    readers: int

    @property
    def parts(self) -> tuple[int, ...]:
        """The editions that there are."""
        return tuple(edition for edition in self.editions if edition is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class JointEdition:
    """A finished mail for the readers of a combination."""

    combination: Combination
    language: str
    subject: str
    message: bytes


class Part(NamedTuple):
    """One delivery of a joint mail."""

    id: int
    issue_id: int
    edition_id: int
    digest: str
    subscription_id: int


class Group(NamedTuple):
    """What waits of a joint mail: its edition and deliveries, the leading one first; or why each must go alone."""

    edition_id: int
    parts: tuple[Part, ...]
    alone_because: str | None


def combinations(session: Session, issues: Sequence[Sequence[int]]) -> list[Combination]:
    """What readers have queued of several digests; ``issues`` are those that were just frozen, digest by digest."""
    every = [issue_id for of_digest in issues for issue_id in of_digest]
    readers = (
        select(col(DeliveryRow.subscriber_id))
        .where(col(DeliveryRow.issue_id).in_(every), col(DeliveryRow.state) == _QUEUED)
        .group_by(col(DeliveryRow.subscriber_id))
        .having(func.count() > 1)
        .subquery("readers")
    )
    query: Any = select(func.count().label("readers")).select_from(readers)
    for of_digest in issues:
        own = aliased(DeliveryRow)
        query = (
            query.add_columns(col(own.edition_id))
            .outerjoin(
                own,
                and_(
                    col(own.subscriber_id) == readers.c.subscriber_id,
                    col(own.issue_id).in_(of_digest),
                    col(own.state) == _QUEUED,
                ),
            )
            .group_by(col(own.edition_id))
        )
    return [Combination(tuple(editions), count) for count, *editions in session.execute(query)]


def edition_keys(session: Session, issue_id: int) -> list[tuple[int, str]]:
    """The ids and keys of an issue's editions."""
    query = select(col(EditionRow.id), col(EditionRow.key)).where(col(EditionRow.issue_id) == issue_id)
    return [(int(number), key) for number, key in session.execute(query)]


def join(session: Session, issues: Sequence[Sequence[int]], editions: Sequence[JointEdition], now: datetime) -> int:
    """Join what was just frozen, in that transaction; returns how many mails.

    ``issues`` as of ``combinations``, of which each must have its edition. Raises LedgerError, and nothing is kept,
    when the rows are not those that the editions were made for.
    """
    for edition in editions:
        _add(session, edition, now)
    session.flush()
    kinds: dict[tuple[int, ...], int] = {}
    for edition in editions:
        places = tuple(place for place, each in enumerate(edition.combination.editions) if each is not None)
        kinds[places] = kinds.get(places, 0) + edition.combination.readers
    # Those of the most digests first: who is in one of these is in some of the others, too.
    for places in sorted(kinds, key=lambda each: (-len(each), each)):
        joined = _join_kind(session, [issues[place] for place in places])
        if joined != kinds[places]:
            raise LedgerError(
                f"{kinds[places]} mails were to be joined and {joined} were; nothing was composed. Please report this."
            )
    return sum(kinds.values())


def _add(session: Session, edition: JointEdition, now: datetime) -> None:
    parts = edition.combination.parts
    issue_id = session.execute(
        select(col(DeliveryRow.issue_id)).where(col(DeliveryRow.edition_id) == parts[0]).limit(1)
    ).scalar_one()
    session.add(
        JointEditionRow(
            issue_id=issue_id,
            parts="+".join(map(str, parts)),
            language=edition.language,
            subject=edition.subject,
            message=edition.message,
            recipients=edition.combination.readers,
            composed_at=now,
        )
    )


def _join_kind(session: Session, issues: Sequence[Sequence[int]]) -> int:
    """Join the readers of exactly these digests. One statement for those that lead and one for their followers."""
    leading, *others = issues
    followers = [aliased(DeliveryRow) for _ in others]
    key: Any = cast(col(DeliveryRow.edition_id), Text)
    conditions: list[Any] = _fresh(DeliveryRow, leading)
    for follower, of_digest in zip(followers, others, strict=True):
        conditions += [*_fresh(follower, of_digest), col(follower.subscriber_id) == col(DeliveryRow.subscriber_id)]
        key = key + literal("+", Text) + cast(col(follower.edition_id), Text)
    result: Any = session.execute(
        update(DeliveryRow)
        .where(*conditions, col(JointEditionRow.parts) == key)
        .values(joined_to=col(DeliveryRow.id), joint_edition_id=col(JointEditionRow.id))
        .execution_options(synchronize_session=False)
    )
    count = int(result.rowcount)
    leader = aliased(DeliveryRow)
    result = session.execute(
        update(DeliveryRow)
        .where(
            *_fresh(DeliveryRow, [issue_id for of_digest in others for issue_id in of_digest]),
            col(leader.issue_id).in_(leading),
            col(leader.subscriber_id) == col(DeliveryRow.subscriber_id),
            col(leader.joined_to) == col(leader.id),
        )
        .values(joined_to=col(leader.id), joint_edition_id=col(leader.joint_edition_id), due_at=FOLLOWS)
        .execution_options(synchronize_session=False)
    )
    if int(result.rowcount) != count * len(others):
        raise LedgerError(f"{count} mails have {result.rowcount} further parts; nothing was composed")
    return count


def _fresh(table: Any, issues: Sequence[int]) -> list[Any]:
    return [col(table.issue_id).in_(issues), col(table.state) == _QUEUED, col(table.joined_to).is_(None)]


def follows() -> ColumnElement[bool]:
    """Whether a delivery goes in one mail with another that leads."""
    return and_(col(DeliveryRow.joined_to).is_not(None), col(DeliveryRow.joined_to) != col(DeliveryRow.id))


def groups(session: Session, leaders: Sequence[int]) -> dict[int, Group]:
    """What waits of the mails that these deliveries lead, locked, as it stands now."""
    query: Any = (
        select(
            col(DeliveryRow.id),
            col(DeliveryRow.joined_to),
            col(DeliveryRow.issue_id),
            col(DeliveryRow.edition_id),
            col(DeliveryRow.state),
            col(IssueRow.digest),
            col(IssueRow.state).label("issue_state"),
            col(SubscriptionRow.id).label("subscription_id"),
            col(SubscriptionRow.state).label("subscription_state"),
            col(JointEditionRow.id).label("joint_id"),
            # What is not kept any more can be sent by nobody: then each goes alone.
            case((col(JointEditionRow.message).is_not(None), col(JointEditionRow.parts)), else_="").label("parts"),
        )
        .select_from(DeliveryRow)
        .join(IssueRow, col(IssueRow.id) == col(DeliveryRow.issue_id))
        .outerjoin(JointEditionRow, col(JointEditionRow.id) == col(DeliveryRow.joint_edition_id))
        .outerjoin(
            SubscriptionRow,
            and_(
                col(SubscriptionRow.subscriber_id) == col(DeliveryRow.subscriber_id),
                col(SubscriptionRow.digest) == col(IssueRow.digest),
            ),
        )
        .where(*_waiting_for(leaders))
        .with_for_update(of=DeliveryRow)
    )
    found: dict[int, list[Any]] = {}
    for row in session.execute(query):
        found.setdefault(row.joined_to, []).append(row)
    return {leader: _group(rows) for leader, rows in found.items()}


def _waiting_for(leaders: Sequence[int]) -> tuple[Any, Any]:
    # The condition of the partial index in its own words: what is sent already is not in it.
    return col(DeliveryRow.joined_to).in_(leaders), literal_column(JOINED_OF_DELIVERIES)


#: ``JOINED`` where other tables stand beside.
JOINED_OF_DELIVERIES = JOINED.replace("joined_to", "deliveries.joined_to").replace("state", "deliveries.state")


def _group(rows: Sequence[Any]) -> Group:
    made_of = [int(part) for part in rows[0].parts.split("+") if part]
    members = [
        Member(
            edition_id=row.edition_id or 0,
            state=DeliveryState(row.state),
            issue=IssueState(row.issue_state),
            subscription=None if row.subscription_state is None else SubscriptionState(row.subscription_state),
        )
        for row in rows
    ]
    because = alone_because(made_of, members)
    parts = [Part(row.id, row.issue_id, row.edition_id, row.digest, row.subscription_id) for row in rows]
    if because is None:
        parts.sort(key=lambda part: made_of.index(part.edition_id))
    return Group(rows[0].joint_id or 0, tuple(parts), because)


def part(session: Session, leaders: Mapping[int, str], now: datetime) -> None:
    """Let each delivery of these mails go alone, for the reason given; they are due at once."""
    for leader, because in leaders.items():
        session.execute(
            update(DeliveryRow)
            .where(*_waiting_for([leader]))
            .values(**_alone(f"sent alone: {because}", now))
            .execution_options(synchronize_session=False)
        )


def put_behind(session: Session, delivery_ids: Sequence[int]) -> None:
    """Have followers wait for the one that leads them again."""
    session.execute(
        update(DeliveryRow)
        .where(col(DeliveryRow.id).in_(delivery_ids), col(DeliveryRow.state).in_(RETRIABLE), follows())
        .values(due_at=FOLLOWS)
        .execution_options(synchronize_session=False)
    )


def free_stranded(session: Session, now: datetime) -> int:
    """Let deliveries go alone whose leading one will not go: ended, or its issue does not run. Returns how many.

    After whatever may have ended it: an issue paused or cancelled, all its articles withdrawn. Without joint mails it
    is one look into an index that is empty.
    """
    some = select(col(DeliveryRow.id)).where(literal_column(JOINED_OF_DELIVERIES)).limit(1)
    if session.execute(some).first() is None:
        return 0
    leader = aliased(DeliveryRow)
    issue = aliased(IssueRow)
    own = aliased(IssueRow)
    on_its_way = (
        select(col(leader.id))
        .join(issue, col(issue.id) == col(leader.issue_id))
        .where(
            col(leader.id) == col(DeliveryRow.joined_to),
            or_(
                col(leader.state) == DeliveryState.SENDING.value,
                and_(col(leader.state).in_(RETRIABLE), col(issue.state) == IssueState.RUNNING.value),
            ),
        )
        .correlate(DeliveryRow)
        .exists()
    )
    running = (
        select(col(own.id))
        .where(col(own.id) == col(DeliveryRow.issue_id), col(own.state) == IssueState.RUNNING.value)
        .correlate(DeliveryRow)
        .exists()
    )
    result: Any = session.execute(
        update(DeliveryRow)
        .where(literal_column(JOINED_OF_DELIVERIES), follows(), ~on_its_way, running)
        .values(**_alone("sent alone: the issue that led the mail it would have gone with does not run", now))
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)


def _alone(reason: str, now: datetime) -> dict[str, Any]:
    return {
        "joined_to": None,
        "joint_edition_id": None,
        "reason": reason,
        "due_at": case((follows(), literal(now, UtcDateTime)), else_=col(DeliveryRow.due_at)),
    }


def partners(session: Session, conditions: Sequence[ColumnElement[bool]]) -> dict[int, list[int]]:
    """The deliveries of other issues that went in one mail with such as fulfil the conditions, by issue.

    Only those in the same state: one mail has one outcome.
    """
    other = aliased(DeliveryRow)
    query = (
        select(col(other.issue_id), col(other.id))
        .select_from(DeliveryRow)
        .join(
            other,
            and_(
                # By the reader: the index of what is joined holds only what waits.
                col(other.subscriber_id) == col(DeliveryRow.subscriber_id),
                col(other.joined_to) == col(DeliveryRow.joined_to),
                col(other.issue_id) != col(DeliveryRow.issue_id),
                col(other.state) == col(DeliveryRow.state),
                col(other.resolved) == col(DeliveryRow.resolved),
            ),
        )
        .where(*conditions, col(DeliveryRow.joined_to).is_not(None))
        .order_by(col(other.issue_id), col(other.id))
    )
    found: dict[int, list[int]] = {}
    for issue_id, delivery_id in session.execute(query):
        found.setdefault(int(issue_id), []).append(int(delivery_id))
    return found


def joint_message(session: Session, joint_edition_id: int) -> bytes:
    """The finished bytes of a joint mail, with slots. Raises UnknownNameError when they were pruned."""
    query = select(col(JointEditionRow.message)).where(col(JointEditionRow.id) == joint_edition_id)
    found: bytes | None = session.execute(query).scalar_one_or_none()
    if found is None:
        raise UnknownNameError(f"joint edition {joint_edition_id} is no longer kept (service.keep_editions)")
    return found


def joined_issues(session: Session, issue_id: int) -> list[tuple[int, str, int]]:
    """The issues that an issue shared mails with: their ids, digests, and how many mails."""
    other = aliased(DeliveryRow)
    query = (
        select(col(IssueRow.id), col(IssueRow.digest), func.count())
        .select_from(DeliveryRow)
        .join(
            other,
            and_(
                col(other.joined_to) == col(DeliveryRow.joined_to),
                col(other.subscriber_id) == col(DeliveryRow.subscriber_id),
                col(other.issue_id) != col(DeliveryRow.issue_id),
            ),
        )
        .join(IssueRow, col(IssueRow.id) == col(other.issue_id))
        .where(col(DeliveryRow.issue_id) == issue_id, col(DeliveryRow.joined_to).is_not(None))
        .group_by(col(IssueRow.id), col(IssueRow.digest))
        .order_by(col(IssueRow.id))
    )
    return [(int(number), digest, int(count)) for number, digest, count in session.execute(query)]


def drop_joint_bodies(session: Session, before: datetime, limit: int, *, now: datetime) -> int:
    """Take the bodies from joint mails whose leading issue was over before a time. Returns how many."""
    over = (
        select(col(JointEditionRow.id))
        .join(IssueRow, col(IssueRow.id) == col(JointEditionRow.issue_id))
        .where(
            col(JointEditionRow.message).is_not(None),
            col(IssueRow.state).in_((IssueState.FINISHED.value, IssueState.CANCELLED.value)),
            func.coalesce(col(IssueRow.finished_at), col(IssueRow.composed_at)) < before,
        )
        .limit(limit)
    )
    result: Any = session.execute(
        update(JointEditionRow)
        .where(col(JointEditionRow.id).in_(over))
        .values(message=None, pruned_at=now)
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)


def joint_parts(session: Session, ids: Sequence[int]) -> dict[int, list[int]]:
    """The editions that joint mails are made of, in their order."""
    found: dict[int, list[int]] = {}
    for chunk in chunks(ids):
        query = select(col(JointEditionRow.id), col(JointEditionRow.parts)).where(col(JointEditionRow.id).in_(chunk))
        for number, parts in session.execute(query):
            found[int(number)] = [int(each) for each in parts.split("+")]
    return found
