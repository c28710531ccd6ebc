"""Reads mail that came in, from files and standard input: never more of one message than will be looked at."""

from __future__ import annotations

import os
import stat
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
