"""``why``: one reader's issues, got or not, because of what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from syndicate.cli.context import Invocation, JsonOption, example, invocation
from syndicate.cli.errors import FAILED
from syndicate.cli.output import counted, shown

if TYPE_CHECKING:
    from syndicate.pipeline.why import IssueStory, Story
    from syndicate.store.confirmations import LastConfirmation


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "why",
        epilog=example(
            "syndicate why ann@example.org",
            "syndicate why ann@example.org --issue 7",
            "syndicate why ann@example.org --article https://courier.example/crane",
        ),
    )(why)


def why(
    ctx: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The reader's address.")],
    issue: Annotated[int | None, typer.Option("--issue", metavar="ID", help="Only this issue.")] = None,
    article: Annotated[
        str | None, typer.Option("--article", metavar="URL", help="Say of this article why it was, or was not, in it.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many issues.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Say whether a reader got an issue, and because of what; exit status 1 when the address is not known."""
    from syndicate.pipeline.why import why as explain

    call = invocation(ctx, as_json)
    with call.services() as services:
        story = explain(
            services.database,
            services.settings,
            services.keyring,
            email,
            issue_id=issue,
            article=article,
            limit=limit,
        )
    call.output.document(_document(story))
    _tell(call, story)
    if story.subscriber is None:
        raise typer.Exit(FAILED)


def _document(story: Story) -> dict[str, Any]:
    from dataclasses import asdict

    from syndicate.core.topics import chosen_topics

    suppression, article = story.suppression, story.article
    return {
        "email": story.email,
        "known": story.subscriber is not None,
        "suppression": suppression
        and {"scope": suppression.scope, "reason": suppression.reason.value, "since": suppression.created_at},
        "suggestions": list(story.suggestions),
        "nameless_deliveries": story.nameless,
        "subscriptions": [
            {
                "digest": each.digest,
                "state": each.state.value,
                "frequency": each.frequency.value,
                "topics": chosen_topics(each.topics),
                "cursor": each.cursor,
                "created_at": each.created_at,
                "confirmed_at": each.confirmed_at,
                "unsubscribed_at": each.unsubscribed_at,
                "confirmation": (found := story.confirmations.get(each.id)) and asdict(found),
            }
            for each in story.subscriptions
        ],
        "article": article
        and {
            "id": article.id,
            "url": article.url,
            "title": article.title,
            "sequence_number": article.seq,
            "published_at": article.published_at,
            "withdrawn_at": article.withdrawn_at,
        },
        "issues": [_issue(each) for each in story.issues],
    }


def _issue(told: IssueStory) -> dict[str, Any]:
    from dataclasses import asdict

    issue, cohort, edition, delivery = told.issue, told.cohort, told.edition, told.delivery
    return {
        "issue": issue.id,
        "digest": issue.digest,
        "period": issue.period,
        "state": issue.state.value,
        "subject": edition.subject if edition else issue.subject,
        "composed_at": issue.composed_at,
        "sequence_number": issue.max_seq,
        "selected": told.selected,
        "got": told.got,
        "reason": told.reason,
        "because": told.because,
        "cohort": cohort
        and {
            "id": cohort.id,
            **asdict(cohort.standing),
            "language": cohort.language or None,
            "left_over": cohort.left_over,
            "recipients": cohort.recipients,
        },
        "edition": edition
        and {
            "id": edition.id,
            "language": edition.language,
            "kept": edition.kept,
            "articles": [
                {**entry, "title": title, "url": url}
                for entry in edition.articles
                for title, url in [told.titles.get(entry["id"], (None, None))]
            ],
        },
        "delivery": delivery
        and {
            "state": delivery.state.value,
            "reason": delivery.reason,
            "attempts": delivery.attempts,
            "relay": delivery.relay,
            "code": delivery.code,
            "reply": delivery.reply,
            "next_try_at": delivery.due_at if delivery.state.value in {"queued", "deferred"} else None,
            "finished_at": delivery.finished_at,
            "resolved": delivery.resolved,
        },
        "same_mail": [{"issue": each.issue_id, "digest": each.digest} for each in told.same_mail],
        "history": [asdict(each) for each in told.history],
        "article": told.article
        and {"fate": told.article.fate.value, "because": told.article.because, "issue": told.article.got_in},
    }


