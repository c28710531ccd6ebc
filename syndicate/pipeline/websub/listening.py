"""Listen: answers the hubs that we asked (WebSub 5.3), and has a feed read that one of them says has changed (7).

Nothing that a hub posts becomes an article: it only says that the feed is to be read.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from syndicate.core.following import ASKED_WITHIN, REFUSED_FOR, SignatureCheck, read_question, renew_after
from syndicate.core.websub import Mode
from syndicate.store import following as store
from syndicate.store.engine import Database
from syndicate.store.feed_calls import call
from syndicate.store.following import FollowedFeed, FollowState

log = logging.getLogger(__name__)

_FOLLOWED = frozenset({FollowState.WANTED, FollowState.ACTIVE})
_LEFT = frozenset({FollowState.LEAVING, FollowState.LEFT})


def answer_question(database: Database, token: str, fields: Mapping[str, str], now: datetime) -> str | None:
    """Answer a hub: the text to send back, or None for what we did not ask for. Raises UsageError for no question.

    This is the one GET that writes (docs/decisions/0011): once for each request of ours, and only for its token.
    """
    question = read_question(fields)
    with database.read() as session:
        feed = store.by_token(session, token)
    if feed is None or feed.topic != question.topic or feed.asked_at is None:
        return None
    if question.mode is Mode.DENIED:
        reason = f"it denied it: {question.reason[:200] or 'without a reason'}"
        with database.write() as session:
            store.ended(session, feed, until=now + REFUSED_FOR, error=reason)
        log.warning("source %s: hub %s of %s: %s", feed.source, feed.hub, feed.topic, reason)
        return ""
    if question.mode is Mode.UNSUBSCRIBE:
        if feed.state not in _LEFT:
            return None
        if feed.state is FollowState.LEAVING:
            with database.write() as session:
                store.ended(session, feed, until=now + REFUSED_FOR, error=None)
            log.info("source %s: no longer subscribed to %s at hub %s", feed.source, feed.topic, feed.hub)
        return question.challenge
    if feed.state not in _FOLLOWED or now - feed.asked_at > ASKED_WITHIN:
        return None
    if feed.verified_at is None or feed.verified_at < feed.asked_at:
        renew_at = now + renew_after(question.lease)
        with database.write() as session:
            store.confirm(session, feed, now=now, expires_at=now + question.lease, renew_at=renew_at)
            if feed.state is FollowState.WANTED:
                call(session, feed.source, feed.feed, now)  # for what changed between the last poll and now
        if feed.state is FollowState.WANTED:
            log.info("source %s: subscribed to %s at hub %s", feed.source, feed.topic, feed.hub)
    return question.challenge


def expecting(database: Database, token: str) -> FollowedFeed | None:
    """The subscription that a message is for; None when there is none any more, which its hub is to be told."""
    with database.read() as session:
        feed = store.by_token(session, token)
    return feed if feed is not None and feed.state in _FOLLOWED else None


def take_message(database: Database, feed: FollowedFeed, check: SignatureCheck, now: datetime) -> bool:
    """Have the feed read if the message is its hub's; else note that it was not (7.1). Returns which."""
    error = None if check.holds() else "a message without the right signature was ignored"
    if error is not None and feed.error == error:
        return False
    with database.write() as session:
        if feed.error != error:
            store.note(session, feed, error)
        if error is None:
            call(session, feed.source, feed.feed, now)
    if error is not None:
        log.warning("source %s: hub %s of %s: %s", feed.source, feed.hub, feed.topic, error)
    return error is None
