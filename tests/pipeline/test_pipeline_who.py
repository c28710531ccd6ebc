"""Who gets what, through the whole way: what readers choose decides what stands on the ledger, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col
from world import TEMPLATES, World, courier

from syndicate.core.fate import Fate
from syndicate.core.links import Purpose, sign
from syndicate.core.personal import Personal
from syndicate.model import Frequency, IssueState, Keyring
from syndicate.pipeline.compose import EditionRenderer, dry_run, preview_digest
from syndicate.pipeline.members.exporting import export_subscribers
from syndicate.pipeline.members.import_chunk import ImportRules
from syndicate.pipeline.members.importing import import_subscribers
from syndicate.pipeline.members.preferences import Preferences, change_preferences
from syndicate.pipeline.members.subscribing import Wish, subscribe
from syndicate.pipeline.why import why
from syndicate.store.engine import Database
from syndicate.store.tables import ArticleRow, CohortRow, DeliveryRow, EditionRow, SubscriberRow, SubscriptionRow


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


def with_digest(world: World, **digest: Any) -> World:
    world.settings = courier(**digest)
    return world


def delivered(world: World, issue_id: int) -> dict[str, tuple[str, list[str]]]:
    """By reader: the language of the words, and the keys of the articles in their order."""
    query = (
        select(col(SubscriberRow.email), col(EditionRow.language), col(EditionRow.articles))
        .join(DeliveryRow, col(DeliveryRow.subscriber_id) == col(SubscriberRow.id))
        .join(EditionRow, col(EditionRow.id) == col(DeliveryRow.edition_id))
        .where(col(DeliveryRow.issue_id) == issue_id)
    )
    with world.database.read() as session:
        keys = {row.id: row.key for row in session.execute(select(col(ArticleRow.id), col(ArticleRow.key)))}
        return {
            email.partition("@")[0]: (language, [keys[each["id"]] for each in shown])
            for email, language, shown in session.execute(query)
        }


def bilingual(world: World) -> None:
    world.article("english", language="en-GB")
    world.article("welsh", language="cy", age=timedelta(hours=2))
    world.article("french", language="fr", age=timedelta(hours=3))
    world.article("plain", age=timedelta(hours=4))
    world.poll()
    for name, language in (("dai", "cy"), ("ann", "en"), ("bo", None), ("zoe", "fr")):
        world.subscriber(f"{name}@example.org", language=language)


def test_a_language_decides_about_words_alone_unless_the_digest_says_more(world: World) -> None:
    bilingual(world)
    found = delivered(world, world.compose().id)
    assert found["zoe"] == ("fr", ["english", "welsh", "french", "plain"])
    assert {tuple(keys) for _, keys in found.values()} == {("english", "welsh", "french", "plain")}


def test_languages_kept_apart(world: World) -> None:
    with_digest(world, language_choice=["en", "cy"])
    bilingual(world)
    planned = dry_run(world.database, world.renderer, "morning", now=world.now)
    found = delivered(world, world.compose().id)
    assert {name: keys for name, (_, keys) in found.items()} == {
        "dai": ["welsh", "french"],
        "ann": ["english", "french", "plain"],  # without a language: the site's, English
        "bo": ["english", "french", "plain"],
        "zoe": ["english", "french", "plain"],  # their language is no choice: the site's
    }
    assert found["zoe"][0] == "fr"  # the words still are
    assert sorted(len(each.articles) for each in planned.editions) == sorted(
        len(keys) for keys in {(language, tuple(keys)): keys for language, keys in found.values()}.values()
    )
    (told,) = why(
        world.database, world.settings, world.keyring, "dai@example.org", article="https://courier.example/english"
    ).issues
    assert told.article is not None
    assert told.article.fate is Fate.OTHER_LANGUAGE


def test_who_reads_another_language_is_passed_over_and_who_waits_is_not(world: World) -> None:
    with_digest(world, language_choice=["en", "cy"], min_items=2)
    world.article("one", language="en")
    world.poll()
    world.subscriber("ann@example.org", language="en")
    world.subscriber("dai@example.org", language="cy")
    assert world.compose("daily/1").state is IssueState.SKIPPED
    world.article("two", language="en")
    world.article("un", language="cy")
    world.article("dau", language="cy")
    world.poll()
    found = delivered(world, world.compose("daily/2").id)
    assert {name: sorted(keys) for name, (_, keys) in found.items()} == {"ann": ["one", "two"], "dai": ["dau", "un"]}
    assert world.compose("daily/3").state is IssueState.SKIPPED


def test_a_change_of_language_repeats_and_loses_nothing(world: World) -> None:
    with_digest(world, language_choice=["en", "cy"])
    reader = world.subscriber("ann@example.org", language="en")
    world.article("one", language="en")
    world.article("un", language="cy")
    world.poll()
    assert delivered(world, world.compose("daily/1").id)["ann"][1] == ["one"]
    world.article("two", language="en")
    world.article("dau", language="cy")
    world.poll()
    token = sign(world.keyring, Purpose.PREFERENCES, reader)
    changed = Preferences(language="cy")
    change_preferences(world.database, world.settings, world.keyring, token, changed, now=world.now)
    assert delivered(world, world.compose("daily/2").id)["ann"] == ("en", ["dau"])  # no Welsh words yet: the site's


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        ({}, ["pinned", "new", "mid", "old"]),
        ({"order": "oldest"}, ["pinned", "old", "mid", "new"]),
        ({"order": "popularity"}, ["pinned", "old", "new", "mid"]),
        ({"order": "title"}, ["pinned", "mid", "new", "old"]),
        ({"sections": ["Sport"]}, ["pinned", "mid", "new", "old"]),
        ({"sections": ["sport", "town"], "order": "oldest"}, ["pinned", "mid", "old", "new"]),
        ({"order": "popularity", "max_items": 2, "overflow": "drop"}, ["pinned", "old"]),
    ],
)
def test_the_order_of_articles(world: World, digest: dict[str, Any], expected: list[str]) -> None:
    with_digest(world, **digest)
    world.article("new", category="port", popularity=2, title="B")
    world.article("mid", category="sport", age=timedelta(hours=2), title="Å")
    world.article("old", category="town", age=timedelta(hours=3), popularity=7, title="C")
    world.article("pinned", category="sport", age=timedelta(days=5), pinned=True, title="Z")
    world.poll()
    world.subscriber("ann@example.org")
    issue = world.compose()
    assert delivered(world, issue.id)["ann"][1] == expected
    with world.database.read() as session:
        message = session.execute(select(col(EditionRow.message))).scalar_one()
    titles = {"new": b">B<", "old": b">C<", "pinned": b">Z<"}
    html = message.split(b"text/html")[1]
    places = [html.find(titles[key]) for key in expected if key in titles]
    assert places == sorted(places)
    assert -1 not in places


def test_pinned_first_in_the_mail_even_without_a_category(world: World) -> None:
    world.article("port", category="port")
    world.article("pinned", pinned=True, age=timedelta(days=2))
    world.article("other", age=timedelta(hours=2))
    world.poll()
    preview = preview_digest(
        world.database, world.renderer, Personal.of(world.settings), world.keyring, "morning", email=None, now=world.now
    )
    places = [preview.text.index(f"Story {key}") for key in ("pinned", "port", "other")]
    assert places == sorted(places)


def test_what_was_withdrawn_over_an_issue_and_is_back_goes_to_who_had_not_got_it(world: World) -> None:
    with_digest(world, lookback="2d")
    world.subscriber("early@example.org")
    world.subscriber("late@example.org", frequency=Frequency.WEEKLY)
    world.subscriber("quiet@example.org", frequency=Frequency.WEEKLY, topics={"sport": 0})
    world.article("storm", category="port")
    world.article("match", category="sport")
    world.poll()
    assert sorted(delivered(world, world.compose("daily/1", ["daily"]).id)["early"][1]) == ["match", "storm"]
    world.article("storm", category="port", withdrawn=True)
    world.article("match", category="sport", withdrawn=True)
    world.poll()
    assert world.compose("weekly/1", ["weekly"]).state is IssueState.SKIPPED
    world.now += timedelta(days=1)
    world.article("storm", category="port", age=timedelta(days=1))
    world.article("match", category="sport", age=timedelta(days=1))
    world.poll()
    assert world.compose("daily/2", ["daily"]).state is IssueState.SKIPPED
    preview = preview_digest(
        world.database,
        world.renderer,
        Personal.of(world.settings),
        world.keyring,
        "morning",
        email="late@example.org",
        now=world.now,
    )
    assert sorted(preview.articles) == ["Story match", "Story storm"]
    found = delivered(world, world.compose("weekly/2", ["weekly"]).id)
    assert {name: sorted(keys) for name, (_, keys) in found.items()} == {
        "late": ["match", "storm"],
        "quiet": ["match"],
    }
    assert world.compose("weekly/3", ["weekly"]).state is IssueState.SKIPPED


def test_what_comes_back_too_late_is_over_and_nothing_is_kept_of_it(world: World) -> None:
    with_digest(world, lookback="2d")
    world.subscriber("ann@example.org")
    world.article("storm")
    world.poll()
    world.article("storm", withdrawn=True)
    world.article("other")
    world.poll()
    world.compose("daily/1")
    carries = select(col(SubscriptionRow.carry))
    with world.database.read() as session:
        assert session.execute(carries).scalars().all() == [[1]]
    world.now += timedelta(days=3)
    assert world.compose("daily/2").state is IssueState.SKIPPED
    with world.database.read() as session:
        assert session.execute(carries).scalars().all() == [[]]
    world.article("storm", age=timedelta(days=3))
    world.poll()
    assert world.compose("daily/3").state is IssueState.SKIPPED


@pytest.mark.parametrize("overflow", ["headlines", "carry"])
def test_what_expired_or_was_withdrawn_while_it_was_carried_is_out(world: World, overflow: str) -> None:
    with_digest(world, max_items=1, overflow="carry")
    world.subscriber("ann@example.org")
    world.article("first")
    world.article("expires", age=timedelta(hours=2), expires=world.now + timedelta(hours=5))
    world.article("goes", age=timedelta(hours=3))
    world.article("stays", age=timedelta(hours=4))
    world.poll()
    assert delivered(world, world.compose("daily/1").id)["ann"][1] == ["first"]
    with_digest(world, max_items=1, overflow=overflow)  # what was kept is still owed
    world.article("goes", withdrawn=True)
    world.poll()
    world.now += timedelta(hours=6)
    assert delivered(world, world.compose("daily/2").id)["ann"][1] == ["stays"]
    assert world.compose("daily/3").state is IssueState.SKIPPED


def test_all_choices_by_every_way_in_and_out(world: World) -> None:
    with_digest(world, topics=["port", "sport"], language_choice=["en", "cy"])
    told = Wish(
        email="ann@example.org",
        digest="morning",
        frequency="weekly",
        topics=("Port",),
        language="cy",
        timezone="Asia/Kathmandu",
        confirmed=True,
        operator=True,
    )
    subscribe(world.database, world.settings, world.keyring, told, now=world.now)
    first = StringIO(newline="")
    export_subscribers(world.database, first)
    header, line = first.getvalue().splitlines()
    assert line == "ann@example.org,,morning,weekly,port,Asia/Kathmandu,cy,confirmed"
    import_subscribers(
        database=world.database,
        settings=world.settings,
        keyring=world.keyring,
        lines=[f"{header}\n".encode(), line.replace("ann", "bo").encode()],
        rules=ImportRules(confirmed=True),
        now=world.now,
        report=lambda _line, problem: pytest.fail(problem),
    )
    token = sign(world.keyring, Purpose.PREFERENCES, 2)
    choice = Preferences(frequency="daily", topics=("sport",), language="en", timezone="Pacific/Apia")
    change_preferences(world.database, world.settings, world.keyring, token, choice, now=world.now)
    second = StringIO(newline="")
    export_subscribers(world.database, second)
    assert second.getvalue().splitlines()[1:] == [
        line,
        "bo@example.org,,morning,daily,sport,Pacific/Apia,en,confirmed",
    ]


def test_a_digest_that_comes_back_goes_on_where_it_was(world: World) -> None:
    world.subscriber("ann@example.org")
    world.article("one")
    world.poll()
    world.compose("daily/1")
    world.settings = courier().model_copy(update={"digest": {}})
    world.article("two")
    world.poll()
    world.now += timedelta(days=40)
    world.settings = courier()
    assert delivered(world, world.compose("daily/2").id)["ann"][1] == ["two"]


def test_readers_who_stand_alike_in_many_languages_are_few_editions(world: World) -> None:
    """Words differ by language, articles by what the digest keeps apart: nobody is rendered for alone."""
    with_digest(world, language_choice=["en", "cy"])
    world.article("one", language="en")
    world.article("un", language="cy")
    world.poll()
    for number, language in enumerate(["en", "en-GB", "EN", "cy", "cy-GB", "xx", ""] * 3):
        world.subscriber(f"reader{number}@example.org", language=language or None)
    renderer = EditionRenderer(world.settings, TEMPLATES, world.keyring)
    assert len(dry_run(world.database, renderer, "morning", now=world.now).editions) <= 3
    issue = world.compose()
    assert issue.recipients == 21
    with world.database.read() as session:
        assert sum(session.execute(select(col(CohortRow.recipients))).scalars()) == 21
