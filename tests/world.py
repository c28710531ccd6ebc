"""A small publisher for tests of the pipeline: articles that are said to exist, subscribers, and a server that answers as told.

Only the network is faked (``ScriptedSender``); database, templates, keys and messages are the real ones.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from syndicate.config import Settings
from syndicate.core.addresses import hash_address, parse_address
from syndicate.core.bounces.pausing import PauseShares
from syndicate.core.bounces.rules import Thresholds
from syndicate.core.dkim.signing import Signer
from syndicate.core.personal import Personal
from syndicate.errors import RelayError
from syndicate.io.dialogue import BlockingConnection
from syndicate.io.sources import Known, Reading
from syndicate.io.templates import read_templates
from syndicate.model import (
    Counts,
    Envelope,
    Frequency,
    Issue,
    Keyring,
    Outcome,
    OutcomeKind,
    RetryPlan,
    SourceItem,
    SubscriptionState,
)
from syndicate.pipeline.compose import EditionRenderer, compose
from syndicate.pipeline.deliver import DeliverResult, Holder, Rules, Sender, deliver
from syndicate.pipeline.deliver.envelopes import Envelopes
from syndicate.pipeline.ingest import ingest
from syndicate.shipped import shipped
from syndicate.store import newcomers
from syndicate.store.engine import Database
from syndicate.store.issues import get_issue
from syndicate.store.limits import Limits

TEMPLATES = read_templates([shipped("templates")])


def courier(**digest: Any) -> Settings:
    """The Harbour Courier with one source and one digest, ``morning``."""
    return Settings.model_validate(
        {
            "site": {
                "title": "The Harbour Courier",
                "url": "https://courier.example",
                "timezone": "Europe/London",
                "publisher": "Harbour Media",
                "postal_address": "1 Quay Street, Harbourtown",
            },
            "service": {"public_url": "https://news.courier.example", "min_free_disk": 0},
            "source": {"stories": {"type": "folder", "path": "articles"}},
            "digest": {
                "morning": {
                    "title": "Morning Courier",
                    "frequencies": ["instant", "daily", "weekly", "monthly"],
                    "default_frequency": "daily",
                    **digest,
                }
            },
            "delivery": {"from": "The Harbour Courier <news@courier.example>"},
            "bounce": {"return_path": "bounces@courier.example"},
        }
    )


@dataclass
class Stories:
    """A source whose articles are what the test says; the ``Source`` protocol without a disk."""

    name: str = "stories"
    items: dict[str, SourceItem] = field(default_factory=dict)

    def read(self, known: Known, state: Any, now: datetime) -> Reading:
        stamps = known.all()
        page = [item for item in self.items.values() if stamps.get(item.item) != item.stamp]
        return Reading(
            pages=iter([page] if page else []),
            seen=len(self.items),
            removed=frozenset(stamps.keys() - self.items.keys()),
        )


@dataclass
class World:
    """One database with its publisher. ``now`` is the clock: move it."""

    database: Database
    settings: Settings
    keyring: Keyring
    now: datetime
    stories: Stories = field(default_factory=Stories)
    told: list[str] = field(default_factory=list)  # what delivering told its operator

    @property
    def renderer(self) -> EditionRenderer:
        return EditionRenderer(self.settings, TEMPLATES, self.keyring)

    def clock(self) -> datetime:
        return self.now

    def article(
        self, key: str, *, title: str | None = None, age: timedelta = timedelta(hours=1), **fields: Any
    ) -> None:
        """Say that an article exists, or is different now; ``poll`` makes it so."""
        number = int(self.stories.items[key].stamp) + 1 if key in self.stories.items else 1
        self.stories.items[key] = SourceItem(
            item=key,
            stamp=str(number),
            fields={
                "id": key,
                "title": title or f"Story {key}",
                "url": f"https://courier.example/{key}",
                "date": self.now - age,
                **fields,
            },
            body=f"<p>What happened in {key} is told here in a sentence or two.</p>",
        )

    def poll(self) -> None:
        ingest(self.database, self.stories, self.settings, self.now)

    def subscriber(
        self,
        email: str,
        *,
        frequency: Frequency = Frequency.DAILY,
        topics: dict[str, int] | None = None,
        name: str = "",
        language: str | None = None,
        state: SubscriptionState = SubscriptionState.CONFIRMED,
    ) -> int:
        """A subscription to ``morning``; returns the subscriber's id."""
        address = parse_address(email)
        with self.database.write() as session:
            person, _ = newcomers.ensure_subscriber(
                session,
                address,
                hash_address(address.key, self.keyring.hash_key),
                now=self.now,
                name=name,
                language=language,
            )
            newcomers.add_subscription(
                session,
                person.id,
                "morning",
                state=state,
                frequency=frequency,
                topics=topics or {"*": 0},
                now=self.now,
            )
        return person.id

    def compose(self, period: str = "daily/2026-11-22", frequencies: Sequence[str] | None = None, **more: Any) -> Issue:
        issue = compose(
            self.database, self.renderer, "morning", period=period, frequencies=frequencies, now=self.now, **more
        )
        assert issue is not None
        return issue

    def deliver(
        self,
        *senders: Sender,
        in_doubt: Any = "ask",
        stop: threading.Event | None = None,
        may_take: Callable[[], None] = lambda: None,
        alone: bool = True,
        limits: Limits | None = None,
        insist: bool = True,
        clock: Callable[[], datetime] | None = None,
        holder: str = "this-process",
        sign: Signer | None = None,
        shares: PauseShares | None = None,
    ) -> DeliverResult:
        clock = clock or self.clock
        return deliver(
            self.database,
            senders,
            Envelopes(self.database, Personal.of(self.settings), self.keyring, sign),
            holder=Holder(name=holder, host="here", pid=1, alone=alone),
            rules=Rules(
                retry=RetryPlan(delays=(timedelta(minutes=5), timedelta(hours=1)), give_up_after=timedelta(days=2)),
                in_doubt=in_doubt,
                clock=clock,
                thresholds=Thresholds.of(self.settings.bounce),
                shares=shares or PauseShares.of(self.settings.bounce),
            ),
            stop=stop or threading.Event(),
            clock=clock,
            may_take=may_take,
            limits=limits,
            insist=insist,
            log=self.told.append,
        )

    def ticking(self) -> Callable[[], datetime]:
        """A clock that begins at ``now`` and goes on."""
        began = time.monotonic()
        return lambda: self.now + timedelta(seconds=time.monotonic() - began)

    def issue(self, issue_id: int) -> Issue:
        with self.database.read() as session:
            return get_issue(session, issue_id)

    def counts(self, issue_id: int) -> Counts:
        return self.issue(issue_id).counts


