"""The tables, as SQLModel classes. They describe and constrain; they do not validate: values are checked at the edges.

No ``Relationship`` and no ``from __future__ import annotations`` (sqlmodel #196): joins are written out.
"""

from syndicate.store.tables.articles import (
    ArticleRow,
    ArticleTermRow,
    ArticleVersionRow,
    FeedDocumentRow,
    FeedRow,
    SourceItemRow,
    SourceRow,
)
from syndicate.store.tables.ledger import CohortRow, DeliveryRow, EditionRow, IssueRow
from syndicate.store.tables.members import (
    ConfirmationRow,
    ConsentEventRow,
    SubscriberRow,
    SubscriptionRow,
    SuppressionRow,
)
from syndicate.store.tables.service import CounterRow, HolderRow, MetaRow, ScheduleRow

__all__ = [
    "ArticleRow",
    "ArticleTermRow",
    "ArticleVersionRow",
    "CohortRow",
    "ConfirmationRow",
    "ConsentEventRow",
    "CounterRow",
    "DeliveryRow",
    "EditionRow",
    "FeedDocumentRow",
    "FeedRow",
    "HolderRow",
    "IssueRow",
    "MetaRow",
    "ScheduleRow",
    "SourceItemRow",
    "SourceRow",
    "SubscriberRow",
    "SubscriptionRow",
    "SuppressionRow",
]
