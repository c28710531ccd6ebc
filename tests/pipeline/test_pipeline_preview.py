"""Looking before sending: what a reader would get, in which language and with which dates."""

from __future__ import annotations

from datetime import datetime

import pytest
from world import World, courier

from syndicate.core.personal import Personal
from syndicate.errors import UsageError
from syndicate.model import Keyring
from syndicate.pipeline.compose import preview_digest
from syndicate.pipeline.compose.previewing import Preview
from syndicate.store.engine import Database


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


def preview(world: World, email: str | None = None) -> Preview:
    personal = Personal.of(world.settings)
    return preview_digest(
        world.database, world.renderer, personal, world.keyring, "morning", email=email, now=world.now
    )


def test_a_preview_of_nothing_new_keeps_to_the_readers_topics(world: World) -> None:
    world.subscriber("ada@example.org", topics={"port": 0})
    world.article("ferry", category="port")
    world.article("choir", category="culture")
    world.poll()
    assert (preview(world, "ada@example.org").articles, preview(world, "ada@example.org").new) == (
        ["Story ferry"],
        True,
    )
    world.compose()
    world.article("play", category="culture")
    world.poll()
    shown = preview(world, "ada@example.org")
    assert (shown.articles, shown.new, shown.reason) == (["Story ferry"], False, "nothing is new")
    world.subscriber("bo@example.org", topics={"sport": 0})
    with pytest.raises(UsageError, match="selects no article of the topics sport yet"):
        preview(world, "bo@example.org")


def test_a_preview_says_that_too_little_is_new(database: Database, keyring: Keyring, now: datetime) -> None:
    world = World(database, courier(min_items=2), keyring, now)
    world.article("a")
    world.poll()
    shown = preview(world)
    assert (shown.articles, shown.new) == (["Story a"], False)
    assert shown.reason == "fewer than 2 articles are new (min_items)"


@pytest.mark.parametrize(
    ("site", "reader", "language", "day"),
    [
        ("en", "", "en", "22 November 2026"),
        ("en-US", "", "en-US", "November 22, 2026"),
        ("en-US", "en", "en-US", "November 22, 2026"),
        ("en-US", "en-GB", "en-GB", "22 November 2026"),
        ("en-US", "de-AT", "de-AT", "22. November 2026"),
        ("en-US", "pt-BR", "en-US", "November 22, 2026"),
        ("en-US", "en-x-sea", "en-US", "November 22, 2026"),
    ],
)
def test_an_edition_has_the_region_of_the_reader_or_the_site(
    database: Database, keyring: Keyring, now: datetime, site: str, reader: str, language: str, day: str
) -> None:
    settings = courier()
    site_settings = settings.site.model_copy(update={"language": site})
    world = World(database, settings.model_copy(update={"site": site_settings}), keyring, now)
    assert world.renderer.language_of(reader) == language
    world.subscriber("ada@example.org", language=reader or None)
    world.article("a")
    world.poll()
    made = preview(world, "ada@example.org")
    assert f'<html lang="{language}"' in made.html
    assert day in made.text
