"""What works but is probably not meant: the warnings of ``syndicate check``, one function for each rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel

from syndicate.config.keys import SECTIONS, is_secret, keys_of, later_issue
from syndicate.config.reading import Reading
from syndicate.config.sources import FolderSource
from syndicate.config.values import is_local
from syndicate.config.wording import Fault, KeyPath
from syndicate.model import Frequency


def warnings(reading: Reading) -> list[Fault]:
    """Everything an operator should look at again although the program starts."""
    faults = [fault for rule in _DOUBTS for fault in rule(reading)]
    return [Fault(fault.path, fault.message, "warning") for fault in faults]


def _later_keys(reading: Reading) -> Iterator[Fault]:
    for name, kind in SECTIONS.items():
        found = getattr(reading.settings, name)
        if kind.form == "one":
            entries: list[tuple[KeyPath, BaseModel]] = [((name,), found)]
        elif kind.form == "named":
            entries = [((name, entry), section) for entry, section in found.items()]
        else:
            entries = [((name, at), section) for at, section in enumerate(found)]
        for path, section in entries:
            for key, field in keys_of(type(section)).items():
                if later_issue(field) and (section.model_fields_set & {key, f"{key}_"}):
                    yield Fault((*path, key), "has no effect yet in this version")


def _nothing_to_publish(reading: Reading) -> Iterator[Fault]:
    if (reading.names("feed") or reading.names("digest")) and not reading.names("source"):
        yield Fault(("source",), "there is no source, so there will be no articles")


def _folders_exist(reading: Reading) -> Iterator[Fault]:
    for name, source in reading.settings.source.items():
        if isinstance(source, FolderSource):
            folder = reading.settings.path(source.path)
            if not _is_folder(reading, source):
                yield Fault(("source", name, "path"), f"there is no folder {folder}")


def _is_folder(reading: Reading, source: FolderSource) -> bool:
    try:
        return reading.settings.path(source.path).is_dir()
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
    if reading.settings.smtp and reading.settings.delivery.transport != "smtp":
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
                yield Fault((*path, key), f"everybody on this machine can read the file; chmod o-r, or use {key}_file")


def _tables(reading: Reading) -> Iterator[tuple[KeyPath, dict[str, Any], dict[str, Any]]]:
    for name, kind in SECTIONS.items():
        given = reading.given.get(name)
        fields = {key: field for model in kind.models for key, field in keys_of(model).items()}
        if kind.form == "one":
            entries: list[tuple[KeyPath, Any]] = [((name,), given)]
        elif isinstance(given, dict):
            entries = [((name, entry), table) for entry, table in given.items()]
        else:
            entries = [((name, at), table) for at, table in enumerate(given if isinstance(given, list) else [])]
        yield from ((path, table, fields) for path, table in entries if isinstance(table, dict))


def _holds_secret(key: str, written: str) -> bool:
    if key in {"database", "url"}:  # the address of a database is a secret if a password stands in it
        before_host = written.partition("://")[2].rpartition("@")[0]
        return ":" in before_host
    return bool(written)


_DOUBTS: tuple[Callable[[Reading], Iterator[Fault]], ...] = (
    _later_keys,
    _nothing_to_publish,
    _folders_exist,
    _footer_address,
    _public_address,
    _bounces_come_back,
    _relays_are_safe,
    _times_beside_a_schedule,
    _secrets_are_kept,
)
