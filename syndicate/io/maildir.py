"""The sender into a Maildir: a folder that mail programs open, for trials and for systems that take mail from one.

Name and content of a message's file are ``core/maildir.py``. For the ledger the Maildir is "the next server".
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

from syndicate.core.maildir import base_name, file_content, file_name
from syndicate.core.outcomes import not_sent
from syndicate.errors import AddressError, RelayError
from syndicate.io.dialogue import BlockingConnection
from syndicate.model import Envelope, Outcome, OutcomeKind

_ABANDONED = 36 * 3600  # seconds after which a file in tmp belongs to nobody any more (the rule of Maildir itself)
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class MaildirSender:
    """A ``Sender`` (see ``pipeline/deliver``) that writes files."""

    takes_turns = False  # files block
    connections = 1  # so that one snapshot of what is there suffices, and a crash leaves one connection's rows in doubt

    def __init__(self, path: Path) -> None:
        self._path = path
        self.label = f"maildir:{path.name}"

    def connect(self) -> MaildirConnection:
        """Make the Maildir if it is not there. Raises RelayError when it cannot be made or read."""
        return MaildirConnection(self._path, self.label)


class MaildirConnection(BlockingConnection):
    """Writes message after message; for one thread."""

    _numbers = count()

    def __init__(self, path: Path, label: str) -> None:
        self._path = path
        self._label = label
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ("tmp", "new", "cur"):
                (path / name).mkdir(mode=0o700, exist_ok=True)
            _remove_abandoned(path / "tmp")
            # In this order: mail programs move messages from new to cur, and none may slip through between the two.
            self._there = frozenset(
                base_name(file.name) for folder in ("new", "cur") for file in os.scandir(path / folder)
            )
        except OSError as error:
            raise self._relay_error(error) from error

    def send(self, envelope: Envelope) -> Outcome:
        """File one message: accepted when it is safe on the disk under its final name.

        A message that was there when the connection was opened, moved to ``cur`` by a mail program or not, is not filed
        twice. In doubt when the disk does not confirm the name. Raises RelayError when the folder cannot be written (no
        space, no permission); then nothing is left behind.
        """
        try:
            content = file_content(envelope)
        except AddressError as error:
            return not_sent(str(error), enhanced="5.1.3", relay=self._label)
        name = file_name(envelope)
        if name in self._there:
            # Its content was safe before it got this name; the name itself may not be yet.
            return self._confirmed(f"{name} was there before", "new", "cur")
        written = self._path / "tmp" / f"{name}.{os.getpid()}-{next(self._numbers)}"
        try:
            _write_through(written, content)
            written.replace(self._path / "new" / name)
        except OSError as error:
            with suppress(OSError):
                written.unlink(missing_ok=True)
            if error.errno in _NO_SPACE:
                raise RelayError(
                    f"outbox {self._path}: no space for a message of {len(content)} octets ({error.strerror});"
                    " make room, then deliver again"
                ) from error
            raise self._relay_error(error) from error
        return self._confirmed(name, "new")

    def _confirmed(self, text: str, *folders: str) -> Outcome:
        try:
            for folder in folders:
                _sync_folder(self._path / folder)
        except OSError as error:
            text = f"{text}, but the disk does not confirm it: {error.strerror}"
            return Outcome(kind=OutcomeKind.IN_DOUBT, text=text, relay=self._label)
        return Outcome(kind=OutcomeKind.ACCEPTED, text=text, relay=self._label)

    def _relay_error(self, error: OSError) -> RelayError:
        return RelayError(
            f"outbox {self._path} cannot be used: {error.strerror or error}; check delivery.outbox and its permissions"
        )


def _write_through(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) or 0 :]
        os.fsync(descriptor)


def _sync_folder(path: Path) -> None:
    """A rename is durable when its folder is."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_abandoned(tmp: Path) -> None:
    """Remove what a crash left half written; a message is written anew under another temporary name."""
    before = time.time() - _ABANDONED
    for path in tmp.iterdir():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                path.unlink()
