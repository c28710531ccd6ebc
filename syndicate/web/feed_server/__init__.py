"""Serves ``feeds/`` before the framework's router: all bytes and headers held ready, swapped as one object.

What the documents say is made elsewhere; pages for people are the router's.
"""

from __future__ import annotations

from syndicate.web.feed_server.opening import open_feed_server
from syndicate.web.feed_server.server import FeedServer

__all__ = ["FeedServer", "open_feed_server"]
