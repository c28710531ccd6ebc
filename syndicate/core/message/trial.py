"""Tries every template before anything is sent: compiles all, renders each digest and mail with sample articles.

For ``check``: it reports, with file and line, and never raises for what an operator has written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar
from zoneinfo import ZoneInfo

from syndicate.config.settings import Settings
from syndicate.core.message.confirmation_message import Confirmation, build_confirmation
from syndicate.core.message.digest_message import MessageHeaders, build_message
from syndicate.core.message.headers import Mailbox
from syndicate.core.preflight import Finding, Severity, prepare
from syndicate.core.render.edition import (
    EditionInput,
    EditionPart,
    edition_context,
    edition_renderer,
    render_edition,
    template_names,
)
from syndicate.core.render.inline import inline_styles
from syndicate.core.render.samples import SAMPLE_ARTICLES, SAMPLE_TIME
from syndicate.core.render.templates import TemplateSet
from syndicate.core.render.words import FOLDER as WORDS_FOLDER
from syndicate.core.render.words import PAGE_FOLDER, is_words, read_catalogues
from syndicate.errors import Problem, TemplateError

_T = TypeVar("_T")
_NONCE = "trial0000000000000000"


def template_problems(templates: Mapping[str, str], settings: Settings) -> list[Problem]:
    """Every fault in the template texts and in the subjects of the digests; empty when all of them work.

    Pages are compiled only: what they are rendered with is known to the web, which tries them in its ``page_trial.py``.
    """
    found = Findings(settings)
    # Broken words are told and left out, so that they hide nothing in the templates that use them.
    compiled = TemplateSet({name: text for name, text in templates.items() if _has_no_broken_words(name, text, found)})
    for name, text in sorted(templates.items()):
        if name.endswith((".html", ".txt")):
            for line, what in compiled.misuse(name, text):
                found.add(TemplateError(what, name=name, line=line))
    for name in settings.digest:
        _try_digest(compiled, settings, name, found)
    found.attempt(lambda: build_confirmation(compiled, _confirmation(settings), _NONCE))
    return found.problems


class Findings:
    """Collects problems, each once, with the place an operator can open."""

    def __init__(self, settings: Settings) -> None:
        self.problems: list[Problem] = []
        self._folder = settings.service.templates_dir.as_posix()

    def add(self, error: TemplateError) -> None:
        """Take down one fault."""
        line = f"line {error.line}" if error.line else ""
        message = str(error).partition(": ")[2]
        if error.name.startswith("[digest."):  # the subject stands in the configuration, on one line of its own
            digest = error.name.removeprefix("[digest.").partition("] ")[0]
            problem = Problem("config.toml", f"digest.{digest}.subject", message)
        else:
            problem = Problem(f"{self._folder}/{error.name}", line, message)
        if problem not in self.problems:
            self.problems.append(problem)

    def note(self, finding: Finding) -> None:
        """Take down what the pre-flight said. What it would repair is a warning here: the template can be mended."""
        severity = "error" if finding.severity is Severity.ERROR else "warning"
        message = f"{finding.what} ({finding.code}): {finding.todo}"
        if finding.where.startswith("digest/"):
            problem = Problem(f"{self._folder}/{finding.where}", "", message, severity)
        else:
            problem = Problem("config.toml", finding.where, message, severity)
        if problem not in self.problems:
            self.problems.append(problem)

    def attempt(self, action: Callable[[], _T]) -> _T | None:
        """What an action gives, or None after taking down why it gives nothing."""
        try:
            return action()
        except TemplateError as error:
            self.add(error)
            return None


def _has_no_broken_words(name: str, text: str, found: Findings) -> bool:
    return not is_words(name) or found.attempt(lambda: _read_words(name, text)) is not None


def _read_words(name: str, text: str) -> object:
    return read_catalogues({name: text}, PAGE_FOLDER if name.startswith(PAGE_FOLDER) else WORDS_FOLDER)


def _try_digest(templates: TemplateSet, settings: Settings, name: str, found: Findings) -> None:
    digest = settings.digest[name]
    zone = settings.digest_zone(name).key
    edition = EditionInput(
        site=settings.site,
        digest_name=name,
        digest=digest,
        digest_title=settings.digest_title(name),
        language=settings.site.language,
        date=SAMPLE_TIME.astimezone(ZoneInfo(zone)).date(),
        zone=zone,
        articles=SAMPLE_ARTICLES,
        headlines=SAMPLE_ARTICLES,
        corrections=SAMPLE_ARTICLES,
        intro="A *sample* of an editor's words.",
        words=templates.words(settings.site.language),
    )
    render = edition_renderer(templates, edition, edition_context(edition, _NONCE), _NONCE)
    subject, page, text = template_names(edition)
    found.attempt(lambda: render(subject))
    printed = [found.attempt(lambda part=part: render(part)) for part in (page, text)]  # type: ignore[misc]
    # Each template is tried alone, so that one that is broken hides nothing in another; then all of them together.
    if None in printed:
        if printed[0] is not None:
            found.attempt(lambda: inline_styles(printed[0] or "", page))
        return
    tried = [edition]
    if digest.merge == "subscriber":
        # As it goes in one mail with others, of which one has nothing of its own left.
        halves = frozenset(article.id for article in SAMPLE_ARTICLES[:1]), frozenset(a.id for a in SAMPLE_ARTICLES[1:])
        title = settings.digest_title(name)
        parts = tuple(EditionPart(digest_name=name, title=title, ids=ids, more=1) for ids in (*halves, frozenset()))
        tried.append(replace(edition, headlines=(), more=len(parts), parts=parts))
    for each in tried:
        flight = found.attempt(
            lambda each=each: prepare(  # type: ignore[misc]
                each,
                lambda wanted: render_edition(templates, wanted, _NONCE),
                lambda rendered: build_message(rendered, _headers(settings, name)),
            )
        )
        for finding in flight.findings if flight else ():
            if finding.code != "subject-long":  # the sample articles' titles say nothing of the publisher's
                found.note(finding)


def _headers(settings: Settings, name: str) -> MessageHeaders:
    return MessageHeaders(
        sender=Mailbox(settings.site.title, "news@courier.example"),
        date=SAMPLE_TIME,
        digest=name,
        digest_title=settings.digest_title(name),
        domain="courier.example",
        issue="sample",
    )


def _confirmation(settings: Settings) -> Confirmation:
    return Confirmation(
        site=settings.site,
        digest_title=settings.site.title or "Sample",
        language=settings.site.language,
        zone=settings.site.timezone,
        sender=Mailbox(settings.site.title, "news@courier.example"),
        recipient="reader@example.org",
        confirm_url="https://courier.example/confirm/sample",
        valid_until=SAMPLE_TIME,
        date=SAMPLE_TIME,
        message_id="sample@courier.example",
    )
