"""The ledger: issues, their editions and cohorts, one row for each delivery, and the batches that workers take up."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Column, Index, LargeBinary, UniqueConstraint, false, text, true
from sqlmodel import Field, SQLModel

from syndicate.model import DeliveryState, IssueState
from syndicate.store.columns import CanonicalJson, one_of
from syndicate.store.tables.fields import BIG_ID, NEVER_REUSED, json_field, reference, time_field

#: The deliveries that wait for one mail with others: what the index of them holds.
JOINED = "joined_to IS NOT NULL AND state IN ('queued', 'deferred')"


class IssueRow(SQLModel, table=True):
    """One dated run of a digest. ``final_counts`` keeps the ledger's sums after its rows were pruned."""

    __tablename__ = "issues"
    __table_args__ = (
        UniqueConstraint("digest", "period", name="uq_issues_digest_period"),
        one_of("state", IssueState, "ck_issues_state"),
        CheckConstraint("recipients >= 0", name="ck_issues_recipients"),
        Index("ix_issues_state", "state"),
        NEVER_REUSED,
    )
    id: int | None = Field(default=None, primary_key=True)
    digest: str
    period: str
    state: str
    reason: str | None = None
    subject: str = ""
    max_seq: int = 0
    recipients: int = 0
    composed_at: datetime = time_field(index=True)
    started_at: datetime | None = time_field(optional=True)
    finished_at: datetime | None = time_field(optional=True)
    final_counts: Any = Field(default=None, sa_column=Column(CanonicalJson, nullable=True))
    edits: Any = Field(default=None, sa_column=Column(CanonicalJson, nullable=True))  # ``core.editing.Edits``
    deadline_at: datetime | None = time_field(optional=True)  # a draft's: what happens then if nobody approves
    deadline_action: str | None = None
    # A draft that did not go: its articles were given back to its readers.
    given_back: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    # Where links led and which key signed them when it was frozen, so that its bytes can be made again.
    made_with: Any = Field(default=None, sa_column=Column(CanonicalJson, nullable=True))
    local_day: str | None = None  # of one that comes to each reader at their own local time: the day that it is of


class EditionRow(SQLModel, table=True):
    """One rendering of an issue. ``message`` holds finished MIME bytes with slots; None once pruned.

    ``articles`` is what it shows, ``plan`` what was chosen for its readers before an editor or a withdrawal changed it.
    One that is not ``current`` was replaced (by ``replaced_by``, or by nothing) and kept for those who got it.
    """

    __tablename__ = "editions"
    __table_args__ = (UniqueConstraint("issue_id", "key", name="uq_editions_issue_key"),)
    id: int | None = Field(default=None, primary_key=True)
    issue_id: int = reference("issues.id")
    key: str
    language: str
    subject: str
    articles: Any = json_field("[]")  # [{"id", "version", "role"}], role "full", "headline" or "correction"
    message: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    recipients: int = 0
    composed_at: datetime = time_field()
    plan: Any = Field(default=None, sa_column=Column(CanonicalJson, nullable=True))
    current: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    replaced_by: int | None = None
    pruned_at: datetime | None = time_field(optional=True)


class JointEditionRow(SQLModel, table=True):
    """One rendering of several issues, for readers who get them in one mail; ``issue_id`` is that of the leading one.

    ``parts`` are the ids of the editions it is made of, in its order, as ``12+40``. Decision 30.
    """

    __tablename__ = "joint_editions"
    __table_args__ = (UniqueConstraint("parts", name="uq_joint_editions_parts"), NEVER_REUSED)
    id: int | None = Field(default=None, primary_key=True)
    issue_id: int = reference("issues.id", index=True)
    parts: str
    language: str
    subject: str
    message: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    recipients: int = 0
    composed_at: datetime = time_field()
    pruned_at: datetime | None = time_field(optional=True)


class IssueEventRow(SQLModel, table=True):
    """What was done to an issue beside sending it: edited, approved, cancelled …; ``by`` whom, if that is known."""

    __tablename__ = "issue_events"
    id: int | None = Field(default=None, primary_key=True)
    issue_id: int = reference("issues.id", index=True)
    at: datetime = time_field()
    event: str
    by: str | None = None
    detail: Any = json_field()


