"""Builds every object that a pass needs from the settings, once, when it is first asked for."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from syndicate.config import Settings
from syndicate.config.sources import PolledSource
from syndicate.core.addresses import parse_address
from syndicate.core.bounces.pausing import PauseShares
from syndicate.core.bounces.rules import Thresholds
from syndicate.core.personal import Personal
from syndicate.errors import DiskFullError, UnknownNameError
from syndicate.io.files import free_bytes
from syndicate.io.keys import fingerprint, load_keyring
from syndicate.io.lock import ProcessLock
from syndicate.io.machine import boot_id
from syndicate.io.maildir import MaildirSender
from syndicate.io.smtp import senders_over
from syndicate.io.sns import AmazonSns
from syndicate.io.templates import read_templates
from syndicate.model import Keyring, RetryPlan
from syndicate.pipeline.deliver import Holder, Rules, Sender
from syndicate.pipeline.deliver.confirmation_mails import ConfirmationMails
from syndicate.pipeline.deliver.envelopes import Envelopes
from syndicate.pipeline.deliver.failover import FirstThatWorks
from syndicate.service.limits import limits_of
from syndicate.service.mail_domains import MailDomains
from syndicate.service.tally import Tally
from syndicate.shipped import shipped
from syndicate.store.engine import Database
from syndicate.store.facts import keep_keys, known_keys
from syndicate.store.limits import Limits
from syndicate.store.schema import upgrade

if TYPE_CHECKING:
    # Named here and imported where they are used: a process that only sends has no need of them, and they are heavy.
    from syndicate.core.dkim.signing import Signer
    from syndicate.pipeline.compose import EditionRenderer
    from syndicate.pipeline.ingest import Source


def utc_now() -> datetime:
    """The clock. Below this layer time is an argument."""
    return datetime.now(UTC)


class Services:
    """One configuration brought to life: database, keys, templates, sources and sender."""

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.clock = clock
        #: The file that the settings were read from, if they were.
        self.config_file: Path | None = None
        #: When this process's clock ticked last (``time.monotonic``); None in a process without one.
        self.ticked_at: float | None = None
        #: What this process counts for ``/metrics``.
        self.tally = Tally()
        #: What asks Amazon for certificates (``[hook.NAME] provider = "ses"``).
        self.sns = AmazonSns()
        #: What asks whether domains of new addresses take mail (``[signup] check_mx``).
        self.mail_domains = MailDomains()
        self._turns: dict[str, Lock] = {}

    @cached_property
    def database(self) -> Database:
        """The open database, its schema brought up to date."""
        self.settings.make_database_folder()
        connections = max((relay.max_conns for relay in self.settings.smtp), default=1)
        database = Database(self.settings.database_url, pool_size=max(5, connections))
        database.webhooks = {name: hook.events for name, hook in self.settings.webhook.items()}
        upgrade(database)
        return database

    @cached_property
    def keyring(self) -> Keyring:
        """The signing keys, made at first start. Raises KeyFileError when they are not those of the database."""
        with self.database.read() as session:
            known = known_keys(session)
        keyring = load_keyring(self.settings.secret_key_path, expected=known)
        if known is None:
            with self.database.write() as session:
                known = keep_keys(session, fingerprint(keyring))
            # Two first starts with a file each, on two machines: the second one must not sign.
            keyring = load_keyring(self.settings.secret_key_path, expected=known)
        return keyring

    @cached_property
    def signer(self) -> Signer | None:
        """What signs every mail that leaves (DKIM); None without ``[dkim] keys``. Raises KeyFileError."""
        files = self.settings.dkim.keys
        if not files:
            return None
        # Only who signs pays for the library.
        from syndicate.core.dkim.keys import signing_keys
        from syndicate.core.dkim.signing import Signer
        from syndicate.io.dkim_keys import load_keys

        domain = parse_address(f"postmaster@{self.settings.signing_domain}").domain
        return Signer(domain, signing_keys(load_keys(files, self.settings.base)))

    def signed(self, data: bytes) -> bytes:
        """A finished message as it leaves now: with its signatures, if this program signs."""
        return self.signer(data, self.clock()) if self.signer is not None else data

    @property
    def templates(self) -> dict[str, str]:
        """The shipped templates with the publisher's own over them; read anew, so that an edit needs no restart."""
        return read_templates([shipped("templates"), self.settings.path(self.settings.service.templates_dir)])

    @property
    def renderer(self) -> EditionRenderer:
        """What turns a planned edition into a message."""
        from syndicate.pipeline.compose import EditionRenderer

        return EditionRenderer(self.settings, self.templates, self.keyring)

    def sources(
        self, names: Iterable[str] = (), *, insist: bool = False, called: frozenset[str] = frozenset()
    ) -> list[Source]:
        """The readers of the named sources, or of all that are read. Raises UnknownNameError.

        ``insist``: feeds are asked although they want to be asked later. ``called``: feeds that their hubs say changed.
        """
        wanted = list(names) or [
            name for name, config in self.settings.source.items() if isinstance(config, PolledSource)
        ]
        unknown = [name for name in wanted if name not in self.settings.source]
        if unknown:
            known = ", ".join(sorted(self.settings.source)) or "none"
            raise UnknownNameError(f"there is no source {unknown[0]!r} in the configuration; there is: {known}")
        from syndicate.service.source_readers import source_reader

        return [source_reader(self.settings, name, insist=insist, called=called) for name in wanted]

    def turn(self, source: str) -> Lock:
        """What the threads of this process that read a source take turns by."""
        return self._turns.setdefault(source, Lock())

    @cached_property
    def senders(self) -> Sequence[Sender]:
        """The ways out: a Maildir, or the mail servers."""
        settings = self.settings
        if settings.delivery.transport == "maildir":
            return [MaildirSender(settings.path(settings.delivery.outbox))]
        return senders_over(settings.smtp, settings.bounce.hello_hostname, base=settings.base)

    @property
    def sender(self) -> Sender:
        """The way out for single mails: the first of the senders that works."""
        senders = self.senders
        return senders[0] if len(senders) == 1 else FirstThatWorks(senders)

    @property
    def limits(self) -> Limits:
        """What bounds the pace of a pass."""
        return limits_of(self.settings)

    @cached_property
    def known_limits(self) -> Limits:
        """The same for what comes back: what one message teaches of a destination the next one knows."""
        return limits_of(self.settings)

    @property
    def personal(self) -> Personal:
        """What every message is filled with beside the reader."""
        return Personal.of(self.settings)

    @cached_property
    def envelopes(self) -> Envelopes:
        """What makes a message for a delivery."""
        return Envelopes(self.database, self.personal, self.keyring, self.signer)

    @property
    def confirmations(self) -> ConfirmationMails:
        """What makes a confirmation mail."""
        return ConfirmationMails(self.settings, self.templates, self.keyring, self.signer)

    @property
    def rules(self) -> Rules:
        """What decides about outcomes."""
        delivery = self.settings.delivery
        return Rules(
            retry=RetryPlan(delays=delivery.retry, give_up_after=delivery.give_up_after),
            in_doubt=delivery.in_doubt,
            clock=self.clock,
            heard=self.tally.heard,
            thresholds=Thresholds.of(self.settings.bounce),
            shares=PauseShares.of(self.settings.bounce),
        )

    def sending_lock(self) -> ProcessLock | None:
        """The lock that lets one process at a time send from a SQLite file; None on PostgreSQL, where they share."""
        return self._lock("sending")

    def confirming_lock(self) -> ProcessLock | None:
        """The same for confirmation mails, which go out beside a long delivery."""
        return self._lock("confirming")

    def _lock(self, what: str) -> ProcessLock | None:
        path = self.settings.database_path
        return ProcessLock(path.with_name(f"{path.name}.{what}")) if path is not None else None

    def holder(self, *, alone: bool) -> Holder:
        """This process as a sender, for one pass."""
        # Twelve characters: the name stands in every row that is sent, and longer rows cost more pages.
        name = secrets.token_hex(6)
        return Holder(name=name, host=socket.gethostname(), pid=os.getpid(), alone=alone, boot_id=boot_id())

    def check_disk(self) -> None:
        """Raise DiskFullError when the database's disk has less free than ``service.min_free_disk``."""
        path = self.settings.database_path
        if path is None:
            return
        free, least = free_bytes(path.parent), self.settings.service.min_free_disk
        if free < least:
            raise DiskFullError(
                f"only {free // 1_000_000} MB are free in {path.parent}, less than service.min_free_disk "
                f"({least // 1_000_000} MB): sending has stopped so that the ledger stays safe; make room, then "
                "`syndicate deliver` goes on"
            )

    def close(self) -> None:
        """Close what was opened."""
        if "database" in self.__dict__:
            self.database.close()
