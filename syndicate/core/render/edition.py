"""Renders one edition: subject, HTML with inlined styles and text, the same for all its readers, slots as markers.

Pure: the issue's date, the zone and the nonce are arguments, templates are texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from syndicate.config.sections import Digest, Site
from syndicate.core.article.text import cut_text
from syndicate.core.render.context import (
    SUMMARY,
    article_context,
    correction_context,
    intro_html,
    preheader_of,
    sections_of,
    site_context,
)
from syndicate.core.render.graphemes import graphemes
from syndicate.core.render.inline import inline_styles
from syndicate.core.render.languages import direction
from syndicate.core.render.slots import PART_SLOTS, URL_SLOTS, Slot, altered_marker, check_nonce, marker_pattern
from syndicate.core.render.templates import TemplateSet
from syndicate.core.render.text_part import finish_text
from syndicate.core.render.words import Word
from syndicate.errors import TemplateError, UsageError
from syndicate.model import Article

SUBJECT_LENGTH = 150  # user-perceived characters; inboxes show about 60
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionPart:
    """One digest of a joint mail: ``ids`` are the articles of the edition that stand in its part.

    ``more`` is how many others it does not show at all. A part without ids had all its articles in those before.
    """

    digest_name: str
    title: str
    description: str = ""
    public: bool = True
    ids: frozenset[int] = frozenset()
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionInput:
    """What an edition is made of: ``articles`` shown in full and ``headlines`` as titles, both in their final order.

    ``more`` is how many articles it does not show at all; ``date`` is the issue's day in ``zone`` (an IANA name);
    ``words`` come from ``TemplateSet.words``. ``corrections``: articles that its readers have and that say something
    else now. ``subject`` and ``intro`` (Markdown) are an editor's own; by default the digest's template makes one.
    ``summary_limit`` (characters) and ``shortened`` are for editions that had to be made smaller. ``parts``: it is a
    mail for several digests, of which ``digest`` is the first; ``digest_title`` names them all.
    """

    site: Site
    digest_name: str
    digest: Digest
    digest_title: str
    language: str
    date: date
    zone: str
    articles: tuple[Article, ...]
    headlines: tuple[Article, ...] = ()
    more: int = 0
    corrections: tuple[Article, ...] = ()
    subject: str = ""
    intro: str = ""
    words: Mapping[str, Word]
    summary_limit: int = SUMMARY
    shortened: bool = False
    parts: tuple[EditionPart, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedEdition:
    """Finished texts in which slots stand as markers of ``nonce``; ``fill_markers`` makes a preview of one of them.

    ``subject_missing``: the subject's template gave nothing, and the digest's title stands in for it.
    """

    subject: str
    html: str
    text: str
    preheader: str
    language: str
    nonce: str
    subject_missing: bool = False


def render_edition(templates: TemplateSet, edition: EditionInput, nonce: str) -> RenderedEdition:
    """Render once for all readers. ``nonce`` must be random and new: it is what keeps articles from forging slots.

    Raises TemplateError with the template's name and line, UsageError for an edition without articles.
    """
    check_nonce(nonce)
    context = edition_context(edition, nonce)
    render = edition_renderer(templates, edition, context, nonce)
    subject, page, text = template_names(edition)
    line = one_line(edition.subject or render(subject), nonce)
    return RenderedEdition(
        subject=line or one_line(edition.digest_title, nonce),
        html=_unharmed(inline_styles(render(page), page), nonce, page),
        text=finish_text(render(text), nonce),
        preheader=context["preheader"],
        language=edition.language,
        nonce=nonce,
        subject_missing=not line,
    )


def template_names(edition: EditionInput) -> tuple[str, str, str]:
    """The names under which the subject, the HTML and the text of an edition are rendered."""
    page = f"digest/{edition.digest.template}"
    return f"[digest.{edition.digest_name}] subject", f"{page}.html", f"{page}.txt"


def edition_renderer(
    templates: TemplateSet, edition: EditionInput, context: Mapping[str, Any], nonce: str
) -> Callable[[str], str]:
    """Renders one of an edition's templates by name, and refuses a result in which a slot was altered."""
    render = templates.renderer(
        context,
        language=edition.language,
        zone=ZoneInfo(edition.zone),
        extra={template_names(edition)[0]: edition.digest.subject},
    )
    return lambda name: _unharmed(render(name), nonce, name)


