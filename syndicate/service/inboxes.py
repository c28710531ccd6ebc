"""Looks into every place where bounces arrive, when its time has come: mailboxes by IMAP, and the Maildir.

A message is deleted or moved only after its commit, and only if it is ours; a connection that dies in between loses
nothing, since a message that comes again changes nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace

from syndicate.config.returns import Mailbox
from syndicate.core.bounces.inbox_names import MAILDIR, imap_name, mailbox_of
from syndicate.errors import InboundError, SyndicateError
from syndicate.io.imap import ImapMailbox, open_mailbox
from syndicate.pipeline.returns import Fate
from syndicate.service.returns import ReturnsResult, take_maildir, take_message
from syndicate.service.wiring import Services
from syndicate.store.inboxes import Inbox, claim_inbox, keep_inbox
from syndicate.store.inboxes import inbox as read_inbox

log = logging.getLogger(__name__)


def look_into_all(services: Services, *, stop: threading.Event, insist: bool = False) -> ReturnsResult:
    """Look into each place that is due, or with ``insist`` into all; one that cannot be read stops no other."""
    result = ReturnsResult()
    for inbox in _due(services, insist=insist):
        if stop.is_set():
            break
        before = _ours(result)
        try:
            after = _look(services, inbox, result, stop)
        except InboundError as error:
            now = services.clock()
            with services.database.read() as session:
                after = read_inbox(session, inbox.name)  # what was read before it broke stays read
            after = replace(after, broken_since=inbox.broken_since or now, error=str(error))
            result.problems.append(str(error))
            if inbox.error is None:
                log.error("%s", error)
        with services.database.write() as session:
            keep_inbox(session, replace(after, applied=inbox.applied + _ours(result) - before))
    if result.read:
        told = ", ".join(f"{count} {name}" for name, count in result.classes.items() if count)
        log.info("%d messages came back%s", result.read, f": {told}" if told else "")
    return result


def _due(services: Services, *, insist: bool) -> Iterator[Inbox]:
    settings = services.settings
    names = [imap_name(name) for name in settings.mailbox]
    names += [MAILDIR] if settings.bounce.maildir is not None else []
    for name in names:
        now = services.clock()
        with services.database.write() as session:
            interval = settings.bounce.scan_interval
            found = claim_inbox(session, name, interval=interval, now=now + interval if insist else now)
        if found is not None:
            yield found


def _look(services: Services, inbox: Inbox, result: ReturnsResult, stop: threading.Event) -> Inbox:
    settings = services.settings
    if inbox.name == MAILDIR and settings.bounce.maildir is not None:
        take_maildir(services, settings.path(settings.bounce.maildir), result)
    else:
        name = mailbox_of(inbox.name)
        inbox = _read_mailbox(services, name, settings.mailbox[name], inbox, result, stop)
    return replace(inbox, read_at=services.clock(), broken_since=None, error=None)


def _read_mailbox(
    services: Services, name: str, config: Mailbox, inbox: Inbox, result: ReturnsResult, stop: threading.Event
) -> Inbox:
    with open_mailbox(name, config, services.settings.base) as mailbox:
        if mailbox.validity != inbox.validity:
            inbox = replace(inbox, validity=mailbox.validity, uid=0)  # all numbers are new (RFC 3501 2.3.1.1)
        while not stop.is_set() and (uids := mailbox.above(inbox.uid)):
            last, ours = _take(services, name, mailbox, uids, result, stop)
            mailbox.done_with(ours)
            inbox = replace(inbox, uid=max(inbox.uid, last))
            with services.database.write() as session:
                keep_inbox(session, inbox)
    return inbox


def _take(
    services: Services, name: str, mailbox: ImapMailbox, uids: list[int], result: ReturnsResult, stop: threading.Event
) -> tuple[int, list[int]]:
    """Apply messages; the last one that was looked at, and those that are ours."""
    last = 0
    ours: list[int] = []
    for uid, data in mailbox.read(uids):
        if stop.is_set():
            return last, ours
        try:
            if take_message(services, data, result).ours:
                ours.append(uid)
        except SyndicateError:
            mailbox.done_with(ours)
            raise
        except Exception:
            # One that the program cannot bear stays where it is, and holds up no other.
            log.exception("mailbox %s: message %d: unexpected. Please report this", name, uid)
            result.problems.append(f"mailbox {name}: message {uid} could not be read")
        last = uid
    return uids[-1], ours  # also past those that somebody took away meanwhile


def _ours(result: ReturnsResult) -> int:
    return result.fates[Fate.APPLIED] + result.fates[Fate.UNSUBSCRIBE]
