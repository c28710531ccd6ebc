"""Files that others read while we replace them: complete old or complete new bytes, across a kill and a full disk too.

What the files hold, and whether they must be written at all, is decided elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from syndicate.errors import DiskFullError, FeedError, SyndicateError

_TEMPORARY = ".syndicate.tmp"
_LOCK = ".syndicate.lock"
# What stands beside a document for those who accept it compressed, as nginx and Caddy look for it.
TWINS = (".gz", ".br")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def replace_file(path: Path, data: bytes) -> None:
    """Put a file in place at once, durably; its folder is made if need be. Mode 0644 less the umask.

    Raises DiskFullError or FeedError, naming the path; then the old file is as it was.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path.parent)
        with _prepared(path, data, None) as temporary:
            # Still open: its lock says that it is ours until it bears its own name.
            temporary.replace(path)
        _sync_folder(path.parent)


def replace_with_twins(path: Path, data: bytes | None, twins: Mapping[str, bytes], modified: datetime) -> None:
    """Put a file and its twins (by suffix: ``.gz``) in place, all with the same modification time, in whole seconds.

    Everything is on the disk before the first rename. Then the old twins go, then comes the file, then its new twins:
    so a server that prefers twins never gives an old one after the new file, at no moment and after no kill; it gives
    the file itself for that moment. With ``data`` None the file stays as it is and gets these twins.
    Raises DiskFullError or FeedError, naming the path.
    """
    with _told(path), ExitStack() as stack:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path.parent)
        ready = [] if data is None else [(path, stack.enter_context(_prepared(path, data, modified)))]
        for suffix, content in twins.items():
            twin = path.with_name(path.name + suffix)
            ready.append((twin, stack.enter_context(_prepared(twin, content, modified))))
        if data is not None:
            for suffix in TWINS:
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        for target, temporary in ready:
            temporary.replace(target)
        _sync_folder(path.parent)


def remove_file(path: Path, below: Path | None = None) -> None:
    """Remove a file if it is there, its twins, and its folder if that is empty then. Raises FeedError, naming the path.

    With ``below``, empty folders go up to that one, which stays.
    """
    with _told(path, "removed"):
        for suffix in (*TWINS, ""):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        folder = path.parent
        if folder.is_dir():
            _remove_leftovers(folder)
        with contextlib.suppress(OSError):  # not empty: somebody else's files live there
            folder.rmdir()
            while below is not None and folder.parent != below and below in folder.parents:
                folder = folder.parent
                folder.rmdir()


def holds(path: Path, data: bytes) -> bool:
    """Whether a file is there with exactly these bytes."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def file_size(path: Path) -> int | None:
    """The size of a file in bytes, None when there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def read_if_there(path: Path) -> bytes | None:
    """A file's bytes, None when there is none that can be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def file_state(path: Path) -> tuple[int, float] | None:
    """The size in bytes and modification time (seconds since 1970) of a file, None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime


def set_modified(path: Path, modified: datetime) -> None:
    """Give a file a modification time, as a copy or a restored backup may have lost it. Raises FeedError."""
    with _told(path):
        os.utime(path, (modified.timestamp(), modified.timestamp()))


def files_named(folder: Path, names: Collection[str]) -> list[Path]:
    """The files with one of these names in a folder and below it, in order."""
    found = (Path(place) / name for place, _folders, files in os.walk(folder) for name in files if name in names)
    return sorted(found)


def free_bytes(path: Path) -> int:
    """What an unprivileged process may still write on the file system that holds a path, which need not exist yet."""
    folder = path.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    with _told(folder):
        status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


@contextmanager
def locked_folder(folder: Path) -> Iterator[bool]:
    """Hold a folder against others that replace files in it, waiting for them. It ends with the process at the latest.

    Gives whether it had to wait: then things are not as they were.
    Raises FeedError or DiskFullError when the lock's file cannot be made.
    """
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            waited = False
        except BlockingIOError:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            waited = True
        yield waited
    finally:
        os.close(descriptor)


@contextmanager
def _prepared(path: Path, data: bytes, modified: datetime | None) -> Iterator[Path]:
    """A complete file beside the path, on the disk, held while it waits for its name; gone if it does not get it."""
    temporary, descriptor = _create(path)
    try:
        with open(descriptor, "wb", closefd=True) as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(data)
            file.flush()
            if modified is not None:
                os.utime(descriptor, (modified.timestamp(), modified.timestamp()))
            os.fsync(descriptor)
            yield temporary
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _create(path: Path) -> tuple[Path, int]:
    """A new file beside the path, locked, so that another process can tell it from the leftover of a killed one."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}{_TEMPORARY}")
        # Not tempfile, which makes every file 0600: a web server of another user must be able to read these.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return temporary, descriptor
        os.close(descriptor)  # taken for a leftover in the moment before it was locked


def _remove_leftovers(folder: Path) -> None:
    """Remove temporary files of ours that no living process holds."""
    for leftover in folder.glob(f".*{_TEMPORARY}"):
        with contextlib.suppress(OSError):  # gone meanwhile, or held: not ours to remove
            descriptor = os.open(leftover, os.O_WRONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()
            finally:
                os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable. Some file systems (of networks, mostly) cannot and say so: there is no more to be done."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _told(path: Path, what: str = "written") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _explained(path, what, error) from error


def _explained(path: Path, what: str, error: OSError) -> SyndicateError:
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return DiskFullError(
            f"{path} was not {what}: {reason}. The file as it was stays in place; make room on its disk, "
            "the next build writes it"
        )
    place = f" ({error.filename})" if error.filename and str(error.filename) != str(path) else ""
    return FeedError(
        f"{path} was not {what}: {reason}{place}. The file as it was stays in place; check who owns the folder, "
        "its permissions and its disk"
    )
