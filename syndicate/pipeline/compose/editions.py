"""Turns planned editions into finished messages with slots, each once: nothing is rendered after this."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from syndicate.config import Settings
from syndicate.core.editing import Edits
from syndicate.core.joining import Shown, each_once
from syndicate.core.message.digest_message import MessageHeaders, build_message
from syndicate.core.message.headers import parse_mailbox
from syndicate.core.personal import Personal
from syndicate.core.preflight import Finding, prepare
from syndicate.core.render.edition import EditionInput, EditionPart, RenderedEdition, render_edition
from syndicate.core.render.languages import list_of, with_region
from syndicate.core.render.slots import CODES, fill_markers
from syndicate.core.render.templates import TemplateSet
from syndicate.model import Article, Keyring
from syndicate.pipeline.compose.planning import PlannedEdition

# The List-Id of a joint mail is ``digests.DOMAIN``: it is the same whatever it holds, so that filters keep working.
JOINT_LIST = "digests"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedEdition:
    """One edition ready to be frozen. ``subject`` has its slots filled with their fallbacks, for lists and pages.

    ``articles`` are those it shows in full and ``headlines`` those it names: the pre-flight may have made it smaller
    than it was planned. ``findings`` are the pre-flight's, ``size`` the bytes of the HTML part as it is sent.
    """

    subject: str
    rendered: RenderedEdition
    message: bytes
    articles: tuple[Article, ...] = ()
    headlines: tuple[Article, ...] = ()
    size: int = 0
    findings: tuple[Finding, ...] = field(default=())

    def shown(self, planned: PlannedEdition) -> list[dict[str, Any]]:
        """What it shows, as the ledger keeps it."""
        return replace(planned, articles=self.articles, headlines=self.headlines).shown


@dataclass(frozen=True, slots=True, kw_only=True)
class JointPart:
    """What one digest brings to a joint mail."""

    digest: str
    period: str
    edition: PlannedEdition
    local_day: date | None = None


class EditionRenderer:
    """Renders with one set of templates; remembers what it rendered, so that a freeze need not render again."""

    def __init__(self, settings: Settings, templates: Mapping[str, str], keyring: Keyring) -> None:
        """``templates`` are texts by name. Raises TemplateError for broken word lists."""
        self.settings = settings
        self._templates = TemplateSet(templates)
        self._keyring = keyring
        self._finished: dict[tuple[str, str, str], FinishedEdition] = {}
        self._joint: dict[tuple[tuple[str, str, str], ...], FinishedEdition] = {}

    def language_of(self, language: str) -> str:
        """The language an edition is written in for a subscriber's choice ("" = none): one that there are words for.

        It has the region of that choice, or of the site, for dates.
        """
        site = self.settings.site.language
        return with_region(str(self._templates.words(language or None, site)["language"]), language, site)

    def render(
        self, digest_name: str, edition: PlannedEdition, *, period: str, now: datetime, local_day: date | None = None
    ) -> FinishedEdition:
        """Render an edition of a period. ``now`` is when the issue is composed: its Date header and its day.

        With ``local_day`` it is of that day, and the Date is that of each delivery: it may leave many hours later.
        Raises TemplateError, HeaderError.
        """
        known = (digest_name, period, edition.key)
        if known not in self._finished:
            self._finished[known] = self._render(digest_name, edition, period, now, local_day=local_day)
        return self._finished[known]

    def has(self, digest_name: str, edition: PlannedEdition, *, period: str) -> bool:
        """Whether ``render`` would take no time."""
        return (digest_name, period, edition.key) in self._finished

    def render_test(self, digest_name: str, edition: PlannedEdition, *, now: datetime) -> FinishedEdition:
        """Render an edition for an editor's eyes: its subject begins with ``[test]``."""
        return self._render(digest_name, edition, "test", now, prefix="[test] ")

    def render_edited(
        self,
        digest_name: str,
        edition: PlannedEdition,
        *,
        period: str,
        now: datetime,
        edits: Edits,
        test: bool = False,
        local_day: date | None = None,
    ) -> FinishedEdition:
        """Render an edition with an editor's subject and intro; its articles are laid out already. Keeps nothing."""
        words = {"prefix": "[test] " if test else "", "subject": edits.subject, "intro": edits.intro}
        return self._render(digest_name, edition, period, now, local_day=local_day, **words)

    def _render(
        self,
        digest_name: str,
        edition: PlannedEdition,
        period: str,
        now: datetime,
        *,
        prefix: str = "",
        subject: str = "",
        intro: str = "",
        local_day: date | None = None,
    ) -> FinishedEdition:
        settings = self.settings
        digest = settings.named_digest(digest_name)
        zone = settings.digest_zone(digest_name)
        planned = EditionInput(
            site=settings.site,
            digest_name=digest_name,
            digest=digest,
            digest_title=settings.digest_title(digest_name),
            language=edition.language,
            date=local_day or now.astimezone(zone).date(),
            zone=zone.key,
            articles=edition.articles,
            headlines=edition.headlines,
            more=edition.more,
            corrections=edition.corrections,
            subject=subject,
            intro=intro,
            words=self._templates.words(edition.language, settings.site.language),
        )
        when = None if local_day is not None else now
        return self._fly(
            planned, self._nonce(digest_name, period, edition.key), self._headers(digest_name, period, when), prefix
        )

    def render_joint(self, parts: Sequence[JointPart], *, now: datetime) -> FinishedEdition:
        """Render one mail for several digests, each article once; of the first are template, sender and subject.

        Raises TemplateError, HeaderError.
        """
        known = tuple((part.digest, part.period, part.edition.key) for part in parts)
        if known not in self._joint:
            first = parts[0]
            headers = replace(
                self._headers(first.digest, first.period, now if first.local_day is None else None),
                digest=JOINT_LIST,
                digest_title=self.settings.site.title,
            )
            key = " ".join(f"{digest} {period} {key}" for digest, period, key in known)
            self._joint[known] = self._fly(
                self._joint_input(parts, now), self._nonce(JOINT_LIST, "", key), headers, prefix=""
            )
        return self._joint[known]

    def has_joint(self, parts: Sequence[JointPart]) -> bool:
        """Whether ``render_joint`` would take no time."""
        return tuple((part.digest, part.period, part.edition.key) for part in parts) in self._joint

    def _joint_input(self, parts: Sequence[JointPart], now: datetime) -> EditionInput:
        settings, first = self.settings, parts[0]
        language, zone = first.edition.language, settings.digest_zone(first.digest)
        shown = each_once([Shown(part.edition.articles, part.edition.headlines) for part in parts])
        fresh = {article.id for part in shown for article in (*part.articles, *part.headlines)}
        corrected = {each.id: each for part in parts for each in part.edition.corrections if each.id not in fresh}
        return EditionInput(
            site=settings.site,
            digest_name=first.digest,
            digest=settings.named_digest(first.digest),
            digest_title=list_of([settings.digest_title(part.digest) for part in parts], language),
            language=language,
            date=first.local_day or now.astimezone(zone).date(),
            zone=zone.key,
            articles=tuple(article for part in shown for article in part.articles),
            headlines=tuple(article for part in shown for article in part.headlines),
            more=sum(part.edition.more for part in parts),
            corrections=tuple(corrected.values()),
            words=self._templates.words(language, settings.site.language),
            parts=tuple(
                EditionPart(
                    digest_name=part.digest,
                    title=settings.digest_title(part.digest),
                    description=settings.named_digest(part.digest).description,
                    public=settings.named_digest(part.digest).public,
                    ids=frozenset(article.id for article in (*own.articles, *own.headlines)),
                    more=part.edition.more,
                )
                for part, own in zip(parts, shown, strict=True)
            ),
        )

    def _fly(self, planned: EditionInput, nonce: str, headers: MessageHeaders, prefix: str) -> FinishedEdition:
        def render(wanted: EditionInput) -> RenderedEdition:
            rendered = render_edition(self._templates, wanted, nonce)
            return replace(rendered, subject=prefix + rendered.subject)

        flight = prepare(planned, render, lambda rendered: build_message(rendered, headers))
        return FinishedEdition(
            subject=fill_markers(flight.rendered.subject, nonce, dict.fromkeys(CODES, "")),
            rendered=flight.rendered,
            message=flight.message,
            articles=flight.edition.articles,
            headlines=flight.edition.headlines,
            size=flight.size,
            findings=flight.findings,
        )

    def _headers(self, digest_name: str, period: str, now: datetime | None) -> MessageHeaders:
        settings = self.settings
        digest = settings.named_digest(digest_name)
        reply_to = digest.reply_to or settings.delivery.reply_to
        return MessageHeaders(
            sender=parse_mailbox(digest.from_ or settings.delivery.from_),
            date=None if now is None else now.astimezone(settings.digest_zone(digest_name)).replace(microsecond=0),
            digest=digest_name,
            digest_title=settings.digest_title(digest_name),
            domain=settings.mail_domain,
            issue=period,
            reply_to=parse_mailbox(reply_to) if reply_to else None,
            unsubscribe=settings.privacy.unsubscribe_header,
        )

    @property
    def made_with(self) -> dict[str, str | None]:
        """Where links lead and which key signs them now: see ``core/personal.py``."""
        return Personal.of(self.settings).document(self._keyring) | {"dkim": self.settings.signs_as}

    def _nonce(self, digest_name: str, period: str, key: str) -> str:
        # Keyed, so that nobody who writes an article can know it; the same again for the same edition.
        text = f"slots\0{digest_name}\0{period}\0{key}".encode()
        return "s" + hmac.new(self._keyring.hash_key, text, hashlib.sha256).hexdigest()[:27]
