"""One mail for several digests of one reader, from the freeze to the outcome. Decision 30."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from sqlmodel import col, select
from world import TEMPLATES, ScriptedSender, Stories, World, accept, courier

from syndicate.config import Settings
from syndicate.core.addresses import hash_address, parse_address
from syndicate.core.links import verify_unsubscribe
from syndicate.model import (
    DeliveryState,
    Envelope,
    Frequency,
    Issue,
    IssueState,
    Keyring,
    Outcome,
    OutcomeKind,
    SubscriptionState,
)
from syndicate.pipeline import control
from syndicate.pipeline.compose import EditionRenderer
from syndicate.pipeline.compose.composing import Wanted, compose_together
from syndicate.pipeline.members.unsubscribing import unsubscribe_address
from syndicate.store import subscribers, suppressions
from syndicate.store.deliveries import take
from syndicate.store.engine import Database
from syndicate.store.holders import register_holder
from syndicate.store.suppressions import SuppressionReason
from syndicate.store.tables import DeliveryRow, JointEditionRow, SubscriberRow


def joined(**digests: dict[str, Any]) -> Settings:
    """The Courier with digests that join their mails: ``morning`` has all articles, ``sport`` those of sport."""
    settings = courier().model_dump(by_alias=True)
    base = {"frequencies": ["instant", "daily"], "default_frequency": "daily", "merge": "subscriber"}
    settings["digest"] = {
        "morning": {**base, "title": "Morning Courier", **digests.get("morning", {})},
        "sport": {**base, "title": "Sport Courier", "categories": ["sport"], **digests.get("sport", {})},
    } | {name: {**base, **more} for name, more in digests.items() if name not in {"morning", "sport"}}
    return Settings.model_validate(settings)


class Joined(World):
    """A world whose readers may have several digests."""

    def reader(self, email: str, *digests: str, language: str | None = None) -> int:
        address = parse_address(email)
        with self.database.write() as session:
            person, _ = subscribers.ensure_subscriber(
                session,
                address,
                hash_address(address.key, self.keyring.hash_key),
                now=self.now,
                name="Ann",
                language=language,
            )
            for digest in digests:
                subscribers.add_subscription(
                    session,
                    person.id,
                    digest,
                    state=SubscriptionState.CONFIRMED,
                    frequency=Frequency.DAILY,
                    topics={"*": 0},
                    now=self.now,
                )
        return person.id

    def together(self, *digests: str, period: str = "daily/1") -> list[Issue]:
        found = compose_together(
            self.database,
            EditionRenderer(self.settings, TEMPLATES, self.keyring),
            [Wanted(digest=name, period=period, frequencies=None) for name in digests or ("morning", "sport")],
            now=self.now,
        )
        assert None not in found
        return [issue for issue in found if issue is not None]

    def rows(self) -> list[DeliveryRow]:
        with self.database.read() as session:
            return list(session.exec(select(DeliveryRow).order_by(col(DeliveryRow.id))))

    def balanced(self) -> bool:
        return all(self.issue(row.issue_id).balanced for row in self.rows())


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> Joined:
    world = Joined(database, joined(), keyring, now, Stories())
    world.article("storm", title="The storm")
    world.article("regatta", title="The regatta", category="sport")
    world.poll()
    return world


def outcome(kind: OutcomeKind, code: int | None, text: str) -> Outcome:
    return Outcome(kind=kind, code=code, enhanced=None, text=text, relay="scripted")


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def test_who_has_both_gets_one_mail_and_a_row_of_each_issue(world: Joined) -> None:
    world.reader("both@example.org", "morning", "sport")
    world.reader("morning@example.org", "morning")
    world.reader("sport@example.org", "sport")
    issues = world.together()
    sender = ScriptedSender()
    result = world.deliver(sender)
    assert sorted(each.recipient for each in sender.got) == [
        "both@example.org",
        "morning@example.org",
        "sport@example.org",
    ]
    assert result.outcomes == {DeliveryState.ACCEPTED: 4}
    for issue in issues:
        found = world.issue(issue.id)
        assert (found.state, found.counts.accepted, found.balanced) == (IssueState.FINISHED, 2, True)
        assert found.started_at is not None
    rows = [row for row in world.rows() if row.joined_to is not None]
    assert len(rows) == 2
    assert {row.joined_to for row in rows} == {rows[0].id}
    assert {(row.state, row.reply_code, row.attempts, row.finished_at) for row in rows} == {
        ("accepted", 250, 1, world.now)
    }
    with world.database.read() as session:
        edition = session.exec(select(JointEditionRow)).one()
    assert (edition.parts, edition.recipients) == (f"{rows[0].edition_id}+{rows[1].edition_id}", 1)


def test_the_mail_has_a_part_for_each_digest_and_each_article_once(world: Joined) -> None:
    world.reader("both@example.org", "morning", "sport")
    world.together()
    sender = ScriptedSender()
    world.deliver(sender)
    (message,) = sender.messages()
    text = text_of(message)
    assert text.count("The regatta") == 1
    assert text.index("Morning Courier\n") < text.index("The regatta") < text.index("Sport Courier\n=")
    assert "All that is new here stands above." in text
    assert "Unsubscribe from “Morning Courier”" in text
    assert "end all of them" in " ".join(text.split())
    assert message["Subject"] == "Morning Courier and Sport Courier: The storm"
    assert message["List-Id"] == "The Harbour Courier <digests.courier.example>"
    page = message.get_body(("html",))
    assert page is not None
    html = page.get_content()
    assert html.count(">The regatta</a>") == 1
    assert html.count("Unsubscribe from") == 2
