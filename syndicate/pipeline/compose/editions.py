"""Turns planned editions into finished messages with slots, each once: nothing is rendered after this."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from syndicate.config import Settings
from syndicate.core.message.digest_message import MessageHeaders, build_message
from syndicate.core.message.headers import parse_mailbox
from syndicate.core.render.edition import EditionInput, RenderedEdition, render_edition
from syndicate.core.render.languages import with_region
from syndicate.core.render.slots import CODES, fill_markers
from syndicate.core.render.templates import TemplateSet
from syndicate.model import Keyring
from syndicate.pipeline.compose.planning import PlannedEdition


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedEdition:
    """One edition ready to be frozen. ``subject`` has its slots filled with their fallbacks, for lists and pages."""

    subject: str
    rendered: RenderedEdition
    message: bytes


class EditionRenderer:
    """Renders with one set of templates; remembers what it rendered, so that a freeze need not render again."""

    def __init__(self, settings: Settings, templates: Mapping[str, str], keyring: Keyring) -> None:
        """``templates`` are texts by name. Raises TemplateError for broken word lists."""
        self.settings = settings
        self._templates = TemplateSet(templates)
        self._keyring = keyring
        self._finished: dict[tuple[str, str, str], FinishedEdition] = {}

    def language_of(self, language: str) -> str:
        """The language an edition is written in for a subscriber's choice ("" = none): one that there are words for.

        It has the region of that choice, or of the site, for dates.
        """
        site = self.settings.site.language
        return with_region(str(self._templates.words(language or None, site)["language"]), language, site)

    def render(self, digest_name: str, edition: PlannedEdition, *, period: str, now: datetime) -> FinishedEdition:
        """Render an edition of a period. ``now`` is when the issue is composed: its Date header and its local day.

        Raises TemplateError, HeaderError.
        """
        known = (digest_name, period, edition.key)
        if known not in self._finished:
            self._finished[known] = self._render(digest_name, edition, period, now)
        return self._finished[known]

    def has(self, digest_name: str, edition: PlannedEdition, *, period: str) -> bool:
        """Whether ``render`` would take no time."""
        return (digest_name, period, edition.key) in self._finished

    def render_test(self, digest_name: str, edition: PlannedEdition, *, now: datetime) -> FinishedEdition:
        """Render an edition for an editor's eyes: its subject begins with ``[test]``."""
        return self._render(digest_name, edition, "test", now, prefix="[test] ")

    def _render(
        self, digest_name: str, edition: PlannedEdition, period: str, now: datetime, *, prefix: str = ""
    ) -> FinishedEdition:
        settings = self.settings
        digest = settings.named_digest(digest_name)
        zone = settings.digest_zone(digest_name)
        rendered = render_edition(
            self._templates,
            EditionInput(
                site=settings.site,
                digest_name=digest_name,
                digest=digest,
                digest_title=settings.digest_title(digest_name),
                language=edition.language,
                date=now.astimezone(zone).date(),
                zone=zone.key,
                articles=edition.articles,
                headlines=edition.headlines,
                more=edition.more,
                words=self._templates.words(edition.language, settings.site.language),
            ),
            self._nonce(digest_name, period, edition.key),
        )
        rendered = replace(rendered, subject=prefix + rendered.subject)
        reply_to = digest.reply_to or settings.delivery.reply_to
        message = build_message(
            rendered,
            MessageHeaders(
                sender=parse_mailbox(digest.from_ or settings.delivery.from_),
                date=now.astimezone(zone).replace(microsecond=0),
                digest=digest_name,
                digest_title=settings.digest_title(digest_name),
                domain=settings.mail_domain,
                issue=period,
                reply_to=parse_mailbox(reply_to) if reply_to else None,
                unsubscribe=settings.privacy.unsubscribe_header,
            ),
        )
        subject = fill_markers(rendered.subject, rendered.nonce, dict.fromkeys(CODES, ""))
        return FinishedEdition(subject=subject, rendered=rendered, message=message)

    def _nonce(self, digest_name: str, period: str, key: str) -> str:
        # Keyed, so that nobody who writes an article can know it; the same again for the same edition.
        text = f"slots\0{digest_name}\0{period}\0{key}".encode()
        return "s" + hmac.new(self._keyring.hash_key, text, hashlib.sha256).hexdigest()[:27]
