"""The sections of config.toml as frozen pydantic models: names, types, defaults, and what each key is for.

Keys marked with ``later`` parse and have no effect yet (``check`` says so). Reading files and reporting lives in ``load.py``.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from syndicate.config.durations import Duration, Size
from syndicate.model import FeedFormat, Frequency


def later(default: Any, issue: str) -> Any:
    """A key that is accepted and does nothing until the named part of the product is built."""
    return Field(default=default, json_schema_extra={"later": issue})


def not_yet(value: Any, working: str) -> ValueError:
    """A value that would change what readers get, and does not work yet, must not pass silently."""
    return ValueError(f"{value!r} does not work yet in this version; use {working}")


def zone_name(value: str) -> str:
    """Check a time zone name of the IANA database."""
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f'expected a time zone name such as "Europe/London", not {value!r}') from error
    return value


class Section(BaseModel):
    """What all sections share: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, populate_by_name=True)


class Site(Section):
    """``[site]``: who publishes."""

    title: str = Field(default="", description="The paper's name, in feeds, mails and pages")
    url: str = Field(default="", description="The site where the articles live; feeds and mails link to it")
    description: str = ""
    language: str = Field(default="en", pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$", description="BCP 47 tag")
    timezone: str = "UTC"
    publisher: str = ""
    postal_address: str = Field(default="", description="Stands at the foot of every digest (CAN-SPAM wants one)")
    tag_authority: str = Field(default="", description="Domain,date of tag: ids (RFC 4151); default: the url's domain")

    _zone = field_validator("timezone")(zone_name)

    @field_validator("url")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return absolute_url(value)


def absolute_url(value: str) -> str:
    """Check an absolute http(s) address and drop its trailing slash."""
    if value and not value.startswith(("http://", "https://")):
        raise ValueError(f'expected an absolute address such as "https://courier.example", not {value!r}')
    return value.rstrip("/")


class Service(Section):
    """``[service]``: this process and its files."""

    public_url: str = Field(default="http://127.0.0.1:8000", description="Where readers reach this service")
    listen: str = Field(default="127.0.0.1:8000", pattern=r"^.*:\d{1,5}$")
    database: str = "sqlite:///subscribers.db"
    database_file: Path | None = Field(default=None, description="A file that holds the database address")
    secret_key_file: Path = Path("secret.key")
    feeds_dir: Path = Path("feeds")
    templates_dir: Path = Path("templates")
    heartbeat_url: str | None = Field(default=None, description="Asked (GET) after every healthy minute: a dead-man alarm")
    heartbeat_interval: Duration = timedelta(minutes=1)
    alarm_after: Duration = Field(default=timedelta(hours=1), description="A due run or source late by this is an alarm")
    min_free_disk: Size = Field(default=200_000_000, description="Below this, sending and feed building stop")
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    keep_editions: Duration = Field(default=timedelta(days=365), description="Bodies of finished issues")
    keep_deliveries: Duration = Field(default=timedelta(days=730), description="Rows of finished issues")
    keep_versions: Duration = Field(default=timedelta(days=365), description="Older versions of articles")

    _absolute = field_validator("public_url")(absolute_url)

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]") or "127.0.0.1"

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


class Selection(Section):
    """Which articles: all that match every list given; an empty list takes all."""

    sources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


PER = Literal["category", "author", "tag", "source", "language"]


class Feed(Selection):
    """``[feed.NAME]``: one published selection of articles."""

    title: str | None = Field(default=None, description="Default: the site's title, with the feed's name if there are several")
    description: str | None = None
    formats: tuple[FeedFormat, ...] = tuple(FeedFormat)
    max_items: int = Field(default=50, ge=1, le=10_000)
    content: Literal["full", "summary"] = "full"
    ttl: Duration = Field(default=timedelta(minutes=30), description="How often readers should ask")
    per: tuple[PER, ...] = later((), "B")
    archive: bool = later(default=False, issue="B")
    hub: str | tuple[str, ...] | None = later(None, "B")
    fold: str | None = later(None, "G")

    @field_validator("formats")
    @classmethod
    def _some(cls, value: tuple[FeedFormat, ...]) -> tuple[FeedFormat, ...]:
        if not value:
            raise ValueError('expected at least one of "rss", "atom", "json"')
        return tuple(dict.fromkeys(value))


