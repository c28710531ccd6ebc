"""The pre-flight on its way into the ledger: errors keep an issue back, what was shortened stands as it went."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlmodel import select
from world import TEMPLATES, World, courier

from syndicate.core.personal import Personal
from syndicate.core.preflight import Severity
from syndicate.core.preflight.finding import warning
from syndicate.errors import PreflightError
from syndicate.model import Keyring
from syndicate.pipeline.compose import EditionRenderer, compose, preview_digest
from syndicate.pipeline.compose.previewing import Preview
from syndicate.store.engine import Database
from syndicate.store.issues import last_subject, list_issues
from syndicate.store.tables import EditionRow, SubscriptionRow


def world_of(database: Database, keyring: Keyring, now: datetime, **digest: Any) -> World:
    world = World(database, courier(**digest), keyring, now)
    world.subscriber("ada@example.org")
    world.article("a")
    world.poll()
    return world


def preview(world: World, **more: Any) -> Preview:
    personal = Personal.of(world.settings)
    return preview_digest(
        world.database, world.renderer, personal, world.keyring, "morning", email=None, now=world.now, **more
    )


def test_an_error_keeps_the_issue_back_and_a_mended_template_sends_it(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    world = world_of(database, keyring, now)
    mute = EditionRenderer(world.settings, TEMPLATES | {"digest/digest.txt": "{{ top.title }}"}, keyring)
    with pytest.raises(PreflightError, match="no link to unsubscribe"):
        compose(database, mute, "morning", period="daily/1", frequencies=None, now=now)
    with database.read() as session:
        assert list_issues(session) == []
        assert session.exec(select(SubscriptionRow.cursor)).all() == [0]
    assert world.compose("daily/1").recipients == 1


def test_warnings_and_repairs_are_told_once_and_keep_nothing_back(
    database: Database, keyring: Keyring, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    world = world_of(database, keyring, now, subject="The news")
    with caplog.at_level(logging.WARNING):
        assert world.compose("daily/1").recipients == 1
        assert caplog.messages == []
        world.article("b", title="A story with TK in it")
        world.poll()
        assert world.compose("daily/2").recipients == 1
    assert [message.split(": ", 2)[1:] for message in caplog.messages] == [
        ["warning", "digest/digest.txt: perhaps unfinished: “A story with TK in it [1]” (placeholder)"],
        ["warning", "digest.morning.subject: the issue before had the same subject: “The news” (subject-repeated)"],
    ]
    with database.read() as session:
        assert last_subject(session, "morning") == "The news"
        assert last_subject(session, "evening") is None


def test_a_shortened_issue_stands_on_the_ledger_as_it_went(database: Database, keyring: Keyring, now: datetime) -> None:
    world = World(database, courier(max_items=150), keyring, now)
    world.subscriber("ada@example.org")
    for number in range(150):
        world.article(f"n{number}", summary="A wall, and behind it the sea. " * 30)
    world.poll()
    shown = preview(world)
    assert [(finding.code, finding.severity) for finding in shown.findings] == [("shortened", Severity.REPAIRED)]
    assert shown.html_size < 102 * 1024
    issue = world.compose("daily/1")
    with database.read() as session:
        articles = session.exec(select(EditionRow).where(EditionRow.issue_id == issue.id)).one().articles
    roles = [article["role"] for article in articles]
    full = roles.count("full")
    assert 1 <= full < 150
    assert roles == ["full"] * full + ["headline"] * (len(roles) - full)


def test_a_preview_shows_what_keeps_an_issue_back(database: Database, keyring: Keyring, now: datetime) -> None:
    world = world_of(database, keyring, now, subject="[TODO]")
    assert [(finding.code, finding.severity) for finding in preview(world).findings] == [
        ("placeholder", Severity.ERROR)
    ]
    with pytest.raises(PreflightError):
        world.compose("daily/1")


def test_a_preview_tells_a_repeated_subject_for_a_reader_and_not_for_a_new_one(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    world = world_of(database, keyring, now, subject="The news")
    world.compose("daily/1")
    world.article("b")
    world.poll()
    personal = Personal.of(world.settings)

    def codes(email: str | None) -> list[str]:
        shown = preview_digest(database, world.renderer, personal, keyring, "morning", email=email, now=now)
        return [finding.code for finding in shown.findings]

    assert codes("ada@example.org") == ["subject-repeated"]
    assert codes(None) == []


def test_links_are_tried_when_somebody_asks(database: Database, keyring: Keyring, now: datetime) -> None:
    world = world_of(database, keyring, now)
    asked: list[str] = []

    def try_links(links: Any) -> list[Any]:
        asked.extend(links)
        return [warning("link-dead", "the server answers 404", links[0])]

    assert [finding.code for finding in preview(world, try_links=try_links).findings] == ["link-dead"]
    assert asked == ["https://courier.example/a", "https://courier.example"]


BAD = {
    "nested": "<div>" * 50_000 + "deep",
    "pictures inside": f'<p>A wall.</p><img src="data:image/png;base64,{"A" * 5_000_000}" alt="A wall">',
    "scripts": "<script>alert(1)</script><style>p{color:red}</style><p onclick='x()'>A wall.</p><iframe src=x></iframe>",
    "broken": '<p>a<b>b<i>c</p></table><td>d<a href="x',
    "nothing": "",
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
@pytest.mark.parametrize("template", ["magazine", "brief", "plain-letter"])
def test_bad_articles_do_not_keep_a_good_one_from_its_readers(
    database: Database, keyring: Keyring, now: datetime, template: str, body: str
) -> None:
    world = world_of(database, keyring, now, template=template)
    world.article("bad", title="Wall " * 600, summary="")
    item = world.stories.items["bad"]
    world.stories.items["bad"] = replace(item, body=body)
    world.poll()
    shown = preview(world)
    assert "Story a" in shown.articles
    assert shown.html_size < 102 * 1024
    assert [finding for finding in shown.findings if finding.severity is Severity.ERROR] == []
    assert not any(word in shown.html for word in ("<script", "<iframe", "onclick", "data:image"))
    assert world.compose("daily/1").recipients == 1
