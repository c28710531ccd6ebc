"""What works but is probably not meant: the warnings of ``syndicate check``, one function for each rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from syndicate.config.keys import SECTIONS, SOURCE_TYPES, is_secret, keys_of
from syndicate.config.later import later_keys
from syndicate.config.reading import Reading
from syndicate.config.settings import Settings
from syndicate.config.sources import DatabaseSource, FeedSource, FolderSource
from syndicate.config.values import is_local
from syndicate.config.wording import Fault, KeyPath
from syndicate.model import Frequency

#: How a warning begins that a secret stands in a file which everybody on the machine may read.
SECRET_IN_FILE = "everybody on this machine can read the file"  # noqa: S105 - words for people


def warnings(reading: Reading) -> list[Fault]:
    """Everything an operator should look at again although the program starts."""
    faults = [fault for rule in _DOUBTS for fault in rule(reading)]
    return [Fault(fault.path, fault.message, "warning") for fault in faults]


def _keys_without_effect(reading: Reading) -> Iterator[Fault]:
    for path, missed in later_keys(reading):
        if not missed:
            yield Fault(path, "has no effect yet in this version")


def _nothing_to_publish(reading: Reading) -> Iterator[Fault]:
    if (reading.names("feed") or reading.names("digest")) and not reading.names("source"):
        yield Fault(("source",), "there is no source, so there will be no articles")


def _sources_are_there(reading: Reading) -> Iterator[Fault]:
    for name, source in reading.settings.source.items():
        if isinstance(source, FolderSource):
            folder = reading.settings.path(source.path)
            if not _is(folder, Path.is_dir):
                yield Fault(("source", name, "path"), f"there is no folder {folder}")
        elif isinstance(source, DatabaseSource):
            file = _sqlite_file(source.url, reading.settings)
            if file is not None and not _is(file, Path.is_file):
                yield Fault(("source", name, "url"), f"there is no file {file}")


def _sqlite_file(url: str, settings: Settings) -> Path | None:
    """The file behind an address such as ``sqlite:///articles.db``; None for any other."""
    found = re.fullmatch(r"sqlite(?:\+\w+)?:///(?!file:|:memory:)([^?]+)(?:\?.*)?", url, re.DOTALL)
    return settings.path(Path(found[1])) if found else None


def _folders_are_folders(reading: Reading) -> Iterator[Fault]:
    settings = reading.settings
    folders: list[tuple[KeyPath, Path]] = [
        (("service", "feeds_dir"), settings.service.feeds_dir),
        (("service", "templates_dir"), settings.service.templates_dir),
    ]
    if settings.delivery.transport == "maildir":
        folders.append((("delivery", "outbox"), settings.delivery.outbox))
    for path, given in folders:
        folder = settings.path(given)
        if _is(folder, Path.exists) and not _is(folder, Path.is_dir):
            yield Fault(path, f"expected a folder; {folder} is a file")


def _is(path: Path, what: Callable[[Path], bool]) -> bool:
    try:
        return what(path)
    except (OSError, ValueError):  # no permission on the way; a path that cannot be
        return False


def _footer_address(reading: Reading) -> Iterator[Fault]:
    if reading.names("digest") and not reading.settings.site.postal_address:
        yield Fault(
            ("site", "postal_address"), "missing; the law of many countries wants it at the foot of every digest"
        )


def _public_address(reading: Reading) -> Iterator[Fault]:
    settings = reading.settings
    url = settings.service.public_url
    if settings.delivery.transport != "smtp":
        return
    if is_local(url):
        yield Fault(("service", "public_url"), f"{url} is this machine only: links in mails will not work for readers")
    elif settings.digest and not url.startswith("https:"):
        yield Fault(("service", "public_url"), "one-click unsubscribing (RFC 8058) works with https only")


