"""Topics: no change of choice repeats an article or loses one that was due."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.selection import Outline, Standing
from syndicate.core.selection import matches as is_new
from syndicate.core.topics import EVERYTHING, article_topics, changed_topics, chosen_topics, first_topics

NAMES = ["port", "sport", "town"]
TOPICS = st.dictionaries(st.sampled_from([*NAMES, EVERYTHING]), st.integers(0, 30), min_size=1)
CHOICE = st.lists(st.sampled_from([*NAMES, EVERYTHING]), min_size=1, max_size=3)
ARTICLE_TOPICS = st.frozensets(st.sampled_from([*NAMES, "elsewhere"]))
SEQ = st.integers(1, 60)
CURSOR = st.integers(0, 40)
CURRENT = 30
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


def matches(topics: dict[str, int], cursor: int, about: frozenset[str], seq: int) -> bool:
    outline = Outline(id=1, seq=seq, version=1, published_at=NOW, topics=about)
    return is_new(outline, Standing(cursor=cursor, first=False, topics=topics), look_back_to=NOW)


@given(TOPICS, CHOICE, CURSOR, ARTICLE_TOPICS, SEQ)
def test_nothing_that_was_not_due_becomes_due_without_catching_up(
    old: dict[str, int], chosen: list[str], cursor: int, about: frozenset[str], seq: int
) -> None:
    new = changed_topics(old, chosen, CURRENT)
    if seq <= CURRENT and matches(new, cursor, about, seq):
        assert matches(old, cursor, about, seq)


@given(TOPICS, CHOICE, CURSOR, ARTICLE_TOPICS, SEQ, st.booleans())
def test_what_was_due_for_a_topic_that_is_still_chosen_stays_due(
    old: dict[str, int], chosen: list[str], cursor: int, about: frozenset[str], seq: int, catch_up: bool
) -> None:
    new = changed_topics(old, chosen, CURRENT, catch_up=catch_up)
    kept = {topic: since for topic, since in old.items() if topic in chosen or EVERYTHING in chosen}
    if EVERYTHING in old:
        kept |= {topic: min(old[EVERYTHING], kept.get(topic, old[EVERYTHING])) for topic in chosen}
    if matches(kept, cursor, about, seq):
        assert matches(new, cursor, about, seq)


@given(TOPICS, CHOICE, CURSOR, ARTICLE_TOPICS, st.booleans())
def test_every_later_article_of_a_chosen_topic_counts_and_no_other(
    old: dict[str, int], chosen: list[str], cursor: int, about: frozenset[str], catch_up: bool
) -> None:
    new = changed_topics(old, chosen, CURRENT, catch_up=catch_up)
    wanted = EVERYTHING in chosen or bool(about & set(chosen))
    assert matches(new, min(cursor, CURRENT), about, CURRENT + 1) == wanted


@given(TOPICS, CHOICE, CURSOR, ARTICLE_TOPICS, SEQ)
def test_catching_up_reaches_back_to_the_cursor_for_what_was_added_and_no_further(
    old: dict[str, int], chosen: list[str], cursor: int, about: frozenset[str], seq: int
) -> None:
    new = changed_topics(old, chosen, CURRENT, catch_up=True)
    added = set() if EVERYTHING in old else set(chosen) - set(old)
    if EVERYTHING in added or about & added:
        assert matches(new, cursor, about, seq) == (seq > cursor)
    elif matches(new, cursor, about, seq) and seq <= CURRENT:
        assert matches(old, cursor, about, seq)


@given(TOPICS, CHOICE)
def test_the_choice_is_shown_as_it_was_made(old: dict[str, int], chosen: list[str]) -> None:
    new = changed_topics(old, chosen, CURRENT)
    assert chosen_topics(new) == ([EVERYTHING] if EVERYTHING in chosen else sorted(set(chosen)))


@given(TOPICS, CHOICE)
def test_choosing_the_same_again_changes_nothing(old: dict[str, int], chosen: list[str]) -> None:
    new = changed_topics(old, chosen, CURRENT)
    assert changed_topics(new, chosen, CURRENT + 10) == new


def test_a_topic_removed_and_added_again_counts_from_then_on() -> None:
    without = changed_topics({"port": 0, "sport": 5}, ["sport"], 10)
    assert without == {"sport": 5}
    assert changed_topics(without, ["port", "sport"], 20) == {"port": 20, "sport": 5}


def test_from_all_to_some_and_back() -> None:
    some = changed_topics({"*": 4}, ["Port"], 10)
    assert some == {"port": 4}
    back = changed_topics(some, ["*"], 20)
    assert back == {"port": 4, "*": 20}
    assert matches(back, 4, frozenset({"port"}), 12)
    assert not matches(back, 4, frozenset({"sport"}), 12)


def test_no_choice_means_everything() -> None:
    assert first_topics([]) == {"*": 0}
    assert first_topics([" Port ", "PORT", ""]) == {"port": 0}


def test_the_topics_of_an_article_are_its_category_and_its_tags() -> None:
    assert article_topics("Port", ["FERRY", "port", ""]) == {"port", "ferry"}
    assert article_topics(None, []) == frozenset()