def _tell(call: Invocation, story: Story) -> None:
    say = call.output
    if story.subscriber is None:
        _tell_unknown(call, story)
        return
    say.text(story.email)
    if story.suppression is not None:
        say.text(_suppressed(story))
    if not story.subscriptions:
        say.text("  no subscriptions")
    for each in story.subscriptions:
        since = each.unsubscribed_at or each.confirmed_at or each.created_at
        topics = "all topics" if "*" in each.topics else f"topics {', '.join(each.topics)}"
        say.text(f"  {each.digest}: {each.state} since {shown(since)}, {each.frequency}, {topics}")
        if each.confirmed_at is None and (asked := story.confirmations.get(each.id)) is not None:
            say.text(f"    {_confirmation(asked)}")
    if story.article is not None:
        number = story.article.seq or "none"
        say.text(f"article: {story.article.title} (sequence number {number}, {shown(story.article.published_at)})")
    for told in story.issues:
        _tell_issue(call, told)
    if not story.issues:
        say.text("no issue of these digests was made yet")


def _confirmation(asked: LastConfirmation) -> str:
    line = f"confirmation mail: {asked.state} after {counted(asked.attempts, 'attempt')}"
    if asked.finished_at is not None:
        line = f"confirmation mail: {asked.state} at {shown(asked.finished_at)}"
    said = f" ({asked.reply})" if asked.reply else ""
    return f"{line}{said}; next try {shown(asked.next_try_at)}" if asked.next_try_at else f"{line}{said}"


def _tell_issue(call: Invocation, told: IssueStory) -> None:
    say, issue, cohort, edition = call.output, told.issue, told.cohort, told.edition
    say.text()
    say.text(f"issue {issue.id}, {issue.digest} {issue.period}, {issue.state}: {told.because}")
    if cohort is not None:
        others = "alone" if cohort.recipients == 1 else f"with {cohort.recipients - 1} others who stood alike"
        first = ", first issue" if cohort.standing.first else ""
        say.text(
            f"  selected {others}: cursor {cohort.standing.cursor} of {issue.max_seq}{first}, "
            f"topics {', '.join(cohort.standing.topics)}, language {cohort.language or 'not chosen'}"
        )
    if edition is not None:
        count = counted(len(edition.articles), "article")
        say.text(f"  edition {edition.id} ({edition.language}), {count}: {edition.subject}")
    if told.article is not None:
        say.text(f"  the article: {told.article.because}")
    if told.same_mail:
        others = " and ".join(f"issue {each.issue_id} ({each.digest})" for each in told.same_mail)
        say.text(f"  one mail with {others}: same Message-ID, same outcome")
    for happened in told.history:
        then = f"; next try {shown(happened.next_at)}" if happened.next_at else ""
        say.text(f"  {shown(happened.at)}  {happened.text}{then}")


def _tell_unknown(call: Invocation, story: Story) -> None:
    say = call.output
    say.text(f"{story.email} is not known here: never subscribed, or erased. Nothing kept would tell the two apart.")
    if story.suppression is not None:
        say.text(_suppressed(story))
    if story.suggestions:
        say.text(f"Did you mean {' or '.join(story.suggestions)}?")
    if story.nameless:
        many = story.nameless != 1
        say.text(f"{story.nameless} {'deliveries have' if many else 'delivery has'} no reader any more: erased")


def _suppressed(story: Story) -> str:
    assert story.suppression is not None  # noqa: S101 - asked by the callers
    what = "the address" if story.suppression.scope == "address" else f"the domain {story.suppression.value}"
    reason = story.suppression.reason.value
    return f"  {what} is on the suppression list since {shown(story.suppression.created_at)}: {reason}"
