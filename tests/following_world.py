"""A paper that follows the feed of an agency at a hub on this machine: for tests of what is asked, answered and called."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import text
from web_servers import Answer, Received, WebServer

from syndicate.config import Settings
from syndicate.core.following import SignatureCheck, Topic
from syndicate.core.websub import signature
from syndicate.pipeline.websub.following import Followed, follow, leave_unwanted
from syndicate.pipeline.websub.listening import answer_question, expecting, take_message
from syndicate.store.engine import Database
from syndicate.store.following import FollowedFeed, all_followed, want

ROOT = "https://news.courier.example"
FEED = "https://agency.example/news"
TOPIC = "https://agency.example/news.atom"
FIRST = datetime(2026, 11, 22, 8, tzinfo=UTC)


@dataclass
class FollowingWorld:
    """Its clock stands still unless it is moved. The hub takes what it is asked, and asks back only in ``confirm``."""

    database: Database
    hub: WebServer
    networks: Sequence[str] = ("127.0.0.0/8",)
    source: dict[str, Any] = field(default_factory=dict)
    now: datetime = FIRST
    stop: threading.Event = field(default_factory=threading.Event)
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.hub.answer = lambda request: Answer(status=202)
        self.configure(url=FEED)

    def configure(self, **source: Any) -> None:
        service = {"public_url": ROOT, "trusted_networks": list(self.networks)}
        given = {"type": "feed", "websub": True} | source
        sources = {"agency": given} if source else {}
        self.settings = Settings.model_validate({"service": service, "source": sources})

    def clock(self) -> datetime:
        return self.now

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    def found(self, *hubs: str, feed: str = FEED, topic: str = TOPIC) -> None:
        """What a poll does that finds these hubs in the feed."""
        topics = [Topic(feed=feed, address=topic, hubs=hubs or (self.hub.url,))]
        with self.database.write() as session:
            want(session, "agency", topics if hubs != ("",) else [], self.now)

    def follow(self) -> Followed:
        return follow(self.database, self.settings, clock=self.clock, stop=self.stop)

    def leave(self) -> int:
        return leave_unwanted(self.database, self.settings, self.now)

    def all(self) -> list[FollowedFeed]:
        with self.database.read() as session:
            return all_followed(session)

    def one(self) -> FollowedFeed:
        (only,) = self.all()
        return only

    def states(self) -> list[str]:
        return [each.state.value for each in self.all()]

    def requests(self) -> list[Received]:
        """What the hub was asked since the last time."""
        found, self.hub.received = self.hub.posts(), []
        return found

    def token(self, request: Received) -> str:
        """The last part of the callback in a request."""
        return urlsplit(request.form["hub.callback"][0]).path.rpartition("/")[2]

    def question(self, token: str, mode: str = "subscribe", **more: str) -> str | None:
        fields = {"hub.mode": mode, "hub.topic": TOPIC, "hub.challenge": "a-challenge"}
        fields |= {f"hub.{name}": value for name, value in more.items()}
        return answer_question(self.database, token, fields, self.now)

    def confirm(self, **more: str) -> FollowedFeed:
        """Ask the hub and let it ask back."""
        self.follow()
        (request,) = self.requests()
        self.later(seconds=1)
        assert self.question(self.token(request), **more) == "a-challenge"
        return self.one()

    def message(self, token: str, body: bytes = b"<feed/>", *, secret: str | None = None) -> bool | None:
        """A message of the hub; None: it is told that there is no such subscription."""
        feed = expecting(self.database, token)
        if feed is None:
            return None
        check = SignatureCheck(feed.secret, signature(secret or feed.secret, body))
        check.update(body)
        return take_message(self.database, feed, check, self.now)

    def rows(self, statement: str) -> list[Any]:
        with self.database.read() as session:
            return [tuple(row) for row in session.connection().execute(text(statement))]
