"""What sections must mean to each other: the errors that no section shows by itself. Warnings: ``doubts.py``.

Each rule is one function that yields faults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, get_args

from syndicate.config.later import later_keys
from syndicate.config.reading import STAND_IN, Reading
from syndicate.config.returns import Provider
from syndicate.config.sources import FeedSource
from syndicate.config.values import signing_key
from syndicate.config.wording import Fault, shown

MOST_IN_ONE_MAIL = 8  # the token of its unsubscribe link holds no more (``core/links.py``)
ISSUE_FEEDS = "issues-"  # begins the names of the feeds of digests' issues


def cross_faults(reading: Reading) -> list[Fault]:
    """Every error between sections."""
    return [fault for rule in _RULES for fault in rule(reading)]


def _site_is_named(reading: Reading) -> Iterator[Fault]:
    if not (reading.names("feed") or reading.names("digest")):
        return
    if not reading.settings.site.title:
        yield Fault(("site", "title"), "missing; expected the paper's name, since there is a feed or digest")
    if not reading.settings.site.url:
        yield Fault(("site", "url"), "missing; expected the site's address, since there is a feed or digest")


def _selected_sources_exist(reading: Reading) -> Iterator[Fault]:
    known = reading.names("source")
    for section in ("feed", "digest"):
        for name, entry in getattr(reading.settings, section).items():
            for source in entry.sources:
                if source not in known:
                    there = ", ".join(known) or "none"
                    yield Fault((section, name, "sources"), f"there is no source {shown(source)}; there is: {there}")


def _feeds_are_not_our_own(reading: Reading) -> Iterator[Fault]:
    ours = f"{reading.settings.service.public_url}/feeds/".partition("://")[2].casefold()
    for name, source in reading.settings.source.items():
        if isinstance(source, FeedSource):
            key = "url" if source.url else "urls"
            for address in source.addresses:
                if address.partition("://")[2].casefold().startswith(ours):
                    yield Fault(
                        ("source", name, key),
                        f"{shown(address)} is a feed of our own: what we publish would come back as new articles",
                    )


def _digests_have_a_sender(reading: Reading) -> Iterator[Fault]:
    without = [
        name
        for name, digest in reading.settings.digest.items()
        if not digest.from_ and not reading.is_left_out(("digest", name, "from"))
    ]
    if without and not reading.settings.delivery.from_:
        yield Fault(
            ("delivery", "from"),
            f"missing; expected a sender such as {shown('The Harbour Courier <news@courier.example>')} "
            f"for the digest {', '.join(without)}",
        )


def _smtp_has_a_relay(reading: Reading) -> Iterator[Fault]:
    if reading.settings.delivery.transport == "smtp" and not reading.given.get("smtp"):
        yield Fault(("smtp",), "missing; expected at least one [[smtp]] with a host, since delivery.transport is smtp")


def _relays_differ(reading: Reading) -> Iterator[Fault]:
    seen: set[str] = set()
    for at, relay in enumerate(reading.settings.smtp):
        if relay.label in seen and relay.host != STAND_IN:
            yield Fault(("smtp", at, "name"), f"expected a name of its own: {shown(relay.label)} is taken")
        seen.add(relay.label)


def _destinations_have_one_limit(reading: Reading) -> Iterator[Fault]:
    owners: dict[str, str] = {}
    for name, throttle in reading.settings.throttle.items():
        for domain in (name.lower(), *throttle.also):
            owner = owners.setdefault(domain, name)
            if owner != name:
                yield Fault(("throttle", name), f"{shown(domain)} has its limits in [throttle.{shown(owner)}] already")


def _log_ins_are_whole(reading: Reading) -> Iterator[Fault]:
    for at, relay in enumerate(reading.settings.smtp):
        if relay.username and relay.password is None and relay.password_file is None:
            yield Fault(("smtp", at, "password"), "missing; expected password or password_file beside username")
        if relay.password is not None and not relay.username:
            yield Fault(("smtp", at, "username"), "missing; expected the name that the password belongs to")


def _sources_name_their_rows_once(reading: Reading) -> Iterator[Fault]:
    # By what is written, so that a fault in another key of the source does not hide these.
    for name, table in _tables(reading.given.get("source")):
        if table.get("type") == "feed" and ("url" in table) == ("urls" in table):
            yield Fault(("source", name), "expected either url or urls")
        if table.get("type") != "database":
            continue
        if ("table" in table) == ("query" in table):
            yield Fault(("source", name), "expected either table or query")
        columns = table.get("columns")
        if isinstance(columns, dict) and len(columns.keys() & {"html", "markdown", "text"}) > 1:
            yield Fault(("source", name, "columns"), "expected one body column: html, markdown or text")


def _webhooks_are_signed(reading: Reading) -> Iterator[Fault]:
    for name, table in _tables(reading.given.get("webhook")):
        if "secret" not in table and "secret_file" not in table:
            yield Fault(("webhook", name, "secret"), "missing; expected secret or secret_file: messages are signed")


def _mailboxes_have_a_password(reading: Reading) -> Iterator[Fault]:
    for name, table in _tables(reading.given.get("mailbox")):
        if "password" not in table and "password_file" not in table:
            yield Fault(("mailbox", name, "password"), "missing; expected password or password_file beside username")


# What a provider's messages are known to be genuine by.
_PROOFS = {"ses": "topic", "sendgrid": "public_key"}


def _hooks_can_be_verified(reading: Reading) -> Iterator[Fault]:
    for name, table in _tables(reading.given.get("hook")):
        provider = str(table.get("provider"))
        if provider not in get_args(Provider):
            continue  # reported with the key itself
        wanted = _PROOFS.get(provider, "secret")
        if wanted not in table and f"{wanted}_file" not in table:
            more = " or secret_file" if wanted == "secret" else ""
            yield Fault(("hook", name, wanted), f"missing; expected {wanted}{more}: unsigned messages are not believed")
        for key in ("secret", "public_key", "topic"):
            if key != wanted and key in table:
                yield Fault(("hook", name, key), f"has no meaning for {provider}; expected {wanted} alone")
        secret = reading.settings.hook[name].secret if name in reading.settings.hook else None
        if provider == "generic" and secret is not None:
            try:
                signing_key(secret.get_secret_value())
            except ValueError as error:
                yield Fault(("hook", name, "secret"), str(error))


def _tables(section: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, table in section.items() if isinstance(section, dict) else ():
        if isinstance(table, dict):
            yield str(name), table


def _database_has_a_folder(reading: Reading) -> Iterator[Fault]:
    path = reading.settings.database_path
    # Below the configuration's folder it is made when it is missing.
    if path is not None and reading.settings.database_url == reading.settings.service.database:
        try:
            there = path.parent.is_dir()
        except (OSError, ValueError):  # no permission on the way; a path that cannot be
            there = False
        if not there:
            yield Fault(
                ("service", "database"), f"there is no folder {path.parent}; make it, or mount the disk it belongs to"
            )


def _nothing_is_promised_that_readers_would_miss(reading: Reading) -> Iterator[Fault]:
    for path, missed in later_keys(reading):
        if missed:
            yield Fault(path, "does not work yet in this version; leave the key out")


def _rhythms_agree(reading: Reading) -> Iterator[Fault]:
    for name, digest in reading.settings.digest.items():
        path = ("digest", name)
        given = digest.model_fields_set
        if digest.schedule:
            for key in sorted(given & {"frequencies", "default_frequency"}):
                yield Fault((*path, key), f"expected either schedule or {key}: a schedule is one rhythm for all")
        elif (
            digest.default_frequency
            and digest.default_frequency not in digest.frequencies
            and not reading.is_left_out((*path, "frequencies"))
        ):
            offered = ", ".join(frequency.value for frequency in digest.frequencies)
            yield Fault(
                (*path, "default_frequency"),
                f"expected one of frequencies ({offered}), not {shown(digest.default_frequency.value)}",
            )


def _offered_topics_are_some(reading: Reading) -> Iterator[Fault]:
    for name, digest in reading.settings.digest.items():
        if "topics" in digest.model_fields_set and not digest.topics:
            yield Fault(
                ("digest", name, "topics"), "offers no topics; name some, or leave the key out: then all get all"
            )


def _feed_names_are_free(reading: Reading) -> Iterator[Fault]:
    """``issues-DIGEST`` is the feed of a digest's issues; an old name must not be a feed's of today, nor of two."""
    renamed: dict[str, str] = {}
    for name, feed in reading.settings.feed.items():
        if name.startswith(ISSUE_FEEDS):
            yield Fault(("feed", name), f"expected a name that does not begin with {ISSUE_FEEDS}: feeds of issues do")
        for old in feed.renamed_from:
            path = ("feed", name, "renamed_from")
            if old in reading.settings.feed:
                yield Fault(path, f"expected earlier names: {shown(old)} is a feed today")
            elif renamed.setdefault(old, name) != name:
                yield Fault(path, f"expected names of one feed only: {shown(old)} also leads to {shown(renamed[old])}")


def _joint_mails_need_no_approval(reading: Reading) -> Iterator[Fault]:
    joint = [name for name, digest in reading.settings.digest.items() if digest.merge == "subscriber"]
    for name in joint:
        if reading.settings.digest[name].approval == "hold":
            yield Fault(
                ("digest", name, "merge"),
                'expected "subscription" beside approval = "hold": a draft waits for its approval, and not for others',
            )
    for name in joint[MOST_IN_ONE_MAIL:]:
        yield Fault(("digest", name, "merge"), f'expected at most {MOST_IN_ONE_MAIL} digests with "subscriber"')


_RULES: tuple[Callable[[Reading], Iterator[Fault]], ...] = (
    _site_is_named,
    _selected_sources_exist,
    _feeds_are_not_our_own,
    _digests_have_a_sender,
    _smtp_has_a_relay,
    _relays_differ,
    _destinations_have_one_limit,
    _log_ins_are_whole,
    _sources_name_their_rows_once,
    _webhooks_are_signed,
    _mailboxes_have_a_password,
    _hooks_can_be_verified,
    _database_has_a_folder,
    _nothing_is_promised_that_readers_would_miss,
    _rhythms_agree,
    _offered_topics_are_some,
    _feed_names_are_free,
    _joint_mails_need_no_approval,
)
