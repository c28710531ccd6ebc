"""Whatever happens at the paper and to its readers, everyone gets what is theirs, once: selection by itself.

What is owed is kept here without cursors. The same over the real store: ``tests/pipeline/test_pipeline_history.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from syndicate.config.sections import Digest
from syndicate.core.reads import reads
from syndicate.core.selection import Offer, Outline, Standing, choose
from syndicate.core.topics import EVERYTHING, changed_topics, first_topics, folded

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
DAY = timedelta(days=1)
NAMES = ["port", "sport", "town"]
CHOICE = ("en", "cy")
LANGUAGES = ["en", "cy", "fr", ""]
FREQUENCIES = ["daily", "weekly", "instant"]
TOPICS = st.lists(st.sampled_from([*NAMES, EVERYTHING]), min_size=1, max_size=2)

DIGESTS = st.builds(
    Digest,
    min_items=st.integers(1, 3),
    max_items=st.integers(1, 4),
    overflow=st.sampled_from(["headlines", "carry", "drop"]),
    order=st.sampled_from(["newest", "oldest", "popularity", "title"]),
    sections=st.sampled_from([(), ("town", "port")]),
    language_choice=st.sampled_from([(), CHOICE]),
    lookback=st.integers(1, 10).map(lambda days: days * DAY),
)


STORIES = st.fixed_dictionaries(
    {
        "age": st.sampled_from([0, 0, 1, -1, 3, 12, 40]),
        "topics": st.frozensets(st.sampled_from(NAMES)),
        "category": st.sampled_from(["", *NAMES]),
        "language": st.sampled_from(LANGUAGES),
        "pinned": st.booleans(),
        "lasts": st.sampled_from([None, None, 1, 5, 20]),
        "popularity": st.none() | st.integers(0, 3).map(float),
    }
)
READERS = st.fixed_dictionaries(
    {
        "chosen": st.lists(st.sampled_from([EVERYTHING, *NAMES]), min_size=1, max_size=2),
        "frequency": st.sampled_from(["daily", *FREQUENCIES]),
        "language": st.sampled_from(LANGUAGES),
    }
)


@dataclass
class Reader:
    """A reader and, kept independently of cursors, what is owed: pairs of article and topic, and what was carried."""

    standing: Standing
    chosen: list[str]
    frequency: str
    language: str
    owed: set[tuple[int, str]] = field(default_factory=set)
    carried: set[int] = field(default_factory=set)
    got: set[int] = field(default_factory=set)


class Paper(RuleBasedStateMachine):
    """Any history of a paper. Owed is what was numbered while a reader was there, of a topic chosen then and since.

    The exceptions: in another language than the reader's at the time of the issue; expired; withdrawn and not back
    within ``lookback``; beyond ``max_items`` of a digest that drops.
    """

    @initialize(
        digest=DIGESTS,
        old=st.lists(STORIES, max_size=3),
        readers=st.lists(READERS, min_size=2, max_size=4),
        new=st.lists(STORIES, min_size=2, max_size=6),
    )
    def begin(
        self, digest: Digest, old: list[dict[str, Any]], readers: list[dict[str, Any]], new: list[dict[str, Any]]
    ) -> None:
        """With readers and articles: there are many rules, and each example uses some of them only."""
        self.digest = digest
        self.now = NOW
        self.articles: dict[int, Outline] = {}
        self.readers: list[Reader] = []
        for story in old:
            self._ingest(**story)
        for reader in readers:
            self._sign_up(**reader)
        for story in new:
            self._ingest(**story)

    @property
    def last(self) -> int:
        return max((each.seq for each in self.articles.values()), default=0)

    @rule(stories=st.lists(STORIES, min_size=1, max_size=4))
    def ingest(self, stories: list[dict[str, Any]]) -> None:
        for story in stories:
            self._ingest(**story)

    def _ingest(
        self,
        age: int,
        topics: frozenset[str],
        category: str,
        language: str,
        pinned: bool,
        lasts: int | None,
        popularity: float | None,
    ) -> None:
        """Also back-dated, and by the clock of a moment that is not reached again."""
        seq = self.last + 1
        new = Outline(
            id=100 + seq,
            seq=seq,
            version=1,
            published_at=self.now - age * DAY,
            topics=topics | ({category} - {""}),
            category=category,
            language=language,
            pinned=pinned,
            popularity=popularity,
            expires_at=None if lasts is None else self.now + lasts * DAY,
        )
        self.articles[new.id] = new
        for reader in self.readers:
            names = new.topics | {EVERYTHING}
            if EVERYTHING not in reader.chosen:
                names &= set(reader.chosen)
            reader.owed |= {(new.id, name) for name in names}

    @precondition(lambda self: self.articles)
    @rule(data=st.data(), popularity=st.integers(0, 9).map(float))
    def edit(self, data: st.DataObject, popularity: float) -> None:
        each = self.articles[data.draw(st.sampled_from(sorted(self.articles)))]
        self.articles[each.id] = replace(each, version=each.version + 1, popularity=popularity, title=f"{popularity}")

    @precondition(lambda self: self.articles)
    @rule(data=st.data())
    def withdraw_or_put_back(self, data: st.DataObject) -> None:
        each = self.articles[data.draw(st.sampled_from(sorted(self.articles)))]
        self.articles[each.id] = replace(each, withdrawn_at=None if each.withdrawn_at else self.now)

    @precondition(lambda self: len(self.readers) < 8)
    @rule(reader=READERS)
    def sign_up(self, reader: dict[str, Any]) -> None:
        self._sign_up(**reader)

    def _sign_up(self, chosen: list[str], frequency: str, language: str) -> None:
        standing = Standing(cursor=0, first=True, topics=first_topics(chosen), joined_seq=self.last)
        self.readers.append(Reader(standing, folded(chosen), frequency, language))

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), chosen=TOPICS)
    def choose_anew(self, data: st.DataObject, chosen: list[str]) -> None:
        reader = data.draw(st.sampled_from(self.readers))
        topics = changed_topics(reader.standing.topics, chosen, self.last)
        reader.standing = replace(reader.standing, topics=topics)
        reader.chosen = folded(chosen)
        if EVERYTHING not in reader.chosen:
            reader.owed = {(number, name) for number, name in reader.owed if name in reader.chosen}

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), frequency=st.sampled_from(FREQUENCIES), language=st.sampled_from(LANGUAGES))
    def change_frequency_and_language(self, data: st.DataObject, frequency: str, language: str) -> None:
        reader = data.draw(st.sampled_from(self.readers))
        reader.frequency, reader.language = frequency, language

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def leave_and_come_back(self, data: st.DataObject) -> None:
        reader = data.draw(st.sampled_from(self.readers))
        reader.standing = replace(reader.standing, first=True, joined_seq=self.last, carry=())
        reader.owed, reader.carried = set(), set()

    @rule(days=st.integers(-40, 40))
    def turn_the_clock(self, days: int) -> None:
        self.now += days * DAY

    @rule(
        news=st.lists(STORIES, max_size=2),
        hours=st.integers(0, 60),
        frequencies=st.lists(st.sampled_from(FREQUENCIES), min_size=1, unique=True),
        dies=st.sampled_from([False, False, False, True]),
    )
    def compose(self, news: list[dict[str, Any]], hours: int, frequencies: list[str], dies: bool) -> None:
        """Some news, and issues for the readers of some frequencies; ``dies`` before they were committed."""
        for story in news:
            self._ingest(**story)
        self.now += timedelta(hours=hours)
        for reader in self.readers:
            if reader.frequency in frequencies:
                self._issue(reader, dies=dies)

    def _takes(self, reader: Reader, article: Outline) -> bool:
        if not self.digest.language_choice or article.language not in CHOICE:
            return True
        return article.language == (reader.language if reader.language in CHOICE else "en")

    def _expired(self, article: Outline) -> bool:
        return article.expires_at is not None and article.expires_at <= self.now

    def _issue(self, reader: Reader, *, dies: bool) -> None:
        before = reader.standing
        since = self.now - self.digest.lookback
        standing = replace(before, reads=reads(self.digest.language_choice, reader.language, "en"))
        # No more than the store reads.
        offered = Offer(
            each
            for each in self.articles.values()
            if each.id in before.carry
            or (
                (each.withdrawn_at is None or each.withdrawn_at > since)
                and not self._expired(each)
                and (each.seq > before.owed_from or (before.first and each.published_at >= since))
            )
        )
        choice = choose(offered, standing, self.digest, now=self.now)
        got = {each.id for each in (*choice.articles, *choice.headlines)}
        owed = reader.carried | {number for number, _ in reader.owed if self._takes(reader, self.articles[number])}
        readable = {n for n in owed if self.articles[n].withdrawn_at is None and not self._expired(self.articles[n])}
        away = {
            each.id
            for each in (self.articles[number] for number in owed)
            if each.withdrawn_at is not None and each.withdrawn_at > since and not self._expired(each)
        }
        assert not got & reader.got, "an article came twice"
        for number in (got | set(choice.left_over)) - owed:
            # What is not owed was there before the reader joined, is not old, and nobody else's cursor matters.
            each = self.articles[number]
            assert before.first
            assert each.seq <= before.joined_seq
            assert each.published_at >= since
            assert self._takes(reader, each)
        for number in got:
            assert self.articles[number].withdrawn_at is None
            assert not self._expired(self.articles[number])
        if choice.waits:
            assert len(readable) < self.digest.min_items
            assert not got
            assert not choice.left_over
            return  # the cursor stays
        assert away <= set(choice.left_over), "what may come back was forgotten"
        if self.digest.overflow == "drop":
            assert readable <= got or len(choice.articles) == self.digest.max_items
        else:
            assert readable <= got | set(choice.left_over), "an article was lost"
        assert not got & set(choice.left_over)
        if dies:
            return
        reader.got |= got
        reader.owed, reader.carried = set(), set(choice.left_over)
        reader.standing = replace(before, cursor=self.last, first=False, joined_seq=0, carry=choice.left_over)


TestPaper = Paper.TestCase
TestPaper.settings = settings(max_examples=200, stateful_step_count=40)
