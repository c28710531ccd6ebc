"""Reads a document and its compressed twins from ``feeds/``; a twin that is not of the same content is not used.

What is small is held in memory, what is large stays in its files. Blocking: call it in a thread.
"""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import brotli

from syndicate.web.feed_server.delta import DELTA_FROM, fingerprints
from syndicate.web.feed_server.held import About, Encoded, Held, Version, hold

LARGE: Final = 8_000_000  # bytes: more stays in its file
_PIECE: Final = 262_144
_NOT_WORTH_IT: Final = 200  # bytes that compression saves nothing of
_REMEMBERED: Final = 8  # earlier versions of a document
_TWINS: Final = {"gzip": ".gz", "br": ".br"}

Stamp = tuple[tuple[int, int, int] | None, ...]


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class _Decoder(Protocol):
    def feed(self, data: bytes) -> bytes:
        """What more compressed bytes decode to."""


@dataclass(slots=True)
class _Gzip:
    inner: zlib._Decompress

    def feed(self, data: bytes) -> bytes:
        return self.inner.decompress(data)


@dataclass(slots=True)
class _Brotli:
    inner: brotli.Decompressor

    def feed(self, data: bytes) -> bytes:
        return bytes(self.inner.process(data))


def stamp_of(place: Path) -> Stamp:
    """What tells a file and its twins from later ones: inode, time, size. Raises OSError without the file."""
    found = [_stamp(place.stat())]
    return (*found, *(_twin_stamp(place, suffix) for suffix in _TWINS.values()))


def read(folder: Path, parts: tuple[str, ...], about: About, previous: Held | None, now: int) -> Held | None:
    """The document as it stands on disk: ``previous`` itself if that is still it, None if there is none."""
    place = folder.joinpath(*parts)
    try:
        if not place.resolve().is_relative_to(folder.resolve()):
            return None
        stamp = stamp_of(place)
        # A date that was set back to the clock is told rightly once the clock has reached it.
        due = previous is not None and previous.clamped and previous.modified <= now
        if previous is not None and previous.stamp == stamp and previous.about == about and not due:
            return previous
        with place.open("rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                return None
            # The opened file counts: it may have been replaced since.
            stamp = (_stamp(facts), *stamp[1:])
            modified = int(facts.st_mtime)
            bodies = _large(file, place, facts.st_size) if facts.st_size > LARGE else _small(file.read(), place)
    except (OSError, ValueError):
        return None
    return hold(
        bodies,
        stamp=stamp,
        modified=modified,
        now=now,
        about=about,
        history=_history(previous, bodies["identity"].digest),
    )


def open_variant(place: Path, held: Held, encoding: str) -> BinaryIO | None:
    """Open the file of an encoding, None if it is not the one that was read before."""
    order = ("identity", *_TWINS)
    path = place if encoding == "identity" else place.with_name(place.name + _TWINS[encoding])
    try:
        file = path.open("rb")
    except OSError:
        return None
    if _stamp(os.fstat(file.fileno())) != held.stamp[order.index(encoding)]:
        file.close()
        return None
    return file


def _small(content: bytes, place: Path) -> dict[str, Encoded]:
    bodies = {"identity": _held(content)}
    if len(content) < _NOT_WORTH_IT:
        return bodies
    for encoding, suffix in _TWINS.items():
        try:
            twin = place.with_name(place.name + suffix).read_bytes()
        except OSError:
            continue
        if _is_of(twin, encoding, content):
            bodies[encoding] = _held(twin)
    if "gzip" not in bodies:
        # Its twin is not in place yet, or of another version: level 6 takes 1.7 ms for 95 KB, once.
        bodies["gzip"] = _held(gzip.compress(content, 6, mtime=0))
    return bodies


def _held(body: bytes) -> Encoded:
    return Encoded(body, len(body), _name(sha256(body)))


def _is_of(twin: bytes, encoding: str, content: bytes) -> bool:
    return sum(map(len, _decoded([twin], encoding, len(content)))) == len(content) and (
        b"".join(_decoded([twin], encoding, len(content))) == content
    )


def _large(file: BinaryIO, place: Path, size: int) -> dict[str, Encoded]:
    digest = _digest(_pieces(file))
    bodies = {"identity": Encoded(None, size, digest)}
    for encoding, suffix in _TWINS.items():
        with _opened(place.with_name(place.name + suffix)) as twin:
            if twin is None:
                continue
            seen = sha256()
            if _digest(_decoded(_noted(_pieces(twin), seen), encoding, size)) == digest:
                bodies[encoding] = Encoded(None, os.fstat(twin.fileno()).st_size, _name(seen))
    return bodies


def _noted(pieces: Iterator[bytes], seen: _Hash) -> Iterator[bytes]:
    for piece in pieces:
        seen.update(piece)
        yield piece


def _decoded(pieces: Iterator[bytes] | list[bytes], encoding: str, limit: int) -> Iterator[bytes]:
    """What compressed bytes hold, no more than just beyond ``limit``; nothing at all where they are damaged."""
    decoder: _Decoder = _Gzip(zlib.decompressobj(31)) if encoding == "gzip" else _Brotli(brotli.Decompressor())
    done = 0
    try:
        for piece in pieces:
            for start in range(0, len(piece), 65_536):
                found = decoder.feed(piece[start : start + 65_536])
                done += len(found)
                yield found
                if done > limit:
                    return
    except (zlib.error, brotli.error):
        yield b"damaged"


def _digest(pieces: Iterator[bytes]) -> str:
    found = sha256()
    for piece in pieces:
        found.update(piece)
    return _name(found)


def _name(digest: _Hash) -> str:
    return digest.hexdigest()[:32]


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _history(previous: Held | None, digest: str) -> tuple[Version, ...]:
    if previous is None:
        return ()
    content = previous.content
    if previous.digest == digest or content is None or len(content) < DELTA_FROM:
        return previous.history
    version = Version(previous.digest, fingerprints(content, previous.about.media_type))
    return (version, *previous.history)[:_REMEMBERED]


def _stamp(facts: os.stat_result) -> tuple[int, int, int]:
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _twin_stamp(place: Path, suffix: str) -> tuple[int, int, int] | None:
    try:
        return _stamp(place.with_name(place.name + suffix).stat())
    except OSError:
        return None


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | None]:
    try:
        file = path.open("rb")
    except OSError:
        yield None
        return
    with file:
        yield file
