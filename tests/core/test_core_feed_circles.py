"""Ids of papers that read each other: each knows its own again, however many others they went through."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.article.identity import tag_uri
from syndicate.core.feed_reading import Ours, ReadEntry, ReadFeed
from syndicate.core.feed_reading.identity import entry_key


@given(st.text(min_size=1, max_size=500), st.sampled_from(["courier.example", "courier.example,2026"]))
def test_what_comes_back_from_a_paper_that_reads_us_is_ours_whatever_its_key(key: str, authority: str) -> None:
    ours = Ours(authority=authority, sources=("stories",))
    uid = tag_uri(authority, date(2026, 11, 20), "stories", key)
    for paper in ("port.example", "town.example,2025"):  # there, and from there at a third one
        taken_as = entry_key(ReadEntry(id=uid), f"https://{paper}/f")
        assert taken_as is not None
        uid = tag_uri(paper, date(2026, 11, 21), "wire", taken_as)
        assert len(uid) < 700
        assert ours.is_id(uid)
    returned = ReadFeed(
        form="atom", address="https://town.example/f", generator="Syndicate", entries=(ReadEntry(id=uid),)
    )
    assert not ours.is_feed(returned), "their own articles are wanted"
