"""The feed of a digest's issues: what everybody may read of them, nothing that is a reader's own."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import feedparser
import pytest
from sqlalchemy import text
from world import World, courier

from syndicate.config import Settings
from syndicate.core.feeds.rules import check_agreement, check_document
from syndicate.model import FeedFormat, IssueState, Keyring
from syndicate.pipeline.publish import FeedResult, publish
from syndicate.store.engine import Database

DAY = timedelta(days=1)
FOLDER = "issues-morning"


def configured(folder: Path, **digest: Any) -> Settings:
    given = courier().model_dump(exclude_unset=True, by_alias=True)
    given |= {"base": folder}
    given["digest"]["morning"] |= digest
    return Settings.model_validate(given)


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime, tmp_path: Path) -> World:
    world = World(database, configured(tmp_path), keyring, now)
    world.subscriber("ada.secret@example.org", name="Ada Secret")
    return world


def published(world: World) -> FeedResult:
    results = publish(world.database, world.settings, world.now)
    return next(result for result in results if result.feed == FOLDER)


def items(world: World) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads((world.settings.feeds_path / FOLDER / "feed.json").read_text())["items"]
    return told


def issue_of(world: World, name: str) -> int:
    world.now += DAY
    world.article(name)
    world.poll()
    return world.compose(f"daily/{world.now.date()}").id


def test_each_public_issue_is_an_entry_that_tells_nobody_who_reads_it(world: World) -> None:
    assert published(world).entries == 0
    first, second = issue_of(world, "tides"), issue_of(world, "cranes")
    assert published(world) == FeedResult(feed=FOLDER, documents=3, changed=3, entries=2)
    said = items(world)
    assert [item["url"] for item in said] == [
        f"https://news.courier.example/issues/{second}",
        f"https://news.courier.example/issues/{first}",
    ]
    assert said[0]["title"] == "Morning Courier: Story cranes"
    assert "https://courier.example/cranes" in said[0]["content_html"]
    documents = {}
    for form in FeedFormat:
        path = world.settings.feeds_path / FOLDER / form.file_name
        documents[form.value] = path.read_bytes()
        assert check_document(documents[form.value], form.media_type) == []
        for own in (b"secret", b"Secret", b"unsubscribe", b"preferences", b"confirm"):
            assert own not in documents[form.value]
    assert check_agreement(documents) == []
    assert published(world).changed == 0, "nothing changed"


def test_only_issues_that_went_out_are_in_it_and_their_ids_stay(world: World) -> None:
    first, second = issue_of(world, "tides"), issue_of(world, "cranes")
    published(world)
    ids = {item["url"].rpartition("/")[2]: item["id"] for item in items(world)}
    for state, there in (
        (IssueState.CANCELLED, False),
        (IssueState.FINISHED, True),
        (IssueState.DRAFT, False),
        (IssueState.PAUSED, True),
    ):
        with world.database.write() as session:
            session.connection().execute(
                text("UPDATE issues SET state = :state WHERE id = :id"), {"state": state.value, "id": second}
            )
        published(world)
        expected = [second, first] if there else [first]
        assert [item["id"] for item in items(world)] == [ids[str(issue)] for issue in expected], state

    # Another address of the site and another subject later: the issues that readers have seen are the same ones.
    site = world.settings.site.model_copy(update={"url": "https://gazette.example"})
    world.settings = world.settings.model_copy(update={"site": site})
    published(world)
    assert [item["id"] for item in items(world)] == [ids[str(second)], ids[str(first)]]


def test_a_digest_that_is_public_no_more_takes_its_feed_with_it(world: World) -> None:
    issue_of(world, "tides")
    published(world)
    parsed = feedparser.parse(world.settings.feeds_path / FOLDER / "atom.xml")
    assert (len(parsed.entries), parsed.bozo) == (1, 0)
    listed = (world.settings.feeds_path / "feeds.opml").read_text()
    assert f"/feeds/{FOLDER}/atom.xml" in listed
    base = world.settings.base
    world.settings = configured(base, public=False)
    publish(world.database, world.settings, world.now)
    assert not (world.settings.feeds_path / FOLDER).exists()
    assert FOLDER not in (world.settings.feeds_path / "feeds.opml").read_text()
    world.settings = configured(base)
    assert published(world).entries == 1
    again = feedparser.parse(world.settings.feeds_path / FOLDER / "atom.xml")
    assert (again.feed.id, again.entries[0].id) == (parsed.feed.id, parsed.entries[0].id)


def test_an_issue_whose_mail_was_pruned_lists_its_articles(world: World) -> None:
    issue_of(world, "tides")
    with world.database.write() as session:
        session.connection().execute(text("UPDATE editions SET message = NULL"))
    published(world)
    (item,) = items(world)
    assert '<a href="https://courier.example/tides"' in item["content_html"]
    assert "Story tides" in item["content_html"]