def _bounces_come_back(reading: Reading) -> Iterator[Fault]:
    settings = reading.settings
    if settings.delivery.transport == "smtp" and settings.digest and not settings.bounce.return_path:
        yield Fault(("bounce", "return_path"), "missing; without it bounces cannot be told apart (no VERP)")


def _signatures_are_aligned(reading: Reading) -> Iterator[Fault]:
    settings = reading.settings
    if settings.dkim.domain and not settings.dkim.keys:
        yield Fault(("dkim", "domain"), "has no effect without keys: nothing is signed here")
    if not settings.dkim.keys:
        return
    signing = settings.signing_domain
    senders: list[tuple[KeyPath, str | None]] = [(("delivery", "confirm_from"), settings.delivery.confirm_from)]
    if settings.dkim.domain:
        senders.append((("delivery", "from"), settings.delivery.from_))
    senders += [(("digest", name, "from"), digest.from_) for name, digest in settings.digest.items()]
    for path, mailbox in senders:
        domain = parseaddr(mailbox or "")[1].rpartition("@")[2].lower()
        if domain and not _same_organisation(domain, signing):
            yield Fault(
                path, f"{domain} is not signed for: the signatures are those of {signing}, and DMARC wants both alike"
            )


def _same_organisation(one: str, other: str) -> bool:
    return f".{one}".endswith(f".{other}") or f".{other}".endswith(f".{one}")


# Their owners publish DMARC policies that refuse mail in their name from everybody else.
_FREEMAIL = re.compile(
    r"(gmail|googlemail|outlook|hotmail|live|msn|icloud|me|mac|aol|gmx|yandex)\.[a-z.]{2,6}"
    r"|yahoo\.[a-z.]{2,6}|ymail\.com|web\.de|t-online\.de|freenet\.de|mail\.ru|qq\.com|163\.com|proton(mail)?\.(me|com)"
)
_NO_REPLY = re.compile(r"(no|do[-_.]?not)[-_.]?reply", re.IGNORECASE)


def _senders_can_be_answered(reading: Reading) -> Iterator[Fault]:
    delivery, digests = reading.settings.delivery, reading.settings.digest
    senders: list[tuple[KeyPath, str | None, str | None]] = [(("delivery", "from"), delivery.from_, delivery.reply_to)]
    senders += [
        (("digest", name, "from"), digest.from_, digest.reply_to or delivery.reply_to)
        for name, digest in digests.items()
    ]
    for path, sender, reply_to in senders:
        local, _, domain = parseaddr(sender or "")[1].rpartition("@")
        if _FREEMAIL.fullmatch(domain.lower()):
            yield Fault(path, f"mail in the name of {domain} is refused when it does not come from there (DMARC)")
        if _NO_REPLY.match(local) and not reply_to:
            yield Fault(path, "nobody reads the answers; set reply_to to a mailbox that is read")


def _confirmations_have_a_sender_of_their_own(reading: Reading) -> Iterator[Fault]:
    settings = reading.settings
    if settings.delivery.transport != "smtp" or all(digest.optin != "double" for digest in settings.digest.values()):
        return
    own = parseaddr(settings.delivery.confirm_from or settings.delivery.from_)[1].lower()
    digests = {parseaddr(digest.from_ or settings.delivery.from_)[1].lower() for digest in settings.digest.values()}
    if own in digests:
        yield Fault(
            ("delivery", "confirm_from"),
            "confirmation mails have the sender of a digest; with one of their own, complaints about the one do not "
            "keep the other back (Google's subscription guidelines)",
        )


def _relays_are_safe(reading: Reading) -> Iterator[Fault]:
    for at, relay in enumerate(reading.settings.smtp):
        if relay.tls_skip_verify:
            yield Fault(
                ("smtp", at, "tls_skip_verify"), "any certificate is accepted: somebody in between can read along"
            )
        if (
            relay.password is not None
            and relay.tls_type == "none"
            and relay.host not in {"localhost", "127.0.0.1", "::1"}
        ):
            yield Fault(("smtp", at, "tls_type"), "the password goes over the network unencrypted")
    transport = ("delivery", "transport")
    if reading.settings.smtp and reading.settings.delivery.transport != "smtp" and not reading.is_left_out(transport):
        yield Fault(("smtp",), f"not used, since delivery.transport is {reading.settings.delivery.transport}")


