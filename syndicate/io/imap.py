"""A mailbox that is read by IMAP (RFC 3501, 9051): what is new in it, message by message, bounded in every way.

Python's ``imaplib`` does it: we need seven commands and ask now and then, so an idle connection has nothing to gain.
Nothing is ever marked as read; who the messages belong to is for others to say.
"""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from syndicate.config.returns import Mailbox
from syndicate.core.bounces.mime import READ_LIMIT
from syndicate.errors import InboundError
from syndicate.io.smtp_opening import cause_of, on_loopback
from syndicate.io.tls import judging_context

_UID = re.compile(rb"UID (\d+)")
_FLAGS = re.compile(rb"\\Deleted", re.IGNORECASE)
# So many messages are asked about in one command: an answer of a few KB, whatever the mailbox holds.
_AT_ONCE = 500
# So many are fetched with one command: of each a megabyte at most.
_IN_HAND = 20


class ImapMailbox:
    """An open mailbox; made by ``open_mailbox``."""

    def __init__(self, name: str, connection: imaplib.IMAP4, config: Mailbox) -> None:
        self._name = name
        self._connection = connection
        self._config = config
        self.messages, self.validity = self._select()

    def _select(self) -> tuple[int, int]:
        found = self._do("SELECT", self._connection.select, _quoted(self._config.folder))
        validity = self._connection.response("UIDVALIDITY")[1]
        number = validity[0] if validity else None
        return int(found[0] or 0), int(number) if number else 0

    def above(self, uid: int) -> list[int]:
        """The UIDs of the next messages above one, rising; empty at the end. A huge mailbox costs no memory."""
        number = self._first_above(uid)
        while number <= self.messages:
            last = min(number + _AT_ONCE - 1, self.messages)
            found = [found for found, deleted in self._uids(number, last) if found > uid and not deleted]
            if found:
                return found
            number = last + 1
        return []

    def _first_above(self, uid: int) -> int:
        """The sequence number of the first message above a UID: they rise together (RFC 3501 2.3.1.1)."""
        low, high = 1, self.messages + 1
        while low < high and uid:
            middle = (low + high) // 2
            found = self._uids(middle, middle)
            if found and found[0][0] <= uid:
                low = middle + 1
            else:
                high = middle
        return low

    def _uids(self, first: int, last: int) -> list[tuple[int, bool]]:
        answer = self._do("FETCH", self._connection.fetch, f"{first}:{last}", "(UID FLAGS)")
        found = []
        for line in answer:
            text = line if isinstance(line, bytes) else b""
            match = _UID.search(text)
            if match:
                found.append((int(match[1]), _FLAGS.search(text) is not None))
        return sorted(found)

    def read(self, uids: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """The beginnings of messages, as much as will be looked at; those are missing that somebody took away."""
        for start in range(0, len(uids), _IN_HAND):
            chosen = ",".join(str(uid) for uid in uids[start : start + _IN_HAND])
            answer = self._do("FETCH", self._connection.uid, "FETCH", chosen, f"(UID BODY.PEEK[]<0.{READ_LIMIT}>)")
            found: dict[int, bytes] = {}
            for part in answer:
                if isinstance(part, tuple) and len(part) > 1 and (number := _UID.search(part[0])):
                    found[int(number[1])] = part[1]
            yield from sorted(found.items())

    def done_with(self, uids: Sequence[int]) -> None:
        """Delete messages, or move them where the configuration says. Only these: not what others marked."""
        for start in range(0, len(uids), _AT_ONCE):
            self._take_away(",".join(str(uid) for uid in uids[start : start + _AT_ONCE]))
        if uids:
            self.messages, _ = self._select()  # the numbers of all others have moved

    def _take_away(self, chosen: str) -> None:
        abilities = self._connection.capabilities
        if self._config.move_to is not None:
            target = _quoted(self._config.move_to)
            if "MOVE" in abilities:
                self._do("MOVE", self._connection.uid, "MOVE", chosen, target)
                return
            self._do("COPY", self._connection.uid, "COPY", chosen, target)
        self._do("STORE", self._connection.uid, "STORE", chosen, "+FLAGS.SILENT", r"(\Deleted)")
        if "UIDPLUS" in abilities:
            self._do("EXPUNGE", self._connection.uid, "EXPUNGE", chosen)
        # Without UIDPLUS an EXPUNGE would take along what others marked: they stay marked, and are passed over.

    def _do(self, what: str, command: Any, *arguments: str) -> list[Any]:
        status, answer = command(*arguments)
        if status != "OK":
            words = answer[0] if answer and isinstance(answer[0], bytes) else b""
            raise InboundError(f"mailbox {self._name}: it refused {what}: {words.decode('utf-8', 'replace')[:200]}")
        return list(answer)


@contextmanager
def open_mailbox(name: str, config: Mailbox, base: Path) -> Iterator[ImapMailbox]:
    """Connect, encrypt, log in, select the folder; ends the session after. Raises InboundError, whatever breaks."""
    connection = None
    try:
        connection = _connect(name, config, base)
        yield ImapMailbox(name, connection, config)
    except (OSError, imaplib.IMAP4.error, UnicodeError, ValueError) as error:
        raise InboundError(f"mailbox {name}: {_cause(error, config)}") from None  # it may hold the password
    finally:
        if connection is not None:
            _end(connection)


def log_in(name: str, config: Mailbox, base: Path) -> int:
    """Try it out: connect, log in, open the folder, and leave. How many messages are there. Raises InboundError."""
    with open_mailbox(name, config, base) as mailbox:
        return mailbox.messages


def _connect(name: str, config: Mailbox, base: Path) -> imaplib.IMAP4:
    wait = config.timeout.total_seconds()
    context = _context(name, config, base)
    connection: imaplib.IMAP4
    if config.tls_type == "TLS":
        connection = imaplib.IMAP4_SSL(config.host, config.effective_port, ssl_context=context, timeout=wait)
    else:
        connection = imaplib.IMAP4(config.host, config.effective_port, timeout=wait)
    try:
        if config.tls_type == "STARTTLS":
            connection.starttls(context)
        elif config.tls_type == "none":
            _allow_clear_text(name, connection)
        password = config.password.get_secret_value() if config.password else ""
        connection.login(config.username, password)
        # Many tell their extensions only now.
        told = connection.capability()[1]
        if told and isinstance(told[-1], bytes):
            connection.capabilities = tuple(told[-1].decode("ascii", "replace").upper().split())
    except BaseException:
        _end(connection)
        raise
    return connection


def _allow_clear_text(name: str, connection: imaplib.IMAP4) -> None:
    if not on_loopback(str(connection.sock.getpeername()[0])):
        raise InboundError(
            f"mailbox {name}: the password was not sent, because the connection is not encrypted;"
            ' set tls_type to "TLS" or "STARTTLS"'
        )


def _context(name: str, config: Mailbox, base: Path) -> ssl.SSLContext:
    authority = base / config.tls_ca_file if config.tls_ca_file else None
    try:
        return judging_context(authority, skip_verify=config.tls_skip_verify)
    except OSError as error:
        raise InboundError(f"mailbox {name}: tls_ca_file {authority} cannot be used: {cause_of(error)}") from error


def _end(connection: imaplib.IMAP4) -> None:
    try:
        connection.logout()
    except (OSError, imaplib.IMAP4.error):
        connection.shutdown()


def _cause(error: Exception, config: Mailbox) -> str:
    where = f"{config.host} port {config.effective_port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {where} is not accepted: {error.verify_message}; see tls_ca_file"
    if isinstance(error, imaplib.IMAP4.abort):
        return f"{where} ended the connection: {_plain(error, config)}"
    if isinstance(error, imaplib.IMAP4.error):
        return f"{where} said no: {_plain(error, config)}; check username, password and folder"
    return f"{where}: {cause_of(error)}; check host, port and tls_type"


def _plain(error: Exception, config: Mailbox) -> str:
    text = error.args[0] if error.args else ""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    secret = config.password.get_secret_value() if config.password else ""
    words = words.replace(secret, "***") if secret else words
    return " ".join(words.split())[:200]


def _quoted(folder: str) -> str:
    """A folder's name as a quoted string in modified UTF-7 (RFC 3501 5.1.3)."""
    encoded = re.sub(r"[^\x20-\x7e]+", lambda match: _shifted(match[0]), folder.replace("&", "&-"))
    escaped = encoded.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _shifted(text: str) -> str:
    return "&" + text.encode("utf-7").decode("ascii")[1:].rstrip("-").replace("/", ",") + "-"
