"""Single values of feeds as people write them: dates, languages, names, counts, plain text from HTML.

What is nonsense is nothing here, never an error: one odd field must not cost an entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

from syndicate.core.article.body import plain_text
from syndicate.core.article.fields import MAX_NAME, read_language
from syndicate.core.article.sanitise import absolute, sanitise
from syndicate.core.article.text import clean_line, cut_text
from syndicate.errors import ArticleError

EARLIEST_YEAR, LATEST_YEAR = 1900, 2999  # beyond stand the "never" and "unknown" of other programs (0001, 9999)
# A feed shows what is published. A date further ahead is a slip or the day of an event, not the day of publication.
FARTHEST_AHEAD = timedelta(days=2)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # what a missing number becomes
PERIODS = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(weeks=1),
    "monthly": timedelta(days=30),
    "yearly": timedelta(days=365),
}
_DAY_ONLY = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")  # W3C-DTF: a year, a month or a day
_LOOSE_ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)? ?(Z|[+-]\d{2}:?\d{2})?", re.IGNORECASE
)
_YEAR_OF_NOTHING = re.compile(r"(?<![+-])\b0\d{3}\b")
_MAIL = r"(?:mailto:)?[^\s@<>()]+@[^\s@<>()]+\.[^\s@<>()]+"
_MAIL_AND_NAME = re.compile(rf"{_MAIL}\s*\((.*)\)")
_NAME_AND_MAIL = re.compile(rf"([^<]*)<{_MAIL}>")
_MARKUP = re.compile(r"</?[a-zA-Z][^>]*>|&(?:#\d+|#x[0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]+);|<!--")
_C1 = {
    code: bytes([code]).decode("cp1252", "ignore") or None for code in range(0x80, 0xA0)
}  # Windows-1252 in a Latin-1 document, as every browser reads it
_MAX_TITLE = 1000
MAX_NAMES = 100  # some programs write every word of an article as a category
_SHORT_TITLE = 80


def line(text: str | None) -> str:
    """One line of plain text, as it is."""
    return clean_line(text.translate(_C1)) if text else ""


def line_of_html(html: str | None) -> str:
    """One line of plain text from HTML."""
    return plain_text(sanitise(html.translate(_C1), None)) if html else ""


def line_of_either(text: str | None) -> str:
    """One line of plain text from what may be either: HTML only if it holds a tag or a reference."""
    return line_of_html(text) if text and _MARKUP.search(text) else line(text)


def block(text: str | None) -> str:
    """A body as it is; forbidden characters are the article's business."""
    return text.translate(_C1).strip() if text else ""


def title_from(text: str) -> str:
    """A title for an entry that has none (RSS 2.0 demands none, JSON Feed neither): how its text begins."""
    return cut_text(text, _SHORT_TITLE) if text else ""


def title(text: str) -> str:
    """A title of a length that articles may have."""
    return cut_text(text, _MAX_TITLE)


def names(found: Iterable[str]) -> tuple[str, ...]:
    """Names without empty ones and repetitions in another case, so long and so many as an article may have."""
    kept: dict[str, str] = {}
    for name in found:
        short = cut_text(name, MAX_NAME)
        if short:
            kept.setdefault(short.casefold(), short)
        if len(kept) == MAX_NAMES:
            break
    return tuple(kept.values())


def author(text: str | None) -> str:
    """A name from "Name", "Name <address>" or RSS's "address (Name)"; a bare mail address is nobody's name."""
    written = line(text)
    if "@" not in written:
        return written
    if found := _MAIL_AND_NAME.fullmatch(written):
        return found[1].strip()
    if found := _NAME_AND_MAIL.fullmatch(written):
        return found[1].strip(' "')
    return "" if re.fullmatch(_MAIL, written) else written


def language(text: str | None) -> str | None:
    """A language tag; None for what is none ("english", "utf-8")."""
    try:
        found = read_language(text, "language") if text else None
    except ArticleError:
        return None
    return None if found in {"und", "zxx", "mul", "mis"} else found


def count(text: str | None) -> int | None:
    """A number of comments."""
    written = (text or "").strip()
    return int(written) if re.fullmatch(r"[0-9]{1,9}", written) else None


def minutes(text: str | None) -> timedelta | None:
    """RSS's ``ttl``: a number of minutes."""
    written = (text or "").strip()
    return timedelta(minutes=int(written)) if re.fullmatch(r"[0-9]{1,7}", written) and int(written) else None


def address(text: str | None, base: str | None) -> str | None:
    """An absolute http(s) address, or None; a broken base takes part no further than it can."""
    return absolute(line(text), base) if text else None


def joined(base: str | None, relative: str | None) -> str | None:
    """A base from an xml:base and the one around it (RFC 3986, section 5.1.1); None where there is none."""
    if not relative:
        return base
    try:
        found = urljoin(base or "", relative.strip())
    except ValueError:
        return base
    return found if found.lower().startswith(("http://", "https://")) else base


def date(text: str | None, now: datetime) -> datetime | None:
    """A date in RFC 5322's form, RFC 3339's, W3C-DTF's, or nearly so. None for nonsense and for what lies too far off.

    Without a zone it stays without one.
    """
    written = " ".join((text or "").split())
    if not written:
        return None
    try:
        found = _iso(written) or _mail(written)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    if found is None or not EARLIEST_YEAR <= found.year <= LATEST_YEAR:
        return None
    found = found.replace(microsecond=0)
    return found if moment(found) <= now + FARTHEST_AHEAD and moment(found) != _EPOCH else None


def moment(time: datetime) -> datetime:
    """A time that can be compared with others: without a zone it counts as UTC."""
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _iso(written: str) -> datetime | None:
    if found := _DAY_ONLY.fullmatch(written):
        year, month, day = found.groups()
        return datetime(int(year), int(month or 1), int(day or 1))  # noqa: DTZ001 - without a zone on purpose
    if found := _LOOSE_ISO.fullmatch(written):
        year, month, day, hour, minute, second, zone = found.groups()
        zone = (zone or "").upper()
        time = f"{int(hour):02}:{minute}:{min(int(second or 0), 59):02}"  # a leap second is the one before
        return datetime.fromisoformat(f"{year}-{int(month):02}-{int(day):02}T{time}{zone}")
    return None


def _mail(written: str) -> datetime | None:
    if _YEAR_OF_NOTHING.search(written):
        return None  # Hugo's "unknown"; the library below takes 0001 for 01, and that for 2001
    found = parsedate_to_datetime(written)
    # "-0000" and the names of zones that nobody knows give a time without one: RFC 5322, 4.3 reads those as UTC.
    return found if found.tzinfo else found.replace(tzinfo=UTC)
