"""The whole configuration as one frozen value, and what it means across sections."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field

from syndicate.config.sections import (
    Admin,
    Api,
    Bounce,
    Delivery,
    Digest,
    Dkim,
    Feed,
    Hook,
    Mailbox,
    Privacy,
    Relay,
    Section,
    Service,
    Signup,
    Site,
    Throttle,
    Webhook,
)
from syndicate.config.sources import Source
from syndicate.errors import UnknownNameError


class Settings(Section):
    """All of config.toml. ``base`` is the folder that relative paths start from: the file's own."""

    base: Path = Field(default=Path(), exclude=True)
    site: Site = Site()
    service: Service = Service()
    source: dict[str, Source] = Field(default_factory=dict)
    feed: dict[str, Feed] = Field(default_factory=dict)
    digest: dict[str, Digest] = Field(default_factory=dict)
    delivery: Delivery = Delivery()
    smtp: tuple[Relay, ...] = ()
    throttle: dict[str, Throttle] = Field(default_factory=dict)
    dkim: Dkim = Dkim()
    bounce: Bounce = Bounce()
    mailbox: dict[str, Mailbox] = Field(default_factory=dict)
    hook: dict[str, Hook] = Field(default_factory=dict)
    signup: Signup = Signup()
    privacy: Privacy = Privacy()
    api: Api = Api()
    webhook: dict[str, Webhook] = Field(default_factory=dict)
    admin: Admin = Admin()

    def path(self, path: Path) -> Path:
        """Resolve a path of the configuration against its folder."""
        return path if path.is_absolute() else self.base / path

    @property
    def database_url(self) -> str:
        """The database's address, a relative SQLite file laid in the configuration's folder."""
        url = self.service.database
        prefix = "sqlite:///"
        if url.startswith(prefix) and not url.startswith(prefix + "/"):
            return f"{prefix}{(self.base / url.removeprefix(prefix)).resolve()}"
        return url

    @property
    def database_path(self) -> Path | None:
        """The SQLite file, or None for another database."""
        url = self.database_url
        return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None

    def make_database_folder(self) -> None:
        """Make the folder of a SQLite file that is given relative to the configuration's: that place is ours.

        A missing folder of an absolute path may be a disk that is not mounted; it is an error (``checks.py``).
        """
        if self.database_path is not None and self.database_url != self.service.database:
            self.database_path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def secret_key_path(self) -> Path:
        """``secret.key``: beside the database, or beside the configuration when that is a server."""
        path = self.service.secret_key_file
        if path.is_absolute():
            return path
        return (self.database_path.parent if self.database_path else self.base) / path

    @property
    def feeds_path(self) -> Path:
        return self.path(self.service.feeds_dir)

    @property
    def mail_domain(self) -> str:
        """The domain of Message-ID and List-Id: that of the From address, else the site's host."""
        address = self.delivery.from_.rpartition("<")[2].rstrip("> ")
        return address.rpartition("@")[2].lower() or urlsplit(self.site.url).hostname or "localhost.example"

    @property
    def signing_domain(self) -> str:
        """The domain of our signatures (DKIM), as it is written in the configuration."""
        return self.dkim.domain or self.mail_domain

    @property
    def signs_as(self) -> str | None:
        """The domain and the selectors of our signatures, in one text; None when nothing is signed here."""
        return f"{self.signing_domain}: {', '.join(self.dkim.keys)}" if self.dkim.keys else None

    def named_digest(self, name: str) -> Digest:
        """The digest of that name. Raises UnknownNameError naming those there are."""
        return _named(self.digest, name, "digest")

    def named_feed(self, name: str) -> Feed:
        """The feed of that name. Raises UnknownNameError naming those there are."""
        return _named(self.feed, name, "feed")

    def digest_zone(self, name: str) -> ZoneInfo:
        """The zone in which a digest's days and hours are counted; the site's where readers have their own."""
        digest = self.named_digest(name)
        return ZoneInfo(self.site.timezone if digest.local else digest.timezone or self.site.timezone)

    def digest_title(self, name: str) -> str:
        """What readers see as the digest's name: its own title, else the site's, with its name if others have that."""
        title = self.named_digest(name).title
        if title or not self.site.title:
            return title or name
        others = (digest.title or self.site.title for other, digest in self.digest.items() if other != name)
        return f"{self.site.title}: {name}" if self.site.title in others else self.site.title


_T = TypeVar("_T")


def _named(table: dict[str, _T], name: str, what: str) -> _T:
    try:
        return table[name]
    except KeyError:
        known = ", ".join(sorted(table)) or "none"
        raise UnknownNameError(f"there is no {what} {name!r} in the configuration; there is: {known}") from None