class CohortRow(SQLModel, table=True):
    """The subscriptions of one issue that were considered alike, as they stood at the freeze, and what they got.

    It is how one INSERT freezes a million deliveries, and afterwards the evidence for ``why``.
    """

    __tablename__ = "cohorts"
    __table_args__ = (
        # Each subscription finds its cohort here: without it, 20,000 subscriptions in 1,000 cohorts took SQLite 16.5 s.
        # PostgreSQL joins by hash and refuses index entries over 2,704 bytes, which a long carry is: there it is empty.
        Index(
            "ix_cohorts_match",
            "issue_id",
            "topics",
            "cursor",
            "carry",
            "first",
            "joined_seq",
            "language",
            postgresql_where=text("false"),
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    issue_id: int = reference("issues.id", index=True)
    edition_id: int = reference("editions.id", index=True)
    cursor: int
    first: bool
    joined_seq: int = 0
    topics: Any = json_field()
    carry: Any = json_field("[]")
    language: str  # the subscribers' own choice, "" = none
    left_over: Any = json_field("[]")
    recipients: int = 0


class DeliveryRow(SQLModel, table=True):
    """One issue to one subscriber: the row in the ledger. Marked ``sending`` durably before its data leaves."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("issue_id", "subscriber_id", name="uq_deliveries_issue_subscriber"),
        one_of("state", DeliveryState, "ck_deliveries_state"),
        CheckConstraint("attempts >= 0", name="ck_deliveries_attempts"),
        Index("ix_deliveries_issue_state", "issue_id", "state", "due_at"),
        Index("ix_deliveries_subscriber", "subscriber_id"),
        Index(
            "ix_deliveries_sending",
            "holder",
            sqlite_where=text("state = 'sending'"),
            postgresql_where=text("state = 'sending'"),
        ),
        Index(
            "ix_deliveries_undecided",
            "issue_id",
            sqlite_where=text("state = 'in_doubt' AND NOT resolved"),
            postgresql_where=text("state = 'in_doubt' AND NOT resolved"),
        ),
        Index("ix_deliveries_joined", "joined_to", sqlite_where=text(JOINED), postgresql_where=text(JOINED)),
        NEVER_REUSED,
    )
    id: int | None = Field(default=None, sa_column=Column(BIG_ID, primary_key=True))
    # No foreign keys, since each costs a look-up for every row of a freeze, and one more for every row that goes: they
    # were 2.9 of the 5.5 s in which PostgreSQL took 200,000 rows, and 20 cohorts that went looked through the ledger
    # 20 times. An issue and what it is made of go only after its last delivery (``upkeep.py``).
    issue_id: int
    edition_id: int | None = None
    cohort_id: int | None = None
    subscriber_id: int | None = reference("subscribers.id", ondelete="SET NULL", optional=True)
    state: str
    reason: str | None = None
    attempts: int = 0
    due_at: datetime = time_field()
    first_marked_at: datetime | None = time_field(optional=True)  # the first attempt: what give_up_after counts from
    holder: str | None = None
    marked_at: datetime | None = time_field(optional=True)
    finished_at: datetime | None = time_field(optional=True)
    relay: str | None = None
    reply_code: int | None = None
    reply: str | None = None
    resolved: bool = False
    # One mail with others: the id of the delivery that leads them, its own if it is that one; and what they all carry.
    # No foreign keys, as of the cohort.
    joined_to: int | None = Field(default=None, sa_column=Column(BIG_ID, nullable=True))
    joint_edition_id: int | None = None


class BatchRow(SQLModel, table=True):
    """A slice of an issue's deliveries, by id, that one worker at a time takes up. Gone when the issue is over.

    ``fence`` grows with each claim; who holds an older one lost the batch. ``finished``: none of its rows is open.
    """

    __tablename__ = "batches"
    __table_args__ = (
        UniqueConstraint("issue_id", "first_id", name="uq_batches_issue_first"),
        CheckConstraint("fence >= 0", name="ck_batches_fence"),
        CheckConstraint("first_id <= last_id", name="ck_batches_range"),
        NEVER_REUSED,
    )
    id: int | None = Field(default=None, primary_key=True)
    issue_id: int = reference("issues.id")
    first_id: int = Field(sa_column=Column(BIG_ID, nullable=False))
    last_id: int = Field(sa_column=Column(BIG_ID, nullable=False))
    holder: str | None = None
    fence: int = 0
    finished: bool = False
