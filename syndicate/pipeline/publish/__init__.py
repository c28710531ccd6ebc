"""Publish: brings the feed documents under ``feeds/`` up to what the articles and the settings say.

What a document says is decided in ``core/feeds``; here is decided which feeds to build and which files to write.
"""

from __future__ import annotations

from syndicate.pipeline.publish.publishing import publish
from syndicate.pipeline.publish.recompress import compress_best
from syndicate.pipeline.publish.results import FeedResult
from syndicate.pipeline.publish.wanted import public_feeds

__all__ = ["FeedResult", "compress_best", "public_feeds", "publish"]
