"""Readers of feeds: what User-Agents announce, and a sketch that counts without naming."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.feed_readers import SIZE, add_reader, announced, estimate, merged
from syndicate.web.feed_server.counting import tally


@pytest.mark.parametrize(
    ("user_agent", "reader", "subscribers"),
    [
        ("Feedbin feed-id:1373711 - 142 subscribers", "Feedbin 1373711", 142),
        ("Feedly/1.0 (+http://www.feedly.com/fetcher.html; 16 subscribers; like FeedFetcher-Google)", "Feedly", 16),
        ("NewsBlur Feed Fetcher - 12 subscribers - https://www.newsblur.com/site/1/x", "NewsBlur Feed Fetcher", 12),
        ("Mozilla/5.0 (compatible; theoldreader.com; 1 subscribers; feed-id=deadbeef)", "theoldreader.com deadbeef", 1),
        ("Inoreader/1.0 (+http://www.inoreader.com/feed-fetcher; 3 subscribers; )", "Inoreader", 3),
        ("NetNewsWire (RSS Reader; https://netnewswire.com/)", None, 0),
        ("", None, 0),
    ],
)
def test_what_is_announced(user_agent: str, reader: str | None, subscribers: int) -> None:
    found = announced(user_agent)
    assert (found and found.reader, found.subscribers if found else 0) == (reader, subscribers)


@given(st.text(max_size=200))
def test_no_header_breaks_it(text: str) -> None:
    found = announced(text)
    assert found is None or (found.subscribers >= 0 and 0 < len(found.reader) <= 100)


@pytest.mark.parametrize("count", [0, 1, 10, 300, 5_000, 60_000])
def test_the_sketch_counts_well_enough(count: int) -> None:
    sketch = bytearray(SIZE)
    for _ in range(2 if count < 1_000 else 1):  # whoever asks twice counts once
        for number in range(count):
            add_reader(sketch, b"salt of the day", f"192.0.2.{number % 250}", f"Reader {number}")
    assert abs(estimate(bytes(sketch)) - count) <= max(1, 0.1 * count)


@given(st.sets(st.integers(0, 500)), st.sets(st.integers(0, 500)))
def test_two_processes_count_as_one(one: set[int], other: set[int]) -> None:
    sketches = []
    for numbers in (one, other, one | other):
        sketch = bytearray(SIZE)
        for number in numbers:
            add_reader(sketch, b"salt", str(number), "")
        sketches.append(bytes(sketch))
    assert merged(sketches[0], sketches[1]) == sketches[2]


def test_the_tally_tells_hosted_readers_from_others() -> None:
    askers = [
        ("/feeds/all/rss.xml", "192.0.2.1", b"NetNewsWire"),
        ("/feeds/all/atom.xml", "192.0.2.1", b"NetNewsWire"),
        ("/feeds/all/rss.xml", "192.0.2.2", b"NetNewsWire"),
        ("/feeds/all/rss.xml", "192.0.2.3", b"Feedbin feed-id:7 - 40 subscribers"),
        ("/feeds/all/atom.xml", "192.0.2.3", b"Feedbin feed-id:8 - 2 subscribers"),
        ("/feeds/all/rss.xml", "192.0.2.4", b"Feedly/1.0 (x; 5 subscribers)"),
        ("/feeds/all/category/port/rss.xml", "192.0.2.5", b"Reeder"),
        ("/feeds/all/archive/1/rss.xml", "192.0.2.6", b"Reeder"),
        ("/feeds.opml", "192.0.2.7", b"Reeder"),
    ]
    sketches, said = tally(askers, b"salt")
    assert {feed: estimate(sketch) for feed, sketch in sketches.items()} == {"all": 2, "all/category/port": 1}
    assert sum(each.subscribers for each in said["all"].values()) == 47
