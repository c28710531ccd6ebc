"""The feed of a digest's issues: an entry is an issue, its content what most readers got, without what is theirs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from html import escape

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.core.article.identity import tag_authority, tag_uri
from syndicate.core.article.sanitise import sanitise
from syndicate.core.feeds import FeedDocument, FeedEntry, document_at
from syndicate.core.feeds.window import fit
from syndicate.core.render.public_page import public_body
from syndicate.model import ArticleKind
from syndicate.pipeline.publish.wanted import PublicFeed, address
from syndicate.store.articles import by_ids
from syndicate.store.engine import Database
from syndicate.store.public_issues import PublicIssue, editions_mark, first_told, public_issue_ids, public_issues

AUTHORITY = "issues_authority"


def with_issues(session: Session, wanted: PublicFeed) -> PublicFeed:
    """The feed with a hash that changes when an issue comes or goes, or loses a withdrawn article.

    So far it is one of its settings, so to speak.
    """
    ids = public_issue_ids(session, wanted.digest or "", wanted.feed.max_items)
    replaced = editions_mark(session, ids)
    said = f"{wanted.settings_hash} {' '.join(map(str, ids))}{f' -{replaced}' if replaced else ''}"
    return replace(wanted, settings_hash=sha256(said.encode()).hexdigest())


def issues_document(database: Database, settings: Settings, wanted: PublicFeed, now: datetime) -> FeedDocument:
    """The document of a digest's newest public issues."""
    digest = wanted.digest or ""
    with database.write() as session:
        authority = first_told(session, AUTHORITY, _dated(tag_authority(settings.site), now))
    with database.read() as session:
        issues = public_issues(session, public_issue_ids(session, digest, wanted.feed.max_items))
        bodies = [_body(session, issue) for issue in issues]
    public_url = settings.service.public_url
    document, _ = document_at(
        settings,
        wanted.feed,
        (),
        path=wanted.name,
        title=wanted.title,
        description=settings.digest[digest].description or None,
        alternate=f"{public_url}/issues/",
    )
    entries = [
        FeedEntry(
            id=tag_uri(authority, issue.composed_at.date(), "issues", f"{digest}/{issue.id}"),
            title=" ".join(issue.subject.split()) or wanted.title,
            url=f"{public_url}/issues/{issue.id}",
            published=issue.composed_at.astimezone(UTC).replace(microsecond=0),
            updated=issue.composed_at.astimezone(UTC).replace(microsecond=0),
            authors=(),
            categories=(),
            summary="",
            html=sanitise(body, f"{public_url}/issues/{issue.id}"),
            language=issue.language if issue.language.casefold() != document.language.casefold() else None,
            image=None,
            kind=ArticleKind.ARTICLE,
        )
        for issue, body in zip(issues, bodies, strict=True)
    ]
    return replace(document, base=address(settings, wanted.name), entries=fit(entries, wanted.feed.max_size))


def _dated(authority: str, now: datetime) -> str:
    """RFC 4151 wants a date at which the authority was ours; the first publication is one."""
    return authority if "," in authority else f"{authority},{now.date().isoformat()}"


def _body(session: Session, issue: PublicIssue) -> str:
    """The mail's inside; once the mail was pruned, the list of its articles."""
    body = public_body(issue.message) if issue.message else ""
    if body:
        return body
    found = by_ids(session, issue.articles)
    items = []
    for id_ in issue.articles:
        article = found.get(id_)
        if article is None or article.withdrawn_at is not None:
            continue
        title = escape(article.content.title)
        url = article.content.url
        linked = f'<a href="{escape(url)}">{title}</a>' if url else title
        items.append(f"<li><p>{linked}</p><p>{escape(article.content.summary)}</p></li>")
    return f"<ul>{''.join(items)}</ul>" if items else ""
