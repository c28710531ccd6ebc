"""Reads a table or query of any database: what is new or changed by its cursor, what is gone by full passes.

How far it has read: ``cursor.py``. SELECTs and connections: ``foreign_table.py``. Nothing is ever written there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Row, RowMapping

from syndicate.config.sources import DatabaseSource
from syndicate.core.article.fields import shown
from syndicate.errors import SourceError
from syndicate.io.cursor import Progress, encode
from syndicate.io.foreign_table import CURSOR, ForeignTable, open_table
from syndicate.io.sources import Known, Reading, item_name
from syndicate.model import ItemProblem, SourceItem

_MAX_TIES = 500  # rows at the settled cursor value that are read again at every poll; more are not
_NO_ID = "(no id)"
_EMPTY = "(empty)"
_BODIES = ("markdown", "html", "text")


_Pages = Generator[list[SourceItem], None, dict[str, Any]]  # what it returns is kept for the next reading


@dataclass(slots=True)
class _Pass:
    """One reading under way: rows already looked at, by item, with their stamps."""

    table: ForeignTable
    known: Known
    now: datetime
    seen: dict[str, str] = field(default_factory=dict)
    second: set[str] = field(default_factory=set)  # rows whose id another row has already

    def stamps(self) -> dict[str, str]:
        """All stamps, read once: before the full pass, when the pages have been taken."""
        if self._stamps is None:
            self._stamps = self.known.all()
        return self._stamps

    _stamps: dict[str, str] | None = None


class DatabaseReader:
    """The ``Source`` of ``type = "database"``. ``base`` is the folder that a relative SQLite file starts from."""

    def __init__(self, name: str, settings: DatabaseSource, base: Path = Path()) -> None:
        self.name = name
        self.settings = settings
        self.base = base
        self.columns: dict[str, str] = settings.columns.model_dump(exclude_none=True)
        self.format = next((form for form in _BODIES if form in self.columns), "html")

    def read(self, known: Known, state: Any, now: datetime) -> Reading:
        """Begin a reading. Its pages raise SourceError when the database, table or a column is not there.

        ``state`` keeps how far the cursor is settled, when the last full pass was, and for which settings that holds.
        """
        reading = Reading(pages=iter(()))
        reading.pages = self._pages(reading, known, state if isinstance(state, dict) else {}, now)
        return reading

    def _pages(
        self, reading: Reading, known: Known, state: dict[str, Any], now: datetime
    ) -> Iterator[list[SourceItem]]:
        if state.get("settings") != self._fingerprint():
            state = {}
        with open_table(
            self.settings.url,
            base=self.base,
            table_name=self.settings.table,
            query=self.settings.query,
            columns=self.columns,
            cursor=self.settings.cursor,
            timeout=self.settings.timeout,
        ) as table:
            one_pass = _Pass(table, known, now)
            read = self._read_all if self.settings.cursor is None else self._read_by_cursor
            kept = yield from read(one_pass, reading, state)
        reading.seen = max(reading.seen, len(one_pass.seen))
        reading.state = kept | {"settings": self._fingerprint()}

    def _read_all(self, one_pass: _Pass, reading: Reading, state: dict[str, Any]) -> _Pages:
        for rows in one_pass.table.pages_by_id():
            yield self._changed(rows, one_pass)
        return (yield from self._end_full_pass(one_pass, reading, state, set(one_pass.seen)))

    def _read_by_cursor(self, one_pass: _Pass, reading: Reading, state: dict[str, Any]) -> _Pages:
        table, now = one_pass.table, one_pass.now
        progress = Progress(self.settings.overlap, state.get("progress"))
        ahead: list[tuple[Any, Any]] = []
        try:
            for rows in table.pages_from(progress.settled, strict=progress.strict):
                for row in rows:
                    value = row._mapping[CURSOR]  # noqa: SLF001 - the public name of Row's mapping
                    if progress.saw(value, now):
                        ahead.append((row.id, value))
                yield self._changed(rows, one_pass)
            if progress.finish(now):
                progress.strict = table.more_than(_MAX_TIES, progress.settled)
            kept = {"progress": progress.state()}
            if ahead:
                reading.warnings.append(self._ahead(ahead))
        except TypeError as error:
            raise SourceError(f"{table.label}: column {self.settings.cursor!r} cannot be a cursor: {error}") from error
        last = state.get("full_at")
        if last is not None and now < datetime.fromisoformat(last) + self.settings.full_interval:
            return state | kept
        wanted, there = self._compare(one_pass)
        for rows in table.by_ids(wanted):
            yield self._changed(rows, one_pass)
        return (yield from self._end_full_pass(one_pass, reading, state, there)) | kept

    def _ahead(self, rows: list[tuple[Any, Any]]) -> ItemProblem:
        (first, value), more = rows[0], len(rows) - 1
        others = f" (and of {more} more)" if more else ""
        return ItemProblem(
            item=_item(first),
            error=f"its {self.settings.cursor}{others} lies in the future: {value}; such rows are read again at every "
            "poll until that time has come. Correct the date there",
        )

    def _compare(self, one_pass: _Pass) -> tuple[list[Any], set[str]]:
        """Look through all ids: which rows were missed (unknown, another cursor value, none), which items are there."""
        stamps = one_pass.stamps()
        there: set[str] = set()
        wanted: list[Any] = []
        for id_, cursor in one_pass.table.ids():
            item = _item(id_)
            if item in there:
                one_pass.second.add(_second(item))
            there.add(item)
            if item in one_pass.seen:
                continue
            if cursor is None or not stamps.get(item, "").startswith(_cursor_stamp(cursor)):
                wanted.append(id_)
        return list(dict.fromkeys(wanted)), there

    def _end_full_pass(self, one_pass: _Pass, reading: Reading, state: dict[str, Any], there: set[str]) -> _Pages:
        stamps = one_pass.stamps()
        remarks: list[SourceItem] = []
        if count := one_pass.table.count_without_id():
            remarks.append(
                SourceItem(item=_NO_ID, stamp=str(count), error=f"{count} rows have no id and cannot be taken")
            )
        taken = len(stamps.keys() - {_NO_ID, _EMPTY})
        suspicious = not there and taken > 0 and not state.get("empty")
        if suspicious:
            # Tables are emptied to be filled anew. What is still empty at the next full pass was meant.
            error = f"the table is empty, and {taken} rows came from it; if it still is at the next full pass, they go"
            remarks.append(SourceItem(item=_EMPTY, stamp=one_pass.now.isoformat(), error=error))
        yield [remark for remark in remarks if stamps.get(remark.item) != remark.stamp]
        present = there | one_pass.second | {remark.item for remark in remarks}
        reading.seen = len(there)
        reading.removed = None if suspicious else frozenset(stamps.keys() - present)
        return {"full_at": one_pass.now.isoformat(), "empty": not there and taken > 0}

    def _changed(self, rows: Iterable[Row[Any]], one_pass: _Pass) -> list[SourceItem]:
        """Turn rows into items, without those that are known as they are. Of two rows with one id the first counts."""
        found = [(_item(row.id), self._stamp(row), row) for row in rows]
        if len({item for item, _, _ in found}) < len(found):
            # A database gives rows that are alike in id and cursor in any order: the choice must not hang on that.
            order: dict[tuple[str, str], int] = {}
            found.sort(key=lambda each: (order.setdefault((each[0], each[1].rpartition(":")[0]), len(order)), each[1]))
        known = one_pass.known.some([name for item, _, _ in found for name in (item, _second(item))])
        items: list[SourceItem] = []
        for item, stamp, row in found:
            second = _second(item)
            first = one_pass.seen.get(item)
            if known.get(second) == stamp:
                one_pass.second.add(second)
                continue
            # Seen twice: two rows, or one row that was changed, and so moved along the cursor, while we read.
            if first not in (None, stamp):
                twins = [twin for page in one_pass.table.by_ids([row.id]) for twin in page]
                if len(twins) > 1:
                    one_pass.second.add(second)
                    counts = next((f", {shown(twin.title)}," for twin in twins if self._stamp(twin) == first), "")
                    error = f"a second row has the id {item!r}: {shown(row.title)}; the first{counts} counts"
                    items.append(SourceItem(item=second, stamp=stamp, error=error))
                    continue
            one_pass.seen[item] = stamp
            if first != stamp and known.get(item) != stamp:
                items.append(self._source_item(item, stamp, row._mapping))  # noqa: SLF001 - see above
        return items

    def _source_item(self, item: str, stamp: str, values: RowMapping) -> SourceItem:
        fields = {name: values[name] for name in self.columns if name not in _BODIES}
        body = values[self.format] if self.format in self.columns else ""
        if isinstance(body, bytes | bytearray | memoryview):
            try:
                body = bytes(body).decode("utf-8-sig")
            except UnicodeDecodeError as error:
                return SourceItem(item=item, stamp=stamp, error=f"its body is no UTF-8 text ({error.reason})")
        text = body if isinstance(body, str) else "" if body is None else str(body)
        return SourceItem(item=item, stamp=stamp, fields=fields, body=text, format=self.format)

    def _stamp(self, row: Row[Any]) -> str:
        values = row._mapping  # noqa: SLF001 - see above
        parts = repr(tuple(row)).encode("utf-8", "surrogatepass")
        cursor = _cursor_stamp(values[CURSOR]) if self.settings.cursor is not None else ""
        return cursor + hashlib.blake2b(parts, digest_size=12).hexdigest()

    def _fingerprint(self) -> str:
        settings = self.settings
        parts = (settings.url, settings.table, settings.query, settings.cursor, sorted(self.columns.items()))
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _item(id_: Any) -> str:
    return item_name(bytes(id_).hex() if isinstance(id_, bytes | bytearray | memoryview) else str(id_))


def _second(item: str) -> str:
    return f"{item[:480]} (second row)"


def _cursor_stamp(value: Any) -> str:
    """The part of a stamp that a full pass can compare without reading the row."""
    return hashlib.blake2b(repr(encode(value)).encode(), digest_size=6).hexdigest() + ":"
