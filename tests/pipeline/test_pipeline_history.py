"""Any history of a paper over the real store: each reader has each article that is theirs on the ledger exactly once.

What is owed is kept here without cursors, and compared with the deliveries. The same over selection alone, faster and
with more histories: ``tests/core/test_core_selection_history.py``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from postgres_copies import Copies
from sqlalchemy import select
from sqlmodel import col
from world import TEMPLATES, World, courier

from syndicate.config.sections import Digest
from syndicate.core.links import Purpose, sign
from syndicate.core.topics import EVERYTHING, folded
from syndicate.model import Keyring
from syndicate.pipeline.compose import EditionRenderer, compose, editing
from syndicate.pipeline.ingest import ingest
from syndicate.pipeline.members.preferences import Preferences, change_preferences
from syndicate.pipeline.members.subscribing import Wish, subscribe
from syndicate.pipeline.members.unsubscribing import unsubscribe_address
from syndicate.store.engine import Database
from syndicate.store.tables import ArticleRow, DeliveryRow, EditionRow, SubscriberRow

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
DAY = timedelta(days=1)
KEYS = st.sampled_from([f"story-{letter}" for letter in "abcdefghijklmnop"])
NAMES = ["port", "sport", "town"]
LANGUAGES = ["en", "cy", "fr"]
CHOICE = ("en", "cy")
ZONES = ["Europe/London", "Asia/Kathmandu", "Pacific/Apia"]
DIGESTS = ["morning", "evening"]
FREQUENCIES = ["instant", "daily", "weekly"]
TOPICS = st.lists(st.sampled_from([EVERYTHING, *NAMES]), min_size=1, max_size=2)


SETTINGS = st.fixed_dictionaries(
    {
        "min_items": st.sampled_from([1, 1, 2]),
        "max_items": st.integers(1, 3),
        "overflow": st.sampled_from(["headlines", "carry", "drop"]),
        "order": st.sampled_from(["newest", "oldest", "title", "popularity"]),
        "sections": st.sampled_from([[], ["town", "port"]]),
        "language_choice": st.sampled_from([[], list(CHOICE)]),
        "lookback": st.sampled_from(["2d", "7d"]),
    }
)
STORIES = st.fixed_dictionaries(
    {
        "key": KEYS,
        "age": st.sampled_from([0, 1, 0, -1, -2, 3, 12]),
        "topic": st.sampled_from(NAMES),
        "language": st.sampled_from(LANGUAGES),
        "pinned": st.booleans(),
        "lasts": st.sampled_from([None, None, 1, 5, 10]),
    }
)
READERS = st.fixed_dictionaries(
    {
        "digest": st.sampled_from(["morning", *DIGESTS]),
        "frequency": st.sampled_from(["daily", *FREQUENCIES]),
        "chosen": TOPICS,
        "language": st.sampled_from(["", *LANGUAGES]),
        "zone": st.sampled_from(ZONES),
    }
)
OFTEN = st.sampled_from([True, True, True, False])


class Crash(Exception):  # noqa: N818 - it is no error of the program
    """The process dies here."""


def crash(*_: Any) -> None:
    raise Crash


@dataclass
class Told:
    """An article as its source tells it; ``stored``: as the last poll took it."""

    at: datetime
    topic: str
    language: str
    pinned: bool = False
    expires: datetime | None = None
    withdrawn: bool = False
    edits: int = 0


@dataclass
class Stored:
    """An article as the mirror must have it."""

    told: Told
    numbered: bool = False
    withdrawn_at: datetime | None = None


@dataclass
class Reader:
    """A reader and what is owed. ``pool``: what no issue considered yet, with the topics that it counts for."""

    email: str
    digest: str
    frequency: str
    chosen: list[str]
    language: str
    subscription: int = 0
    subscribed: bool = True
    first: bool = True
    pool: dict[str, set[str]] = field(default_factory=dict)
    before: set[str] = field(default_factory=set)  # what was there when the reader joined
    carried: set[str] = field(default_factory=set)
    got: set[str] = field(default_factory=set)


class History(RuleBasedStateMachine):
    """A paper with two digests, its readers, and a clock that is not to be trusted."""

    make_database: Callable[[Path], Database]
    keyring: Keyring

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="readers-"))
        self.world = World(type(self).make_database(self.home), courier(), type(self).keyring, NOW)
        self.told: dict[str, Told] = {}
        self.changed: set[str] = set()
        self.stored: dict[str, Stored] = {}
        self.readers: list[Reader] = []
        self.issues = 0
        self.offered = set(FREQUENCIES)
        self.configured = set(DIGESTS)
        self.digest: dict[str, Any] = {}

    def teardown(self) -> None:
        self.world.database.close()
        shutil.rmtree(self.home)

    @property
    def now(self) -> datetime:
        return self.world.now

    @initialize(
        settings=SETTINGS,
        readers=st.lists(READERS, min_size=3, max_size=5),
        stories=st.lists(STORIES, min_size=4, max_size=8),
    )
    def begin(self, settings: dict[str, Any], readers: list[dict[str, Any]], stories: list[dict[str, Any]]) -> None:
        """With readers and articles: there are many rules, and each example uses some of them only."""
        self.digest = settings
        self._reload()
        self.world.poll()  # the first reading of a source would count as its archive
        for place, story in enumerate(stories):
            self._write(**story)
            if place == len(stories) // 2:
                self._poll()
                for reader in readers:
                    self._sign_up(**reader)
        self._poll()

    @rule(
        settings=st.none() | SETTINGS,
        gone=st.sampled_from([*DIGESTS, None, None]),
        offered=st.sampled_from([FREQUENCIES, FREQUENCIES, ["daily"]]),
    )
    def configure(self, settings: dict[str, Any] | None, gone: str | None, offered: list[str]) -> None:
        """Other settings; and a digest, or frequencies, are no longer configured, or are again."""
        self.digest = settings or self.digest
        self.configured = set(DIGESTS) - {gone}
        self.offered = set(offered)
        self._reload()

    def _reload(self) -> None:
        entry = {"title": "A Courier", "frequencies": sorted(self.offered), **self.digest}
        digests = {name: Digest.model_validate(entry) for name in sorted(self.configured)}
        self.world.settings = courier().model_copy(update={"digest": digests})

    # --- the paper

    @rule(stories=st.lists(STORIES, min_size=1, max_size=4), polled=OFTEN, dies=st.booleans())
    def write(self, stories: list[dict[str, Any]], polled: bool, dies: bool) -> None:
        """New articles, perhaps back-dated or for later; another text and place for those written before."""
        for story in stories:
            self._write(**story)
        if polled:
            self._poll(dies=dies)

    def _write(self, key: str, age: int, topic: str, language: str, pinned: bool, lasts: int | None) -> None:
        old = self.told.get(key)
        if old is None:
            expires = None if lasts is None else self.now + lasts * DAY
            self._tell(key, Told(self.now - age * DAY, topic, language, pinned, expires))
        else:
            # The topic and the language of an article at the time of the issue count; here they stay.
            self._tell(key, Told(old.at, old.topic, old.language, pinned, old.expires, old.withdrawn, old.edits + 1))

    @precondition(lambda self: self.told)
    @rule(data=st.data(), polled=OFTEN)
    def withdraw_or_put_back(self, data: st.DataObject, polled: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.told)))
        old = self.told[key]
        self._tell(key, Told(old.at, old.topic, old.language, old.pinned, old.expires, not old.withdrawn, old.edits))
        if polled:
            self._poll()

    def _tell(self, key: str, told: Told) -> None:
        self.told[key] = told
        self.changed.add(key)
        fields: dict[str, Any] = {"category": told.topic, "language": told.language, "pinned": told.pinned}
        if told.expires is not None:
            fields["expires"] = told.expires
        if told.withdrawn:
            fields["withdrawn"] = True
        self.world.article(key, title=f"{key}, {told.edits}", age=self.now - told.at, **fields)

    def _poll(self, *, dies: bool = False) -> None:
        """The page is one transaction; ``dies`` after it, before the poll is over."""
        world = self.world
        with suppress(Crash):
            ingest(world.database, world.stories, world.settings, world.now, progress=crash if dies else None)
        for key in self.changed:
            told = self.told[key]
            stored = self.stored.setdefault(key, Stored(told))
            if told.withdrawn:
                stored.withdrawn_at = stored.withdrawn_at or self.now
                # Its text stays as it was last good.
                stored.told.withdrawn = True
            else:
                stored.told, stored.withdrawn_at = told, None
        self._number(self.changed)
        self.changed = set()

    def _number(self, keys: set[str]) -> None:
        """They become publishable: a thing of all readers, whether an issue is theirs or not."""
        for key in keys:
            stored = self.stored.get(key)
            if stored is None or stored.numbered or stored.withdrawn_at is not None or stored.told.at > self.now:
                continue
            stored.numbered = True
            for reader in self.readers:
                reader.pool[key] = self._counts_for(reader, stored.told.topic)

    @staticmethod
    def _counts_for(reader: Reader, topic: str) -> set[str]:
        names = {topic, EVERYTHING}
        return names if EVERYTHING in reader.chosen else names & set(reader.chosen)

    @rule(hours=st.integers(-300, 300))
    def turn_the_clock(self, hours: int) -> None:
        self.world.now += timedelta(hours=hours)

    # --- its readers

    @precondition(lambda self: len(self.readers) < 7)
    @rule(reader=READERS)
    def sign_up(self, reader: dict[str, Any]) -> None:
        self._sign_up(**reader)

    def _sign_up(self, digest: str, frequency: str, chosen: list[str], language: str, zone: str) -> None:
        if digest not in self.configured or frequency not in self.offered:
            return
        reader = Reader(
            email=f"reader{len(self.readers)}@example.org",
            digest=digest,
            frequency=frequency,
            chosen=folded(chosen),
            language=language,
        )
        self._subscribe(reader, topics=tuple(chosen), language=language, timezone=zone, frequency=frequency)
        numbered = {key: stored.told.topic for key, stored in self.stored.items() if stored.numbered}
        reader.pool = {key: self._counts_for(reader, topic) for key, topic in numbered.items()}
        reader.before = set(numbered)
        self.readers.append(reader)

    def _subscribe(self, reader: Reader, **choices: Any) -> None:
        wish = Wish(email=reader.email, digest=reader.digest, confirmed=True, operator=True, **choices)
        found = subscribe(self.world.database, self.world.settings, self.world.keyring, wish, now=self.now)
        assert found.subscription is not None
        reader.subscription = found.subscription.id

    def _one(self, data: st.DataObject) -> Reader | None:
        there = [each for each in self.readers if each.digest in self.configured and each.subscribed]
        return data.draw(st.sampled_from(there)) if there else None

    @precondition(lambda self: self.readers)
    @rule(
        data=st.data(),
        chosen=st.none() | TOPICS,
        language=st.none() | st.sampled_from(["", *LANGUAGES]),
        zone=st.none() | st.sampled_from(ZONES),
    )
    def choose_anew(
        self, data: st.DataObject, chosen: list[str] | None, language: str | None, zone: str | None
    ) -> None:
        """On the page of preferences."""
        reader = self._one(data)
        if reader is None:
            return
        frequency = data.draw(st.none() | st.sampled_from(sorted(self.offered)))
        change_preferences(
            self.world.database,
            self.world.settings,
            self.world.keyring,
            sign(self.world.keyring, Purpose.PREFERENCES, reader.subscription),
            Preferences(
                frequency=frequency,
                topics=None if chosen is None else tuple(chosen),
                language=language,
                timezone=zone,
            ),
            now=self.now,
        )
        reader.frequency = frequency or reader.frequency
        reader.language = reader.language if language is None else language
        if chosen is not None:
            reader.chosen = folded(chosen)
            if EVERYTHING not in reader.chosen:
                reader.pool = {key: names & set(reader.chosen) for key, names in reader.pool.items()}

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def leave_or_come_back(self, data: st.DataObject) -> None:
        reader = data.draw(st.sampled_from(self.readers))
        if reader.subscribed:
            unsubscribe_address(self.world.database, reader.email, now=self.now)
            reader.subscribed = False
        elif reader.digest in self.configured:
            self._subscribe(reader)
            reader.subscribed, reader.first, reader.carried = True, True, set()
            reader.before = {key for key, stored in self.stored.items() if stored.numbered}
            reader.pool = {k: self._counts_for(reader, self.stored[k].told.topic) for k in reader.pool}

    # --- issues

    @precondition(lambda self: self.readers)
    @rule(
        news=st.lists(STORIES, max_size=3),
        hours=st.integers(0, 60),
        frequencies=st.lists(st.sampled_from(FREQUENCIES), min_size=1, unique=True),
        dies=st.sampled_from([False, False, False, True]),
        twice=st.booleans(),
    )
    def compose(self, news: list[dict[str, Any]], hours: int, frequencies: list[str], dies: bool, twice: bool) -> None:
        """Some news, and then issues of all digests for some frequencies; ``dies`` before each is committed."""
        for story in news:
            self._write(**story)
        if news:
            self._poll()
        self.world.now += timedelta(hours=hours)
        for digest in sorted(self.configured):
            for frequency in sorted(set(frequencies) & self.offered):
                if any((each.digest, each.frequency) == (digest, frequency) for each in self.readers):
                    self._compose(digest, frequency, dies=dies, twice=twice)

    def _compose(self, digest: str, frequency: str, *, dies: bool, twice: bool) -> None:
        self.issues += 1
        world = self.world
        for _ in range(2 if twice else 1):
            renderer = EditionRenderer(world.settings, TEMPLATES, world.keyring)
            with suppress(Crash):
                compose(
                    world.database,
                    renderer,
                    digest,
                    period=f"{frequency}/{self.issues}",
                    frequencies=[frequency],
                    now=world.now,
                    with_it=crash if dies else lambda _session: None,
                )
        self._number(set(self.stored))
        if not dies:
            found = self._ledger()
            for reader in self.readers:
                if reader.digest == digest and reader.frequency == frequency and reader.subscribed:
                    self._consider(reader, found.get(reader.email, Counter()))

    def _consider(self, reader: Reader, on_ledger: Counter[str]) -> None:
        settings = self.world.settings.digest[reader.digest]
        since = self.now - settings.lookback

        def takes(key: str) -> bool:
            language = self.stored[key].told.language
            if not settings.language_choice or language not in CHOICE:
                return True
            return language == (reader.language if reader.language in CHOICE else "en")

        def expired(key: str) -> bool:
            expires = self.stored[key].told.expires
            return expires is not None and expires <= self.now

        old = {key for key in reader.before if self.stored[key].told.at < since} if reader.first else set()
        matching = {key for key, names in reader.pool.items() if names and takes(key) and key not in old}
        matching = {key for key in matching | reader.carried if not expired(key)}
        fit = {key for key in matching if self.stored[key].withdrawn_at is None}
        away = {key for key in matching if (gone := self.stored[key].withdrawn_at) is not None and gone > since}
        new = set(on_ledger) - reader.got
        assert new <= fit, f"{reader.email} got {new - fit}, which is not theirs"
        if fit and len(fit) < settings.min_items:
            assert not new
            return
        room = min(settings.max_items, len(fit))
        if settings.overflow == "headlines":
            assert new == fit, f"{reader.email} did not get {fit - new}"
        else:
            assert len(new) == room, f"{reader.email} got {new} of {fit}"
        assert {key for key in fit - new if self.stored[key].told.pinned} == set() or all(
            self.stored[key].told.pinned for key in new
        )
        reader.got |= new
        reader.carried = away | (fit - new if settings.overflow == "carry" else set())
        reader.pool, reader.first, reader.before = {}, False, set()

    @rule()
    def take_out_what_was_withdrawn(self) -> None:
        """From what is queued; nothing is ever sent here, so all of it is."""
        world = self.world
        renderer = EditionRenderer(world.settings, TEMPLATES, world.keyring)
        editing.take_out_withdrawn(world.database, lambda: renderer, world.now)
        if self.configured != set(DIGESTS):
            return  # an issue of a digest that is not configured is left as it is until it is again
        for reader in self.readers:
            lost = {key for key in reader.got if self.stored[key].withdrawn_at is not None}
            reader.got -= lost
            if not reader.first:
                reader.carried |= lost

    @precondition(lambda self: self.issues)
    @invariant()
    def nobody_has_an_article_twice(self) -> None:
        for email, keys in self._ledger().items():
            twice = {key for key, count in keys.items() if count > 1}
            assert not twice, f"{email} has {twice} twice"

    def _ledger(self) -> dict[str, Counter[str]]:
        """How often each reader has each article on the ledger."""
        query = (
            select(col(SubscriberRow.email), col(EditionRow.articles))
            .join(DeliveryRow, col(DeliveryRow.subscriber_id) == col(SubscriberRow.id))
            .join(EditionRow, col(EditionRow.id) == col(DeliveryRow.edition_id))
            .where(col(DeliveryRow.state) != "cancelled")
        )
        found: dict[str, Counter[str]] = {}
        with self.world.database.read() as session:
            keys = {row.id: row.key for row in session.execute(select(col(ArticleRow.id), col(ArticleRow.key)))}
            for email, shown in session.execute(query):
                found.setdefault(email, Counter()).update(keys[each["id"]] for each in shown)
        return found


def examples(quick: int) -> int:
    """More of them when the whole run is to be thorough."""
    return quick * {"deep": 8, "thorough": 40}.get(os.environ.get("HYPOTHESIS_PROFILE", ""), 1)


def machine(make: Callable[[Path], Database], keyring: Keyring) -> type[History]:
    return type("Run", (History,), {"make_database": staticmethod(make), "keyring": keyring})


def test_any_history_on_sqlite(sqlite_template: Path, keyring: Keyring) -> None:
    def make(home: Path) -> Database:
        shutil.copyfile(sqlite_template, home / "readers.db")
        return Database(f"sqlite:///{home / 'readers.db'}")

    run_state_machine_as_test(
        machine(make, keyring),
        settings=hypothesis_settings(max_examples=examples(40), stateful_step_count=40, deadline=None),
    )


def test_any_history_on_postgresql(postgres_copies: Copies, keyring: Keyring, request: pytest.FixtureRequest) -> None:
    def make(_home: Path) -> Database:
        context = postgres_copies.one()
        name = context.__enter__()
        request.addfinalizer(lambda: context.__exit__(None, None, None))
        return Database(postgres_copies.server.url(name))

    run_state_machine_as_test(
        machine(make, keyring),
        settings=hypothesis_settings(max_examples=examples(8), stateful_step_count=30, deadline=None),
    )
