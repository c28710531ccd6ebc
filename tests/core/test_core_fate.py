"""Why an article was not in an issue: the reasons agree with what selection really does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.config.sections import Digest
from syndicate.core.fate import WORDS, Fate, Frozen, fate, obstacle
from syndicate.core.reads import reads
from syndicate.core.selection import Offer, Outline, Standing, choose, matches, readable

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOPICS = ("port", "sport", "*")


def times(most: int = 400) -> st.SearchStrategy[datetime]:
    return st.integers(0, most).map(lambda hours: NOW - hours * HOUR)


@st.composite
def outlines(draw: st.DrawFn) -> list[Outline]:
    return [
        Outline(
            id=100 + seq,
            seq=seq,
            version=1,
            published_at=draw(times()),
            topics=draw(st.frozensets(st.sampled_from(("port", "sport", "town")), max_size=2)),
            language=draw(st.sampled_from(("", "en", "en-GB", "cy", "fr"))),
            pinned=draw(st.booleans()),
            expires_at=draw(st.none() | times() | st.just(NOW + HOUR)),
            withdrawn_at=draw(st.none() | times()),
        )
        for seq in range(1, draw(st.integers(1, 12)) + 1)
    ]


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    cursor = draw(st.integers(0, 8))
    first = draw(st.booleans())
    return Standing(
        cursor=cursor,
        first=first,
        topics=draw(st.dictionaries(st.sampled_from(TOPICS), st.integers(0, 8), min_size=1)),
        carry=tuple(draw(st.lists(st.integers(101, 112), max_size=3, unique=True))),
        joined_seq=draw(st.integers(0, 8)) if first else 0,
        reads=reads(draw(st.sampled_from(((), ("en", "cy")))), draw(st.sampled_from(("", "en", "cy"))), "en"),
    )


@given(offered=outlines(), standing=standings(), lookback=st.integers(1, 400))
def test_what_nothing_stood_in_the_way_of_is_what_selection_takes(
    offered: list[Outline], standing: Standing, lookback: int
) -> None:
    look_back_to = NOW - lookback * HOUR
    for outline in offered:
        fits = readable(outline, NOW) and (
            outline.id in standing.carry or matches(outline, standing, look_back_to=look_back_to)
        )
        assert (obstacle(outline, standing, look_back_to=look_back_to, now=NOW) is None) is fits


@given(
    offered=outlines(),
    standing=standings(),
    most=st.integers(1, 4),
    overflow=st.sampled_from(("headlines", "carry", "drop")),
)
def test_the_fate_told_afterwards_is_what_was_chosen(
    offered: list[Outline], standing: Standing, most: int, overflow: str
) -> None:
    digest = Digest.model_validate({"max_items": most, "overflow": overflow, "lookback": "5d"})
    choice = choose(Offer(offered), standing, digest, now=NOW)
    shown = {each.id: "full" for each in choice.articles} | {each.id: "headline" for each in choice.headlines}
    frozen = Frozen(
        standing=standing,
        left_over=choice.left_over,
        articles=shown,
        max_seq=len(offered),
        at=NOW,
        look_back_to=NOW - digest.lookback,
        max_items=most,
    )
    for outline in offered:
        told = fate(outline, frozen, of_digest=True)
        assert (told is Fate.FULL) == (outline in choice.articles)
        assert (told is Fate.HEADLINE) == (outline in choice.headlines)
        assert (told is Fate.CARRIED) == (outline.id in choice.left_over and readable(outline, NOW))
        assert told is not Fate.UNKNOWN
        if told is Fate.BEYOND:
            assert overflow == "drop"


def frozen(standing: Standing, **shown: str) -> Frozen:
    return Frozen(
        standing=standing,
        left_over=(),
        articles={int(key[1:]): role for key, role in shown.items()},
        max_seq=9,
        at=NOW,
        look_back_to=NOW - timedelta(days=7),
        max_items=2,
    )


def article(seq: int = 5, *, topics: frozenset[str] = frozenset(), age: timedelta = HOUR) -> Outline:
    return Outline(id=100 + seq, seq=seq, version=1, published_at=NOW - age, topics=topics)


@pytest.mark.parametrize(
    ("outline", "standing", "expected"),
    [
        (article(10), Standing(0, first=False, topics={"*": 0}), Fate.LATER),
        (article(4), Standing(4, first=False, topics={"*": 0}), Fate.CONSIDERED),
        (article(), Standing(0, first=False, topics={"port": 0}), Fate.OTHER_TOPIC),
        (article(topics=frozenset({"port"})), Standing(0, first=False, topics={"port": 6}), Fate.TOPIC_LATER),
        (
            article(age=timedelta(days=8)),
            Standing(0, first=True, topics={"*": 0}, joined_seq=5),
            Fate.TOO_OLD,
        ),
        (article(), Standing(0, first=False, topics={"*": 0}), Fate.UNKNOWN),
    ],
)
def test_reasons(outline: Outline, standing: Standing, expected: Fate) -> None:
    assert fate(outline, frozen(standing, a1="full"), of_digest=True) is expected


def test_what_the_digest_does_not_select_is_told_unless_it_was_carried() -> None:
    standing = Standing(0, first=False, topics={"*": 0})
    assert fate(article(), frozen(standing), of_digest=False) is Fate.NOT_OF_DIGEST
    carried = Standing(0, first=False, topics={"*": 0}, carry=(105,))
    assert fate(article(), frozen(carried, a1="full", a2="full"), of_digest=False) is Fate.BEYOND


def test_every_fate_has_its_words() -> None:
    assert set(WORDS) == set(Fate)
