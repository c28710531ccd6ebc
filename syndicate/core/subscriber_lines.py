"""CSV of subscribers: from bytes to records, from records to what they ask for, and back to rows.

Every fault belongs to one line and leaves the others alone. Writing it to the store: ``pipeline/members/importing.py``.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

from syndicate.config.publications import Digest
from syndicate.core.addresses import Address, clean_name, parse_address, shown
from syndicate.core.choices import parse_frequency, parse_language, parse_timezone, parse_topics
from syndicate.errors import UsageError
from syndicate.model import Frequency, SubscriptionState

COLUMNS: Final = ("email", "name", "digest", "frequency", "topics", "timezone", "language", "state")
TOPIC_SEPARATOR: Final = ";"
_OTHER_NAMES: Final = {"e-mail": "email", "email address": "email", "e-mail address": "email"}
_BOM: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_LONGEST_LINE: Final = 65_536
# No column of ours holds line breaks, but columns of others may; a quotation mark that never closes must not swallow
# the rest of the file.
_LONGEST_RECORD: Final = 100


class Record(NamedTuple):
    """One record: the number of its first line (from 1), and its fields or what is wrong with it."""

    number: int
    fields: Sequence[str]
    problem: str | None = None


class SubscriberLine(NamedTuple):
    """What one line asks for. None = the line does not say."""

    number: int
    address: Address
    digest: str
    name: str | None
    frequency: Frequency | None
    topics: tuple[str, ...] | None
    timezone: str | None
    language: str | None
    state: SubscriptionState | None


@dataclass(frozen=True, slots=True)
class Header:
    """Where each of our columns stands, and the names of columns that are not used."""

    places: Mapping[str, int]
    unused: tuple[str, ...]


def records(lines: Iterable[bytes]) -> Iterator[Record]:
    """Cut a file into records, the header first (RFC 4180; also with semicolons or tabs, a BOM, any line ends).

    Raises UsageError for a file that is no UTF-8 text at all.
    """
    numbered = enumerate(_lines(lines), start=1)
    waiting: deque[tuple[int, str]] = deque()
    delimiter = ""
    while True:
        try:
            number, line = waiting.popleft() if waiting else next(numbered)
        except StopIteration:
            return
        if not line.strip():
            continue
        if not delimiter:
            delimiter = max(",;\t", key=line.count)
        yield _record(number, line, delimiter, waiting, numbered)


def _lines(lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines):
        raw = line
        if number == 0:
            if raw.startswith(_UTF16):
                raise UsageError("the file is UTF-16 text; save it as CSV in UTF-8")
            raw = raw.removeprefix(_BOM)
        # Surrogates mark the bytes that are no UTF-8 until _record() can name the line.
        yield raw.decode("utf-8", "surrogateescape").rstrip("\r\n")


def _record(
    number: int, line: str, delimiter: str, waiting: deque[tuple[int, str]], numbered: Iterator[tuple[int, str]]
) -> Record:
    fault = _fault(line)
    if fault is not None:
        return Record(number, (), fault)
    if '"' not in line:
        return Record(number, line.split(delimiter))
    fields = _parse(line, delimiter)
    text, ahead = line, 0
    while fields is None and ahead < _LONGEST_RECORD:
        if ahead == len(waiting):
            try:
                waiting.append(next(numbered))
            except StopIteration:
                break
        text += "\n" + waiting[ahead][1]
        ahead += 1
        fields = _parse(text, delimiter)
    if fields is None:
        # The lines looked at stay in ``waiting`` and are read again, each for itself.
        return Record(number, (), "a quotation mark is not closed, or stands in the middle of a field")
    for _ in range(ahead):
        waiting.popleft()
    return Record(number, fields, _fault(text))


def _fault(line: str) -> str | None:
    if len(line) > _LONGEST_LINE:
        return f"longer than {_LONGEST_LINE} characters"
    if line.isascii():
        return None
    for character in line:
        if "\udc80" <= character <= "\udcff":
            return f"not UTF-8 (byte 0x{ord(character) - 0xDC00:02X}); save the file as CSV in UTF-8"
    return None


def _parse(text: str, delimiter: str) -> list[str] | None:
    try:
        parsed = list(csv.reader([text + "\n"], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return parsed[0] if len(parsed) == 1 else None


def column_hint(title: str) -> str | None:
    """The column of ours that one with this title was probably meant to be."""
    found = get_close_matches(title.strip().lower()[:64], COLUMNS, n=1, cutoff=0.75)
    return found[0] if found else None


def read_header(record: Record | None) -> Header:
    """Find our columns. Raises UsageError when there is no ``email`` among them, or one stands twice."""
    if record is None:
        raise UsageError("the file is empty; its first line must name the columns (at least: email)")
    if record.problem is not None:
        raise UsageError(f"line {record.number}: {record.problem}")
    places: dict[str, int] = {}
    unused = []
    for place, title in enumerate(record.fields):
        name = title.strip().lower()
        name = _OTHER_NAMES.get(name, name)
        if name not in COLUMNS:
            unused.append(shown(title.strip()) or f"(column {place + 1} has no name)")
        elif name in places:
            raise UsageError(f"line {record.number}: the column {name} stands there twice")
        else:
            places[name] = place
    if "email" not in places:
        found = ", ".join(shown(title.strip()) for title in record.fields)
        raise UsageError(
            f"line {record.number} must name the columns, and one of them must be email; it holds: {shown(found, 200)}"
        )
    return Header(places=places, unused=tuple(unused))


class LineReader:
    """Reads records under one header, into what they ask for; remembers values that come again and again."""

    def __init__(self, header: Header, digests: Mapping[str, Digest], default_digest: str | None) -> None:
        # One past the end stands for a column that is not there: ``read`` puts an empty field at each line's end.
        self._fields: Callable[[Sequence[str]], tuple[str, ...]] = itemgetter(
            *(header.places.get(name, -1) for name in COLUMNS)
        )
        self._digests = digests
        self._default_digest = default_digest
        self._frequency: Callable[[str, str], Frequency] = lru_cache(1000)(
            lambda text, digest: parse_frequency(text, digests[digest])
        )
        self._topics: Callable[[str, str], tuple[str, ...]] = lru_cache(1000)(
            lambda text, digest: tuple(parse_topics(text.split(TOPIC_SEPARATOR), digests[digest]))
        )
        self._timezone: Callable[[str], str] = lru_cache(1000)(parse_timezone)
        self._language: Callable[[str], str] = lru_cache(1000)(parse_language)
        self._width = max(header.places.values()) + 1

    def read(self, record: Record) -> SubscriberLine:
        """What a record asks for. Raises AddressError or UsageError with what is wrong with it."""
        if record.problem is not None:
            raise UsageError(record.problem)
        fields = [*record.fields, ""]
        if len(fields) <= self._width:
            fields += [""] * (self._width - len(fields) + 1)
        email, name, digest, frequency, topics, timezone, language, state = map(str.strip, self._fields(fields))
        address = parse_address(email)
        digest = digest or self._default_digest or ""
        if not digest:
            raise UsageError("does not say which digest; add a column digest, or --digest")
        if digest not in self._digests:
            raise UsageError(f"there is no digest {shown(digest)!r}; there is: {', '.join(self._digests)}")
        return SubscriberLine(
            number=record.number,
            address=address,
            digest=digest,
            name=clean_name(name) if name else None,
            frequency=self._frequency(frequency, digest) if frequency else None,
            topics=self._topics(topics, digest) if topics else None,
            timezone=self._timezone(timezone) if timezone else None,
            language=self._language(language) if language else None,
            state=_state(state) if state else None,
        )


@lru_cache(100)
def _state(text: str) -> SubscriptionState:
    try:
        return SubscriptionState(text.lower())
    except ValueError:
        words = ", ".join(SubscriptionState)
        raise UsageError(f"{shown(text)!r} is no state of a subscription; expected one of {words}") from None
