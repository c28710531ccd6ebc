"""Reads mail that came in, from files and standard input: never more of one message than will be looked at."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from syndicate.core.bounces.mime import READ_LIMIT
from syndicate.errors import InboundError


def read_message_file(path: Path) -> bytes:
    """The beginning of a message's file. Raises InboundError when it cannot be read or is no file."""
    try:
        # Not blocking: a pipe that somebody laid into the folder must not hold us up.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InboundError(f"{path}: it is no file")
            return file.read(READ_LIMIT)
    except OSError as error:
        raise InboundError(f"{path}: it cannot be read ({error.strerror or error})") from error


def read_message_stream(stream: BinaryIO) -> bytes:
    """The beginning of one message; the rest is read and dropped, so that whoever writes it does not fail."""
    data = stream.read(READ_LIMIT)
    while stream.read(READ_LIMIT):
        pass
    return data


def waiting(maildir: Path) -> Iterator[Path]:
    """The files of a Maildir that nobody has seen yet, oldest name first. Raises InboundError."""
    try:
        names = sorted(entry.name for entry in os.scandir(maildir / "new") if not entry.name.startswith("."))
    except OSError as error:
        raise InboundError(f"{maildir}: it is no Maildir that can be read ({error.strerror or error})") from error
    for name in names:
        yield maildir / "new" / name


def remove(path: Path) -> None:
    """Delete a message that was applied; gone already is right too. Raises InboundError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InboundError(f"{path}: it cannot be deleted ({error.strerror or error})") from error


def set_aside(path: Path) -> None:
    """Move a message that is not ours from ``new`` to ``cur``, unread, for people. Raises InboundError."""
    try:
        folder = path.parent.parent / "cur"
        folder.mkdir(mode=0o700, exist_ok=True)
        path.rename(folder / f"{path.name.partition(':')[0]}:2,")
    except FileNotFoundError:
        pass  # somebody opened the mailbox at this moment
    except OSError as error:
        raise InboundError(f"{path}: it cannot be moved to cur ({error.strerror or error})") from error
