"""Joining deliveries of several issues to one reader by one mail, at the freeze.

One of them leads: it is due and taken up like any other, and ``deliveries.py`` looks up its followers then. These are
due never (``due.FOLLOWS``), so that nobody takes them up by themselves. Decision 30; parting them: ``parting.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Text, and_, cast, func, literal, select, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from syndicate.errors import LedgerError
from syndicate.model import DeliveryState
from syndicate.store.due import FOLLOWS
from syndicate.store.tables import DeliveryRow, EditionRow, JointEditionRow

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