def _times_beside_a_schedule(reading: Reading) -> Iterator[Fault]:
    for name, digest in reading.settings.digest.items():
        given = digest.model_fields_set
        for key in ("send_at", "weekly_on", "monthly_on"):
            if digest.schedule and key in given:
                yield Fault(("digest", name, key), "has no effect beside schedule")
            elif key in given and not digest.schedule and not _used(key, digest.frequencies):
                yield Fault(("digest", name, key), "has no effect: no frequency of this digest needs it")


def _used(key: str, frequencies: tuple[Frequency, ...]) -> bool:
    needed = {
        "send_at": {Frequency.DAILY, Frequency.WEEKLY, Frequency.MONTHLY},
        "weekly_on": {Frequency.WEEKLY},
        "monthly_on": {Frequency.MONTHLY},
    }
    return not needed[key].isdisjoint(frequencies)


def _secrets_are_kept(reading: Reading) -> Iterator[Fault]:
    if not reading.file_is_public:
        return
    for path, table, fields in _tables(reading):
        for key, field in fields.items():
            written = table.get(key)
            from_file = f"{key}_file" in table or (*path, key) in reading.from_environment
            if is_secret(field) and isinstance(written, str) and not from_file and _holds_secret(key, written):
                yield Fault((*path, key), f"{SECRET_IN_FILE}; chmod o-r, or use {key}_file")


def _tables(reading: Reading) -> Iterator[tuple[KeyPath, dict[str, Any], dict[str, Any]]]:
    for name, kind in SECTIONS.items():
        given = reading.given.get(name)
        if kind.form == "one":
            entries: list[tuple[KeyPath, Any]] = [((name,), given)]
        elif isinstance(given, dict):
            entries = [((name, entry), table) for entry, table in given.items()]
        else:
            entries = [((name, at), table) for at, table in enumerate(given if isinstance(given, list) else [])]
        for path, table in entries:
            if isinstance(table, dict):
                chosen = SOURCE_TYPES.get(str(table.get("type"))) if name == "source" else None
                models = (chosen,) if chosen else kind.models
                yield path, table, {key: field for model in models for key, field in keys_of(model).items()}


def _holds_secret(key: str, written: str) -> bool:
    if key in {"database", "url"}:  # the address of a database is a secret if a password stands in it
        before_host = written.partition("://")[2].rpartition("@")[0]
        return ":" in before_host
    return bool(written)


def _hubs_reach_us(reading: Reading) -> Iterator[Fault]:
    url = reading.settings.service.public_url
    for name, source in reading.settings.source.items():
        if isinstance(source, FeedSource) and source.websub and is_local(url):
            yield Fault(("source", name, "websub"), f"hubs on other machines cannot reach {url} (service.public_url)")


def _mails_have_others_to_join(reading: Reading) -> Iterator[Fault]:
    joint = [name for name, digest in reading.settings.digest.items() if digest.merge == "subscriber"]
    if len(joint) == 1:
        yield Fault(("digest", joint[0], "merge"), "has no effect: no other digest has it")


_DOUBTS: tuple[Callable[[Reading], Iterator[Fault]], ...] = (
    _keys_without_effect,
    _nothing_to_publish,
    _sources_are_there,
    _folders_are_folders,
    _hubs_reach_us,
    _footer_address,
    _public_address,
    _bounces_come_back,
    _signatures_are_aligned,
    _senders_can_be_answered,
    _confirmations_have_a_sender_of_their_own,
    _relays_are_safe,
    _times_beside_a_schedule,
    _mails_have_others_to_join,
    _secrets_are_kept,
)
