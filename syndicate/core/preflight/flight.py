"""Runs the rules: renders an edition, repairs it, makes its message, and makes it smaller until it fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import lxml.html
from lxml.html import HtmlElement

from syndicate.core.preflight.contrast import check_contrast
from syndicate.core.preflight.finding import Finding
from syndicate.core.preflight.images import repair_images
from syndicate.core.preflight.links import check_links, check_unsubscribe, repair_links
from syndicate.core.preflight.markup import check_headings, remove_active, remove_controls, repair_language
from syndicate.core.preflight.sizes import FITS, check_size, html_size, smaller
from syndicate.core.preflight.subjects import check_subject
from syndicate.core.preflight.texts import check_placeholders, check_postal_address, check_text
from syndicate.core.render.edition import EditionInput, RenderedEdition, template_names
from syndicate.core.render.slots import CODES as SLOTS
from syndicate.core.render.slots import fill_markers

_TIMES = 3  # a fault that a template makes with each article is told so often


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """An edition ready to leave, unless one of the findings is an error.

    ``edition`` is what was rendered in the end: with fewer articles in full than planned if it had to be shortened.
    ``size`` is that of the HTML part in bytes, encoded and filled.
    """

    edition: EditionInput
    rendered: RenderedEdition
    message: bytes
    size: int
    findings: tuple[Finding, ...]


def prepare(
    edition: EditionInput,
    render: Callable[[EditionInput], RenderedEdition],
    build: Callable[[RenderedEdition], bytes],
) -> Flight:
    """Render, repair and build an edition; smaller ones in its place until its HTML part fits (email.md R7)."""
    planned, first = edition, 0
    while True:
        rendered, root, mended = repair(render(edition), edition)
        message = build(rendered)
        size = html_size(message, rendered.nonce)
        first = first or size
        shorter = smaller(edition, size) if size > FITS else None
        if shorter is None:
            break
        edition = shorter
    where = f"digest/{edition.digest.template}"
    findings = [
        *mended,
        *check_size(first, size, planned, edition, f"{where}.html"),
        *_checks(rendered, root, edition, where),
    ]
    return Flight(edition=edition, rendered=rendered, message=message, size=size, findings=tuple(_few(findings)))


def repair(rendered: RenderedEdition, edition: EditionInput) -> tuple[RenderedEdition, HtmlElement, list[Finding]]:
    """The edition with its page mended, the page's tree, and what was mended; unchanged bytes if nothing was."""
    where = f"digest/{edition.digest.template}.html"
    base = f"{edition.site.url.rstrip('/')}/" if edition.site.url else ""
    root = lxml.html.document_fromstring(rendered.html)
    findings = [
        *remove_controls(root, rendered.html, where),
        *repair_language(root, edition.language, where),
        *remove_active(root, where),
        *repair_images(root, base, where),
        *repair_links(root, base, rendered.nonce, where),
    ]
    if findings:
        page = lxml.html.tostring(root, encoding="unicode", doctype="<!DOCTYPE html>")
        rendered = replace(rendered, html=f"{page}\n")
    return rendered, root, findings


def _checks(rendered: RenderedEdition, root: HtmlElement, edition: EditionInput, where: str) -> Iterator[Finding]:
    page, text = f"{where}.html", f"{where}.txt"
    subject = template_names(edition)[0].strip("[").replace("] ", ".")
    shown = fill_markers(rendered.subject, rendered.nonce, dict.fromkeys(SLOTS, ""))
    yield from check_subject(shown, subject, missing=rendered.subject_missing)
    titles = "\n".join(one.title for one in (*edition.articles, *edition.headlines))
    yield from check_placeholders(rendered.subject, subject, said=titles)
    yield from check_unsubscribe(rendered.html, rendered.text, rendered.nonce, page, text)
    yield from check_text(rendered.text, text)
    said = fill_markers(rendered.text, rendered.nonce, dict.fromkeys(SLOTS, ""))
    yield from check_placeholders(said, text)
    yield from check_postal_address(edition.site.postal_address, rendered.html, rendered.text, where)
    yield from check_headings(root, page)
    yield from check_links(root, page)
    yield from check_contrast(root, page)


def _few(findings: list[Finding]) -> Iterator[Finding]:
    told: dict[tuple[str, str], int] = {}
    for finding in dict.fromkeys(findings):
        key = (finding.code, finding.severity)
        told[key] = told.get(key, 0) + 1
        if told[key] <= _TIMES:
            yield finding
    for (code, severity), count in told.items():
        if count > _TIMES:
            last = next(one for one in findings if (one.code, one.severity) == (code, severity))
            yield replace(last, what=f"and {count - _TIMES} more of the kind")
