"""What a reader may choose of a digest: frequency, topics, language, time zone, each read from text.

Every function returns the value as it is kept or raises UsageError that names what may be chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from syndicate.config.publications import Digest
from syndicate.config.values import zone_name
from syndicate.core.addresses import shown
from syndicate.core.topics import EVERYTHING, folded
from syndicate.errors import UsageError
from syndicate.model import Frequency

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}")
_SCRIPT_LENGTH = 4
LONGEST_PAUSE = timedelta(days=366)
TOPIC_LIMIT = 100  # characters of one topic, and topics of one subscription


def parse_frequency(text: str, digest: Digest) -> Frequency:
    """A frequency that the digest offers."""
    try:
        frequency = Frequency(text.strip().lower())
    except ValueError:
        frequency = None
    if frequency is None or frequency not in digest.frequencies:
        offered = ", ".join(digest.frequencies)
        raise UsageError(f"{shown(text)!r} is no frequency of this digest; it offers: {offered}")
    return frequency


def parse_topics(chosen: Iterable[str], digest: Digest) -> list[str]:
    """Topics, case-folded; nothing chosen or ``*`` means everything. Only those the digest lists, if it lists any."""
    topics = folded(chosen)
    if topics == [EVERYTHING]:
        return topics
    if len(topics) > TOPIC_LIMIT or any(len(topic) > TOPIC_LIMIT or not topic.isprintable() for topic in topics):
        raise UsageError(f"at most {TOPIC_LIMIT} topics of at most {TOPIC_LIMIT} printable characters can be chosen")
    offered = {topic.casefold() for topic in digest.topics}
    unknown = [topic for topic in topics if offered and topic not in offered]
    if unknown:
        names = ", ".join(digest.topics)
        raise UsageError(f"{shown(unknown[0])!r} is no topic of this digest; it offers: {names}")
    return topics


def parse_language(text: str) -> str:
    """A language tag (RFC 5646), in its usual upper and lower case: ``pt-BR``, ``zh-Hant``."""
    tag = text.strip().replace("_", "-")
    if not _LANGUAGE.fullmatch(tag):
        raise UsageError(f'{shown(text)!r} is no language tag; one such as "en" or "pt-BR" is expected')
    first, *rest = tag.split("-")
    return "-".join([first.lower(), *(_usual_case(part) for part in rest)])


def _usual_case(part: str) -> str:
    if len(part) == 2:  # noqa: PLR2004 - a region, RFC 5646 2.1.1
        return part.upper()
    return part.title() if len(part) == _SCRIPT_LENGTH and part.isalpha() else part.lower()


def parse_timezone(text: str) -> str:
    """A zone name of the IANA database."""
    try:
        return zone_name(text.strip())
    except ValueError as error:
        raise UsageError(f"{shown(text)!r} is no time zone: {error}") from error


def parse_pause(text: str, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The end of a pause: the beginning of a day (``2026-12-24``) where the reader is, in UTC; None for no text.

    At most a year from now; a day that has begun is no pause any more.
    """
    if not text.strip():
        return None
    try:
        day = date.fromisoformat(text.strip())
        until = datetime.combine(day, time(), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{shown(text)!r} is no day; one such as 2026-12-24 is expected") from None
    if until > now + LONGEST_PAUSE:
        raise UsageError("a pause may last a year at most")
    return until if until > now else None
