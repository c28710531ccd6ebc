"""What the forms of the pages let a reader choose from, in the words of a language: frequencies, zones, languages."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError

from syndicate.config.publications import Digest
from syndicate.core.render.words import FOLDER as WORDS
from syndicate.core.topics import EVERYTHING
from syndicate.errors import UsageError
from syndicate.model import Subscription
from syndicate.web.forms import Form
from syndicate.web.pages import Pages

_PLACES = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


def frequencies(pages: Pages, speak: str, digest: Digest) -> list[tuple[str, str]]:
    """The frequencies on offer; none for a digest that has one rhythm for all."""
    if digest.schedule:
        return []
    return [(str(each), pages.word(speak, f"frequency_{each}")) for each in digest.frequencies]


def topics_of(form: Form) -> tuple[str, ...] | None:
    """The topics that a form asks for, None where it says nothing of them. Raises UsageError for none at all.

    Who ticks topics and leaves "everything" as it stood wants the topics; ``before`` is what the form was shown with.
    """
    scope, ticked = form.text("scope"), form.texts("topic")
    if scope == "all" and not (ticked and form.text("before") == "all"):
        return (EVERYTHING,)
    if not ticked and scope == "some":
        raise UsageError("choose at least one topic, or everything")
    return ticked or None


def often(pages: Pages, speak: str, digest: Digest | None, subscription: Subscription) -> str:
    """How often a subscription comes, within a sentence; empty where nobody chose it."""
    return "" if digest is None or digest.schedule else pages.word(speak, f"often_{subscription.frequency}")


@cache
def zones() -> tuple[str, ...]:
    """The time zones of places."""
    return tuple(sorted(zone for zone in available_timezones() if zone.partition("/")[0] in _PLACES))


def languages(names: Iterable[str]) -> list[tuple[str, str]]:
    """The languages that mails have words in, each by its own name; ``names``: of all templates."""
    tags = [name.removeprefix(WORDS).removesuffix(".toml") for name in names if name.startswith(WORDS)]
    return sorted((tag, _own_name(tag)) for tag in tags)


def _own_name(tag: str) -> str:
    try:
        name = Locale.parse(tag, sep="-").get_display_name() or tag
    except (ValueError, UnknownLocaleError):
        return tag
    return f"{name[:1].upper()}{name[1:]}"