WEEKDAYS = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class Digest(Selection):
    """``[digest.NAME]``: a recurring newsletter."""

    title: str | None = None
    description: str = ""
    frequencies: tuple[Frequency, ...] = (Frequency.DAILY,)
    default_frequency: Frequency | None = Field(default=None, description="Default: the first of frequencies")
    send_at: str = Field(default="07:30", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    weekly_on: WEEKDAYS = "monday"
    monthly_on: int = Field(default=1, ge=1, le=31, description="In shorter months: the last day")
    timezone: str | None = None
    schedule: str | None = Field(default=None, description="A crontab line instead of frequencies; 0 and 7 are Sunday")
    subject: str = "{{ digest.title }}: {{ top.title }}"
    template: str = "digest"
    from_: str | None = Field(default=None, alias="from", description="Default: delivery.from")
    reply_to: str | None = None
    lookback: Duration = timedelta(days=7)
    min_items: int = Field(default=1, ge=1)
    max_items: int = Field(default=12, ge=1, le=500)
    overflow: Literal["headlines", "carry", "drop"] = "headlines"
    catch_up: bool = Field(default=True, description="A run missed while the service was down is made up for, once")
    approval: str = "none"
    optin: Literal["double", "single"] = "double"
    topics: tuple[str, ...] = Field(default=(), description="Categories or tags that readers may choose from")
    corrections: str | None = later(None, "D")
    merge: str | None = later(None, "D")
    holidays: tuple[str, ...] = later((), "D")
    grace: Duration | None = later(None, "D")
    blocks: tuple[str, ...] = later((), "G")
    public: bool = later(default=True, issue="E")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value == "subscriber":
            raise not_yet(value, "a zone name, or leave the key out for the site's zone")
        return zone_name(value) if value else value

    @field_validator("approval")
    @classmethod
    def _approval(cls, value: str) -> str:
        if value == "hold":
            raise not_yet(value, '"none"')
        if value != "none":
            raise ValueError(f'expected "none" or "hold", not {value!r}')
        return value

    @property
    def frequency(self) -> Frequency:
        """The frequency of a subscription that names none."""
        return self.default_frequency or self.frequencies[0]


class Delivery(Section):
    """``[delivery]``: how digests leave."""

    transport: Literal["maildir", "smtp"] = "maildir"
    outbox: Path = Path("outbox")
    from_: str = Field(default="", alias="from")
    confirm_from: str | None = Field(default=None, description="Sender of confirmation mails; default: from")
    reply_to: str | None = None
    in_doubt: Literal["ask", "resend", "skip"] = "ask"
    retry: tuple[Duration, ...] = tuple(timedelta(minutes=m) for m in (5, 15, 30, 60, 120, 240))
    give_up_after: Duration = timedelta(days=2)

    @field_validator("retry")
    @classmethod
    def _positive(cls, value: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
        if not value or any(delay <= timedelta() for delay in value):
            raise ValueError('expected a list of durations such as ["5m", "15m", "1h"]')
        return value


class Relay(Section):
    """``[[smtp]]``: a mail server that takes our messages."""

    name: str | None = None
    host: str
    port: int = Field(default=25, ge=1, le=65535)
    tls_type: Literal["none", "STARTTLS", "TLS"] = "STARTTLS"
    tls_skip_verify: bool = Field(default=False, description="Accept any certificate; only for tests")
    tls_ca_file: Path | None = None
    auth_protocol: Literal["none", "login", "plain", "cram"] | None = None
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    hello_hostname: str | None = None
    max_conns: int = Field(default=10, ge=1, le=200)
    messages_per_connection: int = Field(default=500, ge=1)
    connect_timeout: Duration = timedelta(seconds=20)
    wait_timeout: Duration = Field(default=timedelta(minutes=5), description="For each reply (RFC 5321 4.5.3.2)")
    idle_timeout: Duration = timedelta(seconds=15)
    weight: int = later(1, "C")

    @property
    def label(self) -> str:
        return self.name or f"{self.host}:{self.port}"


class Throttle(Section):
    """``[throttle."DOMAIN"]``: limits of one destination."""

    rate: str | None = later(None, "C")
    connections: int | None = later(None, "C")


class Dkim(Section):
    """``[dkim]``: signing keys by selector."""

    domain: str | None = later(None, "F")
    keys: dict[str, Path] = later({}, "F")


class Bounce(Section):
    """``[bounce]``: where failures come back."""

    return_path: str | None = Field(default=None, description="Envelope sender; +TOKEN is added to its local part (VERP)")
    sending_ips: tuple[str, ...] = later((), "F")
    hello_hostname: str | None = Field(default=None, description="The name we greet mail servers with (EHLO)")
    mailboxes: tuple[dict[str, Any], ...] = later((), "F")
    actions: dict[str, Any] = later({}, "F")


class Privacy(Section):
    """``[privacy]``: nothing is tracked; these bound what is kept."""

    record_optin_ip: bool = later(default=False, issue="E")
    unsubscribe_header: bool = True
    confirm_link_valid: Duration = Field(default=timedelta(hours=72), description="How long a confirmation link works")
    count_feed_readers: bool = later(default=True, issue="E")


class Admin(Section):
    """``[admin]``: the operators' console."""

    enabled: bool = later(default=False, issue="E")
    session_lifetime: Duration = later(timedelta(hours=12), "E")
