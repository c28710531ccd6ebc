"""Feeds of others, read: bytes in, entries out. Pure: fetching is ``io/feed_source.py``, deciding ``core/article``.

RSS 0.9x and 2.0, RSS 1.0 (RDF), Atom 1.0 and 0.3, JSON Feed 1 and 1.1, each as it is met in the wild.
"""

from __future__ import annotations

from syndicate.core.feed_reading.articles import FeedItems, items_of
from syndicate.core.feed_reading.entry import ReadEntry, ReadFeed
from syndicate.core.feed_reading.identity import Ours, address_key, entry_key, host_of
from syndicate.core.feed_reading.reading import read_feed

__all__ = ["FeedItems", "Ours", "ReadEntry", "ReadFeed", "address_key", "entry_key", "host_of", "items_of", "read_feed"]
