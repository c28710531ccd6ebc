"""Mails to the operator: what they say, at most one a day for a cause, and again when one could not be sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from publisher import Publisher
from sqlalchemy import text

from syndicate.service.notices import tell_operator
from syndicate.service.status import read_status
from syndicate.service.wiring import Services

REASON = "paused by itself: 61 of 500 answered messages (12%) are dead addresses"


class Site:
    def __init__(self, folder: Path) -> None:
        self.publisher = Publisher(folder, frequencies=("daily",), digest="", more="").write()
        config = self.publisher.config
        config.write_text(
            config.read_text().replace("min_free_disk = 0", 'min_free_disk = 0\noperator = "desk@courier.example"')
        )
        self.publisher.article("a")
        for command in (
            ["poll"],
            ["subscribers", "import", str(self.publisher.readers(1)), "--confirmed"],
            ["send", "morning"],
        ):
            self.publisher.run(*command)
        self.now = datetime.now(UTC)
        self.services: Services = self.publisher.services(lambda: self.now)
        for path in (folder / "outbox" / "new").iterdir():
            path.unlink()

    def mails(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted((self.publisher.folder / "outbox" / "new").iterdir())]

    def pause(self) -> None:
        with self.services.database.write() as session:
            session.connection().execute(text("UPDATE issues SET state = 'paused', reason = :why"), {"why": REASON})


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.publisher.close()


def test_a_pause_is_told_once_a_day_while_it_lasts(site: Site) -> None:
    assert (tell_operator(site.services), site.mails()) == (0, [])
    site.pause()
    assert tell_operator(site.services) == 1
    (data,) = site.mails()
    message = message_from_bytes(data, policy=policy.default)
    assert (message["To"], message["Subject"]) == ("desk@courier.example", "[Syndicate] Issue 1 is paused")
    assert message["Auto-Submitted"] == "auto-generated"
    assert not [name for name in message if name.lower().startswith(("list-", "precedence", "feedback-id"))]
    body = message.get_content()
    assert REASON in body
    assert "syndicate issues resume 1" in body
    assert "@example.org" not in body
    assert tell_operator(site.services) == 0
    site.now += timedelta(hours=25)
    assert tell_operator(site.services) == 1
    assert any(REASON in line for line in read_status(site.services).alarms)


def test_refusals_for_our_own_fault_are_told(site: Site) -> None:
    with site.services.database.write() as session:
        session.connection().execute(
            text("UPDATE deliveries SET state = 'rejected', reason = 'block', finished_at = :now"),
            {"now": site.now.strftime("%Y-%m-%d %H:%M:%S.%f")},
        )
    assert tell_operator(site.services) == 1
    message = message_from_bytes(site.mails()[0], policy=policy.default)
    assert message["Subject"] == "[Syndicate] Mail servers refuse us"
    assert "issue 1: 1" in message.get_content()


def test_one_that_cannot_be_sent_is_tried_again(site: Site) -> None:
    site.pause()
    outbox = site.publisher.folder / "outbox"
    outbox.rename(site.publisher.folder / "away")
    outbox.write_text("no Maildir")
    assert tell_operator(site.services) == 0
    outbox.unlink()
    (site.publisher.folder / "away").rename(outbox)
    assert tell_operator(site.services) == 0
    site.now += timedelta(minutes=16)
    assert tell_operator(site.services) == 1
