"""A feed with hubs on a test's database, with its documents in place: for tests of WebSub's stages."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from syndicate.config import Settings
from syndicate.model import FeedFormat
from syndicate.pipeline.websub.accepting import accept
from syndicate.pipeline.websub.announcing import Announced, announce
from syndicate.pipeline.websub.distributing import Distributed, distribute
from syndicate.pipeline.websub.pinging import Pinged, ping_hubs
from syndicate.pipeline.websub.verifying import Verified, verify
from syndicate.store.engine import Database
from syndicate.store.tables import FeedDocumentRow, FeedRow
from syndicate.store.websub import owe_pings

ROOT = "https://news.courier.example"
RSS = f"{ROOT}/feeds/all/rss.xml"
ATOM = f"{ROOT}/feeds/all/atom.xml"
JSON = f"{ROOT}/feeds/all/feed.json"
FIRST = datetime(2026, 11, 22, 8, tzinfo=UTC)


@dataclass
class WebSubWorld:
    """Its clock stands still unless it is moved."""

    database: Database
    folder: Path
    hubs: Sequence[str] = ("self",)
    networks: Sequence[str] = ("127.0.0.0/8",)
    now: datetime = FIRST
    stop: threading.Event = field(default_factory=threading.Event)
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.configure(self.hubs)
        for topic in (RSS, ATOM, JSON):
            self.put(topic, b"the first document of " + topic.encode())
        with self.database.write() as session:
            session.add(FeedRow(name="all", revision=1, settings_hash="h", entries=1, built_at=FIRST, error=None))
            session.flush()
            for form in FeedFormat:
                session.add(
                    FeedDocumentRow(path=f"all/{form.file_name}", feed="all", format=form.value, content_hash="h", size=1, entries=1, changed_at=FIRST)
                )  # fmt: skip

    def configure(self, hubs: Sequence[str]) -> None:
        self.settings = Settings.model_validate(
            {
                "base": self.folder,
                "service": {"public_url": ROOT, "trusted_networks": list(self.networks)},
                "feed": {"all": {"hub": list(hubs)} if hubs else {}},
            }
        )

    def path(self, topic: str) -> Path:
        return self.settings.feeds_path / topic.removeprefix(f"{ROOT}/feeds/")

    def put(self, topic: str, content: bytes) -> None:
        self.path(topic).parent.mkdir(parents=True, exist_ok=True)
        self.path(topic).write_bytes(content)

    def clock(self) -> datetime:
        return self.now

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    def change(self, *topics: str, content: bytes | None = None) -> None:
        """What a publication does."""
        for topic in topics:
            if content is not None:
                self.put(topic, content)
        with self.database.write() as session:
            owe_pings(session, topics, self.now)

    def ask_hub(self, callback: str, *, mode: str = "subscribe", topic: str = RSS, **more: Any) -> None:
        fields = {"hub.mode": mode, "hub.topic": topic, "hub.callback": callback}
        fields |= {f"hub.{name}": str(value) for name, value in more.items()}
        accept(self.database, self.settings, fields, self.now)

    def announce(self) -> Announced:
        announced = announce(self.database, self.settings, self.now)
        self.later(seconds=1)  # pings wait a moment
        return announced

    def ping(self) -> Pinged:
        return ping_hubs(self.database, self.settings, clock=self.clock, stop=self.stop)

    def verify(self) -> Verified:
        return verify(self.database, self.settings, clock=self.clock, stop=self.stop)

    def distribute(self) -> Distributed:
        return distribute(self.database, self.settings, clock=self.clock, stop=self.stop)

    def subscribe(self, callback: str, *, topic: str = RSS, **more: Any) -> None:
        self.ask_hub(callback, topic=topic, **more)
        assert self.verify().subscribed == 1

    def rows(self, statement: str) -> list[Any]:
        with self.database.read() as session:
            return [tuple(row) for row in session.connection().execute(text(statement))]

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - our own names
