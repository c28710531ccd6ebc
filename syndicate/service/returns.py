"""The pass over what came back: read, apply, end subscriptions, and only then delete."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from syndicate.core.hooks.told import Told
from syndicate.errors import InboundError
from syndicate.io.inbound import read_message_file, remove, set_aside, waiting
from syndicate.pipeline.members.unsubscribing import complained, left_by_provider, unsubscribe_by_mail
from syndicate.pipeline.returns import Fate, Taken, take_return, take_told
from syndicate.service.wiring import Services
from syndicate.store.issues import get_issue

log = logging.getLogger(__name__)


@dataclass(slots=True)
class ReturnsResult:
    """How many messages of which fate and class; ``problems`` are files that could not be read, deleted or moved."""

    read: int = 0
    fates: Counter[Fate] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    suppressed: int = 0
    unsubscribed: int = 0
    problems: list[str] = field(default_factory=list)


def take_message(services: Services, data: bytes, result: ReturnsResult) -> Taken:
    """Apply one message with all that follows from it. Raises StoreError; then it is to be read again."""
    now = services.clock()
    taken = take_return(
        services.database, services.settings, services.keyring, data, now=now, limits=services.known_limits
    )
    if taken.token is not None:
        ended = unsubscribe_by_mail(services.database, services.keyring, taken.token, now=now)
        result.unsubscribed += sum(one.changed for one in ended)
    _follow(services, taken, result)
    return taken


def take_event(services: Services, told: Told, result: ReturnsResult) -> Taken:
    """The same for what a provider told by webhook."""
    now = services.clock()
    taken = take_told(
        services.database, services.settings, services.keyring, told, now=now, limits=services.known_limits
    )
    if taken.fate is Fate.UNSUBSCRIBE and taken.subscriber_id is not None and taken.issue_id is not None:
        with services.database.read() as session:
            digest = get_issue(session, taken.issue_id).digest
        result.unsubscribed += left_by_provider(services.database, taken.subscriber_id, digest, now=now)
    _follow(services, taken, result)
    return taken


def _follow(services: Services, taken: Taken, result: ReturnsResult) -> None:
    if taken.cls == "complaint" and taken.subscriber_id is not None:
        result.unsubscribed += complained(services.database, taken.subscriber_id, now=services.clock())
    result.read += 1
    result.fates[taken.fate] += 1
    if taken.cls is not None:
        result.classes[taken.cls.value] += taken.fate is Fate.APPLIED
    result.suppressed += taken.suppressed
    if taken.cls == "block" and taken.fate is Fate.APPLIED:
        log.warning("issue %s: a mail server refuses us, not the reader: %s", taken.issue_id, taken.words)
    if taken.paused is not None:
        log.error("%s; look at `syndicate issues show %s`", taken.paused, taken.issue_id)


def take_maildir(
    services: Services, maildir: Path, result: ReturnsResult, *, progress: Callable[[int], None] = lambda _: None
) -> None:
    """Apply what waits in a Maildir. Ours is deleted after its commit; everything else moves to ``cur``, unread.

    Raises StoreError, and InboundError when it is no Maildir.
    """
    for path in waiting(maildir):
        try:
            taken = take_message(services, read_message_file(path), result)
            (remove if taken.ours else set_aside)(path)
        except InboundError as error:
            result.problems.append(str(error))
        progress(1)
