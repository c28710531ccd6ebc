"""A range of deliveries that is worked through in the order of their ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import col

from syndicate.store.tables import DeliveryRow


def rows_between(first: Any, last: Any, issue_id: Any) -> tuple[Any, ...]:
    """The conditions for an issue's deliveries from one id to another, both included, to be read by their ids.

    With a bare ``issue_id``, PostgreSQL reads the whole issue's queue by ``ix_deliveries_issue_state`` for each of its
    batches, as long as a new issue's rows were not analysed: 1,000,000 rows where there are 2,000.
    """
    return col(DeliveryRow.id).between(first, last), col(DeliveryRow.issue_id) + 0 == issue_id


@dataclass(slots=True)
class Span:
    """Deliveries from ``first`` to ``last``, both included; ``position`` is where the next look begins.

    Each look from the beginning would read again all rows that are done.
    """

    first: int
    last: int
    position: int = 0

    def moved_on(self, rows: Sequence[Any]) -> bool:
        """Note what a look found. True when it found nothing, and the rows before it are worth another look."""
        if rows:
            self.position = rows[-1].id + 1
            return False
        again = self.position > self.first
        self.position = self.first
        return again
