"""Reads a folder of Markdown and HTML files with front matter: finds what is new, changed or gone, opens only that.

What the fields mean is decided in ``core/article``.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import translate
from itertools import chain
from pathlib import Path
from typing import Any

from syndicate.config.sources import FolderSource
from syndicate.errors import ArticleError, SourceError
from syndicate.io.front_matter import split_front_matter
from syndicate.io.sources import SCAN, Known, Reading, item_name
from syndicate.model import SourceItem

_PAGE = 200  # files opened between two commits
_MARKDOWN = (".md", ".markdown", ".mdown", ".mkd", ".txt")
_ORDINARY = 400  # characters of a path below which nothing needs shortening
_UNREADABLE = "unreadable"  # the stamp of what could not be looked at


@dataclass(slots=True)
class _Scan:
    """What stands in the folder: stamps by item, what is wrong, and the folders that could not be looked into."""

    stamps: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)  # only where the path is not the item itself
    errors: dict[str, str] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)

    def fingerprint(self) -> str:
        """The same for the same items with the same stamps, in the order in which the file system lists them."""
        text = "\0".join(chain.from_iterable(self.stamps.items()))
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class FolderReader:
    """The ``Source`` of ``type = "folder"``. ``path`` is the folder, resolved against the configuration's."""

    def __init__(self, name: str, settings: FolderSource, path: Path) -> None:
        self.name = name
        self.path = path
        self.max_size = settings.max_article_size
        # Nearly all patterns are "*.md": asking for an ending takes a fifth of the time of an expression.
        endings = [pattern[1:] for pattern in settings.patterns if re.fullmatch(r"\*[\w.-]+", pattern)]
        self._endings = tuple({form for ending in endings for form in (ending, ending.lower(), ending.upper())})
        others = [pattern for pattern in settings.patterns if pattern[1:] not in endings]
        self._by_path = re.compile("|".join(map(translate, others)), re.IGNORECASE) if others else None

    def read(self, known: Known, state: Any, now: datetime) -> Reading:  # noqa: ARG002 - the protocol's
        """Begin a reading: scan all, then open what changed.

        ``state`` keeps a fingerprint of the last scan: when it is the same, the known stamps need not be read. The
        pages raise SourceError when the folder is missing or unreadable, or empty where articles were.
        """
        reading = Reading(pages=iter(()))
        reading.pages = self._pages(reading, known, state.get(SCAN) if isinstance(state, dict) else None)
        return reading

    def _pages(self, reading: Reading, known: Known, last: str | None) -> Iterator[list[SourceItem]]:
        scan = self._scan()
        fingerprint = scan.fingerprint()
        if scan.stamps and fingerprint == last:
            # 100,000 stamps from the database would be a third of the cost of a poll that finds nothing.
            reading.seen, reading.removed, reading.state = len(scan.stamps), frozenset(), {SCAN: fingerprint}
            return
        before = known.all()
        if before and not scan.stamps and self._is_empty():
            raise SourceError(
                f"{self.path} is empty, and {len(before)} articles came from it: is its disk mounted? Nothing was "
                "withdrawn. If all of them are to go, put any file there (an empty .keep will do)"
            )
        reading.seen = len(scan.stamps)
        gone = before.keys() - scan.stamps.keys()
        if scan.closed:  # what stands in a folder that cannot be read is neither seen nor gone
            gone = {item for item in gone if not item.startswith(tuple(scan.closed))}
        reading.removed = frozenset(gone)
        # By name: which of two new files gets the id that both claim must not hang on the file system's order.
        changed = sorted(item for item, stamp in scan.stamps.items() if before.get(item) != stamp)
        missed = False
        for start in range(0, len(changed), _PAGE):
            page = [self._item(item, scan) for item in changed[start : start + _PAGE]]
            missed = missed or None in page  # gone meanwhile; it may come back just as it was
            yield [item for item in page if item is not None]
        reading.state = {} if missed else {SCAN: fingerprint}

    def _is_empty(self) -> bool:
        with os.scandir(self.path) as entries:
            return next(entries, None) is None

    def _is_wanted(self, name: str, place: str) -> bool:
        if name.lower().endswith(self._endings):
            return True
        patterns = self._by_path
        return patterns is not None and (patterns.match(name) or patterns.match(place)) is not None

    def _scan(self) -> _Scan:
        scan = _Scan()
        root = os.path.realpath(self.path)
        folders = [(str(self.path), "")]
        while folders:
            path, prefix = folders.pop()
            try:
                with os.scandir(path) as entries:
                    self._scan_folder(entries, prefix, scan, folders, root)
            except OSError as error:
                if not prefix:
                    raise SourceError(
                        f"{self.path}: {_reason(error)}; source {self.name} must be a folder that this process may read"
                    ) from error
                if not isinstance(error, FileNotFoundError):
                    item = item_name(prefix)
                    scan.closed.append(item)
                    scan.stamps[item], scan.errors[item] = _UNREADABLE, _reason(error)
        return scan

    def _scan_folder(  # noqa: C901 - one flat loop on the hottest path of a poll
        self,
        entries: Iterator[os.DirEntry[str]],
        prefix: str,
        scan: _Scan,
        folders: list[tuple[str, str]],
        root: str,
    ) -> None:
        """One level. This loop runs for every file at every poll: 100,000 take half a second, most of it ``stat``."""
        endings, stamps = self._endings, scan.stamps
        for entry in entries:
            name = entry.name
            if name[0] == ".":
                continue
            place = prefix + name
            if not name.endswith(endings) and not self._is_wanted(name, place):
                if entry.is_dir(follow_symlinks=False):
                    folders.append((entry.path, place + "/"))
                continue
            if place.isascii() and place.isprintable() and len(place) < _ORDINARY:
                item = place
            else:
                item = item_name(place)
                scan.paths[item] = place
            try:
                if entry.is_symlink():
                    _check_link(entry, root)
                if entry.is_file():
                    stat = entry.stat()
                    stamps[item] = f"{stat.st_mtime_ns}:{stat.st_size}:{stat.st_ino}"
                elif entry.is_dir(follow_symlinks=False):
                    folders.append((entry.path, place + "/"))
            except FileNotFoundError:
                continue  # gone between the listing and now: the next poll sees how it ends
            except OSError as error:
                stamps[item], scan.errors[item] = _UNREADABLE, _reason(error)
            except ArticleError as error:
                stamps[item], scan.errors[item] = _UNREADABLE, str(error)

    def _item(self, item: str, scan: _Scan) -> SourceItem | None:
        stamp = scan.stamps[item]
        if item in scan.errors:
            return SourceItem(item=item, stamp=stamp, error=scan.errors[item])
        path = os.path.join(self.path, scan.paths.get(item, item))  # noqa: PTH118 - a name may be no valid text
        try:
            fields, body = split_front_matter(_read_text(path, self.max_size))
        except FileNotFoundError:
            return None
        except OSError as error:
            return SourceItem(item=item, stamp=stamp, error=_reason(error))
        except ArticleError as error:
            return SourceItem(item=item, stamp=stamp, error=str(error))
        form = "markdown" if item.lower().endswith(_MARKDOWN) else "html"
        return SourceItem(item=item, stamp=stamp, fields=fields, body=body, format=form)


def _check_link(entry: os.DirEntry[str], root: str) -> None:
    """Follow a link only to a file inside the folder: an editor must not be able to publish /etc by a link."""
    try:
        target = os.path.realpath(entry.path, strict=True)
    except OSError as error:
        raise ArticleError(f"it is a link that leads nowhere ({_reason(error)})") from error
    if os.path.commonpath([root, target]) != root:
        raise ArticleError("it is a link that leads out of the folder, and is not followed")


def _read_text(path: str, limit: int) -> str:
    with open(path, "rb") as file:  # noqa: PTH123 - see above
        data = file.read(limit + 1)
        if len(data) > limit:
            size = os.fstat(file.fileno()).st_size
            raise ArticleError(
                f"it has {size:,} bytes; more than {limit:,} are not taken (max_article_size of the source raises that)"
            )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ArticleError(f"it is no UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
