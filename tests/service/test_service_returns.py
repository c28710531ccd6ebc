"""The pass over what came back, with all that follows: subscriptions end, and nothing is deleted too early."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from publisher import Publisher
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from syndicate.core.links import Purpose, message_id_token, sign_for_mail
from syndicate.errors import InboundError, StoreError
from syndicate.model import SubscriptionState
from syndicate.pipeline.returns import Fate, take_return
from syndicate.service.returns import ReturnsResult, take_maildir, take_message
from syndicate.service.wiring import Services
from syndicate.store import subscribers

COMPLAINT = """\
From: complaints@provider.example
To: bounces@courier.example
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
Version: 1

--b
Content-Type: text/rfc822-headers

Message-ID: <{token}@courier.example>
To: redacted

--b--
"""


@pytest.fixture
def publisher(database_url: str, tmp_path: Path) -> Publisher:
    publisher = Publisher(tmp_path, database=database_url, frequencies=("daily",))
    publisher.write()
    publisher.article("a")
    for command in (
        ["poll"],
        ["subscribers", "import", str(publisher.readers(2)), "--confirmed"],
        ["send", "morning"],
    ):
        publisher.run(*command)
    return publisher


def states(services: Services) -> list[SubscriptionState]:
    with services.database.read() as session:
        found = subscribers.list_subscribers(session, limit=10)
        chosen = subscribers.subscriptions_of(session, [each.id for each in found])
    return [one.state for each in sorted(found, key=lambda one: one.id) for one in chosen[each.id]]


@pytest.fixture
def services(publisher: Publisher) -> Iterator[Services]:
    services = publisher.services(lambda: datetime.now(UTC))
    yield services
    publisher.close()


def complaint(services: Services, subscriber_id: int) -> bytes:
    return COMPLAINT.format(token=message_id_token(services.keyring, 1, subscriber_id)).encode()


def test_a_complaint_ends_every_subscription_of_this_reader(services: Services) -> None:
    result = ReturnsResult()
    take_message(services, complaint(services, 1), result)
    assert (result.suppressed, result.unsubscribed) == (1, 1)
    assert states(services) == [SubscriptionState.UNSUBSCRIBED, SubscriptionState.CONFIRMED]
    take_message(services, complaint(services, 1), result)
    assert (result.fates[Fate.KNOWN], result.suppressed, result.unsubscribed) == (1, 1, 1)


def test_a_complaint_is_finished_after_a_crash_in_between(services: Services) -> None:
    # The evidence was committed, and the process died before the subscriptions ended: the message is still there.
    taken = take_return(
        services.database, services.settings, services.keyring, complaint(services, 2), now=services.clock()
    )
    assert taken.suppressed
    result = ReturnsResult()
    take_message(services, complaint(services, 2), result)
    assert states(services) == [SubscriptionState.CONFIRMED, SubscriptionState.UNSUBSCRIBED]


def test_a_maildir_stays_as_it_is_while_the_database_is_away(services: Services, tmp_path: Path) -> None:
    folder = tmp_path / "returned"
    (folder / "new").mkdir(parents=True)
    (folder / "new" / "1").write_bytes(complaint(services, 1))
    with services.database.write() as session:
        session.connection().execute(text("ALTER TABLE bounces RENAME TO bounces_away"))
    with pytest.raises((StoreError, ProgrammingError)):
        take_maildir(services, folder, ReturnsResult())
    assert [path.name for path in (folder / "new").iterdir()] == ["1"]
    with services.database.write() as session:
        session.connection().execute(text("ALTER TABLE bounces_away RENAME TO bounces"))
    result = ReturnsResult()
    take_maildir(services, folder, result)
    assert (result.suppressed, list((folder / "new").iterdir())) == (1, [])


def test_a_wish_to_leave_is_heard_whatever_else_the_mail_says(services: Services) -> None:
    token = sign_for_mail(services.keyring, Purpose.UNSUBSCRIBE, 2)
    wish = f"From: x@example.net\nTo: bounces+{token}@courier.example\nSubject: unsubscribe\n\n550 5.1.1 user unknown\n"
    result = ReturnsResult()
    take_message(services, wish.encode(), result)
    assert (result.unsubscribed, result.suppressed) == (1, 0)
    assert states(services) == [SubscriptionState.CONFIRMED, SubscriptionState.UNSUBSCRIBED]


def test_what_is_no_maildir_is_told(services: Services, tmp_path: Path) -> None:
    with pytest.raises(InboundError, match="it is no Maildir"):
        take_maildir(services, tmp_path / "none", ReturnsResult())
