"""The web part over a test's database and keys, and what its tests share."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from members_setup import SETTINGS, add, rows
from own_host import own_host
from starlette.testclient import TestClient

from syndicate.config import Settings
from syndicate.core.links import Purpose, sign
from syndicate.model import Keyring
from syndicate.service.wiring import Services
from syndicate.store.engine import Database
from syndicate.web.app import make_app

ANN = "ann.brand@example.org"


class Site:
    """The web part over a test's database and keys."""

    def __init__(self, database: Database, keyring: Keyring, now: datetime, configuration: Settings) -> None:
        self.now = now
        self.database = database
        self.keyring = keyring
        self.services = services = Services(configuration, clock=lambda: self.now)
        services.__dict__["database"] = database
        services.__dict__["keyring"] = keyring
        self.client = TestClient(make_app(services), own_host(services), raise_server_exceptions=False)

    def link(self, purpose: Purpose, number: int) -> str:
        expires_at = self.now + timedelta(hours=72) if purpose is Purpose.CONFIRM else None
        return f"/{purpose}/{sign(self.keyring, purpose, number, expires_at=expires_at)}"

    def everything(self) -> list[Any]:
        """The whole content of the database."""
        sqlite = "SELECT name FROM sqlite_master WHERE type = 'table'"
        postgresql = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        names = [name for (name,) in rows(self.database, sqlite if self.database.dialect == "sqlite" else postgresql)]
        return [(name, rows(self.database, f"SELECT * FROM {name}")) for name in sorted(names)]  # noqa: S608 - our names

    def state(self) -> str:
        return str(rows(self.database, "SELECT state FROM subscriptions")[0][0])


def reader_configuration(tmp_path: Path) -> Settings:
    """Two digests, two feeds."""
    feed = {"title": "All the news", "description": "Everything from the harbour"}
    extra = {
        "base": tmp_path,
        "feed": {"all": feed, "port": {"formats": ["rss"]}},
        "site": {
            "title": "The Harbour Courier",
            "url": "https://courier.example",
            "description": "News from the <port>",
            "publisher": "Harbour Media",
            "postal_address": "1 Quay Street, Harbourtown",
        },
    }
    return Settings.model_validate(SETTINGS.model_dump(exclude_unset=True, by_alias=True) | extra)


def number(done: Any) -> int:
    return int(done.subscription.id)


def confirmed(site: Site, **wish: Any) -> int:
    return number(add(site.database, site.keyring, ANN, site.now, **wish))