Answer = Callable[[Envelope], Outcome]


def accept(_envelope: Envelope) -> Outcome:
    return Outcome(kind=OutcomeKind.ACCEPTED, code=250, enhanced="2.0.0", text="2.0.0 Ok", relay="scripted")


@dataclass
class ScriptedSender:
    """A mail server that answers by a function; keeps what it accepted."""

    answer: Answer = accept
    connections: int = 3
    label: str = "scripted"
    weight: int = 1
    takes_turns: bool = True
    refuse: str | None = None
    got: list[Envelope] = field(default_factory=list)
    opened: int = 0

    def connect(self) -> ScriptedConnection:
        if self.refuse is not None:
            raise RelayError(self.refuse)
        self.opened += 1
        return ScriptedConnection(self)

    def messages(self) -> Iterator[EmailMessage]:
        for envelope in self.got:
            message = message_from_bytes(envelope.data, policy=policy.default)
            assert isinstance(message, EmailMessage)
            yield message


@dataclass
class ScriptedConnection(BlockingConnection):
    sender: ScriptedSender
    usable: bool = True

    def send(self, envelope: Envelope) -> Outcome:
        outcome = self.sender.answer(envelope)
        if outcome.kind is OutcomeKind.ACCEPTED:
            self.sender.got.append(envelope)
        return outcome

    def close(self) -> None:
        self.usable = False


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def folder_of(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())
