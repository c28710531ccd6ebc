"""The file of a backup: a gzip-compressed tar of small named parts, written beside its target and renamed, mode 0600.

What the parts mean lives in ``pipeline/backup.py``. Nothing is ever unpacked to a path that an archive names.
"""

from __future__ import annotations

import gzip
import io
import os
import secrets
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syndicate.errors import BackupError

_GZIP_MAGIC = b"\x1f\x8b"
_LEVEL = 6
# The largest part of ours is one row with one article or edition; what claims more was not made by us.
_MAX_PART = 512 * 2**20


class ArchiveWriter:
    """Takes the parts of one archive, in order."""

    def __init__(self, tar: tarfile.TarFile, time: int) -> None:
        self._tar = tar
        self._time = time

    def add(self, name: str, data: bytes) -> None:
        """Append a part."""
        info = tarfile.TarInfo(name)
        info.size = len(data)
        info.mtime = self._time
        info.mode = 0o600
        self._tar.addfile(info, io.BytesIO(data))


@contextmanager
def write_archive(path: Path, time: int) -> Iterator[ArchiveWriter]:
    """A new archive that takes its name when all of it is on the disk; ``time`` (Unix) is that of its parts.

    An older archive at the path stays until then. Raises BackupError, naming the path, also when something there is no
    archive: a mistyped name must not cost a database.
    """
    if _is_other(path):
        raise BackupError(f"{path} exists and is no backup; it was left as it is. Name another file")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                with (
                    gzip.GzipFile("", "wb", _LEVEL, file, mtime=time) as packed,
                    tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
                ):
                    yield ArchiveWriter(tar, time)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(path.parent)
    except OSError as error:
        raise BackupError(
            f"the backup {path} was not written: {error.strerror or error}. An older one of that name stays as it was"
        ) from error


def read_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    """The parts of an archive in order, one in memory at a time.

    Raises BackupError when it cannot be read, is damaged, or holds what an archive of ours never does.
    """
    try:
        with gzip.open(path, "rb") as packed:
            with tarfile.open(fileobj=packed, mode="r|") as tar:
                for info in tar:
                    part = tar.extractfile(info) if info.isreg() and info.size <= _MAX_PART else None
                    if part is None:
                        raise BackupError(f"{path} is no backup of Syndicate: {info.name!r} has no place in one")
                    yield info.name, part.read()
            packed.read()  # what follows the last part, with it gzip's checksum of everything
    except (gzip.BadGzipFile, zlib.error, tarfile.TarError, EOFError) as error:
        raise BackupError(f"{path} is damaged or no backup: {error}. Use another backup") from error
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror or error}") from error


def read_private(path: Path) -> bytes:
    """The bytes of the file of keys. Raises BackupError when it is not there or cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BackupError(
            f"the keys in {path} cannot be read ({error.strerror or error}); without them a backup would not restore "
            "the links in people's mail. Put the file back, or name it in [service] secret_key_file"
        ) from error


@contextmanager
def private_copy(path: Path, data: bytes) -> Iterator[Path]:
    """The bytes in a file of mode 0600 beside the path, removed at the end unless it was put in place."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror or error}") from error
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a private copy its name; never replaces a file. Raises BackupError."""
    try:
        os.link(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror or error}") from error


def _is_other(path: Path) -> bool:
    if not path.exists():
        return False
    if not path.is_file():
        return True
    with path.open("rb") as file:
        return file.read(2) not in {_GZIP_MAGIC, b""}


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