def one_line(text: str, nonce: str) -> str:
    """A subject: one line, single blanks, at most 150 user-perceived characters, a marker counting as one."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    pieces = marker_pattern(nonce).split(line)
    room = SUBJECT_LENGTH
    kept = []
    for index, piece in enumerate(pieces):
        size = 1 if index % 2 else sum(1 for _ in graphemes(piece))
        if size > room:
            kept.append(cut_text(piece, room) if room > 1 else "")
            break
        kept.append(piece)
        room -= size
    return "".join(kept).strip()


def _unharmed(text: str, nonce: str, name: str) -> str:
    # Better no issue than one whose unsubscribe link does not work.
    if altered_marker(text, nonce):
        raise TemplateError(
            "changes a slot after it was printed (a filter over a macro or block, or a style?)", name=name
        )
    return text


def _level(articles: Sequence[Article]) -> int:
    return 3 if len({(article.content.category or "").casefold() for article in articles}) > 1 else 2


def _levels(articles: Sequence[Article], level: int) -> dict[int, int]:
    """The levels of the headings of a digest's articles, by id: those that lead it without a section stand higher."""
    apart = _level(articles) > _level(())
    return {
        article.id: level - 1 if apart and article.content.pinned and not article.content.category else level
        for article in articles
    }


def parts_context(
    edition: EditionInput, articles: Sequence[dict[str, Any]], headlines: Sequence[dict[str, Any]], nonce: str
) -> list[dict[str, Any]]:
    """What templates see of each digest of a joint mail; ``articles`` and ``headlines`` are all there are, in order."""
    in_full = list(zip(edition.articles, articles, strict=True))
    by_title = list(zip(edition.headlines, headlines, strict=True))
    # What the pre-flight left out to make the mail fit.
    cut = edition.more - sum(part.more for part in edition.parts)
    found = []
    for part in edition.parts:
        own = [shown for article, shown in in_full if article.id in part.ids]
        level = 1 + _level([article for article, _ in in_full if article.id in part.ids])
        found.append(
            {
                "title": part.title,
                "description": part.description,
                "sections": sections_of(own, str(edition.words.get("more", "")), level=level) if own else [],
                "headlines": [shown for article, shown in by_title if article.id in part.ids],
                "more": part.more + (cut if part is edition.parts[-1] else 0),
                "level": level,
                "joint": True,
                "above": not part.ids,
                "public": part.public,
                **{slot.partition(".")[2]: Slot(slot, nonce, part.digest_name) for slot in PART_SLOTS},
            }
        )
    return found


def edition_context(edition: EditionInput, nonce: str) -> dict[str, Any]:
    """What the templates of an edition see. Raises UsageError for an edition without articles."""
    if not edition.articles and not edition.headlines:
        raise UsageError(f"an edition of {edition.digest_name} needs at least one article")
    # With several categories articles stand below the headings of sections, else directly below the digest's title.
    level = _level(edition.articles)
    levels = _levels(edition.articles, level)
    for part in edition.parts:
        own = [article for article in edition.articles if article.id in part.ids]
        levels |= _levels(own, 1 + _level(own))

    def shown(articles: tuple[Article, ...], first: int) -> list[dict[str, Any]]:
        return [
            article_context(
                article,
                edition.language,
                edition.site,
                heading_level=levels.get(article.id, level),
                number=number,
                summary_limit=edition.summary_limit,
            )
            for number, article in enumerate(articles, first)
        ]

    articles = shown(edition.articles, 1)
    headlines = shown(edition.headlines, len(articles) + 1)
    sections = sections_of(articles, str(edition.words.get("more", "")), level=level) if articles else []
    for number, one in enumerate((one for section in sections for one in section["articles"]), 1):
        one["number"] = number  # in the order in which they are read
    name = Slot("recipient.name", nonce, str(edition.words.get("reader", "")))
    return {
        "site": site_context(edition.site),
        "digest": {
            "name": edition.digest_name,
            "title": edition.digest_title,
            "description": edition.digest.description,
            # A joint mail is nowhere on the web; its parts are.
            "public": edition.digest.public and not edition.parts,
        },
        "issue": {"date": edition.date},
        "language": edition.language,
        "dir": direction(edition.language),
        "top": [*articles, *headlines][0],
        "articles": articles,
        "sections": sections,
        "headlines": headlines,
        "more": edition.more,
        "heading_level": level,
        # One mail may hold several digests; with one of them the part has no title of its own.
        "parts": parts_context(edition, articles, headlines, nonce)
        if edition.parts
        else [
            {
                "title": "",
                "sections": sections,
                "headlines": headlines,
                "more": edition.more,
                "level": level,
                "joint": False,
            }
        ],
        "joint": bool(edition.parts),
        "intro": intro_html(edition.intro, edition.site),
        "corrections": [correction_context(article, edition.site) for article in edition.corrections],
        "shortened": edition.shortened,
        "preheader": preheader_of(articles or headlines, headlines if articles else []),
        "words": dict(edition.words),
        "recipient": {"name": name, "email": Slot("recipient.email", nonce)},
        **{slot: Slot(slot, nonce) for slot in URL_SLOTS},
    }
