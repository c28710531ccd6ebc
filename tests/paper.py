"""A folder of articles as a small paper has it, mirrored into a database by the real reader and ingest."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from syndicate.config import Settings
from syndicate.config.sections import Selection
from syndicate.io.folder import FolderReader
from syndicate.model import Article, PollResult
from syndicate.pipeline.ingest import ingest
from syndicate.store.articles import newest
from syndicate.store.engine import Database

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def settings_for(path: Path, **site: Any) -> Settings:
    return Settings.model_validate(
        {
            "site": {"title": "The Harbour Courier", "url": "https://courier.example", **site},
            "source": {"stories": {"type": "folder", "path": str(path), "max_article_size": 100_000}},
        }
    )


@dataclass
class Paper:
    """A folder of articles, mirrored into a database by the real reader."""

    database: Database
    path: Path
    now: datetime = NOW
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.settings = settings_for(self.path)

    def write(self, name: str, title: str, body: str = "Body", **fields: Any) -> None:
        lines = "".join(f"{key}: {value}\n" for key, value in {"title": title, **fields}.items())
        self.raw(name, f"---\n{lines}---\n{body}\n")

    def raw(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # A new inode each time, as editors do: the stamp differs even within one tick of the file system's clock.
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(text)
        fresh.replace(path)

    def poll(self, after: timedelta = MINUTE) -> PollResult:
        self.now += after
        source = self.settings.source["stories"]
        assert source.type == "folder"
        return ingest(self.database, FolderReader("stories", source, self.path), self.settings, self.now)

    def articles(self) -> dict[str, Article]:
        with self.database.read() as session:
            found = newest(session, Selection(), limit=10_000, now=self.now)
        return {article.content.key: article for article in found}

    def ask(self, statement: str) -> list[Any]:
        with self.database.read() as session:
            return list(session.connection().execute(text(statement)))
