"""``[source.NAME]``: one frozen model for each type of source."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from syndicate.config.durations import Duration, Interval, Size
from syndicate.config.section import Section
from syndicate.config.values import not_yet, source_address, web_address, zone_name


class SourceBase(Section):
    """What every source has."""

    publisher: str | None = Field(default=None, description="For articles that name none")
    language: str | None = Field(default=None, description="For articles that name none; default: the site's")
    timezone: str | None = Field(default=None, description="Of dates without a zone; default: the site's")
    max_article_size: Size = Field(default=10_000_000, description="A larger article is reported and left out")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        return zone_name(value) if value else value


class PolledSource(SourceBase):
    """What every source has that is read now and then."""

    poll_interval: Interval = Field(default=timedelta(minutes=5), description="How often the source is read")


class FolderSource(PolledSource):
    """``type = "folder"``: Markdown and HTML files with front matter, in a folder and the folders in it."""

    type: Literal["folder"] = Field(description="Files in a folder and the folders in it")
    path: Path = Field(description="The folder")
    patterns: tuple[str, ...] = Field(
        default=("*.md", "*.markdown", "*.html", "*.htm"), min_length=1, description="Which files are articles"
    )


class Columns(Section):
    """``[source.NAME.columns]``: ours = theirs.

    Only ``id`` and ``title`` are needed; one body column at most is given (``checks.py``).
    """

    id: str = Field(description="What identifies an article there")
    title: str = Field(description="Headline")
    url: str | None = Field(default=None, description="Address of the article on the site")
    html: str | None = Field(default=None, description="Body as HTML; or markdown, or text")
    markdown: str | None = Field(default=None, description="Body as Markdown")
    text: str | None = Field(default=None, description="Body as plain text")
    summary: str | None = Field(default=None, description="Standfirst")
    author: str | None = Field(default=None, description="Author, or several")
    publisher: str | None = Field(default=None, description="Publisher")
    category: str | None = Field(default=None, description="Category (section)")
    tags: str | None = Field(default=None, description="Tags, separated by commas or as JSON")
    date: str | None = Field(default=None, description="Publication time; the same as published_at")
    published_at: str | None = Field(default=None, description="Publication time; in the future: waits until then")
    updated: str | None = Field(default=None, description="Time of the last edit; the same as updated_at")
    updated_at: str | None = Field(default=None, description="Time of the last edit")
    expires: str | None = Field(default=None, description="Not in feeds and digests after this time")
    withdrawn: str | None = Field(default=None, description="True: taken back")
    pinned: str | None = Field(default=None, description="True: stands first in digests")
    kind: str | None = Field(default=None, description="article, column, notice or correction")
    image: str | None = Field(default=None, description="Address of an image")
    image_alt: str | None = Field(default=None, description="Its text for those who do not see it")
    language: str | None = Field(default=None, description="Language tag")
    comments: str | None = Field(default=None, description="Number of comments")
    comments_url: str | None = Field(default=None, description="Address of the comments")
    comments_feed: str | None = Field(default=None, description="Address of the comments' own feed")
    attachments: str | None = Field(
        default=None, description="Files: an address, or JSON as a list of addresses or of url, type, length"
    )
    popularity: str | None = Field(default=None, description="A number; higher is read more")


class DatabaseSource(PolledSource):
    """``type = "database"``: a table or query of any database that SQLAlchemy speaks to; only read.

    Either ``table`` or ``query`` is given (``checks.py``).
    """

    type: Literal["database"] = Field(description="A table or query of a database; only read")
    url: str = Field(min_length=1, repr=False, description="Address of the database, as SQLAlchemy writes it")
    url_file: Path | None = Field(default=None, description="A file that holds the address")
    table: str | None = Field(default=None, description="The table or view of the articles; or query")
    query: str | None = Field(default=None, description="A SELECT that gives the articles; or table")
    cursor: str | None = Field(default=None, description="A column that grows when a row is new or changed")
    overlap: Duration = Field(default=timedelta(minutes=5), description="How long a transaction of theirs may take")
    full_interval: Interval = Field(default=timedelta(hours=1), description="How often removed rows are looked for")
    timeout: Interval = Field(default=timedelta(minutes=2), description="The longest that one of its answers may take")
    columns: Columns = Field(description="[source.NAME.columns], see below")

    _address = field_validator("url")(source_address)


class FeedSource(PolledSource):
    """``type = "feed"``: one RSS, Atom or JSON feed on the web, or several that together are one source.

    Either ``url`` or ``urls`` is given (``checks.py``).
    """

    type: Literal["feed"] = Field(description="RSS, Atom or JSON feeds on the web")
    url: str | None = Field(default=None, description="Address of the feed; or urls")
    urls: tuple[str, ...] = Field(default=(), description="Addresses of several feeds; or url")
    poll_interval: Interval = Field(
        default=timedelta(minutes=30), description="How often the feeds are asked; more seldom where they ask for it"
    )
    timeout: Interval = Field(default=timedelta(seconds=30), description="For one whole answer with its redirects")
    max_size: Size = Field(default=15_000_000, description="A larger document, unpacked, is not taken")
    user_agent: str | None = Field(default=None, description="What we call ourselves; default: Syndicate, public_url")
    allow_private: bool = Field(default=False, description="Ask also addresses of private networks and this machine")
    websub: bool | None = Field(
        default=None, description="Let the feeds' hubs tell us of changes; default: if public_url is on the Internet"
    )
    titles: Literal["text", "html"] = Field(
        default="text", description='RSS titles are plain text; "html" for feeds that escape them twice'
    )
    keep: Literal["all", "window"] = Field(
        default="all", description='Articles stay when they leave the feed; "window": they are withdrawn'
    )

    @field_validator("url")
    @classmethod
    def _one_address(cls, value: str | None) -> str | None:
        return web_address(value) if value else None

    @field_validator("urls")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for place, address in enumerate(value):
            if not address or web_address(address) in value[:place]:
                raise ValueError(f"expected addresses of feeds, each once; {address!r} is none or stands there twice")
        return value

    @field_validator("user_agent")
    @classmethod
    def _agent(cls, value: str | None) -> str | None:
        if value and not (value.isascii() and value.isprintable()):
            raise ValueError('expected a line of ASCII such as "HarbourCourier/1.0 (+https://courier.example)"')
        return value or None

    @property
    def addresses(self) -> tuple[str, ...]:
        """The feeds, in the order in which they count: of an entry in several of them the first one's is taken."""
        return (self.url,) if self.url else self.urls


class PushSource(SourceBase):
    """``type = "push"``: articles that a program of the publisher hands in over the API (docs/api.md)."""

    type: Literal["push"] = Field(description="Articles that are handed in over the API")
    max_article_size: Size = Field(default=2_000_000, description="A larger article is refused")


class UnbuiltSource(SourceBase):
    """Types that later versions bring; named so that the error can say so."""

    type: Literal["pages"]

    @field_validator("type")
    @classmethod
    def _unbuilt(cls, value: str) -> str:
        raise not_yet(value, '"folder", "database", "feed" or "push"')


Source = Annotated[FolderSource | DatabaseSource | FeedSource | PushSource | UnbuiltSource, Field(discriminator="type")]
