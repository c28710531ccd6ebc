"""The sections of what is published: ``[feed.NAME]``, ``[digest.NAME]``, and the selection of articles both share."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import permutations
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from syndicate.config.crontab import crontab_line
from syndicate.config.durations import Duration, Interval, Size
from syndicate.config.holidays import check_holiday
from syndicate.config.recurrence import check_rule, is_rule
from syndicate.config.section import Section, Whole, later
from syndicate.config.values import language_tag, sender, web_address, zone_name
from syndicate.model import FeedFormat, Frequency

PER = Literal["category", "author", "tag", "source", "language"]
#: The value of ``timezone`` that stands for each reader's own zone.
SUBSCRIBER = "subscriber"
WEEKDAYS = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class Selection(Section):
    """Which articles: all that match every list given; an empty list takes all."""

    sources: tuple[str, ...] = Field(default=(), description="Only articles of these sources")
    categories: tuple[str, ...] = Field(default=(), description="Only articles of these categories")
    tags: tuple[str, ...] = Field(default=(), description="Only articles with one of these tags")
    authors: tuple[str, ...] = Field(default=(), description="Only articles by one of these authors")
    languages: tuple[str, ...] = Field(default=(), description="Only articles in these languages")


class Feed(Selection):
    """``[feed.NAME]``: one published selection of articles."""

    title: str | None = Field(
        default=None, description="By default the site's title, with the feed's name if there are several"
    )
    description: str | None = Field(default=None, description="By default the site's description")
    formats: tuple[FeedFormat, ...] = Field(
        default=tuple(FeedFormat), min_length=1, description="The documents that are written"
    )
    max_items: Whole = Field(default=50, ge=1, le=10_000, description="The newest so many articles")
    content: Literal["full", "summary"] = Field(default="full", description="Whole articles, or their summaries only")
    ttl: Interval = Field(default=timedelta(minutes=30), description="How often readers should ask")
    max_age: Duration | None = Field(
        default=None, description="Articles younger than this stay beyond max_items, up to four times as many"
    )
    max_size: Size = Field(
        default=500_000,
        ge=10_000,
        description="About the largest document; the oldest entries make room, one article beyond it is summarised",
    )
    per: tuple[PER, ...] = Field(
        default=(), description='Also one feed for each "category", "author", "tag", "source", "language"'
    )
    per_min: Whole = Field(default=1, ge=1, description="So many articles must share a term before it gets a feed")
    per_max: Whole = Field(default=5_000, ge=1, le=100_000, description="Most feeds that per makes of this feed")
    archive: bool = Field(default=False, description="Older entries stay in archive documents (RFC 5005)")
    renamed_from: tuple[str, ...] = Field(
        default=(), description="Earlier names of this feed: their addresses lead to the new ones for ever"
    )
    hub: str | tuple[str, ...] | None = Field(
        default=None, description='WebSub hubs that tell readers of changes at once: "self" is our own; or addresses'
    )
    fold: str | None = later(None, "G", "Show one article of each story", seen=True)

    @field_validator("hub")
    @classmethod
    def _hubs(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for place, hub in enumerate((value,) if isinstance(value, str) else value or (), 1):
            try:
                fits = hub == "self" or web_address(hub)
            except ValueError:
                fits = ""
            if not fits:
                which = "" if isinstance(value, str) else f"; number {place} in the list is neither"
                raise ValueError(f'expected "self" or the address of a hub such as "https://hub.example"{which}')
        return value

    @field_validator("formats", "per", "renamed_from")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value))


class Digest(Selection):
    """``[digest.NAME]``: a recurring newsletter."""

    title: str | None = Field(
        default=None, description="By default the site's title, with the digest's name if several have that one"
    )
    description: str = Field(default="", description="What the sign-up page says of it")
    frequencies: tuple[Frequency, ...] = Field(
        default=(Frequency.DAILY,), min_length=1, description="What readers may choose from"
    )
    default_frequency: Frequency | None = Field(default=None, description="By default the first of frequencies")
    send_at: str = Field(
        default="07:30",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="Time of day of daily, weekly and monthly issues",
        json_schema_extra={"expected": 'a time of day in quotes such as "07:30"'},
    )
    weekly_on: WEEKDAYS = Field(default="monday", description="Day of weekly issues")
    monthly_on: Whole = Field(
        default=1, ge=1, le=31, description="Day of monthly issues; in shorter months the last day"
    )
    timezone: str | None = Field(
        default=None,
        description="Zone of send_at and schedule; \"subscriber\": each reader's own; by default the site's",
    )
    schedule_from: date | None = Field(
        default=None,
        description="The day from which a rule in schedule counts",
        json_schema_extra={"expected": "a date such as 2026-12-01"},
    )
    schedule: str | None = Field(
        default=None,
        description='One rhythm for all instead of frequencies: a crontab line (0 and 7 are Sunday), or "RRULE:…"',
    )
    holidays: tuple[str, ...] = Field(
        default=(), description='Days without an issue: "2026-12-25", "12-25", "2026-12-24..2027-01-01", "GB-ENG"'
    )
    grace: Duration = Field(
        default=timedelta(0), description="So long a run waits for a source that is down before it goes without"
    )
    subject: str = Field(
        default="{{ digest.title }}: {{ top.title }}",
        min_length=1,
        description="Subject of the mails, as a template",
        json_schema_extra={"expected": "a text that is not empty"},
    )
    template: str = Field(
        default="digest",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
        description='The look: "magazine", "brief", "plain-letter", "digest" (the magazine), or one of your own',
        json_schema_extra={"expected": 'the name of a template, without folder and ending, such as "digest"'},
    )
    from_: str | None = Field(default=None, alias="from", description="Sender of this digest; by default delivery.from")
    reply_to: str | None = Field(default=None, description="By default delivery.reply_to")
    lookback: Duration = Field(default=timedelta(days=7), description="How far the first issue of a reader looks back")
    min_items: Whole = Field(default=1, ge=1, description="With fewer new articles a reader's issue waits")
    max_items: Whole = Field(default=12, ge=1, le=500, description="Most articles shown in full")
    overflow: Literal["headlines", "carry", "drop"] = Field(
        default="headlines", description="What happens to more: listed by title, kept for next time, left out"
    )
    order: Literal["newest", "oldest", "popularity", "title"] = Field(
        default="newest", description="Order of articles, after pinned ones and what was kept from the issue before"
    )
    sections: tuple[str, ...] = Field(
        default=(), description="Categories whose sections come first, in this order; the others follow"
    )
    catch_up: bool = Field(default=True, description="A run missed while the service was down is made up for, once")
    approval: Literal["none", "hold"] = Field(
        default="none", description='"none": issues leave by themselves; "hold": each waits as a draft for its approval'
    )
    approval_deadline: Interval | None = Field(
        default=None, description="So long a draft waits for its approval; by default as long as it takes"
    )
    approval_default: Literal["send", "lapse"] = Field(
        default="lapse", description="What becomes of a draft at its deadline; lapsed, its articles go with the next"
    )
    optin: Literal["double", "single"] = Field(default="double", description="Confirm by mail, or believe the form")
    topics: tuple[str, ...] = Field(default=(), description="Categories or tags that readers may choose from")
    language_choice: tuple[str, ...] = Field(
        default=(),
        description="Languages that readers choose between: each gets articles in theirs, and in none of these",
    )
    corrections: Literal["note", "none"] = Field(
        default="note", description="Tell those who got an article when it says something else now; or never"
    )
    merge: Literal["subscription", "subscriber"] = Field(
        default="subscription",
        description='A mail of its own; "subscriber": one mail with the other such digests that are due at the time',
    )
    blocks: tuple[str, ...] = later((), "G", "Order and choice of the parts of the mail", seen=True)
    public: bool = Field(default=True, description="Show issues in the web archive and in a feed of their own")

    @field_validator("schedule")
    @classmethod
    def _schedule(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not value:
            return value
        if not is_rule(value):
            return crontab_line(value)
        if "schedule_from" in info.data:  # one that is wrong is told by itself
            check_rule(value, start=info.data["schedule_from"])
        return value

    @field_validator("holidays")
    @classmethod
    def _holidays(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            check_holiday(entry)
        return value

    _senders = field_validator("from_", "reply_to")(lambda value: value and sender(value))

    @field_validator("frequencies")
    @classmethod
    def _once(cls, value: tuple[Frequency, ...]) -> tuple[Frequency, ...]:
        return tuple(dict.fromkeys(value))

    @field_validator("topics")
    @classmethod
    def _topics(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len({topic.casefold() for topic in value}) < len(value):
            raise ValueError("expected each topic once (upper and lower case count as the same)")
        if any(topic in {"", "*"} for topic in value):
            raise ValueError('expected the names of categories or tags; "*" and the empty text are none')
        return value

    @field_validator("sections")
    @classmethod
    def _sections(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len({section.casefold() for section in value}) < len(value) or "" in value:
            raise ValueError("expected the names of categories, each once (upper and lower case count as the same)")
        return value

    @field_validator("language_choice")
    @classmethod
    def _language_choice(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        tags = [language_tag(entry) for entry in value]
        lower = [f"{tag}-".lower() for tag in tags]
        if len(tags) == 1 or any(one.startswith(other) for one, other in permutations(lower, 2)):
            raise ValueError('expected two or more languages, none of them a part of another (as "en-GB" is of "en")')
        return tuple(tags)

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        return value if value in {None, "", SUBSCRIBER} else zone_name(value or "")

    @property
    def local(self) -> bool:
        """Whether each reader gets it at their own local time."""
        return self.timezone == SUBSCRIBER

    @property
    def frequency(self) -> Frequency:
        """The frequency of a subscription that names none."""
        return self.default_frequency or self.frequencies[0]
