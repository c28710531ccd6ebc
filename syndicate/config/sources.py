"""``[source.NAME]``: one frozen model for each type of source."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from syndicate.config.durations import Duration, Size
from syndicate.config.sections import Section, not_yet, zone_name


class SourceBase(Section):
    """What every source has."""

    poll_interval: Duration = timedelta(minutes=5)
    publisher: str | None = Field(default=None, description="For articles that name none")
    language: str | None = Field(default=None, description="For articles that name none; default: the site's")
    timezone: str | None = Field(default=None, description="Of dates without a zone; default: the site's")
    max_article_size: Size = Field(default=10_000_000, description="A larger article is reported and left out")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        return zone_name(value) if value else value


class FolderSource(SourceBase):
    """``type = "folder"``: Markdown and HTML files with front matter, in a folder and the folders in it."""

    type: Literal["folder"]
    path: Path
    patterns: tuple[str, ...] = ("*.md", "*.markdown", "*.html", "*.htm")


class Columns(Section):
    """``[source.NAME.columns]``: ours = theirs. Only ``id`` and ``title`` are needed."""

    id: str
    title: str
    url: str | None = None
    html: str | None = None
    markdown: str | None = None
    text: str | None = None
    summary: str | None = None
    author: str | None = None
    publisher: str | None = None
    category: str | None = None
    tags: str | None = None
    date: str | None = None
    published_at: str | None = None
    updated: str | None = None
    updated_at: str | None = None
    expires: str | None = None
    withdrawn: str | None = None
    pinned: str | None = None
    kind: str | None = None
    image: str | None = None
    image_alt: str | None = None
    language: str | None = None
    comments: str | None = None
    comments_url: str | None = None
    popularity: str | None = None

    @model_validator(mode="after")
    def _one_body(self) -> Columns:
        if sum(column is not None for column in (self.html, self.markdown, self.text)) > 1:
            raise ValueError("expected one body column: html, markdown or text")
        return self


class DatabaseSource(SourceBase):
    """``type = "database"``: a table or query of any database that SQLAlchemy speaks to; only read."""

    type: Literal["database"]
    url: str
    url_file: Path | None = None
    table: str | None = None
    query: str | None = None
    cursor: str | None = Field(default=None, description="A column that grows when a row is new or changed")
    overlap: Duration = Field(default=timedelta(minutes=5), description="How long a transaction of theirs may take")
    full_interval: Duration = Field(default=timedelta(hours=1), description="How often removed rows are looked for")
    columns: Columns

    @model_validator(mode="after")
    def _one_origin(self) -> DatabaseSource:
        if (self.table is None) == (self.query is None):
            raise ValueError("expected either table or query")
        return self


class UnbuiltSource(SourceBase):
    """Types that later versions bring; named so that the error can say so."""

    type: Literal["feed", "push", "pages"]

    @field_validator("type")
    @classmethod
    def _unbuilt(cls, value: str) -> str:
        raise not_yet(value, '"folder" or "database"')


Source = Annotated[FolderSource | DatabaseSource | UnbuiltSource, Field(discriminator="type")]
