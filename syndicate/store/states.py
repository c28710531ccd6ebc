"""Which issues are in which state, from the index alone: for numbers that are asked for all the time."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlmodel import Session, col

from syndicate.model import IssueState
from syndicate.store.tables import IssueRow


def issues_in(session: Session, states: Iterable[IssueState]) -> list[tuple[int, str]]:
    """The numbers of the issues in these states, with their state."""
    query = select(col(IssueRow.id), col(IssueRow.state)).where(
        col(IssueRow.state).in_([each.value for each in states])
    )
    return [(number, state) for number, state in session.execute(query) if number is not None]
