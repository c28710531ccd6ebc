"""The tables, as SQLModel classes. They describe and constrain; they do not validate: values are checked at the edges.

No ``Relationship`` and no ``from __future__ import annotations`` (sqlmodel #196): joins are written out.
"""

from syndicate.store.tables.api import ApiRequestRow, ApiTokenRow, WebhookAttemptRow, WebhookMessageRow
from syndicate.store.tables.articles import (
    ArticleRow,
    ArticleTermRow,
    ArticleVersionRow,
    SourceItemRow,
    SourceRow,
)
from syndicate.store.tables.attempts import AttemptRow
from syndicate.store.tables.bounces import BounceRow, HookCallRow
from syndicate.store.tables.console import AuditRow, OperatorRow, OperatorSessionRow
from syndicate.store.tables.feeds import FeedDocumentRow, FeedEntryRow, FeedRow
from syndicate.store.tables.ledger import (
    BatchRow,
    CohortRow,
    DeliveryRow,
    EditionRow,
    IssueEventRow,
    IssueRow,
    JointEditionRow,
)
from syndicate.store.tables.limits import LimitRow, RelaySeatRow
from syndicate.store.tables.members import (
    AddressChangeRow,
    ConfirmationRow,
    ConsentEventRow,
    FormLimitRow,
    SubscriberRow,
    SubscriptionRow,
    SuppressionRow,
)
from syndicate.store.tables.readers import AnnouncedReadersRow, FeedReadersRow, ReaderSaltRow
from syndicate.store.tables.service import CounterRow, HolderRow, MetaRow, ScheduleRow
from syndicate.store.tables.websub import (
    FeedCallRow,
    FollowedFeedRow,
    HubDeliveryRow,
    HubPingRow,
    HubRequestRow,
    HubSubscriptionRow,
    TopicChangeRow,
)

__all__ = [
    "AddressChangeRow",
    "AnnouncedReadersRow",
    "ApiRequestRow",
    "ApiTokenRow",
    "ArticleRow",
    "ArticleTermRow",
    "ArticleVersionRow",
    "AttemptRow",
    "AuditRow",
    "BatchRow",
    "BounceRow",
    "CohortRow",
    "ConfirmationRow",
    "ConsentEventRow",
    "CounterRow",
    "DeliveryRow",
    "EditionRow",
    "FeedCallRow",
    "FeedDocumentRow",
    "FeedEntryRow",
    "FeedReadersRow",
    "FeedRow",
    "FollowedFeedRow",
    "FormLimitRow",
    "HolderRow",
    "HookCallRow",
    "HubDeliveryRow",
    "HubPingRow",
    "HubRequestRow",
    "HubSubscriptionRow",
    "IssueEventRow",
    "IssueRow",
    "JointEditionRow",
    "LimitRow",
    "MetaRow",
    "OperatorRow",
    "OperatorSessionRow",
    "ReaderSaltRow",
    "RelaySeatRow",
    "ScheduleRow",
    "SourceItemRow",
    "SourceRow",
    "SubscriberRow",
    "SubscriptionRow",
    "SuppressionRow",
    "TopicChangeRow",
    "WebhookAttemptRow",
    "WebhookMessageRow",
]
